"""LPIPS, a distance of deep features that agrees with human perception, by the package `lpips`."""

import functools

import numpy as np

MIN_SIDE = 64
"""Minimum side of the images that AlexNet takes, in pixels."""
BATCH_SIZE = 64
"""Number of pairs processed at once."""


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The learned perceptual image patch similarity of each pair, by AlexNet, version 0.1.

    Args:
        first, second: `[N, H, W, 1 or 3]` in [-1, 1]. Gray is taken as equal red, green and blue.
            Images smaller than 64 pixels are too small for AlexNet; their pixels are repeated.

    Returns:
        float64 `[N]`, at least 0, 0 for equal images.

    Raises:
        ImportError, OSError: the package `lpips` is not installed, or its weights cannot be loaded.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric".
    """
    import torch

    network = _network()

    def tensor(images):
        repeats = -(-MIN_SIDE // min(images.shape[1:3]))
        images = images.repeat(repeats, axis=1).repeat(repeats, axis=2)
        colored = np.broadcast_to(images, (*images.shape[:3], 3))
        return torch.from_numpy(colored.transpose(0, 3, 1, 2).copy())

    values = []
    with torch.no_grad():
        for start in range(0, len(first), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            similarity = network(tensor(first[batch]), tensor(second[batch]))
            values.append(similarity.numpy().reshape(-1))
    return np.concatenate(values).astype(np.float64)


@functools.cache
def _network():
    """The LPIPS network of the package, for evaluation."""
    import lpips

    return lpips.LPIPS(net="alex", verbose=False).eval()
