"""A test double of TensorFlow Serving's REST front: its paths, JSON forms, statuses and error texts.

After the server's documentation (g3doc/api_rest.md) and what its json_tensor.cc and http_rest_api_handler.cc do. What
stands behind it is a function of the test's, or `cpp_loader`'s model; `grpc_front` is its other front.
"""

import base64
import contextlib
import json
import re
import ssl
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np

VERSION, LABEL = 3, "stable"
TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "string": "DT_STRING"}
PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(?::(predict)|/(metadata))?"
)


class Refusal(Exception):
    """Becomes an HTTP status with the server's `{"error": ...}`."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status, self.words = status, words


class Double:
    """What a test sets and sees of the server.

    Attributes:
      predict, signatures, model: see `serving`.
      url: of the REST API, base path included.
      failures: answers given instead of results, the first first: (status, headers, body bytes), or seconds of silence
        half-way through the answer, after which the connection is closed.
      delay: seconds that each predict takes, a number or a function of the request's number.
      requests: the JSON bodies of all predict requests, in the order of their arrival.
      most: predict requests under way at a time, at most.
      connections: that were made.
    """

    def __init__(self, predict, signatures, model):
        self.predict, self.signatures, self.model = predict, signatures, model
        self.failures, self.requests, self.delay = deque(), [], 0.0
        self.lock, self.under_way, self.most, self.connections = threading.Lock(), 0, 0, 0

    def answer(self, method, path, body):
        """The JSON text of a good answer."""
        found = PATH.fullmatch(path)
        if not found or (method == "POST") != bool(found[4]):
            raise Refusal(400, f"Malformed request: {method} {path}")
        self.check(unquote(found[1]), found[2], found[3])
        if found[4]:
            return self.predicted(body)
        if not found[5]:
            status = {"error_code": "OK", "error_message": ""}
            return json.dumps(
                {
                    "model_version_status": [
                        {"version": str(VERSION), "state": "AVAILABLE", "status": status}
                    ]
                }
            )
        signatures = {
            name: {
                "inputs": _infos(ins),
                "outputs": _infos(outs),
                "method_name": "tensorflow/serving/predict",
            }
            for name, (ins, outs) in self.signatures.items()
        }
        spec = {"name": self.model, "signature_name": "", "version": str(VERSION)}
        return json.dumps(
            {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}
        )

    def check(self, model, version, label):
        """Refuses another model than the one that is served; version and label may be empty."""
        if (
            model != self.model
            or (version and int(version) != VERSION)
            or label not in (None, "", LABEL)
        ):
            wanted = f"Specific({model}, {version})" if version else f"Latest({model})"
            raise Refusal(404, f"Servable not found for request: {wanted}")

    def run(self, signature, inputs):
        """`predict`, whose ValueError is the refusal of a bad request."""
        try:
            return self.predict(signature, inputs)
        except ValueError as error:
            raise Refusal(400, str(error)) from error

    def predicted(self, body):
        try:
            request = json.loads(body)
        except ValueError:
            raise Refusal(400, "JSON Parse error: Invalid value. at offset: 0") from None
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            time.sleep(self.delay(number) if callable(self.delay) else self.delay)
            name = request.get("signature_name") or "serving_default"
            if name not in self.signatures:
                raise Refusal(400, f'Serving signature name: "{name}" not found in signature def')
            ins, outs = self.signatures[name]
            columns = _columns(request, ins)
            found = self.run(name, {key: _tensor(columns[key], ins[key][1]) for key in ins})
            found = {key: _written(key, found[key], outs[key][1]) for key in outs}
        finally:
            with self.lock:
                self.under_way -= 1
        if "inputs" in request:
            return json.dumps(
                {"outputs": found if len(found) > 1 else next(iter(found.values()))}, indent=4
            )
        rows = [
            dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)
        ]
        return json.dumps(
            {"predictions": rows if len(found) > 1 else next(iter(found.values()))}, indent=4
        )


@contextlib.contextmanager
def serving(predict, signatures, model="faces", base="", certificate=None):
    """Gives the `Double` of a server on this machine, in threads of this process.

    Args:
      predict: (signature, inputs) -> outputs, by name; arrays, or lists of bytes. A ValueError refuses the request.
      signatures: {name: ({input: (tensor name, dtype, shape)}, {output: ...})}.
      model: the one that is served, in version 3, labelled stable.
      base: what a proxy wants before `/v1`.
      certificate: a PEM file with a key, for https.
    """
    double = Double(predict, signatures, model)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # which keeps connections open

        def setup(self):
            super().setup()
            double.connections += 1

        def handle(self):
            with contextlib.suppress(OSError):  # a client that gave up
                super().handle()

        def do_GET(self):
            self.reply("GET")

        def do_POST(self):
            self.reply("POST")

        def reply(self, method):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers = 200, {"Content-Type": "application/json"}
            try:
                if double.failures:
                    failure = double.failures.popleft()
                    if isinstance(failure, float):
                        self.send_response(200)
                        self.send_header("Content-Length", "1000")
                        self.end_headers()
                        self.wfile.write(b'{"outputs": ')
                        time.sleep(failure)
                        self.close_connection = True
                        return
                    status, headers, text = failure
                elif not self.path.startswith(base + "/v1/"):
                    raise Refusal(404, "Not found")
                else:
                    text = double.answer(method, self.path[len(base) :], body).encode()
            except Refusal as refusal:
                status, text = refusal.status, error_body(refusal.words)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    double.url = f"{'https' if certificate else 'http'}://localhost:{server.server_port}{base}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error_body(words):
    """As the server writes it: escaped as in C (absl::CEscape), which is not always JSON."""
    escapes = {
        ord("\n"): r"\n",
        ord("\r"): r"\r",
        ord("\t"): r"\t",
        ord('"'): r"\"",
        ord("'"): r"\'",
        ord("\\"): r"\\",
    }
    text = "".join(
        escapes.get(byte, chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        for byte in words.encode("utf-8")
    )
    return b'{ "error": "' + text.encode() + b'" }'


def _infos(tensors):
    return {
        key: {
            "dtype": TYPES[dtype],
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in shape],
                "unknown_rank": False,
            },
            "name": name,
        }
        for key, (name, dtype, shape) in tensors.items()
    }


def _columns(request, ins):
    """The inputs by name, from either form; of a single one the name may be left out."""
    if ("instances" in request) == ("inputs" in request):
        raise Refusal(400, "Missing 'inputs' or 'instances' key")
    if "inputs" in request:
        columns = request["inputs"]
        if _plain(columns):
            return _nameless(columns, ins, "inputs is a plain value/list, but expecting an object")
        missing = set(ins) - set(columns)
        if missing:
            raise Refusal(400, f"Missing named input: {min(missing)} in 'inputs' object.")
        return columns
    rows = request["instances"]
    if not rows:
        raise Refusal(400, f"JSON Value: {json.dumps(request)} No values in 'instances' array")
    if _plain(rows[0]):
        return _nameless(rows, ins, "instances is a plain list, but expecting list of objects")
    for number, row in enumerate(rows):
        if set(row) != set(ins):
            raise Refusal(
                400,
                f"Failed to process element: {number} of 'instances' list. JSON object: {row} keys must be "
                f"equal to: {','.join(sorted(ins))}",
            )
    return {name: [row[name] for row in rows] for name in ins}


def _plain(value):
    return not isinstance(value, dict) or set(value) == {"b64"}


def _nameless(values, ins, words):
    if len(ins) > 1:
        raise Refusal(400, f"{words} as multiple input tensors required as per tensorinfo_map")
    return dict.fromkeys(ins, values)


def _tensor(values, dtype):
    if dtype == "string":
        for value in values:
            if isinstance(value, dict) and set(value) != {"b64"}:
                raise Refusal(
                    400, f"JSON Value: {json.dumps(value)} not formatted correctly for base64 data"
                )
        return [
            base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
            for value in values
        ]
    try:
        tensor = np.array(values)
    except ValueError:
        raise Refusal(
            400, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"
        ) from None
    if tensor.size and tensor.dtype.kind not in ("iu" if dtype == "int32" else "fiu"):
        kind = TYPES[dtype].removeprefix("DT_").lower()
        raise Refusal(400, f"JSON Value: {values} Type: String is not of expected type: {kind}")
    return tensor.astype(dtype)


def _written(name, values, dtype):
    """An output as JSON values: floats in nine digits, strings in base64 where the name ends in `_bytes`."""
    if dtype == "string":
        if name.endswith("_bytes"):
            return [{"b64": base64.b64encode(value).decode()} for value in values]
        return [value.decode() for value in values]
    if dtype == "float32":
        values = np.asarray(values, np.float32)
        digits = [float(f"{value:.9g}") for value in values.ravel().tolist()]
        return np.array(digits).reshape(values.shape).tolist()
    return np.asarray(values).tolist()
