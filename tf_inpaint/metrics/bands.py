"""PSNR and SSIM of one image pair, computed band by band. NumPy only."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from tf_inpaint.metrics import pairwise

BAND_PIXELS = 1 << 20
"""Number of pixels in a band, approximately."""
RADIUS = pairwise.WINDOW_RADIUS
"""Radius of the SSIM window, in pixels."""
WINDOW = 2 * RADIUS + 1
"""Side of the SSIM window, in pixels."""


def pair_scores(
    completion: np.ndarray,
    original: np.ndarray,
    known: np.ndarray,
    to_float: Callable[[np.ndarray], np.ndarray],
) -> dict[str, float | None]:
    """PSNR and SSIM of one completion, over the hole and over the whole image.

    In float64 the terms of the SSIM of a large image would fill the memory. Therefore the image is
    cut into bands of rows. The mean squared error and the SSIM are averaged over the bands, which
    gives the scores of the whole image.

    Args:
        completion: `[H, W, C]` in [-1, 1].
        original: `[H, W, C]`, any dtype.
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        to_float: maps rows of `original` to [-1, 1]. Only one band at a time is converted, which
            saves memory.

    Returns:
        `hole_psnr`, `psnr`, `hole_ssim` and `ssim`. A score is None if no pixel counts. A PSNR is
        None if the images are equal. An SSIM is None if the image is smaller than the SSIM window.
    """
    height, width = known.shape[:2]
    sums, totals = np.zeros(4), np.zeros(4)
    for first, last in bands(height, width):
        # The windows of a band reach into the rows around it.
        start, end = max(first - RADIUS, 0), min(last + RADIUS, height)
        pair = completion[start:end], to_float(original[start:end])
        # Most bands of a large image have no hole, and the SSIM is slow to compute.
        equal = np.array_equal(*pair)

        # Choose the pixels of the band that count.
        counted = np.zeros((end - start, width, 1), np.float32)
        counted[first - start : last - start] = 1
        hole = counted * (1 - known[start:end])
        inner = without_margin(counted, start, height)

        # Add the errors and similarities of the band.
        for index, weights in enumerate((hole, counted, hole, inner)):
            if not weights.any():
                continue
            if index < 2:
                value = 0 if equal else 10 ** (-pairwise.psnr(*pair, weights) / 10)
            elif min(height, width) < WINDOW:
                value = np.nan
            else:
                value = 1 if equal else pairwise.ssim(*pair, weights)
            weight = weights.sum(dtype=np.float64)
            sums[index] += weight * value
            totals[index] += weight

    # Average over the bands.
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums / totals
        means[:2] = -10 * np.log10(means[:2])
    # JSON has neither infinity, which is the PSNR of two equal images, nor NaN.
    names = ("hole_psnr", "psnr", "hole_ssim", "ssim")
    return {
        name: float(mean) if math.isfinite(mean) else None
        for name, mean in zip(names, means, strict=True)
    }


def bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The first row of each band, and the row after its last one.

    A band has about `BAND_PIXELS` pixels, and at least as many rows as the SSIM window if the image
    has as many.
    """
    count = max(1, min(height * width // BAND_PIXELS, height // WINDOW))
    return itertools.pairwise(np.linspace(0, height, count + 1).astype(int))


def without_margin(weights: np.ndarray, start: int, height: int) -> np.ndarray:
    """A copy of a band's weights that is 0 where the SSIM window reaches beyond the image.

    Args:
        weights: `[rows, W, 1]`.
        start: the row of the image at which `weights` begins.
        height: of the image.
    """
    inner = weights.copy()
    inner[: max(RADIUS - start, 0)] = 0
    inner[max(height - RADIUS - start, 0) :] = 0
    inner[:, :RADIUS] = inner[:, -RADIUS:] = 0
    return inner
