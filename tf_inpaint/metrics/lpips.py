"""LPIPS, the distance of deep features that goes with what people see, by the package `lpips` where it is installed."""

import functools

import numpy as np


def distance(first: np.ndarray, second: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """Learned perceptual image patch similarity of pairs, by AlexNet's features, version 0.1.

    Args:
        first, second: `[N, H, W, 1 or 3]` in [-1, 1]; gray is taken as equal red, green and blue, and pictures of less
            than 64 pixels, too small for AlexNet, are enlarged by whole pixels.
        batch_size: pairs at a time.

    Returns:
        float64 `[N]`, at least 0, 0 for equal images.

    Raises:
        ImportError, OSError: the package `lpips` is not installed, or its weights cannot be had.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric".
    """
    import torch

    network = _network()

    def channels_first(images):
        times = -(-64 // min(images.shape[1:3]))
        images = images.repeat(times, axis=1).repeat(times, axis=2)
        return torch.from_numpy(
            np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2).copy()
        )

    values = []
    with torch.no_grad():
        for start in range(0, len(first), batch_size):
            part = slice(start, start + batch_size)
            values.append(
                network(channels_first(first[part]), channels_first(second[part]))
                .numpy()
                .reshape(-1)
            )
    return np.concatenate(values).astype(np.float64)


@functools.lru_cache(1)
def _network():
    import lpips

    return lpips.LPIPS(net="alex", verbose=False).eval()
