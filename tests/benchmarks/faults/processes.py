"""Runs commands of the package in forked processes, which need not import TensorFlow again.

Only the process that forks imports TensorFlow, and it runs no operation. So it has no threads of
TensorFlow, and each forked process begins as a new process does.
"""

import contextlib
import importlib
import multiprocessing
import os
import pkgutil
import runpy
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FORK = multiprocessing.get_context("fork")
ROOT = Path(__file__).parents[3]
TIMEOUT = 300
"""Maximum number of seconds of a command. A command that takes longer hangs."""
MAX_LINE = 600
"""Maximum number of characters in the sentence of a refusal."""

Words = Sequence[str]
"""A command line: a module such as `tf_inpaint.train`, and its flags."""


class Outcome(NamedTuple):
    """What a command did."""

    code: int | None
    """The exit code. Negative: the number of the signal that ended it. None: it hung."""
    stderr: str
    seconds: float

    @property
    def last_line(self) -> str:
        """The last line of stderr, shortened."""
        return (self.stderr.splitlines() or [""])[-1][:2000]


class Process:
    """A command that runs in a forked process.

    Args:
        words: the command line.
        folder: working directory of the command. Its output goes to files beside it.
    """

    def __init__(self, words: Words, folder: Path):
        self.stderr = folder.parent / f"{folder.name}.stderr"
        self.stderr.unlink(missing_ok=True)
        self.started = time.perf_counter()
        self.process = FORK.Process(target=run_command, args=(words, folder, self.stderr))
        self.process.start()

    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self.process.is_alive()

    def kill(self) -> Outcome:
        """Kills the command with -9."""
        self.process.kill()
        return self.wait()

    def wait(self, timeout: float = TIMEOUT) -> Outcome:
        """Waits for the end of the command, and kills it if it hangs."""
        self.process.join(timeout)
        seconds, code = time.perf_counter() - self.started, self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
        stderr = self.stderr.read_text(errors="replace") if self.stderr.exists() else ""
        return Outcome(code, stderr, seconds)


def import_package() -> None:
    """Imports TensorFlow and the libraries of the package, but no command."""
    import tf_inpaint
    from tf_inpaint.config import launch

    launch.import_tensorflow()
    for module in pkgutil.walk_packages(tf_inpaint.__path__, "tf_inpaint."):
        # Commands are the modules at the top. The page imports Gradio, which starts threads.
        if module.name.count(".") > 1 and not module.name.startswith("tf_inpaint.page"):
            importlib.import_module(module.name)


def run_command(words: Words, folder: Path, stderr: Path) -> None:
    """Does what `python -m` does with these words, in this process.

    Args:
        words: the command line.
        folder: working directory.
        stderr: file for stderr. Stdout is dropped.
    """
    os.chdir(folder)
    for path, descriptor in ((os.devnull, 1), (stderr, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv = list(words)
    for name in (words[0], f"{words[0]}.__main__"):
        sys.modules.pop(name, None)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def run(words: Words, folder: Path, timeout: float = TIMEOUT) -> Outcome:
    """Runs a command to its end."""
    return Process(words, folder).wait(timeout)


def run_new(words: Words, folder: Path, timeout: float = TIMEOUT) -> Outcome:
    """Runs a command in a new process, as a shell does."""
    command = [sys.executable, "-m", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        return Outcome(None, (error.stderr or b"").decode(errors="replace"), timeout)
    seconds = time.perf_counter() - started
    return Outcome(done.returncode, done.stderr.decode(errors="replace"), seconds)


def in_child(function: Callable, *args: Any) -> Any:
    """Calls a function that may use TensorFlow in a forked process, and returns its result."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sender.send(function(*args)))
    process.start()
    sender.close()
    with contextlib.closing(receiver):
        result = receiver.recv()
    process.join()
    return result


def text(words: Words) -> str:
    """The command line as a shell takes it."""
    return shlex.join(["python", "-m", *words])


def refusal_faults(outcome: Outcome) -> list[str]:
    """What is wrong with a refusal: it must be exit code 2 and one short line on stderr.

    Progress bars and one warning may come first.
    """
    lines = [line for line in outcome.stderr.splitlines() if line.strip() and "%|" not in line]
    faults = traceback_faults(outcome)
    if outcome.code != 2:
        faults.append(f"exit code {outcome.code}, not 2")
    if not 1 <= len(lines) <= 2 or ": error: " in "".join(lines[:-1]):
        faults.append(f"{len(lines)} lines on stderr")
    faults += [f"a line of {len(line)} characters" for line in lines if len(line) > MAX_LINE]
    return faults


def traceback_faults(outcome: Outcome) -> list[str]:
    """What is wrong with any end of a command: a traceback, a signal, or that it hung."""
    faults = ["a traceback"] if "Traceback" in outcome.stderr else []
    if outcome.code is None:
        faults.append("it hung")
    elif outcome.code not in (0, 1, 2):
        faults.append(f"exit code {outcome.code}")
    return faults
