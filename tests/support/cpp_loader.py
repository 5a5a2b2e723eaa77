"""TensorFlow's C++ SavedModel loader, as TensorFlow Serving uses it, without TensorFlow's Python.

The wheel's libraries hold the loader behind the C API, which `Model` calls by ctypes. A process
that has imported TensorFlow's Python cannot do that, for it holds the libraries' registries
already: a test takes `process(path)`. Its process may be of another Python with another TensorFlow,
and needs no more than that.
"""

import contextlib
import ctypes
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.random  # noqa: F401 - brings OpenSSL in, which crashes when it is loaded after TensorFlow's libraries
from signature_defs import DTYPES, fields, read_signatures

NUMBERS = {name: number for number, name in DTYPES.items()}
STRING_SIZE = 24  # of a TF_TString


class Output(ctypes.Structure):
    """TF_Output: one output of an operation."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


# The functions that return something other than an int; every argument that is no Python int is
# wrapped when passed.
POINTERS = (
    "TF_NewStatus TF_NewGraph TF_NewSessionOptions TF_LoadSessionFromSavedModel "
    "TF_GraphOperationByName "
    "TF_AllocateTensor TF_TensorData TF_StringGetDataPointer"
)


def library():
    """The C API, its two libraries loaded from the wheel's folder without importing it."""
    if "tensorflow" in sys.modules:
        raise RuntimeError(
            "The C++ loader needs a process without TensorFlow's Python; use cpp_loader.process."
        )
    folder = Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    tf = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), ctypes.RTLD_GLOBAL)
    for name in POINTERS.split():
        getattr(tf, name).restype = ctypes.c_void_p
    tf.TF_NewBuffer.restype = ctypes.POINTER(Buffer)
    tf.TF_Message.restype = ctypes.c_char_p
    tf.TF_Dim.restype = ctypes.c_int64
    tf.TF_TensorByteSize.restype = tf.TF_StringGetSize.restype = ctypes.c_size_t
    return tf


class Model:
    """One loaded SavedModel: a session, its graph and its signatures.

    Args:
      path: of the version's folder.
      tags: of the meta graph.

    Raises:
      ValueError: with the loader's own words.
    """

    def __init__(self, path, tags=("serve",)):
        self._tf = tf = library()
        self._graph, options, meta = (
            ctypes.c_void_p(tf.TF_NewGraph()),
            tf.TF_NewSessionOptions(),
            tf.TF_NewBuffer(),
        )
        names = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
        try:
            with self._checked() as status:
                self._session = ctypes.c_void_p(
                    tf.TF_LoadSessionFromSavedModel(
                        ctypes.c_void_p(options),
                        None,
                        os.fsencode(path),
                        names,
                        len(tags),
                        self._graph,
                        meta,
                        status,
                    )
                )
            self.signatures = read_signatures(
                ctypes.string_at(meta.contents.data, meta.contents.length)
            )
        finally:
            tf.TF_DeleteBuffer(meta)
            tf.TF_DeleteSessionOptions(ctypes.c_void_p(options))

    @contextlib.contextmanager
    def _checked(self):
        """Gives a TF_Status and raises what was written into it."""
        status = ctypes.c_void_p(self._tf.TF_NewStatus())
        try:
            yield status
            if self._tf.TF_GetCode(status):
                raise ValueError(self._tf.TF_Message(status).decode(errors="replace"))
        finally:
            self._tf.TF_DeleteStatus(status)

    def close(self):
        """Frees session and graph; no run may be under way."""
        if self._session:
            with self._checked() as status:
                self._tf.TF_CloseSession(self._session, status)
            with self._checked() as status:
                self._tf.TF_DeleteSession(self._session, status)
            self._tf.TF_DeleteGraph(self._graph)
            self._session = None

    def _outputs(self, infos):
        places = (Output * len(infos))()
        for place, (name, _, _) in zip(places, infos, strict=True):
            operation, _, index = name.partition(":")
            place.operation = self._tf.TF_GraphOperationByName(self._graph, operation.encode())
            place.index = int(index or 0)
        return places

    def _strings(self, tensor, count):
        data = self._tf.TF_TensorData(ctypes.c_void_p(tensor)) if count else 0
        return [ctypes.c_void_p(data + STRING_SIZE * index) for index in range(count)]

    def _to_tensor(self, value):
        """A TF_Tensor of an array or a list of bytes; TF_DeleteTensor frees its strings too."""
        strings = isinstance(value, list) or value.dtype.kind in "OS"
        array = np.array(value, object) if strings else np.ascontiguousarray(value)
        shape = (ctypes.c_int64 * array.ndim)(*np.shape(value))
        size = array.size * STRING_SIZE if strings else array.nbytes
        number = NUMBERS["string" if strings else array.dtype.name]
        tensor = self._tf.TF_AllocateTensor(number, shape, len(shape), ctypes.c_size_t(size))
        if strings:
            for place, text in zip(self._strings(tensor, array.size), array.flat, strict=True):
                self._tf.TF_StringInit(place)
                self._tf.TF_StringCopy(place, ctypes.c_char_p(text), ctypes.c_size_t(len(text)))
        elif size:
            data = self._tf.TF_TensorData(ctypes.c_void_p(tensor))
            ctypes.memmove(data, array.ctypes.data, size)
        return tensor

    def _to_value(self, tensor):
        """A copy of a TF_Tensor: an array, or (nested) lists of bytes."""
        tf, pointer = self._tf, ctypes.c_void_p(tensor)
        shape = tuple(tf.TF_Dim(pointer, axis) for axis in range(tf.TF_NumDims(pointer)))
        dtype, size = DTYPES[tf.TF_TensorType(pointer)], tf.TF_TensorByteSize(pointer)
        if dtype != "string":
            data = ctypes.string_at(tf.TF_TensorData(pointer), size) if size else b""
            return np.frombuffer(data, dtype).reshape(shape).copy()
        texts = np.empty(int(np.prod(shape)), object)
        for index, place in enumerate(self._strings(tensor, texts.size)):
            texts[index] = ctypes.string_at(
                tf.TF_StringGetDataPointer(place), tf.TF_StringGetSize(place)
            )
        return texts.reshape(shape).tolist()

    def run(self, signature, inputs):
        """Runs one signature; any number of threads may.

        Args:
          signature: name.
          inputs: {name: array, or list of bytes}, fed as they are: the C++ runtime judges dtypes
              and shapes.

        Returns:
          {name: array, or list of bytes}.

        Raises:
          ValueError: with the C++ runtime's own words, or on another set of inputs than the
              signature's.
        """
        if signature not in self.signatures:
            raise ValueError(
                f"signature must be one of {sorted(self.signatures)}; received {signature!r}; "
                "choose one."
            )
        needed, given = self.signatures[signature]
        if set(inputs) != set(needed):
            raise ValueError(
                f"{signature} takes the inputs {sorted(needed)}; received {sorted(inputs)}; send "
                "exactly those."
            )
        keys, results = list(needed), (ctypes.c_void_p * len(given))()
        tensors = []
        try:
            tensors.extend(self._to_tensor(inputs[key]) for key in keys)
            with self._checked() as status:
                self._tf.TF_SessionRun(
                    self._session,
                    None,
                    self._outputs([needed[key] for key in keys]),
                    (ctypes.c_void_p * len(tensors))(*tensors),
                    len(tensors),
                    self._outputs(given.values()),
                    results,
                    len(given),
                    None,
                    0,
                    None,
                    status,
                )
            return {key: self._to_value(tensor) for key, tensor in zip(given, results, strict=True)}
        finally:
            for tensor in filter(None, [*tensors, *results]):
                self._tf.TF_DeleteTensor(ctypes.c_void_p(tensor))

    def run_many(self, requests, threads):
        """The answers to [(signature, inputs)] in their order, from many threads; a ValueError
        stands for its own."""

        def answer(request):
            try:
                return self.run(*request)
            except ValueError as error:
                return error

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(answer, requests))

    def version(self):
        """The version of TensorFlow."""
        self._tf.TF_Version.restype = ctypes.c_char_p
        return self._tf.TF_Version().decode()

    def operations(self):
        """Names of the operations that these libraries know."""
        function = self._tf.TF_GetAllOpList
        function.restype = ctypes.POINTER(Buffer)
        contents = function().contents
        data = ctypes.string_at(contents.data, contents.length)
        return {dict(fields(op))[1].decode() for number, op in fields(data) if number == 1}

    def memory(self):
        """{"now": bytes, "peak": bytes} of resident memory of this process."""
        status = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        return {
            name: int(status[key].split()[0]) * 1024
            for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))
        }


class Remote:
    """`Model` in another process, with `run`, `run_many`, `version`, `operations`,
    `memory` and `signatures`; threads take turns. `log` gives what the process wrote to stderr."""

    def __init__(self, worker, log):
        self._worker, self._log, self._lock = worker, log, threading.Lock()
        self.signatures = self._receive()

    def _receive(self):
        try:
            kind, value = pickle.load(self._worker.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            code = self._worker.wait()
            raise RuntimeError(
                f"The C++ loader's process ended with code {code}: {self.log()[-2000:]}"
            ) from error
        if kind == "error":
            raise ValueError(value)
        return value

    def _call(self, *message):
        with self._lock:
            with contextlib.suppress(BrokenPipeError):  # `_receive` tells why.
                pickle.dump(message, self._worker.stdin, protocol=5)
                self._worker.stdin.flush()
            return self._receive()

    def run(self, signature, inputs):
        return self._call("run", signature, inputs)

    def run_many(self, requests, threads):
        return self._call("run_many", requests, threads)

    def version(self):
        return self._call("version")

    def operations(self):
        return self._call("operations")

    def memory(self):
        return self._call("memory")

    def log(self):
        # A `seek` would move the place where the process writes next.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")


@contextlib.contextmanager
def process(path, python=sys.executable):
    """Gives the model at `path`, loaded by a process of its own that ends with the block.

    Args:
      path: of the version's folder.
      python: the Python whose TensorFlow loads the model.
    """
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            [python, __file__, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "1"},  # Warnings and errors.
        )
        try:
            yield Remote(worker, log)
        finally:
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            worker.stdout.close()


def main(path):
    """Answers pickled (method, *arguments) from standard input with ("answer", value) or
    ("error", words)."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What the libraries print must not come between the answers.

    def send(kind, value):
        pickle.dump((kind, value), answers, protocol=5)
        answers.flush()

    try:
        model = Model(path)
    except ValueError as error:
        return send("error", str(error))
    send("answer", model.signatures)
    while True:
        try:
            method, *arguments = pickle.load(requests)
        except EOFError:
            return model.close()
        try:
            send("answer", getattr(model, method)(*arguments))
        except ValueError as error:
            send("error", str(error))


if __name__ == "__main__":
    main(sys.argv[1])
