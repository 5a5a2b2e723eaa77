"""A Gaussian fitted to training images, and the baseline that completes with its conditional mean.

NumPy, and SciPy for the conditional mean.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tf_inpaint.baselines.hole_filling import (
    Method,
    fill_holes,
    require_size,
    training_blocks,
    training_table,
)

DEFAULT_RANK = 512
"""Default number of factors, or a quarter of the number of training images if that is less.

On MNIST and on faces of 64 px, 512 factors were better than fewer.
"""

NOISE_SCALE = 8.0
"""Default `noise_scale` of `conditional_gaussian`.

By hole PSNR over five masks, 4 was best on held-out MNIST, and 16 on faces of 64 px.
"""

MAX_EXACT_SIZE = 1024
"""Maximum number of values per image for which the whole covariance is computed."""

OVERSAMPLING = 16
"""Number of vectors that subspace iteration computes in addition to the leading eigenvectors."""

SUBSPACE_ITERATIONS = 3

QUANTIZATION_VARIANCE = (2 / 255) ** 2 / 12
"""Variance of rounding to 8-bit levels: no pixel of an image is known more exactly."""


class Gaussian(NamedTuple):
    """Images x = mean + factors u + e with independent u ~ N(0, I) and e ~ N(0, noise I)."""

    mean: np.ndarray
    """float64 `[D]`, D = H W C."""
    factors: np.ndarray
    """float64 `[D, R]`."""
    noise: float
    """Variance, at least 0."""


def conditional_gaussian(
    training: np.ndarray, rank: int | None = None, noise_scale: float = NOISE_SCALE
) -> Method:
    """Returns the method that fills a hole with its mean given the known pixels, under a Gaussian.

    The Gaussian is fitted to the training images. An image without a known pixel gets their mean.

    In the model, the part of an image that the factors do not explain is white noise. In images,
    neighboring pixels of this part are similar. Known pixels therefore say less about the factors
    than their number suggests, and a model with the most likely noise trusts the pixels too much:
    on faces with a large hole it was worse than `mean_color`. `noise_scale` is the number of pixels
    that count as one.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1].
        rank: number of factors; None takes 512, or a quarter of the training images if that is
            less.
        noise_scale: at least 1, multiplies the most likely noise. 1 is the model of Tipping &
            Bishop.

    Raises:
        ValueError: there are no training images, or the rank is below 1. The method raises
            a ValueError for images of another size.
    """
    if rank is None:
        rank = max(1, min(DEFAULT_RANK, len(training) // 4))
    gaussian = fit(training, rank)
    gaussian = gaussian._replace(noise=noise_scale * gaussian.noise)
    mean = gaussian.mean.reshape(training.shape[1:])
    channels = training.shape[3]

    def prepare(mask):
        hidden_mean = conditional_mean(gaussian, np.repeat(mask.ravel(), channels))
        return lambda image: hidden_mean(image[mask].ravel()).reshape(-1, channels)

    def method(images, known):
        require_size(images, training)
        return fill_holes(images, known, prepare, nothing_known=mean)

    return method


def conditional_mean(
    gaussian: Gaussian, is_known: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function from the known values x_k of an image to the mean of its hidden values.

        E[x_h | x_k] = m_h + W_h (W_k^T W_k + s^2 I)^-1 W_k^T (x_k - m_k)
                     = m_h + W_h W_k^T (W_k W_k^T + s^2 I)^-1 (x_k - m_k)

    with mean m, factors W and noise s^2. The form with the smaller linear system is used. The
    system is factorized once for all images with this mask.

    Args:
        gaussian: the model of D values. If fewer values are known than there are factors, the noise
            may be 0, provided that the covariance of the known values has an inverse.
        is_known: bool `[D]`.

    Returns:
        A function `[K] -> [D - K]`, float64.
    """
    from scipy import linalg

    mean, factors, noise = gaussian
    known_factors, hidden_factors = factors[is_known], factors[~is_known]
    by_factor = len(known_factors) > known_factors.shape[1]
    if by_factor:
        system = known_factors.T @ known_factors
    else:
        system = known_factors @ known_factors.T
    system += noise * np.eye(len(system))
    cholesky = linalg.cho_factor(system)

    def hidden_mean(values):
        difference = values - mean[is_known]
        if by_factor:
            solution = linalg.cho_solve(cholesky, known_factors.T @ difference)
        else:
            solution = known_factors.T @ linalg.cho_solve(cholesky, difference)
        return mean[~is_known] + hidden_factors @ solution

    return hidden_mean


def fit(training: np.ndarray, rank: int) -> Gaussian:
    """The most likely Gaussian with `rank` factors: probabilistic principal component analysis.

        noise = the mean of the D - R smallest eigenvalues of the covariance of the training images
        W = V (L - noise I)^(1/2)    with the R largest eigenvalues L and their vectors V

    The noise is at least that of 8-bit levels. For images of up to 1,024 values the covariance is
    decomposed. For larger images, subspace iteration finds the leading eigenvectors and 16 more
    vectors, which make the iteration converge faster. The iteration starts from fixed random
    vectors. Each iteration multiplies twice by the training images.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1].
        rank: R, the number of factors, at least 1; reduced to M - 1 or D if these are smaller.

    Raises:
        ValueError: there are no training images, or the rank is below 1.

    Source: Tipping & Bishop 1999, "Probabilistic Principal Component Analysis"; Halko, Martinsson &
    Tropp 2011, "Finding Structure with Randomness".
    """
    table, mean = training_table(training)
    count, size = table.shape
    if rank < 1:
        raise ValueError(
            f"The rank of a Gaussian must be at least 1; received {rank}; choose e.g. 128."
        )
    rank = min(rank, size, max(count - 1, 1))

    # Find a basis of the leading eigenvectors.
    basis = np.eye(size, dtype=np.float32)
    if size > MAX_EXACT_SIZE:
        basis = subspace_basis(table, mean, min(rank + OVERSAMPLING, count, size))

    # Sum the scatter matrix in this basis, and the total variance.
    scatter, total = np.zeros((basis.shape[1],) * 2), 0.0
    for block in centered_blocks(table, mean):
        total += np.sum(block**2, dtype=np.float64)
        coordinates = (block if size <= MAX_EXACT_SIZE else block @ basis).astype(np.float64)
        scatter += coordinates.T @ coordinates

    # Split the variance into factors and noise.
    values, vectors = np.linalg.eigh(scatter / count)
    values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
    noise = (total / count - values.sum()) / (size - rank) if rank < size else 0.0
    noise = max(float(noise), QUANTIZATION_VARIANCE)
    scales = np.sqrt(np.maximum(values - noise, 0))
    return Gaussian(mean, basis.astype(np.float64) @ vectors * scales, noise)


def subspace_basis(table: np.ndarray, mean: np.ndarray, count: int) -> np.ndarray:
    """An orthonormal basis of the subspace of the `count` leading eigenvectors, by iteration.

    Args:
        table: `[M, D]`, the training images.
        mean: `[D]`.
        count: number of vectors.

    Returns:
        float32 `[D, count]`.
    """
    basis = np.random.default_rng(0).standard_normal((table.shape[1], count), np.float32)
    for _ in range(SUBSPACE_ITERATIONS):
        products = (block.T @ (block @ basis) for block in centered_blocks(table, mean))
        basis = np.linalg.qr(sum(products))[0]
    return basis


def centered_blocks(table: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of rows of the table, less the mean, float32."""
    for block in training_blocks(table):
        yield block - mean.astype(np.float32)
