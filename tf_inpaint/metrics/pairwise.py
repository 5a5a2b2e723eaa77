"""How far a completion is from the original, image by image: PSNR, SSIM, L1, and its seam. NumPy only.

`weights` chooses the pixels that count: None for all, `1 - known` for the hole. An image whose weights are
all zero has no such pixel and gets NaN, not a perfect score.
"""

import numpy as np

DATA_RANGE = 2.0
"""The distance between black and white, for images in [-1, 1]; never guessed from the values at hand."""

RADIUS, SIGMA = 5, 1.5


def l1(first: np.ndarray, second: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean absolute difference of a pixel's channels, in units of the images' range.

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]`.
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`; NaN where no pixel counts.
    """
    return _mean(np.abs(_difference(first, second)), weights)


def psnr(
    first: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray | None = None,
    data_range: float = DATA_RANGE,
) -> np.ndarray:
    """The peak signal-to-noise ratio in decibels, `10 log10(data_range^2 / mean squared difference)`.

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]`.
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.
        data_range: the distance between black and white.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`; inf for equal images, NaN where no pixel counts.
    """
    error = _mean(_difference(first, second) ** 2, weights)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(data_range**2 / error)


def ssim(
    first: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray | None = None,
    data_range: float = DATA_RANGE,
) -> np.ndarray:
    """The structural similarity: like means, variances and covariance in an 11 x 11 Gaussian window.

        SSIM = (2 m1 m2 + c1) (2 v12 + c2) / ((m1^2 + m2^2 + c1) (v1 + v2 + c2))

    with c1 = (0.01 data_range)^2 and c2 = (0.03 data_range)^2, averaged over pixels and channels. Without
    weights the mean leaves out the outer 5 pixels, whose windows reach beyond the picture, as scikit-image
    does. With weights every weighted pixel counts, the picture being mirrored at its border; windows near a
    hole's edge also see known pixels.

    Args:
        first, second: `[H, W, C]` or `[B, H, W, C]`, H and W at least 11.
        weights: None or `[H, W, 1]` or `[B, H, W, 1]`, at least 0.
        data_range: the distance between black and white.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`, at most 1; NaN where no pixel counts.

    Raises:
        ValueError: a picture smaller than the window.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity".
    """
    height, width = first.shape[-3:-1]
    if min(height, width) <= 2 * RADIUS:
        raise ValueError(
            "SSIM needs pictures of at least 11 x 11 pixels, the size of its window; "
            f"received {height} x {width}; use PSNR instead."
        )
    first, second = first.astype(np.float64), second.astype(np.float64)
    mean_1, mean_2 = _blur(first), _blur(second)
    variances = _blur(first**2) - mean_1**2 + _blur(second**2) - mean_2**2
    covariance = _blur(first * second) - mean_1 * mean_2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    similarity /= (mean_1**2 + mean_2**2 + c1) * (variances + c2)
    if weights is None:
        similarity = similarity[..., RADIUS:-RADIUS, RADIUS:-RADIUS, :]
    return _mean(similarity, weights)


def seam(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The mean absolute step across the hole's border, between a known pixel and a hidden neighbour of it.

    Of the four neighbours, all channels alike. A completion has no seam when this is what it is in the original.

    Args:
        images: `[H, W, C]` or `[B, H, W, C]`.
        known: `[H, W, 1]` or `[B, H, W, 1]`, 1 = given, 0 = hole.

    Returns:
        float64 `[B]`, or a scalar for `[H, W, C]`, in units of the images' range; NaN where there is no border.
    """
    steps, pairs = 0.0, 0.0
    for axis in (-3, -2):
        border = np.abs(np.diff(known > 0, axis=axis))
        across = np.abs(np.diff(images.astype(np.float64), axis=axis))
        steps += np.where(border, across, 0).mean(axis=-1).sum(axis=(-2, -1))
        pairs += border.sum(axis=(-3, -2, -1))
    with np.errstate(invalid="ignore"):
        return steps / pairs


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first.astype(np.float64) - second


def _mean(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return values.mean(axis=(-3, -2, -1))
    weights = np.broadcast_to(weights, values.shape)
    total = np.where(weights > 0, weights * values, 0).sum(axis=(-3, -2, -1))
    with np.errstate(invalid="ignore"):
        return total / weights.sum(axis=(-3, -2, -1), dtype=np.float64)


def _blur(images: np.ndarray) -> np.ndarray:
    """The Gaussian mean around each pixel, along H and then along W, mirrored at the border."""
    kernel = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    kernel /= kernel.sum()
    for axis in (-3, -2):
        margins = [(0, 0)] * images.ndim
        margins[axis] = (RADIUS, RADIUS)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(images, margins, "symmetric"), len(kernel), axis=axis
        )
        images = windows @ kernel
    return images
