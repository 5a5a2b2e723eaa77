"""Fits the coefficients of a `MeanEstimate` to training images behind masks."""

from collections.abc import Iterator

import numpy as np

from tf_inpaint.mean_estimate.estimate import Coefficients, error_terms, weighted_mean
from tf_inpaint.mean_estimate.hole_distance import KNOTS, hat_functions

BLOCK = 32
"""Number of images that are processed at once."""
RIDGE = 1e-6
"""Penalty on squared weights. A distance at which there is no hidden pixel gets the weight 0."""
SWEEPS = 1000
"""Number of rounds of coordinate descent."""


def fit(
    linear: np.ndarray,
    images: np.ndarray,
    known: np.ndarray,
    completions: np.ndarray,
) -> Coefficients:
    """Fits the weights, then the expected squared error, by least squares over the hidden pixels.

    Args:
        linear: `[N, H, W, C]`, the linear predictions of the images.
        images: `[N, H, W, C]` in [-1, 1], not those to which the Gaussian was fitted.
        known: `[N, H, W, 1]`, masks of every kind.
        completions: `[N, H, W, C]`, the images completed behind these masks.
    """
    rows = linear, images, known, completions

    # Fit the weights of the difference between the two predictions.
    products = [np.zeros((len(KNOTS), len(KNOTS))), np.zeros(len(KNOTS))]
    for linear_block, image, known_block, completion in blocks(*rows):
        hidden = known_block[..., 0] == 0
        hats = hat_functions(known_block).numpy()[hidden]
        differences = (completion - linear_block)[hidden].astype(np.float64)
        errors = (image - linear_block)[hidden]
        products[0] += np.einsum("ni,nj,n->ij", hats, hats, np.square(differences).sum(1))
        products[1] += hats.T @ (differences * errors).sum(1)
    matrix = products[0] + RIDGE * np.eye(len(KNOTS))
    weights = np.clip(np.linalg.solve(matrix, products[1]), 0, 1)

    # Fit the factors of the expected squared error.
    size = 3 * len(KNOTS)
    products = [np.zeros((size, size)), np.zeros(size)]
    for linear_block, image, known_block, completion in blocks(*rows):
        hidden = known_block[..., 0] == 0
        hats = hat_functions(known_block)
        terms = error_terms(linear_block, completion, hats).numpy()[hidden].astype(np.float64)
        mean = weighted_mean(linear_block, completion, hats, weights).numpy()
        products[0] += terms.T @ terms
        products[1] += terms.T @ np.square(mean - image).mean(3)[hidden]
    variances = nonnegative_solution(*products).reshape(3, len(KNOTS))
    return Coefficients(weights, variances)


def nonnegative_solution(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Returns the x >= 0 that minimizes x^T matrix x / 2 - vector^T x, by coordinate descent.

    Args:
        matrix: `[K, K]`, symmetric and positive semidefinite.
        vector: `[K]`.
    """
    solution = np.zeros(len(vector))
    for _ in range(SWEEPS):
        for row, column in enumerate(matrix):
            if column[row] > 0:
                step = (vector[row] - column @ solution) / column[row]
                solution[row] = max(0.0, solution[row] + step)
    return solution


def blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The rows of the arrays, `BLOCK` at a time."""
    for first in range(0, len(arrays[0]), BLOCK):
        yield tuple(array[first : first + BLOCK] for array in arrays)
