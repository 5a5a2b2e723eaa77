"""The canvas on which a hole is painted, as arrays: a picture as it is shown, and paint as the hole it means.

The canvas is a square in whose middle the picture is shown: a small one enlarged by a whole factor, a large one
reduced. NumPy and Pillow only.
"""

import base64
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tf_inpaint.files import images
from tf_inpaint.inpainting import masks

SIDE = 512
"""Of the canvas, in pixels."""
LEAST = 8
"""Pixels that a side of a picture must have."""
PREFIX = "data:image/png;base64,"
LONGEST = 4_000_000
"""Letters of a layer of paint, at most."""
AROUND = (128, 128, 128, 255)
"""Colour of the canvas around a picture."""
COLOUR = (139, 92, 246)
"""Of the paint."""
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Colours from sure to unsure: lightness rises evenly, so that they are told apart in gray too."""


def read(file: str | os.PathLike, most_pixels: int) -> np.ndarray:
    """The picture in an uploaded file, `[H, W, 1 or 3]` uint8; its size is checked before it is decoded.

    Raises:
        ValueError: it has more pixels than `most_pixels`, a side below `LEAST`, or is no picture.
    """
    name = Path(file).name
    too_large = (
        f"A picture of at most {most_pixels / 1e6:.3g} million pixels is required; {name} has"
    )
    try:
        with Image.open(file, formats=images.FORMATS) as header:
            width, height = header.size
    except Image.DecompressionBombError:
        raise ValueError(f"{too_large} many more; make it smaller first.") from None
    except Exception:  # no picture, and a damaged one makes Pillow raise nearly anything
        return images.read(file, name)  # which says why it cannot be read
    if width * height > most_pixels:
        raise ValueError(f"{too_large} {width} x {height}; make it smaller first.")
    if min(width, height) < LEAST:
        raise ValueError(
            f"A picture of at least {LEAST} x {LEAST} pixels is required; {name} has {width} x {height}; "
            "choose a larger one."
        )
    return images.read(file, name)


def size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a picture is shown: its own times a whole number, or reduced to `SIDE`.

    >>> size(28, 28), size(2000, 3000)
    ((504, 504), (341, 512))
    """
    longest = max(height, width)
    if longest <= SIDE:
        return height * (SIDE // longest), width * (SIDE // longest)
    return max(1, round(height * SIDE / longest)), max(1, round(width * SIDE / longest))


def shown(picture: np.ndarray) -> np.ndarray:
    """The picture as it is shown, in RGB: each pixel repeated, or reduced.

    Args:
        picture: uint8 `[H, W, 1 or 3]`.
    """
    picture = rgb(picture)
    height, width = size(*picture.shape[:2])
    if height >= picture.shape[0]:
        return enlarged(picture)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def rgb(picture: np.ndarray) -> np.ndarray:
    """A picture `[H, W, 1 or 3]` as `[H, W, 3]`."""
    return picture.repeat(3 // picture.shape[2], axis=2)


def enlarged(field: np.ndarray) -> np.ndarray:
    """An array `[H, W, C]`, each pixel repeated as often as fits."""
    factor = max(1, SIDE // max(field.shape[:2]))
    return field.repeat(factor, axis=0).repeat(factor, axis=1)


def dimmed(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The picture, paler outside, where nothing can be painted.

    Args:
        picture: uint8 `[H, W, C]`.
        inside: bool `[H, W]`.
    """
    return np.where(inside[..., None], picture, (picture // 3 + 128).astype(np.uint8))


def square(height: int, width: int, crop: int = 0) -> np.ndarray:
    """The middle square of a picture, which the network is shown, as bool `[height, width]`; `crop` as in `images`."""
    inside = np.zeros((height, width, 1), bool)
    images.center_crop(inside, crop)[:] = True
    return inside[..., 0]


def placed(field: np.ndarray, around: tuple[int, ...]) -> np.ndarray:
    """What is shown, `[h, w, 4]`, in the middle of the canvas: `[SIDE, SIDE, 4]`."""
    result = np.full((SIDE, SIDE, 4), around, np.uint8)
    _middle(result, *field.shape[:2])[:] = field
    return result


def _middle(field: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return field[top : top + height, left : left + width]


def background(picture: np.ndarray) -> np.ndarray:
    """The canvas with the picture on it: uint8 `[SIDE, SIDE, 4]`."""
    return placed(np.pad(shown(picture), [(0, 0), (0, 0), (0, 1)], constant_values=255), AROUND)


def ready(name: str, height: int, width: int, seed: tuple[int, ...], crop: int = 0) -> np.ndarray:
    """A ready-made hole as a layer of paint.

    Args:
        name: of `masks.NAMES`; "": none.
        height, width: of the picture.
        seed: of holes that are drawn.
        crop: side of the middle square, which the hole is made for; 0: the shorter side.

    Returns:
        uint8 `[SIDE, SIDE, 4]`, transparent where nothing is painted.
    """
    # A large picture's hole is made at the size at which it is shown: what is finer could not be painted.
    coarse = np.minimum((height, width), size(height, width))
    hidden = np.zeros((*coarse, 1), bool)
    middle = images.center_crop(hidden, round(crop * coarse[0] / height))
    if name:
        middle[:] = masks.make(name, *middle.shape[:2], seed) == 0
    return placed(enlarged(np.where(hidden, np.uint8((*COLOUR, 255)), np.uint8(0))), (0, 0, 0, 0))


def encoded(picture: np.ndarray) -> str:
    """A picture `[H, W, 3 or 4]` as the address that a browser shows: a PNG file in a text."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return PREFIX + base64.b64encode(stream.getvalue()).decode()


def decoded(text: str) -> np.ndarray:
    """The layer that the browser sent: uint8 `[SIDE, SIDE, 4]`.

    Raises:
        ValueError: it is anything else.
    """
    try:
        if len(text) > LONGEST or not text.startswith(PREFIX):
            raise ValueError
        with Image.open(
            io.BytesIO(base64.b64decode(text.removeprefix(PREFIX))), formats=("PNG",)
        ) as picture:
            if picture.size != (SIDE, SIDE):
                raise ValueError
            return np.asarray(picture.convert("RGBA"))
    except Exception:  # a damaged one makes Pillow raise nearly anything
        raise ValueError(
            f"What is painted must be a PNG file of {SIDE} x {SIDE} pixels; another thing came; load the page anew."
        ) from None


def hole(layer: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels of a picture that paint has touched, however little: a pixel is known or it is not.

    Args:
        layer: uint8 `[SIDE, SIDE, 4]`.
        height, width: of the picture.

    Returns:
        bool `[height, width]`.
    """
    return _touched(_middle(layer[..., 3] > 0, *size(height, width)), height, width)


def _touched(painted: np.ndarray, height: int, width: int) -> np.ndarray:
    """bool `[h, w]` as `[height, width]`: whether anything is painted of what a pixel of the result meets."""
    for count in (height, width):
        rows = len(painted)
        sums = np.concatenate([np.zeros_like(painted[:1], int), painted.cumsum(axis=0)])
        first = np.arange(count) * rows // count
        last = -(-np.arange(1, count + 1) * rows // count)
        painted = (sums[last] > sums[first]).T
    return painted


def heat(picture: np.ndarray, hidden: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """The uncertainty as colours of `HEAT` in the hole of a picture that is gray and pale around it.

    Args:
        picture: uint8 `[H, W, C]`.
        hidden: bool `[H, W]`.
        uncertainty: `[H, W]`, at least 0; its largest value in the hole is the brightest colour.

    Returns:
        uint8 `[H, W, 3]`.
    """
    gray = (picture.mean(axis=2) / 3 + 128).astype(np.uint8)
    top = max(uncertainty[hidden].max(initial=0), 1e-6)
    steps = np.linspace(0, top, len(HEAT))
    colours = np.stack(
        [np.interp(uncertainty, steps, channel) for channel in np.transpose(HEAT)], axis=-1
    )
    return np.where(hidden[..., None], colours.round().astype(np.uint8), gray[..., None])
