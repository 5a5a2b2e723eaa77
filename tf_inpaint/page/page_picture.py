"""The picture that a visitor works on with its hole, and the files that a visitor uploads."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from tf_inpaint.compositing import masks
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.mask_reading import MaskReader, from_alpha, looks_inverted
from tf_inpaint.page import canvas

EDGE_OPACITIES = range(128, 192)
"""Opacities of the edges of holes, see `canvas.paint`. Each hole takes the next one, so that paint
of an earlier hole, which Undo brings back, is told from that of the last hole."""


class Picture(NamedTuple):
    """The picture that a visitor works on."""

    key: str
    """Name of the picture, which sets the random numbers of the search together with the seed."""
    pixels: np.ndarray
    """uint8 `[H, W, C]`, with the number of channels of the network."""
    details: FileDetails = FileDetails()
    """What the file of the picture has beside its pixels."""
    hole: np.ndarray | None = None
    """bool `[H, W]`, the last hole that was painted by the page, in all its details; None: none."""
    holes: int = 0
    """Number of such holes so far."""

    def with_hole(self, hidden: np.ndarray) -> Self:
        """Returns the picture with a hole, bool `[H, W]`, that the page paints."""
        return self._replace(hole=hidden, holes=self.holes + 1)

    @property
    def edge_opacity(self) -> int:
        """Opacity of the edges of the hole on the canvas."""
        return EDGE_OPACITIES[self.holes % len(EDGE_OPACITIES)]

    def paint(self) -> np.ndarray:
        """Returns the hole as a layer of paint, uint8 `[SIDE, SIDE, 4]`."""
        return canvas.paint(self.hole, self.edge_opacity)

    def painted_pixels(self, layer_url: str) -> np.ndarray:
        """Marks the pixels under the paint of a visitor: bool `[H, W]`.

        Args:
            layer_url: layer of paint, as a data URL.

        Raises:
            ValueError: the text is no layer of paint.
        """
        layer = canvas.decode_layer(layer_url)
        return canvas.painted_pixels(layer, *self.pixels.shape[:2], self.hole, self.edge_opacity)

    @property
    def mask_name(self) -> str:
        """Name of the mask's file. `complete` finds it for the picture by this name."""
        return f"{Path(self.key).stem}_mask.png"


@contextlib.contextmanager
def uploaded(file: Any, keep: bool) -> Iterator[Path]:
    """Gives the path of an uploaded file, and deletes the file at the end.

    Args:
        file: path of the file.
        keep: whether the file is one of the page itself, which is not deleted.

    Raises:
        ValueError: no file was uploaded.
    """
    if not isinstance(file, str):
        raise ValueError(
            f"An uploaded picture must be one file; received {file!r:.60}; upload a picture."
        )
    try:
        yield Path(file)
    finally:
        if not keep:
            Path(file).unlink(missing_ok=True)


def read_mask(file: Path, max_pixels: int) -> np.ndarray:
    """Reads an uploaded mask, as `complete` reads a mask.

    Args:
        file: path of the file.
        max_pixels: maximum of width times height.

    Returns:
        `known`, `[H, W, 1]` float32. White is known.

    Raises:
        ValueError: the file is not a picture, is too large, or is not black and white.
    """
    canvas.check_size(file, max_pixels)
    return MaskReader().read_file(file, file.name)


def mask_note(known: np.ndarray) -> str:
    """The sentence about a mask that may not be meant; empty: the mask has nothing unusual.

    Args:
        known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
    """
    share = masks.hole_share(known)
    if share == 0:
        return "The mask is white everywhere, so there is no hole. Invert swaps black and white."
    if share == 1:
        return "The mask is black everywhere, so no pixel is known. Invert swaps black and white."
    if looks_inverted(known):
        return "The black part is the hole. If the mask is meant the other way round, invert it."
    return ""


def transparent_pixels(alpha: np.ndarray | None) -> tuple[np.ndarray | None, str]:
    """The hole that the transparency of a picture shows, and the sentence about it.

    Args:
        alpha: uint8 `[H, W, 1]`, 255 = opaque; None: every pixel is opaque.

    Returns:
        bool `[H, W]`, or None if there is no hole; and a sentence, or "" if every pixel is opaque.
    """
    if alpha is None:
        return None, ""
    hidden = from_alpha(alpha)[..., 0] == 0
    if not hidden.any():
        return None, "No part is transparent enough to be the hole."
    if hidden.all():
        return hidden, "The whole picture is transparent, so no pixel is known."
    return hidden, "The transparent part is the hole."
