"""An output folder: claimed by one command, and for a job with a journal from which it goes on when killed."""

import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_inpaint.files import images


def writable(out_dir: Path) -> None:
    """Refuses a folder that cannot be written, or cannot be made.

    Raises:
        ValueError: that.
    """
    above = next(path for path in (out_dir, *out_dir.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ValueError(
            f"--out_dir must be a folder that can be written; received {out_dir}; choose another."
        )


def claim(out_dir: Path, names: Sequence[str], overwrite: bool) -> None:
    """Refuses a folder that holds one of the files that are to be written there.

    Args:
        out_dir: may be there, with other files.
        names: of the files.
        overwrite: they may be replaced; nothing else is touched.

    Raises:
        ValueError: a file is there, or the folder cannot be written.
    """
    writable(out_dir)
    there = [name for name in names if (out_dir / name).exists()]
    if there and not overwrite:
        raise ValueError(
            f"--out_dir must not hold what is to be written; {out_dir} has {there[0]}; choose another, or pass "
            "--overwrite."
        )


def check(
    out_dir: Path, settings: Mapping[str, Any], free: Collection[str], overwrite: bool
) -> None:
    """Refuses a folder that is not this job's.

    Args:
        out_dir: new, empty, or with the `config.json` of the same job.
        settings: what `config.json` is to hold; "command" says whose it is.
        free: settings that may change when a job is continued, for they change no result.
        overwrite: any job of this command may be replaced, but nothing else.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """
    writable(out_dir)
    if not out_dir.exists():
        return
    path = out_dir / "config.json"
    there = {}
    if path.exists():
        with contextlib.suppress(ValueError):
            there = json.loads(path.read_text())
    # Another machine of this job may just be writing config.json, under a hidden name.
    elif overwrite or all(other.name[0] == "." for other in out_dir.iterdir()):
        return
    if (
        there.get("command") != settings["command"]
    ):  # somebody else's, such as a run's: not even to be overwritten
        raise ValueError(
            f"--out_dir must be new, empty, or a job to continue; {out_dir} holds something else; choose another."
        )
    fields = [
        name for name, value in settings.items() if name not in free and there.get(name) != value
    ]
    if fields and not overwrite:
        changes = ", ".join(f"{name} ({there.get(name)} there)" for name in fields)
        raise ValueError(
            f"A job is continued with the settings it was started with; {out_dir} differs in "
            f"{changes}; choose another --out_dir, or pass --overwrite."
        )


def begin(out_dir: Path, settings: Mapping[str, Any]) -> None:
    """Makes the folder, with its `config.json`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / "config.json", settings)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    with images.atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def recover(journal: Path) -> list[dict]:
    """The lines of a journal, one JSON object each; one that was being written when the job was killed is cut off."""
    if not journal.exists():
        return []
    whole = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    with images.atomic(journal) as path:
        path.write_text("".join(whole))
    return list(map(json.loads, whole))
