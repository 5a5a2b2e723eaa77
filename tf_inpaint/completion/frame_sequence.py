"""The frames of a film: their order, and the last frame's z, at which a search may start."""

import hashlib
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tf_inpaint.inputs.named_images import Input

log = logging.getLogger("tf_inpaint")


def in_order(items: Sequence[Input]) -> list[Input]:
    """Returns the frames in the order of their keys, in which numbers count: 9 before 10."""

    def order(item):
        parts = re.split("([0-9]+)", item.key)
        return [int(part) if number % 2 else part for number, part in enumerate(parts)], item.key

    return sorted(items, key=order)


def digest(last_z: Sequence[np.ndarray]) -> str | None:
    """Returns the SHA-256 of the z of a frame, by which a row names its last frame.

    Args:
        last_z: z of each row, float32 `[Z]`; none: there is no last frame, and no digest.
    """
    return hashlib.sha256(np.array(last_z).tobytes()).hexdigest() if len(last_z) else None


def forget_later(items: Sequence[Input], done: dict[str, dict[str, Any]]) -> Sequence[np.ndarray]:
    """Removes the frames from `done` whose search depends on a frame that is to be done.

    So a film that goes on has the frames of a film that was never interrupted. A frame counts if
    all frames before it count, and if it was done after the same last frame.

    Args:
        items: all frames in their order.
        done: rows of the frames that are done, by `Input.file`.

    Returns:
        the z of the last frame that counts and has rows; none if there is no such frame.
    """
    last_z: Sequence[np.ndarray] = ()
    count = 0
    for item in items:
        row = done.get(item.file)
        if row is None or row.get("last_frame") != digest(last_z):
            break
        last_z = row["z"] or last_z
        count += 1
    later = [item for item in items[count:] if done.pop(item.file, None)]
    if later:
        log.warning(
            "Frames that are completed again, because their searches depend on that of %s: %d.",
            items[count].key,
            len(later),
        )
    return last_z


def summary(rows: Collection[Mapping[str, Any]]) -> str:
    """Returns the line that tells about the searches of a film.

    Args:
        rows: rows of the frames that are done.
    """
    searched = [row for row in rows if row.get("start")]
    steps = sum(row["steps"] for row in searched) / max(len(searched), 1)
    count = sum(row["start"] == "last_frame" for row in searched)
    return (
        f"Steps of a frame's search: {steps:.1f} on average; {count} of {len(searched)} searches "
        "began at the z of the last frame"
    )
