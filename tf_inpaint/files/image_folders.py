"""The image files of a folder and its subfolders, and what else a person may miss among them."""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif"),
    *(".tif", ".tiff", ".webp"),
)
"""Suffixes of image files, in lower case: all suffixes that Pillow has for `images.FORMATS`."""
MAX_ENDINGS = 5
"""Maximum number of endings that `log_others` names."""

log = logging.getLogger("tf_inpaint")


class Listing(NamedTuple):
    """The content of a folder and its subfolders. Hidden files and folders are left out."""

    images: list[str]
    """Sorted paths of the files with one of the `EXTENSIONS`, in lower or upper case. The paths are
    relative to the folder, with `/`: the same list on every machine."""
    unlisted: dict[str, str]
    """The reason for each subfolder that cannot be listed, by its path relative to the folder."""
    others: Counter[str]
    """Number of the other files by their ending, and of the links to folders."""


def scan(folder: Any, leave_out: Path | None = None) -> Listing:
    """Lists a folder.

    Does not follow symbolic links to folders, because links can form a circle.

    Args:
        folder: path of the folder, on this machine or of a URL.
        leave_out: folder below `folder` that is not listed.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: the folder cannot be listed.
    """
    if not isinstance(folder, str | os.PathLike):
        return scan_url(folder, leave_out)
    folder = os.fspath(folder)
    left_out = leave_out and os.path.realpath(leave_out)
    if not os.path.isdir(folder):
        kind = NotADirectoryError if os.path.exists(folder) else FileNotFoundError
        raise kind(f"A folder of images is required; {folder} is not a folder; check the path.")
    paths: list[str] = []
    unlisted: dict[str, str] = {}
    others: Counter[str] = Counter()

    def note(error: OSError) -> None:
        reason = (
            f"A folder must be one that can be listed; {error.filename} cannot ({error.strerror}); "
            "check its permissions."
        )
        if error.filename == folder:
            raise type(error)(reason)
        unlisted[os.path.relpath(error.filename, folder).replace(os.sep, "/")] = reason

    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [
            name
            for name in folders
            if name[0] != "." and os.path.realpath(os.path.join(parent, name)) != left_out
        ]
        others["links to folders"] += sum(os.path.islink(os.path.join(parent, f)) for f in folders)
        prefix = os.path.relpath(parent, folder).replace(os.sep, "/") + "/"
        prefix = "" if prefix == "./" else prefix
        for name in names:
            if name.lower().endswith(EXTENSIONS) and name[0] != ".":
                paths.append(prefix + name)
            elif name[0] != ".":
                others[os.path.splitext(name)[1].lower() or "no ending"] += 1
    return Listing(sorted(paths), unlisted, +others)


def scan_url(folder: Any, leave_out: Any = None) -> Listing:
    """Lists the folder of a URL; see `scan`. A subfolder that cannot be listed is an error."""
    images: list[str] = []
    others: Counter[str] = Counter()
    prefixes = [""]
    while prefixes:
        prefix = prefixes.pop()
        top = f"{folder.path.rstrip('/')}/{prefix}".rstrip("/")
        for info in folder.fs.ls(top, detail=True):
            path = info["name"].rstrip("/")
            name = path.rpartition("/")[2]
            # Some stores have an object with the name of the folder.
            if path == top or name[0] == ".":
                continue
            if info["type"] == "directory":
                if str(folder / prefix / name) != str(leave_out):
                    prefixes.append(f"{prefix}{name}/")
            elif name.lower().endswith(EXTENSIONS):
                images.append(prefix + name)
            else:
                others[os.path.splitext(name)[1].lower() or "no ending"] += 1
    return Listing(sorted(images), {}, +others)


def list_files(folder: Any) -> list[str]:
    """Returns the image files of a folder, see `Listing`, and logs what else the folder holds.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: the folder cannot be listed.
    """
    listing = scan(folder)
    log_others(folder, listing.others)
    for reason in listing.unlisted.values():
        log.warning("Left out: %s", reason)
    return listing.images


def log_others(folder: Any, others: Counter[str]) -> None:
    """Logs how many files of a folder are not taken as images, with their endings; see `Listing`.

    Logs nothing if there are none.
    """
    if not others:
        return
    endings = [f"{ending} ({number})" for ending, number in others.most_common(MAX_ENDINGS)]
    if len(others) > MAX_ENDINGS:
        endings.append("more")
    number = sum(others.values())
    log.info(
        "Not taken as images: %d %s of %s: %s. The names of images end in %s.",
        number,
        "entry" if number == 1 else "entries",
        folder,
        ", ".join(endings),
        ", ".join(EXTENSIONS),
    )
