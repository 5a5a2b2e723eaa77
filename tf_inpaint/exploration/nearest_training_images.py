"""The training images nearest to others: does a generator draw, or does it copy? NumPy only."""

from collections.abc import Iterable

import numpy as np

COPYING = 0.75
"""Below this ratio of medians samples are nearer to the training images than new real images are."""


def nearest(
    queries: np.ndarray, chunks: Iterable[np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of many images, by `||x - y||_2` over pixels whose levels run from 0 to 1.

    Args:
        queries: uint8 `[Q, H, W, C]`.
        chunks: uint8 `[n, H, W, C]` each; they are seen once and not kept, so that any number may come.
        k: at most as many as there are.

    Returns:
        distances float64 `[Q, k]`, the nearest first, and the images uint8 `[Q, k, H, W, C]`.
    """
    points = queries.reshape(len(queries), -1).astype(np.float32) / 255
    distances = np.empty((len(queries), 0))
    found = np.empty((len(queries), 0, *queries.shape[1:]), np.uint8)
    rows = np.arange(len(queries))[:, None]
    for chunk in chunks:
        others = chunk.reshape(len(chunk), -1).astype(np.float32) / 255
        # ||x - y||^2 - ||x||^2: orders the y of one x, by one product of matrices.
        order = np.argsort(np.sum(others**2, 1) - 2 * points @ others.T, axis=1, kind="stable")[
            :, :k
        ]
        # Anew, for the product's rounding would hide an exact copy.
        own = np.sqrt(np.sum((points[:, None] - others[order]) ** 2, axis=2, dtype=np.float64))
        distances = np.concatenate([distances, own], axis=1)
        found = np.concatenate([found, chunk[order]], axis=1)
        best = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances, found = distances[rows, best], found[rows, best]
    return distances, found


def verdict(samples: np.ndarray, held_out: np.ndarray) -> tuple[float, str]:
    """The ratio of the medians of two sets of distances to the nearest training image, and what it says, in a sentence.

    Held-out images show how near an image comes that is new. Samples a little nearer are only smoother ones.
    """
    ratio = float(np.median(samples) / max(np.median(held_out), 1e-12))
    says = "it may be copying them" if ratio < COPYING else "no sign that it copies them"
    return ratio, (
        f"Samples lie {ratio:.2f} times as far from their nearest training images as held-out images do: {says}."
    )
