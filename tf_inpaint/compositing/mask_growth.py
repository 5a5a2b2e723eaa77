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
    is_growing, radius = pixels > 0, abs(pixels)
    wide = (known[..., 0] > 0) != is_growing
    grown = wide.copy()
    height, width = wide.shape
    reach = 0
    # The disk is a pile of rows. From its top row to its middle row, the rows become wider.
    for offset in range(min(radius, height - 1), -1, -1):
        half_width = min(math.isqrt(radius**2 - offset**2), width - 1)
        for _ in range(reach, half_width):
            wide[:, 1:] |= wide[:, :-1]
            wide[:, :-1] |= wide[:, 1:]
        reach = half_width
        grown[offset:] |= wide[: height - offset]
        grown[: height - offset] |= wide[offset:]
    return np.where(grown, not is_growing, is_growing).astype(np.float32)[..., None]
