"""Distances of a completion from its original: PSNR, SSIM, L1, and the seam. NumPy only.

`weights` chooses the pixels that count: None for all pixels, `1 - known` for the hole. If all
weights of an image are zero, no pixel counts, and the result is NaN instead of a perfect score.
"""

import numpy as np

DATA_RANGE = 2.0
"""Distance between black and white, for images in [-1, 1]. It is never guessed from the values."""

WINDOW_RADIUS = 5
"""Radius of the SSIM window, in pixels: the window has 11 x 11 pixels."""
WINDOW_STANDARD_DEVIATION = 1.5
"""Standard deviation of the Gaussian SSIM window, in pixels."""


def l1(first: np.ndarray, second: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean absolute difference over the channels of the pixels.

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]`.
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`, in units of the images; NaN where no pixel
        counts.
    """
    return _mean(np.abs(_difference(first, second)), weights)


def psnr(first: np.ndarray, second: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The peak signal-to-noise ratio in decibels.

        PSNR = 10 log10(DATA_RANGE^2 / mean squared difference)

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]` in [-1, 1].
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`; inf for equal images, NaN where no pixel counts.
    """
    error = _mean(_difference(first, second) ** 2, weights)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(DATA_RANGE**2 / error)


def ssim(first: np.ndarray, second: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The structural similarity of means, variances and covariances in a Gaussian window.

        SSIM = (2 m1 m2 + c1) (2 v12 + c2) / ((m1^2 + m2^2 + c1) (v1 + v2 + c2))

    with c1 = (0.01 DATA_RANGE)^2 and c2 = (0.03 DATA_RANGE)^2, averaged over pixels and channels.
    The window has 11 x 11 pixels. Without weights, the mean leaves out the outer 5 pixels, whose
    windows reach beyond the image, as scikit-image does. With weights, every weighted pixel
    counts, and the image is mirrored at its border. Windows near the edge of a hole also cover
    known pixels.

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]` in [-1, 1], H and W at least 11.
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`, at most 1; NaN where no pixel counts.

    Raises:
        ValueError: the images are smaller than the window.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
    Similarity".
    """
    height, width = first.shape[-3:-1]
    if min(height, width) <= 2 * WINDOW_RADIUS:
        raise ValueError(
            "SSIM needs images of at least 11 x 11 pixels, the size of its window; "
            f"received {height} x {width}; use PSNR instead."
        )
    first, second = first.astype(np.float64), second.astype(np.float64)
    mean_1, mean_2 = _blur(first), _blur(second)
    variances = _blur(first**2) - mean_1**2 + _blur(second**2) - mean_2**2
    covariance = _blur(first * second) - mean_1 * mean_2
    c1, c2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
    similarity = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    similarity /= (mean_1**2 + mean_2**2 + c1) * (variances + c2)
    if weights is None:
        inner = slice(WINDOW_RADIUS, -WINDOW_RADIUS)
        similarity = similarity[..., inner, inner, :]
    return _mean(similarity, weights)


def seam(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The mean absolute step across the hole's border, from a known pixel to a hidden neighbor.

    A pixel has four neighbors, and all channels count alike. A completion has no visible seam if
    its value is that of the original.

    Args:
        images: `[H, W, C]` or `[B, H, W, C]`.
        known: `[H, W, 1]` or `[B, H, W, 1]`, 1 = given, 0 = hole.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`, in units of the images; NaN where there is no
        border.
    """
    steps, pairs = 0.0, 0.0
    for axis in (-3, -2):
        border = np.abs(np.diff(known > 0, axis=axis))
        differences = np.abs(np.diff(images.astype(np.float64), axis=axis))
        steps += np.where(border, differences, 0).mean(axis=-1).sum(axis=(-2, -1))
        pairs += border.sum(axis=(-3, -2, -1))
    with np.errstate(invalid="ignore"):
        return steps / pairs


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The difference in float64."""
    return first.astype(np.float64) - second


def _mean(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The weighted mean over H, W and C; NaN where the weights are 0."""
    if weights is None:
        return values.mean(axis=(-3, -2, -1))
    weights = np.broadcast_to(weights, values.shape)
    total = np.where(weights > 0, weights * values, 0).sum(axis=(-3, -2, -1))
    with np.errstate(invalid="ignore"):
        return total / weights.sum(axis=(-3, -2, -1), dtype=np.float64)


def _blur(images: np.ndarray) -> np.ndarray:
    """The Gaussian mean around each pixel, along H and then along W, mirrored at the border."""
    offsets = np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    kernel = np.exp(-0.5 * (offsets / WINDOW_STANDARD_DEVIATION) ** 2)
    kernel /= kernel.sum()
    for axis in (-3, -2):
        margins = [(0, 0)] * images.ndim
        margins[axis] = (WINDOW_RADIUS, WINDOW_RADIUS)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(images, margins, "symmetric"), len(kernel), axis=axis
        )
        images = windows @ kernel
    return images
