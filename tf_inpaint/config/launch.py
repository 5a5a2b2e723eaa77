"""Runs a command: parses its flags, prepares the environment of TensorFlow, sets the exit code."""

import contextlib
import errno
import importlib
import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from tf_inpaint.config.flags import Config, describe, parse

HELP_FLAGS = {"-h", "-help", "--help", "--helpfull", "--helpshort"}
GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Device files that exist if an NVIDIA, AMD or WSL GPU driver is installed."""

SPACE = "free space there, and start the same command again, which goes on from what is finished"
PERMISSION = "change its permissions, or choose another path"
REMEDIES = {
    errno.ENOSPC: ("be on a disk with free space", SPACE),
    errno.EDQUOT: ("be within the quota of this user", SPACE),
    errno.EFBIG: ("be on a disk that takes files of this size", SPACE),
    errno.EIO: ("be on a disk that works", "check the disk, and start the same command again"),
    errno.EACCES: ("be open to this user", PERMISSION),
    errno.EPERM: ("be open to this user", PERMISSION),
    errno.EROFS: ("be on a disk that can be written", "choose another path"),
    errno.ENOTDIR: ("be below folders only", "a part of it is a file; choose another path"),
    errno.EISDIR: ("be a file", "it is a folder; choose another path"),
    errno.ENAMETOOLONG: ("have a name that the disk allows", "choose a shorter name"),
    errno.ENOENT: ("exist, or be in a folder where files can be made", "check the path"),
    errno.ELOOP: ("lead to a file or folder", "remove the link that leads to itself"),
}
"""What a path must do, and what a user can do, by the number of the system's error."""
LONG_WORD = re.compile(r"(\S{200})\S{100,}(\S{40})")
"""A word that a sentence shows only in part: the value of a flag may have any length."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Numbers of the errors that the disk causes, whichever library reports them."""
OUTPUT_SETTINGS = ("out_dir", "export_dir", "run_dir")
"""Settings that hold the path of an output folder."""


def launch(
    config_class: type[Config],
    run: Callable[[Config], int | None],
    usage: str | None,
    argv: Sequence[str] | None = None,
    tensorflow: bool = True,
) -> NoReturn:
    """Runs a command and exits.

    The exit code is the result of `run`, 2 after a refusal, or 130 after an interrupt. A refusal is
    one line on stderr: any OSError, any error that a disk caused, and a ValueError that this
    package raised. A ValueError from other code is a bug of this package and keeps its traceback.

    Args:
        config_class: the dataclass of the command's settings.
        run: the command.
        usage: the module docstring of the command.
        argv: the arguments without the name of the program. Default: those of the process.
        tensorflow: whether the command runs TensorFlow. A command that does not run TensorFlow must
            start without it.
    """
    argv = sys.argv[1:] if argv is None else argv
    if HELP_FLAGS & set(argv):
        print(describe(config_class, usage))
        sys.exit(0)
    config = None
    try:
        config = parse(config_class, argv)
        _log_plainly()
        if tensorflow:
            import_tensorflow()
        sys.exit(run(config))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        refused = refusal(error)
        if not refused:
            raise
        _refuse(refused, config)


def _log_plainly() -> None:
    """Writes the log of the package as plain lines to stderr, and takes any path on stdout."""
    # A path may have bytes that are not UTF-8. On stderr, Python writes them as escapes already.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("tf_inpaint")
    logger.handlers = [logging.StreamHandler()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras with the settings that the package needs.

    TensorFlow reads its settings only when it is imported.
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise ValueError(f"KERAS_BACKEND must be tensorflow; received {backend!r}; unset it.")
    os.environ |= {"KERAS_BACKEND": backend, "KERAS_NNX_ENABLED": "false"}
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        os.environ.pop(name, None)
    # With a GPU, the errors of TensorFlow say why the GPU cannot be used. Without a GPU they only
    # say that there is none.
    has_gpu = any(map(os.path.exists, GPU_DEVICE_FILES))
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_gpu else "3")
    # oneDNN is off by default on CPUs without AVX-512, where it is up to twice as fast too. With
    # the other kernels the last bits of an image's answer depend on its place in the batch.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _muted_stderr(), _readable_keras_settings():
        importlib.import_module("tensorflow")
        settings = importlib.import_module("keras").config
    # A user may have changed these settings in keras.json.
    settings.set_image_data_format("channels_last")
    settings.set_floatx("float32")
    settings.set_epsilon(1e-7)
    if level in ("2", "3"):
        # Every search traces its functions once. TensorFlow counts them as retracing and warns.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def _readable_keras_settings() -> Iterator[None]:
    """Turns the errors that a damaged keras.json causes in an import into one sentence."""
    path = os.path.expanduser(os.path.join(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json"))
    try:
        yield
    except (AssertionError, AttributeError, OSError, TypeError, ValueError) as error:
        if not os.path.exists(path):
            raise
        raise ValueError(
            f"The settings of Keras must be what Keras takes; received {path}, where it raises "
            f"{type(error).__name__} ({error}); correct or remove the file."
        ) from error


@contextlib.contextmanager
def _muted_stderr() -> Iterator[None]:
    """Drops what is written to stderr, for TensorFlow writes before it reads its log level."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as null_device:
            os.dup2(null_device.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _refuse(error: Exception, config: Any) -> NoReturn:
    """Prints the error of a command with this config as one line and exits with code 2."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = spec.name.removesuffix(".__main__") if spec else os.path.basename(sys.argv[0])
    message = system_error_text(error, config) if isinstance(error, OSError) else str(error)
    message = LONG_WORD.sub(r"\1...\2", message)
    # An error may leave a progress bar open, on whose line the sentence would stand.
    progress_bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    for bar in list(progress_bars):
        bar.close()
    print(f"{program}: error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)


def refusal(error: Exception) -> Exception | None:
    """The error that a user can correct, or None: the error is a bug of this package."""
    if isinstance(error, ValueError) and is_raised_here(error):
        return error
    if is_of_store(error):
        return OSError(
            "The files at a URL must be within reach; received "
            f"{str(error).strip() or type(error).__name__}; check the URL, the credentials and the "
            "connection."
        )
    refused = disk_error(error) or error
    return refused if isinstance(refused, OSError) else None


def is_of_store(error: BaseException) -> bool:
    """Whether a driver of fsspec raised an error; a driver may raise nearly any exception."""
    packages = {
        (frame.f_globals.get("__package__") or "").split(".")[0]
        for frame, _ in traceback.walk_tb(error.__traceback__)
    }
    return not packages.isdisjoint({"fsspec", "upath"})


def disk_error(error: BaseException) -> OSError | None:
    """The error of the disk that caused an error, or None.

    TensorFlow reports a full disk by the same class as memory that is exhausted, and only the text
    tells them apart. A file that is closed after such an error may raise an error of another class.
    """
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError):
            if cause.errno in DISK_ERRORS:
                return cause
        else:
            for number in DISK_ERRORS:
                reason = os.strerror(number)
                if reason in str(cause):
                    path = re.search(rf"([^ ;\n][^;\n]*); {re.escape(reason)}", str(cause))
                    return OSError(number, reason, path and path[1].rpartition("} ")[2])
        cause = cause.__cause__ or cause.__context__
    return None


def system_error_text(error: OSError, config: Any) -> str:
    """The sentence for an error of the system, or the text of an error without a remedy."""
    required, remedy = REMEDIES.get(error.errno, ("", ""))
    # Where a file was to be renamed, the second name is the one that the user knows.
    path = error.filename2 or error.filename
    received = f"the error {error.strerror!r}"
    if error.errno in DISK_ERRORS:
        # The file is a temporary one, or unknown, so a folder is named.
        path = _output_folder(error, config)
        received += ", and what was written before is whole"
    if path is None or not remedy:
        return str(error)
    return f"{path} must {required}; received {received}; {remedy}."


def _output_folder(error: OSError, config: Any) -> str:
    """The folder of the settings to which an error of the disk belongs, or the file's folder."""
    folders = [str(getattr(config, name, None) or "") for name in OUTPUT_SETTINGS]
    folders = [folder for folder in folders if folder]
    if error.filename is None:
        return next(iter(folders), "The output folder")
    path = os.path.abspath(os.fsdecode(error.filename))
    for folder in folders:
        if path.startswith(os.path.join(os.path.abspath(folder), "")):
            return folder
    return path if os.path.isdir(path) else os.path.dirname(path)


def is_raised_here(error: BaseException) -> bool:
    """Whether the deepest frame of the traceback is in this package."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    package = trace.tb_frame.f_globals.get("__package__") if trace else None
    return (package or "").split(".")[0] == "tf_inpaint"
