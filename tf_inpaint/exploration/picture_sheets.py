"""What an exploration shows, and the parts of its pictures: generated images, tiles and texts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.files import images
from tf_inpaint.runs.run_directory import Run

TILE = 56
"""Minimum height of a picture on a sheet, in pixels."""
SCREEN = 256
"""Minimum height of a picture in a film, in pixels."""
STRIP = 18
"""Height of a line of text, in pixels."""
BATCH = 64
"""Number of images that the generator makes at once."""


class Exploration(NamedTuple):
    """The result of an exploration."""

    frames: list[np.ndarray]
    """Pictures, uint8 `[H, W, C]`: one sheet, or the frames of a film."""
    latents: dict[str, np.ndarray]
    """The z of the pictures, by their names in `latents.npz`."""
    numbers: dict[str, Any]
    """Numbers for `exploration.json`, by name."""
    message: str = ""
    """Result in words, a sentence for the terminal. Empty: there is none."""


def generate(run: Run, z: np.ndarray) -> np.ndarray:
    """Generates the images G(z).

    Args:
        run: a trained run.
        z: `[..., Z]`.

    Returns:
        uint8 `[..., H, W, C]`.
    """
    rows = np.asarray(z, np.float32).reshape(-1, z.shape[-1])
    batches = [
        run.generator(rows[first : first + BATCH], training=False)
        for first in range(0, len(rows), BATCH)
    ]
    pictures = images.to_uint8(np.concatenate(batches))
    return pictures.reshape(*z.shape[:-1], *pictures.shape[1:])


def tiles(pictures: np.ndarray) -> np.ndarray:
    """Enlarges pictures for a sheet, and flattens their leading dimensions.

    Args:
        pictures: `[..., H, W, C]`.

    Returns:
        `[N, H', W', C]` with `H' >= TILE`.
    """
    return images.enlarge(pictures.reshape(-1, *pictures.shape[-3:]), TILE)


def add_texts(pictures: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Adds a line of text below each picture `[N, H, W, C]`."""
    size = (STRIP, *pictures.shape[2:])
    lines = [images.render_text(text, *size) for text in texts]
    return np.concatenate([pictures, lines], axis=1)
