"""Photographs of several sizes, masks of their sizes, and examples made of them."""

from pathlib import Path

import numpy as np
from PIL import Image
from tiny import SIZE

from tf_inpaint.files import images
from tf_inpaint.inputs.mask_sources import new_mask_source
from tf_inpaint.inputs.masked_images import ExampleMaker
from tf_inpaint.inputs.named_images import Input

SHAPES = {
    "broad": (60, 100),
    "tall": (75, 61),
    "small": (20, 24),
    "known": (40, 50),
    "square": (56, 56),
}
"""Height and width of each photograph."""
HOLES = {
    "broad": [(5, 5, 15, 20), (40, 70, 55, 90)],
    "tall": [(30, 20, 45, 40)],
    "small": [(3, 4, 9, 9)],
    "known": [],
    "square": [(0, 0, 56, 28)],
}
"""Holes of each photograph's mask: top, left, bottom, right."""
FRAMINGS = ["image", "hole"]


def photograph(stem, channels=3):
    """Returns a smooth random picture, uint8 `[H, W, C]`."""
    height, width = SHAPES[stem]
    coarse = np.random.default_rng(len(stem)).integers(40, 216, (5, 5, channels), dtype=np.uint8)
    levels = [
        Image.fromarray(coarse[..., channel]).resize((width, height)) for channel in range(channels)
    ]
    return np.stack(levels, axis=-1)


def known_of(stem):
    """Returns the mask of a photograph, `[H, W, 1]`."""
    known = np.ones((*SHAPES[stem], 1), np.float32)
    for top, left, bottom, right in HOLES[stem]:
        known[top:bottom, left:right] = 0
    return known


def to_gray(pixels):
    """Returns a picture in gray, as `images.fit` converts it."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def noise(height=SIZE, width=SIZE, channels=1, seed=0):
    """Returns a picture of independent random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def new_item(pixels, key="a/b.png"):
    """Returns an image with these pixels."""
    return Input(key, key, Path(key).stem, lambda: pixels)


def save_picture(path, pixels):
    """Writes a picture, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, pixels)
    return path


def example_under(path, pixels, known, channels=1, **settings):
    """Returns an example whose mask is written to the file `path`."""
    save_picture(path, known * 2 - 1)
    maker = ExampleMaker(SIZE, channels, **settings)
    return maker.example(new_item(pixels, "a.png"), new_mask_source(str(path), 0).known_of)
