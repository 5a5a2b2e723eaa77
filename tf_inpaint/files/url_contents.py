"""The contents of files at URLs, for functions that read files of this machine.

The path of a URL is a `UPath`, see `paths`.
"""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT_CONTENTS = 4
"""Number of contents that stay in memory: an image and its mask are read more than once, one time
after the other."""

_contents: dict[Any, bytes] = {}


def readable(file: Any) -> Any:
    """Returns what Pillow reads: a path or an open file as it is, or the content of a URL's file.

    Raises:
        OSError: the file at a URL cannot be read.
    """
    if not hasattr(file, "protocol"):
        return file
    return io.BytesIO(_contents[file] if file in _contents else download(file))


def remember(path: Any) -> bytes:
    """Returns the present content of the file at a URL, and keeps it for `readable` for a while.

    Raises:
        OSError: the file cannot be read.
    """
    _contents.pop(path, None)
    content = download(path)
    for other in list(_contents)[: 1 - KEPT_CONTENTS]:
        del _contents[other]
    _contents[path] = content
    return content


def download(path: Any) -> bytes:
    """Returns the content of the file at a URL.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return path.fs.cat_file(path.path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"An existing file is required; {path} does not exist; check the URL."
        ) from None
    except Exception as error:  # A driver may raise nearly any exception.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(
            f"A file that can be read is required; received {path} ({reason}); check the URL, the "
            "permissions and the connection."
        ) from None


@contextlib.contextmanager
def local_copies(folder: Any, pattern: str) -> Iterator[Path]:
    """Gives a folder on this machine with some files of a folder: the folder itself, or copies.

    Args:
        folder: path on this machine or of a URL.
        pattern: pattern of the names of the files.
    """
    if isinstance(folder, os.PathLike):
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="tf_inpaint-") as copies:
        for path in folder.glob(pattern):
            path.fs.get_file(path.path, os.path.join(copies, path.name))
        yield Path(copies)
