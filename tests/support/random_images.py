"""Smooth random images and random masks, for the tests of the baselines."""

import numpy as np
from scipy import ndimage

BATCH_SHAPE = (5, 12, 14, 3)
SMALL_SHAPE = (6, 5, 2)


def random_batch(seed, shape=BATCH_SHAPE, hole_share=0.6):
    """Images `[N, H, W, C]` in [-1, 1] and masks `[N, H, W, 1]`, float32."""
    random = np.random.default_rng(seed)
    images = ndimage.gaussian_filter(random.uniform(-1, 1, shape), (0, 1, 1, 0)).astype(np.float32)
    known = (random.uniform(size=(*shape[:3], 1)) >= hole_share).astype(np.float32)
    return images, known


def random_images(seed, count, shape=SMALL_SHAPE):
    """`count` images `[N, H, W, C]` in [-1, 1], float32."""
    images = np.random.default_rng(seed).uniform(-1, 1, (count, *shape))
    return ndimage.gaussian_filter(images, (0, 1, 1, 0)).astype(np.float32)


def random_masks(seed, count, hole_share=0.5):
    """`count` masks for `random_images`, `[N, H, W, 1]`, float32."""
    random = np.random.default_rng(seed)
    known = random.uniform(size=(count, *SMALL_SHAPE[:2], 1)) >= hole_share
    return known.astype(np.float32)


def images_of(mean, covariance, count, seed):
    """Images that have exactly this sample mean and this sample covariance."""
    values = np.random.default_rng(seed).normal(size=(count, len(mean)))
    values -= values.mean(0)
    values = values @ np.linalg.inv(np.linalg.cholesky(values.T @ values / count)).T
    return (mean + values @ np.linalg.cholesky(covariance).T).astype(np.float32)
