"""Arrays for the canvas of the page: pictures at display size, and layers of paint that mark holes.

The canvas is a square. A picture lies in its middle. A small picture is enlarged by a whole factor,
a large picture is reduced. This module needs only NumPy and Pillow.
"""

import base64
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tf_inpaint.compositing import masks
from tf_inpaint.files import images

SIDE = 512
"""Side of the canvas in pixels."""
MIN_PICTURE_SIDE = 8
"""Minimum height and width of a picture in pixels."""
PNG_PREFIX = "data:image/png;base64,"
"""Start of the data URL of a PNG file."""
MAX_LAYER_LENGTH = 4_000_000
"""Maximum number of characters in the data URL of a layer of paint."""
BACKGROUND_COLOR = (128, 128, 128, 255)
"""RGBA color of the canvas around a picture."""
PAINT_COLOR = (139, 92, 246)
"""RGB color of the paint."""


def read(file: str | os.PathLike, max_pixels: int) -> np.ndarray:
    """Reads the picture in an uploaded file. Checks the size before it decodes the pixels.

    Args:
        file: path of the file.
        max_pixels: maximum of width times height.

    Returns:
        uint8 `[H, W, 1 or 3]`.

    Raises:
        ValueError: the file is not a picture, or the picture has more than `max_pixels` pixels or a
            side below `MIN_PICTURE_SIDE`.
    """
    check_size(file, max_pixels, MIN_PICTURE_SIDE)
    return images.read(file, Path(file).name)


def check_size(file: str | os.PathLike, max_pixels: int, min_side: int = 1) -> None:
    """Checks the size of the picture in an uploaded file, without decoding its pixels.

    Args:
        file: path of the file. A file that is no picture passes, for `images.read` names the
            reason.
        max_pixels: maximum of width times height.
        min_side: minimum height and width in pixels.

    Raises:
        ValueError: the picture is too large or too small.
    """
    name = Path(file).name
    too_large = (
        f"A picture of at most {max_pixels / 1e6:.3g} million pixels is required; {name} has"
    )
    try:
        with Image.open(file, formats=images.FORMATS) as header:
            width, height = header.size
    except Image.DecompressionBombError:
        raise ValueError(f"{too_large} many more; make the picture smaller first.") from None
    except Exception:  # A damaged file makes Pillow raise nearly any exception.
        return
    if width * height > max_pixels:
        raise ValueError(f"{too_large} {width} x {height}; make the picture smaller first.")
    if min(width, height) < min_side:
        raise ValueError(
            f"A picture of at least {min_side} x {min_side} pixels is required; "
            f"{name} has {width} x {height}; choose a larger picture."
        )


def display_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a picture on the canvas.

    A picture that fits into the canvas is enlarged by the largest whole factor that fits. The
    longer side of a larger picture is reduced to `SIDE`.

    >>> display_size(28, 28), display_size(2000, 3000)
    ((504, 504), (341, 512))
    """
    longer = max(height, width)
    if longer <= SIDE:
        return height * (SIDE // longer), width * (SIDE // longer)
    return max(1, round(height * SIDE / longer)), max(1, round(width * SIDE / longer))


def resize_for_display(picture: np.ndarray) -> np.ndarray:
    """Repeats the pixels of a picture, or reduces it, to `display_size`.

    Args:
        picture: uint8 `[H, W, 1 or 3]`.

    Returns:
        uint8 `[h, w, 3]`.
    """
    picture = to_rgb(picture)
    height, width = display_size(*picture.shape[:2])
    if height >= picture.shape[0]:
        return enlarge(picture)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def to_rgb(picture: np.ndarray) -> np.ndarray:
    """Converts a picture `[H, W, 1 or 3]` to `[H, W, 3]`."""
    return picture.repeat(3 // picture.shape[2], axis=2)


def enlarge(array: np.ndarray) -> np.ndarray:
    """Repeats each pixel of `[H, W, C]` by the largest whole factor that fits into the canvas."""
    factor = max(1, SIDE // max(array.shape[:2]))
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def dim_outside(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Makes the part of a picture pale that cannot be filled.

    Args:
        picture: uint8 `[H, W, C]`.
        inside: bool `[H, W]`, true where the picture stays unchanged.

    Returns:
        uint8 `[H, W, C]`.
    """
    return np.where(inside[..., None], picture, (picture // 3 + 128).astype(np.uint8))


def middle_square(height: int, width: int, crop: int = 0) -> np.ndarray:
    """Marks the middle square of a picture, which is the part that the network sees.

    Args:
        height, width: size of the picture.
        crop: side of the square, as in `images.center_crop`.

    Returns:
        bool `[height, width]`.
    """
    inside = np.zeros((height, width, 1), bool)
    images.center_crop(inside, crop)[:] = True
    return inside[..., 0]


def place_on_canvas(array: np.ndarray, color: tuple[int, int, int, int]) -> np.ndarray:
    """Places `[h, w, 4]` in the middle of a canvas of an RGBA color: uint8 `[SIDE, SIDE, 4]`."""
    canvas = np.full((SIDE, SIDE, 4), color, np.uint8)
    _middle_of_canvas(canvas, *array.shape[:2])[:] = array
    return canvas


def _middle_of_canvas(canvas: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return canvas[top : top + height, left : left + width]


def picture_layer(picture: np.ndarray) -> np.ndarray:
    """The canvas with a picture `[H, W, 1 or 3]` on it: uint8 `[SIDE, SIDE, 4]`."""
    opaque = np.pad(resize_for_display(picture), [(0, 0), (0, 0), (0, 1)], constant_values=255)
    return place_on_canvas(opaque, BACKGROUND_COLOR)


def hole_layer(
    mask: str, height: int, width: int, seed: tuple[int, ...], crop: int = 0
) -> np.ndarray:
    """A ready-made hole as a layer of paint.

    Args:
        mask: one of `masks.NAMES`; "": no hole.
        height, width: size of the picture.
        seed: seed of a random mask.
        crop: side of the middle square, for which the hole is made. 0: the shorter side.

    Returns:
        uint8 `[SIDE, SIDE, 4]`, transparent where nothing is painted.
    """
    # The hole of a large picture is made at display size: nobody could paint finer details.
    coarse = np.minimum((height, width), display_size(height, width))
    hidden = np.zeros((*coarse, 1), bool)
    square = images.center_crop(hidden, round(crop * coarse[0] / height))
    if mask:
        square[:] = masks.make(mask, *square.shape[:2], seed) == 0
    return paint(hidden[..., 0])


def paint(hidden: np.ndarray, edge_opacity: int = 255) -> np.ndarray:
    """Paints over a hole.

    Args:
        hidden: bool `[H, W]`, true in the hole.
        edge_opacity: opacity of the pixels of the canvas that show hidden pixels and known pixels
            of a large picture, 1 to 255.

    Returns:
        uint8 `[SIDE, SIDE, 4]`, transparent where nothing is hidden.
    """
    size = display_size(*hidden.shape)
    is_touched, is_covered = resize_any(hidden, *size), ~resize_any(~hidden, *size)
    layer = np.zeros((*size, 4), np.uint8)
    layer[is_touched] = (*PAINT_COLOR, edge_opacity)
    layer[is_covered, 3] = 255
    return place_on_canvas(layer, (0, 0, 0, 0))


def to_data_url(picture: np.ndarray) -> str:
    """Encodes a picture `[H, W, 1, 3 or 4]` as the data URL of a PNG file, for a browser."""
    stream = io.BytesIO()
    images.to_image(picture).save(stream, "PNG")
    return PNG_PREFIX + base64.b64encode(stream.getvalue()).decode()


def decode_layer(data_url: str) -> np.ndarray:
    """Decodes the layer of paint that the browser sent.

    Returns:
        uint8 `[SIDE, SIDE, 4]`.

    Raises:
        ValueError: the text is not the data URL of a PNG file of the size of the canvas.
    """
    try:
        if len(data_url) > MAX_LAYER_LENGTH or not data_url.startswith(PNG_PREFIX):
            raise ValueError
        file = io.BytesIO(base64.b64decode(data_url.removeprefix(PNG_PREFIX)))
        with Image.open(file, formats=("PNG",)) as picture:
            if picture.size != (SIDE, SIDE):
                raise ValueError
            return np.asarray(picture.convert("RGBA"))
    except Exception:  # A damaged file makes Pillow raise nearly any exception.
        raise ValueError(
            f"The paint must be a PNG file of {SIDE} x {SIDE} pixels; received something else; "
            "reload the page."
        ) from None


def painted_pixels(
    layer: np.ndarray,
    height: int,
    width: int,
    hole: np.ndarray | None = None,
    edge_opacity: int = 255,
) -> np.ndarray:
    """Marks the pixels of a picture that the paint touches.

    The least touch counts, because a pixel is either known or hidden. A hole that was painted by
    `paint` keeps its details, which are finer than the canvas, wherever nobody has changed the
    paint.

    Args:
        layer: uint8 `[SIDE, SIDE, 4]`.
        height, width: size of the picture.
        hole: bool `[height, width]`, the hole that the paint began with; None: no paint.
        edge_opacity: opacity of the edges of this hole, see `paint`.

    Returns:
        bool `[height, width]`.
    """

    def touched(opaque: np.ndarray) -> np.ndarray:
        opaque = _middle_of_canvas(opaque, *display_size(height, width))
        return resize_any(opaque, height, width)

    opacity = layer[..., 3]
    if hole is None:
        return touched(opacity > 0)
    is_changed = opacity != paint(hole, edge_opacity)[..., 3]
    return touched(is_changed & (opacity > 0)) | (hole & touched(opacity > 0))


def resize_any(marked: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes bool `[h, w]` to `[height, width]`.

    A pixel of the result is true if it overlaps at least one true pixel.
    """
    for count in (height, width):
        rows = len(marked)
        first = np.arange(count) * rows // count
        last = -(-np.arange(1, count + 1) * rows // count)
        sums = np.zeros((rows + 1, marked.shape[1]), np.int32)
        marked.cumsum(axis=0, dtype=np.int32, out=sums[1:])
        marked = (sums[last] > sums[first]).T
    return marked
