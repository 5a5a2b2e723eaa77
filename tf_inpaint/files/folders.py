"""Checks that a command may write into its output folder, and begins the folder."""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_inpaint.files import images


def check_writable(out_dir: Path) -> None:
    """Checks that a folder can be written, or can be made.

    Raises:
        ValueError: it cannot.
    """
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
    existing = {}
    if path.exists():
        with contextlib.suppress(ValueError):
            existing = json.loads(path.read_text())
    # Another machine of this job may be writing config.json at this moment, under a hidden name.
    elif all(other.name[0] == "." for other in out_dir.iterdir()):
        return
    # Even with --overwrite, only a job of this command is replaced: never a run or other files.
    if existing.get("command") != settings["command"]:
        raise ValueError(
            f"--out_dir must be new, empty, or a job to continue; {out_dir} holds something else; "
            "choose another."
        )
    # Compare the settings.
    changed = [
        name
        for name, value in settings.items()
        if name not in unchecked_settings and existing.get(name) != value
    ]
    if changed and not overwrite:
        changes = ", ".join(f"{name} ({existing.get(name)} there)" for name in changed)
        raise ValueError(
            f"A job is continued with the settings it was started with; {out_dir} differs in "
            f"{changes}; choose another --out_dir, or pass --overwrite."
        )


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
        folder.mkdir(parents=True, exist_ok=True)
    return folder


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


def begin(out_dir: Path, settings: Mapping[str, Any]) -> None:
    """Makes the folder of a job, with its `config.json`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / "config.json", settings)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file. A reader sees the old file or the new file, never a part of a file."""
    with images.atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
