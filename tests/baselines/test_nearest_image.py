"""Tests of the baseline that pastes the nearest training image."""

import numpy as np
import pytest
from random_images import random_images, random_masks

from tf_inpaint.baselines import nearest_image as module
from tf_inpaint.baselines.nearest_image import nearest_image
from tf_inpaint.mean_estimate import training_table


@pytest.mark.parametrize("sizes", [(512, 256), (7, 3)])
def test_a_training_image_is_recognized_by_a_part(sizes, monkeypatch):
    """A training image with a hole is completed exactly, for blocks of any size."""
    monkeypatch.setattr(training_table, "TRAINING_BLOCK", sizes[0])
    monkeypatch.setattr(module, "IMAGES_AT_ONCE", sizes[1])
    training = random_images(1, 40)
    rows = np.random.default_rng(0).permutation(40)[:11]
    masks = random_masks(2, 11, hole_share=0.8)
    completions = nearest_image(training)(training[rows], masks)
    assert completions.tobytes() == training[rows].tobytes()


def test_nearest_image_by_brute_force():
    """The nearest training image is that of the plain sum over all pixels."""
    training, images, masks = random_images(3, 50), random_images(4, 20), random_masks(5, 20)
    differences = images[:, None].astype(np.float64) - training
    distances = (masks[:, None] * differences**2).sum((2, 3, 4))
    expected = np.where(masks > 0, images, training[distances.argmin(1)])
    np.testing.assert_array_equal(nearest_image(training)(images, masks), expected)


def test_rounding_does_not_decide():
    """Distances may differ by less than the rounding error of sums of 12,288 squares.

    Among equally near training images the first is taken.
    """
    image = np.ones((1, 64, 64, 3), np.float32)
    training = np.repeat(image, 6, 0)
    training[:, :, 32:] = np.linspace(-1, 1, 6)[:, None, None, None]
    training[[0, 1, 4], 0, 0, 0] -= 0.02
    training[[2, 5], 0, 0, 0] -= 0.01
    known = np.ones((1, 64, 64, 1), np.float32)
    known[:, :, 32:] = 0
    completions = nearest_image(training)(image, known)
    np.testing.assert_array_equal(completions[0, :, 32:], training[3, :, 32:])
    completions = nearest_image(training[[0, 2, 1, 5]])(image, known)
    np.testing.assert_array_equal(completions[0, :, 32:], training[2, :, 32:])
