"""The baseline that pastes the hole of the nearest training image. NumPy only."""

import numpy as np

from tf_inpaint.baselines.hole_filling import Method, fill_holes, require_size
from tf_inpaint.mean_estimate.training_table import training_blocks, training_table

IMAGES_AT_ONCE = 256
"""Number of images whose distances to all training images are computed at once."""

ROUNDING_ERROR = 1e-5
"""Bound of the error of a squared distance by float32 products, per number compared.

The actual error is near 1e-6.
"""


def nearest_image(training: np.ndarray) -> Method:
    """Returns the method that pastes the hole of the training image nearest on the known pixels.

        argmin over j of sum over known pixels of (images - training_j)^2

    Among equally near images the method takes the first. An image without a known pixel gets the
    mean of the training images.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1]. The method keeps the array and does not copy
            it.

    Raises:
        ValueError: there are no training images. The method raises a ValueError for
            images of another size.
    """
    table, mean = training_table(training)
    nothing_known = mean.reshape(training.shape[1:])

    def zeros(mask):
        return lambda image: image[~mask]

    def method(images, known):
        require_size(images, training)
        completions = fill_holes(images, known, zeros, nothing_known)
        is_known = known[..., 0] > 0
        rows = np.flatnonzero(is_known.any((1, 2)) & ~is_known.all((1, 2)))
        for batch in np.split(rows, range(IMAGES_AT_ONCE, len(rows), IMAGES_AT_ONCE)):
            nearest = training[nearest_rows(table, completions[batch], known[batch])]
            completions[batch] = np.where(
                known[batch] > 0, completions[batch], np.clip(nearest, -1, 1)
            )
        return completions

    return method


def nearest_rows(table: np.ndarray, images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each image, the row of the training image that is nearest on the known pixels.

    Matrix products in float32 leave few candidates. The distances of the candidates are then summed
    one by one in float64, so that neither rounding nor the other images decide.

    Args:
        table: `[M, D]`, the training images.
        images: `[N, H, W, C]`, H W C = D.
        known: `[N, H, W, 1]`, 1 = given, 0 = hole.

    Returns:
        int `[N]`.
    """
    is_known = np.broadcast_to(known > 0, images.shape).reshape(len(images), table.shape[1])
    targets = np.where(is_known, images.reshape(is_known.shape), 0).astype(np.float32)
    weights = is_known.astype(np.float32)
    # The sum of squares of an image itself is left out: it is the same for all training images.
    distances = np.concatenate(
        [block**2 @ weights.T - 2 * (block @ targets.T) for block in training_blocks(table)]
    )
    nearest = []
    for target, mask, distance in zip(targets, is_known, distances.T, strict=True):
        error = ROUNDING_ERROR * np.count_nonzero(mask)
        candidates = np.flatnonzero(distance <= distance.min() + error)
        differences = table[np.ix_(candidates, mask)].astype(np.float64) - target[mask]
        nearest.append(candidates[np.argmin((differences**2).sum(1))])
    return np.array(nearest, int)
