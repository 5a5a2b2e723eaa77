"""Checks that a command may write into its output folder, and begins the folder."""

import contextlib
import functools
import json
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_inpaint.files import images

PNG = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff", b"\xff\xd9"
"""First and last bytes of every file of a format."""
ENDS = dict.fromkeys((".png", ".apng"), PNG) | dict.fromkeys(
    (".jpg", ".jpeg", ".jpe", ".jfif"), JPEG
)
"""First and last bytes by the suffix of a file, in lower case."""
LATER_SETTINGS: dict[str, Any] = {
    "deeper_steps": 0,
    "grow_mask": 0,
    "format": "png",
    "sequence": False,
}
"""Values of settings that did not exist when an earlier version of this package wrote a record."""
MEAN_ESTIMATE = re.compile(", (no )?mean estimate( [0-9a-f]{8})?$")
"""End of the `identity` of a run."""

log = logging.getLogger("tf_inpaint")


def check_writable(out_dir: Path) -> None:
    """Checks that a folder can be written, or can be made. A store says so when it is written.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(out_dir, os.PathLike):
        if set("*?[") & set(str(out_dir)):  # fsspec takes them for a pattern.
            raise ValueError(
                f"A URL to write must be one without *, ? and [; received {out_dir}; choose "
                "another."
            )
        return
    existing = next(path for path in (out_dir, *out_dir.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(
            f"--out_dir must be a folder that can be written; received {out_dir}; choose another."
        )


def claim(out_dir: Path, names: Sequence[str], overwrite: bool) -> None:
    """Checks that a folder holds none of the files that are to be written there.

    Args:
        out_dir: folder, which may exist and hold other files.
        names: names of the files.
        overwrite: the files may exist. Nothing else is replaced.

    Raises:
        ValueError: a file exists, or the folder cannot be written.
    """
    check_writable(out_dir)
    existing = [name for name in names if (out_dir / name).exists()]
    if existing and not overwrite:
        raise ValueError(
            f"--out_dir must not hold what is to be written; {out_dir} has {existing[0]}; choose "
            "another, or pass --overwrite."
        )


@contextlib.contextmanager
def all_or_none(out_dir: Path, names: Sequence[str]) -> Iterator[None]:
    """Removes new files again if an error or Ctrl-C ends the block that writes them.

    So the same command can start again: `claim` finds none of the files.

    Args:
        out_dir: folder.
        names: names of the files. Files that exist at the beginning are not removed.
    """
    new = [out_dir / name for name in names if not (out_dir / name).exists()]
    try:
        yield
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def check(
    out_dir: Path,
    settings: Mapping[str, Any],
    unchecked_settings: Collection[str],
    overwrite: bool,
) -> None:
    """Checks that a folder is empty or holds the same job.

    Args:
        out_dir: folder of the job, which need not exist.
        settings: content that `config.json` is to have. "command" names the command.
        unchecked_settings: names of settings that may change when a job goes on, because no result
            depends on them.
        overwrite: the folder may hold any job of this command, but nothing else.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """
    check_writable(out_dir)
    if not out_dir.exists():
        return
    # Read the settings of the job in the folder.
    path = out_dir / "config.json"
    existing: dict | None = {}
    if path.exists():
        existing = read_object(path)
        if existing is None:
            raise ValueError(
                f"--out_dir must be new, empty, or a job to continue; {out_dir} holds something "
                f"else, for {path} is no JSON object; restore the file, or choose another."
            )
    # Another machine of this job may be writing config.json at this moment, under a hidden name.
    elif all(other.name[:1] in ("", ".") for other in out_dir.iterdir()):
        return
    # Even with --overwrite, only a job of this command is replaced: never a run or other files.
    if existing.get("command") != settings["command"]:
        raise ValueError(
            f"--out_dir must be new, empty, or a job to continue; {out_dir} holds something else; "
            "choose another."
        )
    # Compare the settings.
    existing = LATER_SETTINGS | existing
    changed = [
        name
        for name, value in settings.items()
        if name not in unchecked_settings and not is_same(existing.get(name), value)
    ]
    if changed and not overwrite:
        changes = ", ".join(f"{name} ({existing.get(name)} there)" for name in changed)
        raise ValueError(
            f"A job is continued with the settings it was started with; {out_dir} differs in "
            f"{changes}; choose another --out_dir, or pass --overwrite."
        )


def is_same(recorded: Any, value: Any) -> bool:
    """Whether a setting is the recorded one. Earlier versions recorded no mean estimate."""
    if isinstance(recorded, dict) and isinstance(value, dict):
        names = recorded.keys() | value.keys()
        return all(is_same(recorded.get(name), value.get(name)) for name in names)
    earlier = MEAN_ESTIMATE.sub("", value) if isinstance(value, str) else value
    return recorded in (value, earlier)


def make_below(out_dir: Path, *names: str) -> Path:
    """Makes a folder below the folder of a job, and returns its path.

    Args:
        out_dir: folder of the job.
        names: names of the folders from `out_dir` down.

    Raises:
        ValueError: one of the folders is a link. Behind a link are files of somebody else.
    """
    folder = out_dir
    for name in names:
        folder = folder / name
        check_no_link(folder)
        make(folder)
    return folder


def make(folder: Path) -> None:
    """Makes a folder, and the folders above it. At a URL these must exist, such as the bucket."""
    folder.mkdir(parents=isinstance(folder, os.PathLike), exist_ok=True)


def check_no_link(folder: Path) -> None:
    """Checks that a folder is no link.

    Raises:
        ValueError: the folder is a link.
    """
    if folder.is_symlink():
        raise ValueError(
            f"A folder of a job must be no link; {folder} leads to {os.readlink(folder)}; "
            "remove the link, or choose another --out_dir."
        )


def remove_files(out_dir: Path, files: Iterable[Path]) -> None:
    """Deletes files of a job, and folders of the job that become empty.

    Files behind a link are not deleted.

    Args:
        out_dir: folder of the job.
        files: paths below `out_dir`. They need not exist.
    """
    if not isinstance(out_dir, os.PathLike):
        remove_objects(out_dir, {path.path for path in files})
        return
    top = out_dir.resolve()
    folders = set()
    for file in files:
        if (file.parent.resolve() / file.name).is_relative_to(top):
            file.unlink(missing_ok=True)
            folders |= {folder for folder in file.parents if folder.is_relative_to(out_dir)}
    # The deepest folders come first.
    for folder in sorted(folders - {out_dir}, key=lambda folder: len(folder.parts), reverse=True):
        with contextlib.suppress(OSError):  # It is not empty, or it does not exist.
            folder.rmdir()


def remove_objects(out_dir: Any, names: set[str]) -> None:
    """Deletes files of a job at a URL; see `remove_files`. A store has no empty folders."""
    store = out_dir.fs
    existing = names.intersection(store.find(out_dir.path))
    patterns = {name for name in existing if set("*?[") & set(name)}
    for name in patterns:  # `rm` would take it for a pattern.
        store.rm_file(name)
    if existing - patterns:
        store.rm(sorted(existing - patterns))


def forget_damaged(
    out_dir: Path, done: dict[Any, dict], pictures: Mapping[Any, Iterable[Path]]
) -> None:
    """Removes results whose pictures are missing or damaged from `done`, and says so in the log.

    Args:
        out_dir: folder of the job.
        done: rows of the results by their keys.
        pictures: paths of the pictures of the results to check, by the keys of `done`.
    """
    if isinstance(out_dir, os.PathLike):
        check = functools.cache(is_whole)  # Several results may share a picture.
    else:
        check = stored_files(out_dir).__contains__
    damaged = {key: path for key, paths in pictures.items() for path in paths if not check(path)}
    for key in damaged:
        del done[key]
    if damaged:
        log.warning(
            "%d of the results in %s are not complete, for their pictures are missing or damaged, "
            "such as %s. They are computed again if they are asked for.",
            len(damaged),
            out_dir,
            next(iter(damaged.values())),
        )


def completion_paths(
    out_dir: Path, done: Mapping[str, Mapping], files: Iterable[str]
) -> dict[str, list[Path]]:
    """Returns the paths of the completions in `done`, for `forget_damaged`.

    Args:
        out_dir: folder of the job.
        done: rows of the images that are complete, by `Input.file`.
        files: `Input.file` of the images to check. Images that are not complete are left out.
    """
    return {file: [out_dir / done[file]["completion"]] for file in files if file in done}


def is_whole(path: Path) -> bool:
    """Whether a path is a regular file that begins and ends as its suffix says.

    So a PNG or JPEG file that is missing, empty, cut or of another kind is noticed without decoding
    it. A file of another format is decoded.
    """
    if not path.is_file():
        return False
    ends = ENDS.get(path.suffix.lower())
    try:
        if not ends:
            return images.read(path).size > 0
        with path.open("rb") as file:
            start = file.read(len(ends[0]))
            file.seek(-len(ends[1]), os.SEEK_END)
            return (start, file.read()) == ends
    except (OSError, ValueError):  # The file is shorter, or cannot be read.
        return False


def stored_files(folder: Any) -> set[Any]:
    """Returns the paths of the files of a URL's folder that are not empty.

    A store writes whole files. One list of all files takes less time than a look at each.
    """
    if not folder.exists():
        return set()
    names = [info["name"] for info in folder.fs.ls(folder.path, detail=True) if info["size"]]
    return {folder / name.rpartition("/")[2] for name in names}


def begin(out_dir: Path, settings: Mapping[str, Any]) -> None:
    """Makes the folder of a job, with its `config.json`."""
    make(out_dir)
    write_json(out_dir / "config.json", settings)


def read_object(path: Path) -> dict | None:
    """Returns the object in a JSON file, or None if the file cannot be read or has none."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file. A reader sees the old file or the new file, never a part of a file."""
    with images.atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
