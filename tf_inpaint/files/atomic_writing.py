"""Writing a file as a whole, and the removal of what a killed process left of it."""

import contextlib
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows does not have this module.
    fcntl = None  # type: ignore[assignment]

PREFIX = ".tf_inpaint-"
"""Start of the names of temporary files."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path in the folder of `path`, with the same suffix.

    On success, the temporary file is renamed to `path`. On failure, it is removed. A reader of
    `path` sees the old file or the new file, but never an incomplete file.

    A killed process leaves its temporary file. The next process that writes into the folder removes
    the file, see `remove_leftovers`.

    For a URL, the temporary file is on this machine, and its content is sent at the end. An object
    store shows whole objects only.
    """
    if not isinstance(path, str | os.PathLike):
        with tempfile.TemporaryDirectory(prefix=PREFIX[1:]) as folder:
            temporary = Path(folder) / path.name
            yield temporary
            path.fs.put_file(str(temporary), path.path)
        return
    path = Path(path)
    remove_leftovers(path.parent)
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{path.suffix}")
    try:
        with open_locked(temporary) if fcntl else contextlib.nullcontext():
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def open_locked(path: Path) -> BinaryIO:
    """Makes and locks a new file, so that `remove_unlocked` of another process does not remove it.

    Where the system cannot lock, that function removes nothing.
    """
    while True:
        file = path.open("xb")
        # Another process may lock the file for a moment, to remove it.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return file
        file.close()


@functools.cache
def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files that killed processes left in a folder.

    A process looks once into each folder. The files of living processes stay: of this process, of
    others, and of other machines that share the folder.
    """
    for path in folder.glob(f"{PREFIX}*"):
        remove_unlocked(path)


def remove_unlocked(lock: Path, folders: Iterable[Path] = ()) -> None:
    """Removes a file whose lock no process holds, and folders that the lock protects.

    The system releases a lock when the process ends, even if the process is killed. Nothing is
    removed if the file does not exist, or if the system cannot lock.

    Args:
        lock: path of the file.
        folders: paths of the folders.
    """
    if not fcntl:
        return
    with contextlib.suppress(OSError), lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        lock.unlink()
