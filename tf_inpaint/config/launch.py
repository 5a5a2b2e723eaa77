"""Runs a command: its flags, the environment TensorFlow needs, its exit code."""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from tf_inpaint.config.flags import Config, describe, parse

_HELP = {"-h", "-help", "--help", "--helpfull", "--helpshort"}
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What stands where there is a driver of NVIDIA's, AMD's, or Windows' for its Linux."""


def launch(
    config_class: type[Config],
    run: Callable[[Config], int | None],
    usage: str | None,
    argv: Sequence[str] | None = None,
    tensorflow: bool = True,
) -> NoReturn:
    """Runs a command and exits: with what `run` returns, 2 after a refusal, 130 when interrupted.

    A refusal is one line on stderr: any OSError, and a ValueError that this package raised. A ValueError from
    somebody else's code is a bug of ours and keeps its traceback.

    Args:
      config_class: the command's dataclass.
      run: the command.
      usage: the command's module docstring.
      argv: the arguments, without the program's name; the process' own by default.
      tensorflow: whether the command runs it; one that does not must not wait for it, nor need it installed.
    """
    argv = sys.argv[1:] if argv is None else argv
    if _HELP & set(argv):
        print(describe(config_class, usage))
        sys.exit(0)
    try:
        config = parse(config_class, argv)
        _log_plainly()
        if tensorflow:
            _import_tensorflow()
        sys.exit(run(config))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and not _is_ours(error):
            raise
        _refuse(error)


def _log_plainly() -> None:
    """The package's log as plain lines on stderr."""
    logger = logging.getLogger("tf_inpaint")
    logger.handlers = [logging.StreamHandler()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _import_tensorflow() -> None:
    """Imports TensorFlow with the settings it reads only then."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise ValueError(f"KERAS_BACKEND must be tensorflow; received {backend!r}; unset it")
    os.environ["KERAS_BACKEND"] = backend
    # With a GPU, TensorFlow's errors say why it cannot be used; without one, that there is none.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if any(map(os.path.exists, _GPUS)) else "3")
    # Off by default on CPUs without AVX-512, where it still is up to twice as fast; and the kernels that then take its
    # place let the last bits of an image's answer depend on its place in the batch.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _muted():
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Drops what is written to stderr: TensorFlow's libraries greet there before they read their log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _refuse(error: Exception) -> NoReturn:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = spec.name.removesuffix(".__main__") if spec else os.path.basename(sys.argv[0])
    print(f"{program}: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
    sys.exit(2)


def _is_ours(error: BaseException) -> bool:
    """Whether the deepest frame of the traceback is in this package."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    package = trace.tb_frame.f_globals.get("__package__") if trace else None
    return (package or "").split(".")[0] == "tf_inpaint"
