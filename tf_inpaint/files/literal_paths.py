"""Paths for TensorFlow's file functions, which take `*`, `?`, `[` and a backslash for patterns.

A checkpoint below `faces [2024]` can be written but neither found nor deleted, and a pattern could
reach the files of another folder. TensorFlow takes the same text as a pattern and as a name, so it
cannot be escaped.
"""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

PATTERN_CHARACTERS = set("*?[]\\")


def literal_path(folder: Path) -> Path:
    """A path to the folder without pattern characters: the folder itself, or a link to it.

    Args:
        folder: a folder, which need not exist yet. TensorFlow never sees a URL.

    Returns:
        `folder`, or the path of a link in a temporary folder that lives as long as this process.
    """
    if not isinstance(folder, os.PathLike) or not PATTERN_CHARACTERS & set(str(folder)):
        return folder
    return _link(folder.absolute())


@functools.cache
def _link(folder: Path) -> Path:
    """A link to the folder, the same one for each call."""
    parent = tempfile.mkdtemp(prefix="tf_inpaint_")
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    link = Path(parent) / "folder"
    link.symlink_to(folder, target_is_directory=True)
    return link
