"""The training images nearest to given images, in NumPy: does a generator copy training images?"""

from collections.abc import Iterable

import numpy as np

MIN_RATIO = 0.75
"""Minimum ratio of the median distances of samples and of new real images, without suspicion."""


def nearest(
    queries: np.ndarray, chunks: Iterable[np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the k nearest of many images, by `||x - y||_2` over pixels with levels from 0 to 1.

    Args:
        queries: uint8 `[Q, H, W, C]`.
        chunks: uint8 `[n, H, W, C]` each. Only one chunk is in memory at a time, so that the number
            of images is not limited.
        k: number of nearest images, at most the number of images in all chunks.

    Returns:
        distances float64 `[Q, k]`, in rising order, and the images uint8 `[Q, k, H, W, C]`.
    """
    # Begin without neighbors.
    points = queries.reshape(len(queries), -1).astype(np.float32) / 255
    distances = np.empty((len(queries), 0))
    neighbors = np.empty((len(queries), 0, *queries.shape[1:]), np.uint8)
    rows = np.arange(len(queries))[:, None]
    for chunk in chunks:
        # Find the candidates by ||x - y||^2 - ||x||^2, with a single matrix product.
        others = chunk.reshape(len(chunk), -1).astype(np.float32) / 255
        scores = np.sum(others**2, 1) - 2 * points @ others.T
        order = np.argsort(scores, axis=1, kind="stable")[:, :k]
        # Compute their distances again, as the rounding of the product would hide an exact copy.
        differences = points[:, None] - others[order]
        candidates = np.sqrt(np.sum(differences**2, axis=2, dtype=np.float64))

        # Keep the k nearest.
        distances = np.concatenate([distances, candidates], axis=1)
        neighbors = np.concatenate([neighbors, chunk[order]], axis=1)
        best = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances, neighbors = distances[rows, best], neighbors[rows, best]
    return distances, neighbors


def verdict(samples: np.ndarray, held_out: np.ndarray) -> tuple[float, str]:
    """Compares the distances of samples and of held-out images to their nearest training images.

    The distances of held-out images show how near new images usually are. Samples that are a little
    nearer are only smoother.

    Args:
        samples: distance of each sample to its nearest training image, `[N]`.
        held_out: the same distance of each held-out image, `[M]`.

    Returns:
        the ratio of the medians, and a sentence about it.
    """
    ratio = float(np.median(samples) / max(np.median(held_out), 1e-12))
    conclusion = "no sign that the generator copies them"
    if ratio < MIN_RATIO:
        conclusion = "the generator may be copying them"
    return ratio, (
        f"Samples lie {ratio:.2f} times as far from their nearest training images as held-out "
        f"images do: {conclusion}."
    )
