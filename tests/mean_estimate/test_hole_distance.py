"""Tests of the distance from the nearest known pixel."""

import numpy as np
from random_images import random_masks
from scipy import ndimage

from tf_inpaint.mean_estimate.hole_distance import (
    KNOTS,
    MAX_DISTANCE,
    distances,
    hat_functions,
)


def test_distances_are_those_of_scipy():
    """The distances agree with SciPy's exact Euclidean distances, up to the maximum."""
    random = np.random.default_rng(0)
    known = (random.random((6, 40, 33, 1)) < [[[[0.001]]], [[[0.005]]], [[[0.1]]]] * 2).astype(
        np.float32
    )
    known[:, 3, 4] = 1
    expected = [ndimage.distance_transform_edt(mask[..., 0] == 0) for mask in known]
    np.testing.assert_allclose(
        distances(known)[..., 0], np.minimum(expected, MAX_DISTANCE), rtol=1e-6
    )


def test_without_a_known_pixel_all_are_as_far_as_possible():
    """An empty mask has the maximum distance everywhere."""
    np.testing.assert_array_equal(distances(np.zeros([1, 5, 7, 1], np.float32)), MAX_DISTANCE)


def test_hat_functions_are_a_partition():
    """The hat functions sum to 1, and lie in [0, 1]."""
    hats = hat_functions(random_masks(1, 4, hole_share=0.9)).numpy()
    np.testing.assert_allclose(hats.sum(-1), 1, atol=1e-6)
    assert hats.min() >= 0


def test_each_hat_function_is_1_at_its_own_distance():
    """At 2^k pixels from the known pixel only the hat function of k counts."""
    known = np.zeros([1, 1, MAX_DISTANCE + 1, 1], np.float32)
    known[0, 0, 0] = 1
    hats = hat_functions(known)[0, 0].numpy()
    np.testing.assert_allclose(hats[[2**knot for knot in KNOTS]], np.eye(len(KNOTS)), atol=1e-6)
