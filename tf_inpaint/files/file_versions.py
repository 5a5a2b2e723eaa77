"""The version of a file, by which a job notices that one of its inputs was edited."""

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Any

from tf_inpaint.files.url_contents import remember

STAMPS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "created")
"""What drivers of fsspec call that which changes when a file is replaced, the best first."""


def read_version(path: Any, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the version of a file: its `size`, its `mtime_ns` and the `sha256` of its content.

    The file at a URL has a `stamp` in place of `mtime_ns`, such as an ETag.

    The content is not read if the size and the modification time are the recorded ones. So a job
    with many images starts again quickly. A copy of the file on another machine may have another
    modification time. Then the hash tells whether the content is the same.

    Args:
        path: path of the file, on this machine or of a URL.
        recorded: version that was read before; empty: none.

    Returns:
        the version, or None if there is no regular file that can be read.
    """
    if not isinstance(path, str | os.PathLike):
        return read_url_version(path, recorded)
    try:
        status = os.stat(path)
        times = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        if "sha256" in recorded and times.items() <= recorded.items():
            return dict(recorded)
        if not stat.S_ISREG(status.st_mode):  # Reading a pipe may never end.
            return None
        with open(path, "rb") as file:
            return {**times, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except (OSError, ValueError):  # A path may be no path at all.
        return None


def read_url_version(path: Any, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the version of the file at a URL; see `read_version`."""
    try:
        info = path.fs.info(path.path)
        stamp = next((str(info[name]) for name in STAMPS if info.get(name)), None)
        state = {"size": info["size"], "stamp": stamp}
        if stamp and "sha256" in recorded and state.items() <= recorded.items():
            return dict(recorded)
        return {**state, "sha256": hashlib.sha256(remember(path)).hexdigest()}
    except Exception:  # A driver may raise nearly any exception.
        return None
