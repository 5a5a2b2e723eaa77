"""A test double of TensorFlow Serving's REST API: its paths, JSON forms, statuses and error texts.

Written after the server's documentation (g3doc/api_rest.md) and after its json_tensor.cc and
http_rest_api_handler.cc. Behind the double is a function of the test, or the model of `cpp_loader`.
`grpc_front` serves the same double by gRPC.
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
    """An error that the server answers as an HTTP status with `{"error": ...}`.

    Args:
        status: HTTP status.
        reason: text of the error.
    """

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ServerDouble:
    """State of the server that a test may set and read.

    Args:
        predict, signatures, model: see `serving`.

    Attributes:
        url: url of the REST API, base path included.
        failures: answers that the server gives instead of results, the first one first. An answer
            is (status, headers, body as bytes). A float is the number of seconds of silence in the
            middle of an answer, after which the connection is closed.
        delay: number of seconds that each predict request takes, or a function of the request's
            number.
        requests: JSON bodies of all predict requests, in the order of their arrival.
        max_active: largest number of predict requests at a time so far.
        connections: number of connections so far.
    """

    def __init__(self, predict, signatures, model):
        self.predict = predict
        self.signatures = signatures
        self.model = model
        self.failures, self.requests, self.delay = deque(), [], 0.0
        self.lock = threading.Lock()
        self.active, self.max_active, self.connections = 0, 0, 0

    def answer(self, method, path, body):
        """Returns the JSON text of a good answer."""
        match = PATH.fullmatch(path)
        if not match or (method == "POST") != bool(match[4]):
            raise Refusal(400, f"Malformed request: {method} {path}")
        self.check_model(unquote(match[1]), match[2], match[3])
        if match[4]:
            return self.answer_predict(body)
        return self.metadata() if match[5] else self.status()

    def status(self):
        """Returns the versions of the model as JSON text."""
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": str(VERSION), "state": "AVAILABLE", "status": status}
        return json.dumps({"model_version_status": [version]})

    def metadata(self):
        """Returns the signatures of the model as JSON text."""
        signatures = {
            name: {
                "inputs": _tensor_infos(inputs),
                "outputs": _tensor_infos(outputs),
                "method_name": "tensorflow/serving/predict",
            }
            for name, (inputs, outputs) in self.signatures.items()
        }
        spec = {"name": self.model, "signature_name": "", "version": str(VERSION)}
        metadata = {"signature_def": {"signature_def": signatures}}
        return json.dumps({"model_spec": spec, "metadata": metadata})

    def check_model(self, model, version, label):
        """Refuses a model other than the one that is served. Version and label may be empty."""
        is_served = (
            model == self.model
            and (not version or int(version) == VERSION)
            and label in (None, "", LABEL)
        )
        if not is_served:
            request = f"Specific({model}, {version})" if version else f"Latest({model})"
            raise Refusal(404, f"Servable not found for request: {request}")

    def run(self, signature, inputs):
        """Returns the outputs of a signature. A ValueError becomes the refusal of a bad request."""
        try:
            return self.predict(signature, inputs)
        except ValueError as error:
            raise Refusal(400, str(error)) from error

    def answer_predict(self, body):
        """Returns the answer to a predict request as JSON text."""
        try:
            request = json.loads(body)
        except ValueError:
            raise Refusal(400, "JSON Parse error: Invalid value. at offset: 0") from None
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
            self.active += 1
            self.max_active = max(self.max_active, self.active)
        try:
            time.sleep(self.delay(number) if callable(self.delay) else self.delay)
            outputs = self.run_request(request)
        finally:
            with self.lock:
                self.active -= 1
        has_names = len(outputs) > 1
        if "inputs" in request:
            answer = {"outputs": outputs if has_names else next(iter(outputs.values()))}
        else:
            rows = [
                dict(zip(outputs, values, strict=True))
                for values in zip(*outputs.values(), strict=True)
            ]
            answer = {"predictions": rows if has_names else next(iter(outputs.values()))}
        return json.dumps(answer, indent=4)

    def run_request(self, request):
        """Returns the outputs for the JSON body of a predict request, as JSON values by name."""
        name = request.get("signature_name") or "serving_default"
        if name not in self.signatures:
            raise Refusal(400, f'Serving signature name: "{name}" not found in signature def')
        inputs, outputs = self.signatures[name]
        columns = _columns(request, inputs)
        tensors = {key: _to_tensor(columns[key], inputs[key][1]) for key in inputs}
        values = self.run(name, tensors)
        return {key: _to_json(key, values[key], outputs[key][1]) for key in outputs}


class Handler(BaseHTTPRequestHandler):
    """Answers the requests to a `ServerDouble`. Subclasses set `double` and `base`."""

    double: ServerDouble
    base: str
    protocol_version = "HTTP/1.1"  # It keeps connections open.

    def setup(self):
        super().setup()
        self.double.connections += 1

    def handle(self):
        with contextlib.suppress(OSError):  # The client gave up.
            super().handle()

    def do_GET(self):
        self.reply("GET")

    def do_POST(self):
        self.reply("POST")

    def reply(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        failure = self.double.failures.popleft() if self.double.failures else None
        if isinstance(failure, float):
            self.break_off(failure)
            return
        status, headers = 200, {"Content-Type": "application/json"}
        try:
            if failure:
                status, headers, text = failure
            elif not self.path.startswith(self.base + "/v1/"):
                raise Refusal(404, "Not found")
            else:
                text = self.double.answer(method, self.path[len(self.base) :], body).encode()
        except Refusal as refusal:
            status, text = refusal.status, error_body(refusal.reason)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def break_off(self, seconds):
        """Begins an answer, and closes the connection after some seconds."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"outputs": ')
        time.sleep(seconds)
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(predict, signatures, model="faces", base="", certificate=None):
    """Runs a server on this machine, in threads of this process, and gives its `ServerDouble`.

    Args:
        predict: function (signature, inputs) -> outputs. Inputs and outputs are arrays, or lists of
            bytes, by name. A ValueError refuses the request.
        signatures: {name: ({input: (tensor name, dtype, shape)}, {output: ...})}.
        model: name of the model that is served, in version 3, which has the label stable.
        base: path of a proxy before `/v1`.
        certificate: PEM file with a key, for https.
    """
    double = ServerDouble(predict, signatures, model)

    class DoubleHandler(Handler):
        pass

    DoubleHandler.double, DoubleHandler.base = double, base
    server = ThreadingHTTPServer(("127.0.0.1", 0), DoubleHandler)
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


def error_body(reason):
    """Returns an error as the server writes it.

    The text is escaped as in C (absl::CEscape), so that the body is not always JSON.
    """
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
        for byte in reason.encode("utf-8")
    )
    return b'{ "error": "' + text.encode() + b'" }'


def _tensor_infos(tensors):
    """Returns the description of tensors as in the metadata."""
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


def _columns(request, inputs):
    """Returns the inputs by name, from either form. The name of a single input may be left out."""
    if ("instances" in request) == ("inputs" in request):
        raise Refusal(400, "Missing 'inputs' or 'instances' key")
    if "inputs" in request:
        columns = request["inputs"]
        if _is_plain(columns):
            reason = "inputs is a plain value/list, but expecting an object"
            return _single_column(columns, inputs, reason)
        missing = set(inputs) - set(columns)
        if missing:
            raise Refusal(400, f"Missing named input: {min(missing)} in 'inputs' object.")
        return columns
    rows = request["instances"]
    if not rows:
        raise Refusal(400, f"JSON Value: {json.dumps(request)} No values in 'instances' array")
    if _is_plain(rows[0]):
        reason = "instances is a plain list, but expecting list of objects"
        return _single_column(rows, inputs, reason)
    for number, row in enumerate(rows):
        if set(row) != set(inputs):
            raise Refusal(
                400,
                f"Failed to process element: {number} of 'instances' list. JSON object: {row} keys "
                f"must be equal to: {','.join(sorted(inputs))}",
            )
    return {name: [row[name] for row in rows] for name in inputs}


def _is_plain(value):
    """Returns whether a JSON value is a value, and not an object of named values."""
    return not isinstance(value, dict) or set(value) == {"b64"}


def _single_column(values, inputs, reason):
    """Returns values without a name as the only input."""
    if len(inputs) > 1:
        raise Refusal(400, f"{reason} as multiple input tensors required as per tensorinfo_map")
    return dict.fromkeys(inputs, values)


def _to_tensor(values, dtype):
    """Returns JSON values as an array, or as a list of bytes."""
    if dtype == "string":
        return [_to_bytes(value) for value in values]
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


def _to_bytes(value):
    """Returns a JSON value, which may be in base64, as bytes."""
    if not isinstance(value, dict):
        return value.encode()
    if set(value) != {"b64"}:
        reason = f"JSON Value: {json.dumps(value)} not formatted correctly for base64 data"
        raise Refusal(400, reason)
    return base64.b64decode(value["b64"])


def _to_json(name, values, dtype):
    """Returns an output as JSON values.

    Floats have nine digits. Strings are in base64 if the name ends in `_bytes`.
    """
    if dtype == "string":
        if name.endswith("_bytes"):
            return [{"b64": base64.b64encode(value).decode()} for value in values]
        return [value.decode() for value in values]
    if dtype == "float32":
        values = np.asarray(values, np.float32)
        digits = [float(f"{value:.9g}") for value in values.ravel().tolist()]
        return np.array(digits).reshape(values.shape).tolist()
    return np.asarray(values).tolist()
