"""The version of a file, by which a job notices that one of its inputs was edited."""

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Any


def read_version(path: str | os.PathLike, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the version of a file: its `size`, its `mtime_ns` and the `sha256` of its content.

    The content is not read if the size and the modification time are the recorded ones. So a job
    with many images starts again quickly. A copy of the file on another machine may have another
    modification time. Then the hash tells whether the content is the same.

    Args:
        path: path of the file.
        recorded: version that was read before; empty: none.

    Returns:
        the version, or None if there is no regular file that can be read.
    """
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
