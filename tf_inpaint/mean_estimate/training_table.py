"""The training images as the rows of a table."""

from collections.abc import Iterator

import numpy as np

TRAINING_BLOCK = 512
"""Number of training images processed at once: 25 MB for images of 64 x 64 x 3."""


def training_table(training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training images as rows of a table, and their mean.

    Args:
        training: `[M, H, W, C]`.

    Returns:
        `[M, D]`, D = H W C, and the mean, float64 `[D]`.

    Raises:
        ValueError: there are no training images.
    """
    if np.ndim(training) != 4 or len(training) == 0:
        raise ValueError(
            "A method that learns needs training images [M, H, W, C], at least one; received "
            f"{list(np.shape(training))}; pass the images on which the GAN was trained."
        )
    table = training.reshape(len(training), -1)
    return table, table.mean(0, dtype=np.float64)


def training_blocks(table: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of `table`, `TRAINING_BLOCK` at a time."""
    for start in range(0, len(table), TRAINING_BLOCK):
        yield table[start : start + TRAINING_BLOCK]
