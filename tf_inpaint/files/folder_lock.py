"""A lock on an output folder, so that only one command at a time writes into the folder."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows does not have this module.
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("tf_inpaint")


@contextlib.contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Locks a folder while a command runs. The folder is made if it does not exist.

    The lock belongs to an open hidden file. The system releases the lock when the process ends,
    even if the process is killed. At the end, the hidden file is removed. The folder is removed too
    if this function made the folder and the folder is empty.

    A folder that cannot be written is not locked: the command itself says what is wrong with it.

    Args:
        folder: the folder.
        name: name of the hidden file. Locks of different names do not exclude each other.

    Raises:
        ValueError: another command holds the lock.
    """
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    file = None
    try:
        with contextlib.suppress(OSError):
            file = open_locked(folder / name)
        yield
    finally:
        if file:
            # The lock is still held, so the file is not the file of another command.
            with contextlib.suppress(OSError):
                os.unlink(folder / name)
            file.close()
            with contextlib.suppress(OSError):  # A folder is not empty.
                for path in missing:
                    path.rmdir()


def open_locked(path: Path) -> TextIO:
    """Opens and locks a file. The file and its folder are made if they do not exist.

    Raises:
        OSError: the file cannot be made.
        ValueError: another process has locked the file.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        try:
            lock(file, path.parent)
            # The command that held the lock may have removed the file before it was locked here.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def lock(file: TextIO, folder: Path) -> None:
    """Locks an open file, or says in the log that the system cannot do so.

    Raises:
        ValueError: another process has locked the file.
    """
    reason = "this system has no locks of the needed kind"
    if fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            raise ValueError(
                "A folder must be written by one command at a time; another command is writing "
                f"into {folder}; wait until it ends, or choose another folder."
            ) from None
        except OSError as error:  # Some network file systems have no locks.
            reason = str(error)
    log.warning(
        "%s cannot be locked (%s): let no other command write into it meanwhile.", folder, reason
    )
