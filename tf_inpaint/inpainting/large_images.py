"""Images larger than the network: the squares around their holes are completed at its size and put back in place.

    squares    where to look: squares of the image that together hold its holes
    crops      before the search: the squares at the network's size S
    restore    after it: the answers at the image's size, blended in

Pure functions of one image, so that the squares of many images can go through one search. NumPy and Pillow, but
for the blending. Resized by Pillow's bicubic filter, by which training pictures were brought to S.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.inpainting import blending

Blend = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""`blend(images, known, generated)`, as in `blending`; a `feather`'s width is in pixels of the large image."""


class Square(NamedTuple):
    """A square of an image, in pixels; it never reaches beyond the image."""

    top: int
    left: int
    side: int

    def of(self, field: np.ndarray) -> np.ndarray:
        """Its part of `[H, W, C]`, a view."""
        return field[self.top : self.top + self.side, self.left : self.left + self.side]


class Box(NamedTuple):
    """Rows and columns of an array; the ends do not belong to it."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, field: np.ndarray) -> np.ndarray:
        return field[self.top : self.bottom, self.left : self.right]

    def grown(self, height: int, width: int) -> "Box":
        """With the pixels around it, as far as there are some."""
        return Box(
            max(self.top - 1, 0),
            max(self.left - 1, 0),
            min(self.bottom + 1, height),
            min(self.right + 1, width),
        )


def squares(known: np.ndarray, size: int, framing: str = "image", crop: int = 0) -> list[Square]:
    """The squares of an image that are to be completed.

    "image": the middle square, which is how training pictures are framed. For networks of aligned images, such
    as faces, which cannot draw a part of one at another scale.

    "hole": squares around the holes, for textures and whatever looks alike everywhere. Holes nearer than S / 4 are
    taken together. A group gets squares twice as wide as the widest window without a known pixel, so that about
    half of what is seen is known, and at least S wide, so that nothing is enlarged; no wider than the image. A blob
    fits into one. A long scratch, or scattered pixels, are covered by many that overlap: these are completed at full
    sharpness, and each is a search.

    Args:
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        size: S.
        framing: "image" or "hole".
        crop: with "image", the square's side; 0, or more than the shorter side: the shorter side.

    Returns:
        none if all is known. With "hole" each hidden pixel is in a square; with "image" a hole can reach beyond.

    Raises:
        ValueError: another framing.
    """
    if framing not in ("image", "hole"):
        raise ValueError(
            f"framing must be image or hole; received {framing!r}; choose one of the two."
        )
    height, width = known.shape[:2]
    hidden = known[..., 0] <= 0
    if not hidden.any():
        return []
    if framing == "image":
        side = min(crop or height, height, width)
        return [Square((height - side) // 2, (width - side) // 2, side)]
    found = {}
    for box in _groups(hidden, size):
        side = min(max(size, 2 * _widest(box.of(hidden))), height, width)
        rows = _places(box.top, box.bottom, side, height)
        columns = _places(box.left, box.right, side, width)
        for (top, *inner_rows), (left, *inner_columns) in itertools.product(rows, columns):
            if hidden[slice(*inner_rows), slice(*inner_columns)].any():
                found[Square(top, left, side)] = True
    return list(found)


def crops(
    image: np.ndarray, known: np.ndarray, chosen: Sequence[Square], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The squares at the network's size.

    A pixel counts as known at S only if nothing hidden went into it.

    Args:
        image: `[H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        chosen: N of `squares`.
        size: S.

    Returns:
        images `[N, S, S, C]` float32 in [-1, 1], 0 where hidden, and known `[N, S, S, 1]` float32.
    """
    painted = np.where(known > 0, image, np.float32(0))
    pictures = [_resized(square.of(painted), size).clip(-1, 1) for square in chosen]
    masks = [reduced(square.of(known), size) for square in chosen]
    shape = (len(chosen), size, size)
    pictures, masks = np.reshape(pictures, (*shape, image.shape[2])), np.reshape(masks, (*shape, 1))
    return np.where(masks > 0, pictures, 0).astype(np.float32), np.float32(masks)


def reduced(known: np.ndarray, size: int) -> np.ndarray:
    """A square of `known` as `crops` has it at the network's size: `[S, S, 1]` float32."""
    # At random values, for the filter's weights can add up to 0.
    hidden = np.where(known > 0, 0, np.random.default_rng(0).uniform(1, 2, known.shape))
    return (np.abs(_resized(hidden, size)) < 1e-6).astype(np.float32)


def restore(
    image: np.ndarray,
    known: np.ndarray,
    chosen: Sequence[Square],
    generated: np.ndarray,
    blend: Blend = blending.poisson,
) -> np.ndarray:
    """The image with its holes filled from the squares' pictures, blended at its own size.

    Where squares overlap, the picture is their mean, each weighted by how far from its border a pixel lies and,
    the smaller square being the sharper, by 1 / side^2. A hole that reaches beyond every square is filled by the
    first one's border pixels, carried on.

    Args:
        image, known, chosen: as given to `crops`.
        generated: `[N, S, S, C]` in [-1, 1], the pictures for the squares.
        blend: what joins picture and known pixels.

    Returns:
        `[H, W, C]` float32, known pixels bit for bit.
    """
    image = np.asarray(image, np.float32)
    if not chosen:
        return image
    height, width, channels = image.shape
    # Around an edge the filter overshoots.
    pictures = [
        _resized(picture, square.side).clip(-1, 1)
        for picture, square in zip(generated, chosen, strict=True)
    ]
    total, weights = (
        np.zeros((height, width, channels), np.float32),
        np.zeros((height, width, 1), np.float32),
    )
    for square, picture in zip(chosen, pictures, strict=True):
        tent = np.minimum(np.arange(square.side), np.arange(square.side)[::-1]) + np.float32(0.5)
        weight = (tent[:, None] * tent / np.float32(square.side) ** 4)[..., None]
        square.of(total)[:] += weight * picture
        square.of(weights)[:] += weight
    first = chosen[0]
    rows, columns = (
        np.clip(np.arange(length) - start, 0, first.side - 1)
        for length, start in ((height, first.top), (width, first.left))
    )
    canvas = np.where(
        weights > 0,
        total / np.maximum(weights, np.finfo(np.float32).tiny),
        pictures[0][rows][:, columns],
    )
    result = image.copy()
    # Groups meet nowhere, so that each can be blended by itself, within the known pixels around it.
    for box in _groups(known[..., 0] <= 0, generated.shape[1]):
        wider = box.grown(height, width)
        blended = np.asarray(
            blend(*(wider.of(field)[None] for field in (image, np.float32(known), canvas)))
        )[0]
        inner = Box(*np.subtract(box, (wider.top, wider.left) * 2))
        box.of(result)[:] = inner.of(blended)
    return result


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    """`[H, W, C]` as `[size, size, C]` float32; unchanged at that size already."""
    channels = [
        Image.fromarray(np.float32(picture[..., channel])) for channel in range(picture.shape[-1])
    ]
    return np.stack(
        [np.asarray(one.resize((size, size), Image.Resampling.BICUBIC)) for one in channels],
        axis=-1,
    )


def _groups(hidden: np.ndarray, size: int) -> list[Box]:
    """Disjoint boxes that hold all hidden pixels; no two of different boxes are neighbours.

    Connected are cells of S / 4 pixels that hold hidden ones and touch, if only at a corner, and then boxes of
    cells that overlap.
    """
    cell = max(1, size // 4)
    height, width = hidden.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.pad(hidden, [(0, rows * cell - height), (0, columns * cell - width)])
    left = set(
        map(tuple, np.argwhere(padded.reshape(rows, cell, columns, cell).any((1, 3))).tolist())
    )
    boxes: list[Box] = []
    while left:
        group = [left.pop()]
        for row, column in group:  # grows while it is walked through
            around = itertools.product((row - 1, row, row + 1), (column - 1, column, column + 1))
            near = left.intersection(around)
            left -= near
            group += near
        box = Box(*np.min(group, axis=0).tolist(), *(np.max(group, axis=0) + 1).tolist())
        while overlapping := [other for other in boxes if _overlap(box, other)]:
            boxes = [other for other in boxes if other not in overlapping]
            corners = np.array([box, *overlapping])
            box = Box(*corners[:, :2].min(0).tolist(), *corners[:, 2:].max(0).tolist())
        boxes.append(box)
    return [_tight(hidden, Box(*(cell * end for end in box))) for box in sorted(boxes)]


def _overlap(first: Box, second: Box) -> bool:
    return (
        max(first.top, second.top) < min(first.bottom, second.bottom)
        and max(first.left, second.left) < min(first.right, second.right)
    )  # fmt: skip


def _tight(hidden: np.ndarray, box: Box) -> Box:
    rows, columns = (np.flatnonzero(box.of(hidden).any(axis)).tolist() for axis in (1, 0))
    return Box(
        box.top + rows[0], box.left + columns[0], box.top + rows[-1] + 1, box.left + columns[-1] + 1
    )


def _widest(hidden: np.ndarray) -> int:
    """The side of the largest square window in which all is hidden."""
    sums = np.pad(hidden.cumsum(0).cumsum(1), [(1, 0), (1, 0)])

    def fits(side):
        counts = (
            sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        )
        return bool((counts == side**2).any())

    least, most = 0, min(hidden.shape)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least


def _places(first: int, last: int, side: int, length: int) -> list[tuple[int, int, int]]:
    """Where squares start along an axis to cover `first` to `last`, and from where to where each one is to cover.

    Not to its border, unless it is the image's: an eighth of its side lies around what it covers.
    """
    margin = side // 8
    reach = side - 2 * margin
    starts = np.array([(first + last - side) // 2])
    if last - first > reach:
        count = -(-(last - first - reach) // max(1, reach - 1)) + 1
        starts = np.rint(np.linspace(first - margin, last + margin - side, count))
    return [
        (
            start,
            start and start + margin,
            length if start + side == length else start + side - margin,
        )
        for start in np.unique(starts.clip(0, length - side).astype(int)).tolist()
    ]
