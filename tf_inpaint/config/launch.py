"""Runs a command: parses its flags, prepares the environment of TensorFlow, sets the exit code."""

import contextlib
import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from tf_inpaint.config.flags import Config, describe, parse

HELP_FLAGS = {"-h", "-help", "--help", "--helpfull", "--helpshort"}
GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Device files that exist if an NVIDIA, AMD or WSL GPU driver is installed."""

SPACE = "free space there; what was finished stays, and the same command continues"
PERMISSION = "change its permissions, or choose another path"
REMEDIES = {
    errno.ENOSPC: ("be on a disk with free space", SPACE),
    errno.EDQUOT: ("be within the quota of this user", SPACE),
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


def launch(
    config_class: type[Config],
    run: Callable[[Config], int | None],
    usage: str | None,
    argv: Sequence[str] | None = None,
    tensorflow: bool = True,
) -> NoReturn:
    """Runs a command and exits.

    The exit code is the result of `run`, 2 after a refusal, or 130 after an interrupt. A refusal is
    one line on stderr: any OSError, and a ValueError that this package raised. A ValueError from
    other code is a bug of this package and keeps its traceback.

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
            _import_tensorflow()
        sys.exit(run(config))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and not _is_raised_here(error):
            raise
        _refuse(error, config)


def _log_plainly() -> None:
    """Writes the log of the package as plain lines to stderr, and takes any path on stdout."""
    # A path may have bytes that are not UTF-8. On stderr, Python writes them as escapes already.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("tf_inpaint")
    logger.handlers = [logging.StreamHandler()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _import_tensorflow() -> None:
    """Imports TensorFlow with the settings that TensorFlow reads only then."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise ValueError(f"KERAS_BACKEND must be tensorflow; received {backend!r}; unset it.")
    os.environ["KERAS_BACKEND"] = backend
    # With a GPU, the errors of TensorFlow say why the GPU cannot be used. Without a GPU they only
    # say that there is none.
    has_gpu = any(map(os.path.exists, GPU_DEVICE_FILES))
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_gpu else "3")
    # oneDNN is off by default on CPUs without AVX-512, where it is up to twice as fast too. With
    # the other kernels the last bits of an image's answer depend on its place in the batch.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _muted_stderr():
        importlib.import_module("tensorflow")
    if level in ("2", "3"):
        # Every search traces its functions once. TensorFlow counts them as retracing and warns.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


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
    print(f"{program}: error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)


def system_error_text(error: OSError, config: Any) -> str:
    """The sentence for an error of the system, or the text of an error without a remedy."""
    required, remedy = REMEDIES.get(error.errno, ("", ""))
    path = error.filename
    if path is None and remedy == SPACE:
        # The error was in an open file and does not name the file, so the folder is named.
        folders = (getattr(config, name, "") for name in ("out_dir", "export_dir", "run_dir"))
        path = next(filter(None, folders), "The output folder")
    if path is None or not remedy:
        return str(error)
    return f"{path} must {required}; received the error {error.strerror!r}; {remedy}."


def _is_raised_here(error: BaseException) -> bool:
    """Whether the deepest frame of the traceback is in this package."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    package = trace.tb_frame.f_globals.get("__package__") if trace else None
    return (package or "").split(".")[0] == "tf_inpaint"
