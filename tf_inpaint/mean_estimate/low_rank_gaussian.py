"""A Gaussian with few factors, fitted to training images."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tf_inpaint.mean_estimate.training_table import training_blocks, training_table

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
