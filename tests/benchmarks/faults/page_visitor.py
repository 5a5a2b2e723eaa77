"""A visitor of the page of `paint` that sends any request, also one that no browser sends."""

import http.client
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[3]
TIMEOUT = 60
"""Maximum number of seconds of a request."""


class Page:
    """A page that is served by another process.

    Args:
        words: the command line, without `python -m`.
        folder: working directory of the command.
        log: file for its log.
    """

    def __init__(self, words, folder, log):
        self.log = log
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self.address = self.process.stdout.readline().decode().split()[1]
        self.printed: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self.read_stdout, daemon=True).start()
        self.config = json.loads(self.get("config")[1])
        self.seen = 0
        functions = [item for item in self.config["dependencies"] if item["backend_fn"]]
        self.functions = {item["targets"][0][1]: item for item in functions}
        self.functions |= {item["api_name"]: item for item in functions}
        self.parts = {part["id"]: part for part in self.config["components"]}

    def read_stdout(self):
        """Keeps what the page prints, which must not be more than its address."""
        for line in self.process.stdout:
            self.printed.put(line)

    def request(self, path, body=None, content_type="application/json"):
        """Sends a request. Returns the status and the body of the answer."""
        request = urllib.request.Request(self.address + path, body)
        if body is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except http.client.IncompleteRead as error:
            # A stream ends so when its session does not exist, after a message that says so.
            return 200, error.partial

    def get(self, path):
        """Sends a GET request."""
        return self.request(path)

    def join(self, function, data, event_data=None, session="", **more):
        """Joins the queue. Returns the status and the body of the answer."""
        body = {
            "data": data,
            "fn_index": function,
            "session_hash": session,
            "event_data": event_data,
        }
        return self.request("gradio_api/queue/join", json.dumps({**body, **more}).encode())

    def event(self, function, data, event_data=None, **more):
        """Sends an event and reads its answer. Returns the status and the last output."""
        session = more.pop("session", None) or uuid.uuid4().hex
        status, body = self.join(function, data, event_data, session, **more)
        if status != 200:
            return status, body
        stream = f"{self.address}gradio_api/queue/data?session_hash={session}"
        with urllib.request.urlopen(stream, timeout=TIMEOUT) as lines:
            for line in lines:
                message = json.loads(line.removeprefix(b"data: ")) if line.strip() else {}
                if message.get("msg") == "process_completed":
                    output = message["output"]
                    return (200 if message["success"] else 500), json.dumps(output).encode()
                if message.get("msg") == "unexpected_error":
                    return 500, json.dumps({"error": message["message"]}).encode()
        return 500, b""

    def upload(self, name, content):
        """Uploads a file. Returns its description, as the page sends it, or None if refused."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"'
        body = head.encode() + b"\r\n\r\n" + content + f"\r\n--{boundary}--\r\n".encode()
        status, answer = self.request(
            "gradio_api/upload", body, f"multipart/form-data; boundary={boundary}"
        )
        if status != 200:
            return None
        return {"path": json.loads(answer)[0], "meta": {"_type": "gradio.FileData"}}

    def inputs(self, function):
        """The parts whose values a page sends to a function."""
        return [self.parts[part] for part in self.functions[function]["inputs"]]

    def defaults(self, function):
        """The values that a new page sends to a function."""
        return [part["props"].get("value") for part in self.inputs(function)]

    def new_log_lines(self):
        """The lines that were written since the last call."""
        with open(self.log, "rb") as log:
            log.seek(self.seen)
            new = log.read()
        self.seen += len(new)
        lines = [line for line in new.split(b"\n") if line.strip()]
        while not self.printed.empty():
            lines.append(self.printed.get())
        return lines

    def fill(self, **more):
        """The answer to a normal request: the hole in the middle of the first picture is filled."""
        session = uuid.uuid4().hex
        hole = self.functions["input"]
        status, body = self.event(hole["id"], [None, "middle"], session=session)
        if status != 200:
            return status, body
        layer = json.loads(body)["data"][0]["layer"]
        data = [layer, *self.defaults("click")[1:]]
        return self.event(self.functions["click"]["id"], data, session=session, **more)

    def gallery(self):
        """The files of the gallery, and the status of each of them."""
        parts = self.parts.values()
        (gallery,) = [part for part in parts if part["props"].get("elem_id") == "pictures"]
        files = [item["image"] for item in gallery["props"]["value"]]
        paths = [urllib.parse.quote(file["path"]) for file in files]
        statuses = [self.get(f"gradio_api/file={path}")[0] for path in paths]
        return files, statuses

    def close(self):
        """Ends the page."""
        self.process.terminate()
        self.process.wait(30)


def free_port():
    """A port of this machine that nobody uses."""
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        return connection.getsockname()[1]
