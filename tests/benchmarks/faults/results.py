"""What a command left in its folder, in a form in which equal results are equal.

Left out is what names a time, an amount of memory or a version of the source: entries of JSON
files, tables and pages, and the events of TensorBoard.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

UNCOMPARED_ENTRIES = {
    "seconds",
    "seconds_per_image",
    "peak_memory_mb",
    "created",
    "git_revision",
}
"""Names of the entries of JSON files that may differ."""
UNCOMPARED_FILES = {".html", ".md", ".lock"}
"""Suffixes of files whose content is not compared: pages and tables with times."""


def contents(folder: Path, ordered: bool = True) -> dict[str, str]:
    """The digest of each file below a folder, by its path.

    Args:
        folder: the output of a command.
        ordered: whether the order of the rows of a job matters. A row that is done again comes
            last, and the means of an evaluation then differ in their last bits.
    """
    digests = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if "events" in path.parts:
            continue
        if path.name == "checkpoint":  # It lists the checkpoints, with the times of writing.
            digests[name] = "a list of checkpoints"
        elif path.suffix == ".index":
            digests[name] = checkpoint_digest(str(path.with_suffix("")))
        # The data of a checkpoint are compared with its index. A fingerprint has a random number.
        elif ".data-" in path.name or path.name == "fingerprint.pb":
            digests[name] = ""
        elif path.suffix in UNCOMPARED_FILES:
            digests[name] = ""
        else:
            digests[name] = digest(comparable(path, ordered))
    return digests


def digest(content: bytes) -> str:
    """A short text that differs if the content differs."""
    return hashlib.sha256(content).hexdigest()[:16]


def comparable(path: Path, ordered: bool = True) -> bytes:
    """The content of a file, without what may differ; see `contents`."""
    if path.suffix == ".jsonl":
        value = [json.loads(line) for line in path.read_text().splitlines()]
    elif path.suffix == ".json":
        value = json.loads(path.read_text())
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            names = sorted(arrays) if ordered else []
            return b"".join(name.encode() + arrays[name].tobytes() for name in names)
    else:
        return path.read_bytes()
    value = without_uncompared(value)
    if not ordered:
        rows = value.get("results", value) if isinstance(value, dict) else value
        value = sorted(rows, key=json.dumps) if isinstance(rows, list) else value
    return json.dumps(value).encode()


def without_uncompared(value: Any) -> Any:
    """A JSON value without `UNCOMPARED_ENTRIES`."""
    if isinstance(value, dict):
        return {
            name: without_uncompared(item)
            for name, item in value.items()
            if name not in UNCOMPARED_ENTRIES
        }
    return [without_uncompared(item) for item in value] if isinstance(value, list) else value


def checkpoint_digest(prefix: str) -> str:
    """The digest of all variables of a checkpoint."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    names = sorted(name for name in reader.get_variable_to_shape_map() if "_CHECKPOINT" not in name)
    # The counter of `save` is no part of the training.
    names = [name for name in names if not name.startswith("save_counter")]
    parts = [name.encode() + np.asarray(reader.get_tensor(name)).tobytes() for name in names]
    return digest(b"".join(parts))


def differences(expected: dict[str, str], actual: dict[str, str]) -> list[str]:
    """What differs between two results of `contents`."""
    missing = [f"{name} is missing" for name in sorted(expected.keys() - actual.keys())]
    further = [f"{name} is left over" for name in sorted(actual.keys() - expected.keys())]
    common = sorted(expected.keys() & actual.keys())
    changed = [f"{name} differs" for name in common if expected[name] != actual[name]]
    return missing + further + changed


def broken_files(folder: Path) -> list[str]:
    """The files below a folder that are not whole, hidden files and checkpoints aside."""
    broken = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        try:
            if hidden or "events" in path.parts:
                continue
            if path.suffix in (".png", ".gif"):
                with Image.open(path) as picture:
                    picture.load()
            elif path.suffix in (".json", ".jsonl", ".npz"):
                comparable(path)
        except Exception as error:  # Each kind of file has its own errors.
            broken.append(f"{path.relative_to(folder)} is broken ({error})")
    return broken
