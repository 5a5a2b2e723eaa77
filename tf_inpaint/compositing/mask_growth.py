"""Masks whose hole is grown or shrunk by a number of pixels. Only NumPy is used."""

import math

import numpy as np


def grow(known: np.ndarray, pixels: int) -> np.ndarray:
    """Returns a mask whose hole is grown by a disk, or shrunk by a disk if `pixels` is negative.

    A pixel is hidden if its center is at most `pixels` away from that of a pixel in the hole. The
    disk grows a hole equally in all directions, where a square would grow it by 41 % more along
    the diagonals. A shrunk hole is the complement of the grown known pixels. Outside of the image
    nothing is known, so that a hole at the border stays at the border.

    Args:
        known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
        pixels: radius of the disk.

    Returns:
        `[H, W, 1]` float32; `known` itself if `pixels` is 0.
    """
    if pixels == 0:
        return known
    # Outside of a window around the hole nothing changes.
    hidden, radius = known[..., 0] == 0, abs(pixels)
    window = around(hidden.any(axis=1), radius), around(hidden.any(axis=0), radius)
    if pixels > 0:
        hidden[window] = grown(hidden[window], radius)
    else:
        hidden[window] = ~grown(~hidden[window], radius)
    return np.where(hidden, 0, 1).astype(np.float32)[..., None]


def around(marks: np.ndarray, margin: int) -> slice:
    """Returns the slice from the first mark to the last one, with a margin on both sides.

    Args:
        marks: bool `[N]`. Without a mark, the slice is empty.
        margin: number of places.
    """
    places = np.flatnonzero(marks)
    return slice(max(0, places[0] - margin), places[-1] + margin + 1) if len(places) else slice(0)


def grown(marked: np.ndarray, radius: int) -> np.ndarray:
    """Returns where a marked pixel lies within a radius, bool `[H, W]`; see `grow`.

    Args:
        marked: bool `[H, W]`.
        radius: in pixels, at least 1.
    """
    wide, result = marked.copy(), marked.copy()
    height, width = marked.shape
    reach = 0
    # The disk is a pile of rows. From its top row to its middle row, the rows become wider.
    for offset in range(min(radius, height - 1), -1, -1):
        half_width = min(math.isqrt(radius**2 - offset**2), width - 1)
        for _ in range(reach, half_width):
            wide[:, 1:] |= wide[:, :-1]
            wide[:, :-1] |= wide[:, 1:]
        reach = half_width
        result[offset:] |= wide[: height - offset]
        result[: height - offset] |= wide[offset:]
    return result
