"""Images larger than the network: squares of an image are completed and put back into the image.

    squares    chooses squares of the image that together hold its holes
    crops      resizes the squares to the network's size S, before the search
    restore    resizes the generated pictures and blends them into the image, after the search

Each is a pure function of one image, so that the squares of many images can go through one search.
Everything but the blending is NumPy and Pillow. Images are resized by Pillow's bicubic filter, as
the training images were.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.compositing import blending

Blend = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A function `blend(images, known, generated)` of `blending`.

A width is in pixels of the large image.
"""
ToFloat = Callable[[np.ndarray], np.ndarray]
"""A function that copies pixels `[H, W, C]` of a dtype to float32 in [-1, 1]."""

STRIP_PIXELS = 1_000_000
"""Number of pixels of the strips in which large squares are resized, so that only a strip is
copied."""


class Square(NamedTuple):
    """A square inside an image, in pixels."""

    top: int
    left: int
    side: int

    def of(self, field: np.ndarray) -> np.ndarray:
        """The part of `[H, W, C]` inside the square, a view."""
        return field[self.top : self.top + self.side, self.left : self.left + self.side]

    def strip(self, first: int, last: int) -> "Box":
        """The rows from `first` to `last` (excluded) of the square."""
        return Box(self.top + first, self.left, self.top + last, self.left + self.side)


class Box(NamedTuple):
    """A rectangle of an array.

    `bottom` and `right` are the first row and column below and right of it.
    """

    top: int
    left: int
    bottom: int
    right: int

    def of(self, field: np.ndarray) -> np.ndarray:
        """The part of `[H, W, ...]` inside the box, a view."""
        return field[self.top : self.bottom, self.left : self.right]

    def grown(self, height: int, width: int) -> "Box":
        """The box and the pixels around it that lie inside an image of this size."""
        return Box(
            max(self.top - 1, 0),
            max(self.left - 1, 0),
            min(self.bottom + 1, height),
            min(self.right + 1, width),
        )

    def overlap(self, other: "Box") -> "Box":
        """What two boxes that overlap have in common."""
        return Box(*np.maximum(self[:2], other[:2]), *np.minimum(self[2:], other[2:]))


def copied(image: np.ndarray) -> np.ndarray:
    """A float32 copy of pixels that are floats already, see `ToFloat`."""
    return np.array(image, np.float32)


def squares(known: np.ndarray, size: int, framing: str = "image", crop: int = 0) -> list[Square]:
    """Chooses the squares of an image that are completed.

    "image": the middle square, as training images are framed. It is for networks of aligned images,
    such as faces, which cannot draw a part of an image at another scale.

    "hole": squares around the holes. They are for textures and other images that look alike
    everywhere. Holes that are closer than S / 4 form a group. The squares of a group are twice as
    wide as the widest window without a known pixel, so that about half of a square is known; at
    least S wide, so that nothing is enlarged; and no wider than the image. A blob fits into one
    square. A long scratch, or scattered pixels, need many squares that overlap. They are completed
    at full sharpness, with a search for each square.

    Args:
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        size: S.
        framing: "image" or "hole".
        crop: with "image", the maximum side of the square; 0: the shorter side of the image.

    Returns:
        the squares, none if all pixels are known. With "hole" each hidden pixel is in a square;
        with "image" a hole may reach beyond the square.

    Raises:
        ValueError: the framing is unknown.
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
    # The dictionary keeps every square once, in order.
    chosen = {}
    for box in _groups(hidden, size):
        side = min(max(size, 2 * _widest(box.of(hidden))), height, width)
        rows = _places(box.top, box.bottom, side, height)
        columns = _places(box.left, box.right, side, width)
        for (top, *inner_rows), (left, *inner_columns) in itertools.product(rows, columns):
            if hidden[slice(*inner_rows), slice(*inner_columns)].any():
                chosen[Square(top, left, side)] = True
    return list(chosen)


def crops(
    image: np.ndarray,
    known: np.ndarray,
    chosen: Sequence[Square],
    size: int,
    to_float: ToFloat = copied,
) -> tuple[np.ndarray, np.ndarray]:
    """The squares at the size of the network.

    A pixel counts as known only if no hidden pixel went into it.

    Args:
        image: `[H, W, C]`, of a dtype that `to_float` takes. Hidden pixels may have any value.
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        chosen: N squares of `squares`.
        size: S.
        to_float: converts parts of the image. The whole image is never converted at once.

    Returns:
        images `[N, S, S, C]` float32 in [-1, 1], 0 where hidden, and known `[N, S, S, 1]` float32.
    """

    def masked(strip: Box) -> np.ndarray:
        return np.where(strip.of(known) > 0, to_float(strip.of(image)), np.float32(0))

    pictures = [_reduced(masked, square, size).clip(-1, 1) for square in chosen]
    masks = [reduced(square.of(known), size) for square in chosen]
    shape = (len(chosen), size, size)
    pictures, masks = np.reshape(pictures, (*shape, image.shape[2])), np.reshape(masks, (*shape, 1))
    return np.where(masks > 0, pictures, 0).astype(np.float32), np.float32(masks)


def reduced(known: np.ndarray, size: int) -> np.ndarray:
    """A square of `known` at the size of the network, as in `crops`: `[S, S, 1]` float32."""
    random = np.random.default_rng(0)

    def hidden(strip: Box) -> np.ndarray:
        # Hidden pixels get random numbers, for the weights of the filter can add up to 0.
        rows = strip.of(known)
        return np.where(rows > 0, 0, random.uniform(1, 2, rows.shape))

    return (np.abs(_reduced(hidden, Square(0, 0, len(known)), size)) < 1e-6).astype(np.float32)


def restore(
    image: np.ndarray,
    known: np.ndarray,
    chosen: Sequence[Square],
    generated: np.ndarray,
    blend: Blend = blending.poisson,
    to_float: ToFloat = copied,
) -> np.ndarray:
    """The image with its holes filled from generated pictures, blended at the size of the image.

    Where squares overlap, their pictures are averaged. The weight of a pixel is its distance to the
    border of the square, times 1 / side^2, for a smaller square is sharper. A hole that reaches
    beyond every square is filled with the continued border pixels of the first square.

    Args:
        image, known, chosen, to_float: as for `crops`.
        generated: `[N, S, S, C]` in [-1, 1], the pictures of the squares.
        blend: joins the pictures and the known pixels.

    Returns:
        `[H, W, C]` float32. Known pixels are those of `to_float`, bit for bit.
    """
    result = to_float(image)
    if not chosen:
        return result
    height, width = result.shape[:2]
    # Rows at the size of the image. A box needs some of their columns.
    pictures = [
        _resized(picture, len(picture), square.side)
        for picture, square in zip(generated, chosen, strict=True)
    ]
    # Groups do not touch, so each is blended by itself, with the known pixels around it.
    for box in _groups(known[..., 0] <= 0, generated.shape[1]):
        wider = box.grown(height, width)
        canvas = _canvas(wider, chosen, pictures)
        fields = to_float(wider.of(image)), np.float32(wider.of(known)), canvas
        blended = np.asarray(blend(*(field[None] for field in fields)))[0]
        inner = Box(*np.subtract(box, (wider.top, wider.left) * 2))
        box.of(result)[:] = inner.of(blended)
    return result


def _canvas(box: Box, chosen: Sequence[Square], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The generated pixels of a box, see `restore`: `[height, width, C]` float32.

    Args:
        box: part of the image.
        chosen: the squares.
        pictures: `[S, side, C]`, the pictures of the squares with rows at the size of the image.
    """
    # Average the pictures where squares overlap.
    shape = (box.bottom - box.top, box.right - box.left)
    total = np.zeros((*shape, pictures[0].shape[2]), np.float32)
    weights = np.zeros((*shape, 1), np.float32)
    corners = np.array([square.strip(0, square.side) for square in chosen])
    near = (corners[:, :2] < box[2:]).all(1) & (corners[:, 2:] > box[:2]).all(1)
    for index in np.flatnonzero(near):
        square = chosen[index]
        part = box.overlap(square.strip(0, square.side))
        tent = np.minimum(np.arange(square.side), np.arange(square.side)[::-1]) + np.float32(0.5)
        rows, columns = _positions(part, square)
        weight = (tent[rows, None] * tent[columns] / np.float32(square.side) ** 4)[..., None]
        inner = Box(*np.subtract(part, (box.top, box.left) * 2))
        inner.of(total)[:] += weight * _enlarged(pictures[index], part, square)
        inner.of(weights)[:] += weight
    average = total / np.maximum(weights, np.finfo(np.float32).tiny)
    if (weights > 0).all():
        return average
    # Continue the first picture beyond its border.
    return np.where(weights > 0, average, _enlarged(pictures[0], box, chosen[0]))


def _positions(box: Box, square: Square) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of a square that are nearest to those of a box."""
    rows = np.arange(box.top, box.bottom) - square.top
    columns = np.arange(box.left, box.right) - square.left
    return rows.clip(0, square.side - 1), columns.clip(0, square.side - 1)


def _enlarged(picture: np.ndarray, box: Box, square: Square) -> np.ndarray:
    """The pixels of a box, from the picture of a square, which is continued beyond its border.

    Args:
        picture: `[S, side, C]`, its rows at the size of the image.
        box: part of the image.
        square: the square of the picture.
    """
    rows, columns = _positions(box, square)
    # The filter overshoots at edges.
    return _resized(picture[:, columns], square.side, len(columns))[rows].clip(-1, 1)


def _reduced(field_of: Callable[[Box], np.ndarray], square: Square, size: int) -> np.ndarray:
    """A square of a field as `[size, size, C]` float32.

    Pillow resizes rows, then columns. So the rows of a strip can be resized alone.

    Args:
        field_of: gives the floats of a strip, `[rows, side, C]`. It is called from top to bottom.
        square: the square.
        size: side of the result in pixels.
    """
    rows = max(1, STRIP_PIXELS // square.side)
    strips = []
    for first in range(0, square.side, rows):
        field = field_of(square.strip(first, min(first + rows, square.side)))
        strips.append(_resized(field, len(field), size))
    return _resized(np.concatenate(strips), size, size)


def _resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture as `[height, width, C]` float32, unchanged if it has that size already."""
    channels = [
        Image.fromarray(np.float32(picture[..., channel])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(picture.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _groups(hidden: np.ndarray, size: int) -> list[Box]:
    """Disjoint boxes that hold all hidden pixels. Pixels of different boxes are never neighbors.

    The image is divided into cells of S / 4 pixels. Cells with hidden pixels that touch, even at a
    corner only, form a box. Boxes that overlap are joined.
    """
    cell = max(1, size // 4)
    height, width = hidden.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.pad(hidden, [(0, rows * cell - height), (0, columns * cell - width)])
    hidden_cells = padded.reshape(rows, cell, columns, cell).any((1, 3))
    remaining = set(map(tuple, np.argwhere(hidden_cells).tolist()))
    boxes: list[Box] = []
    while remaining:
        group = [remaining.pop()]
        for row, column in group:  # the list grows during the loop
            around = itertools.product((row - 1, row, row + 1), (column - 1, column, column + 1))
            near = remaining.intersection(around)
            remaining -= near
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
    """The side of the largest square window without a known pixel."""
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
    """Squares along one axis that cover `first` to `last`: start and covered range of each.

    A square covers all but an eighth of its side at its borders, but up to the border of the image.
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
