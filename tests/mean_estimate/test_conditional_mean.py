"""Tests of the conditional mean of a Gaussian in TensorFlow."""

import numpy as np
import pytest
from random_images import random_images, random_masks

from tf_inpaint.baselines import conditional_gaussian
from tf_inpaint.mean_estimate.conditional_mean import ConditionalMean, best_noise_scale
from tf_inpaint.mean_estimate.low_rank_gaussian import fit

SHAPE = (6, 5, 2)


@pytest.fixture(scope="module")
def gaussian():
    """A Gaussian of 60 values with 12 factors."""
    return fit(random_images(2, 300), 12)


@pytest.mark.parametrize("hole_share", [0.1, 0.5, 0.9])
def test_it_is_the_mean_of_the_dense_formula(gaussian, hole_share):
    """The mean agrees with that of SciPy, from few known pixels and from many."""
    images, known = random_images(3, 7), random_masks(4, 7, hole_share=hole_share)
    means = ConditionalMean(*gaussian)(images, known).numpy()
    for image, mask, mean in zip(images, known, means, strict=True):
        is_known = np.repeat(mask, 2, -1).ravel() > 0
        expected = conditional_gaussian.conditional_mean(gaussian, is_known)(
            image.ravel()[is_known]
        )
        np.testing.assert_allclose(mean.ravel()[~is_known], expected, atol=2e-5)


def test_hidden_pixels_are_not_read(gaussian):
    """Hidden pixels may be NaN."""
    images, known = random_images(5, 3), random_masks(6, 3)
    conditional_mean = ConditionalMean(*gaussian)
    scrambled = np.where(known > 0, images, np.float32(np.nan))
    np.testing.assert_array_equal(
        conditional_mean(scrambled, known), conditional_mean(images, known)
    )


def test_without_a_known_pixel_it_is_the_mean(gaussian):
    """If nothing is known, the hidden pixels have the mean of the Gaussian."""
    means = ConditionalMean(*gaussian)(np.zeros([1, *SHAPE], np.float32), np.zeros([1, 6, 5, 1]))
    np.testing.assert_allclose(means[0], gaussian.mean.reshape(SHAPE), atol=1e-6)


def test_known_pixels_get_the_mean_of_the_factors(gaussian):
    """If everything is known, the mean is that of the least squares with the prior of u."""
    images = random_images(7, 2)
    factors, noise = gaussian.factors, gaussian.noise
    system = factors.T @ factors + noise * np.eye(factors.shape[1])
    differences = images.reshape(2, -1) - gaussian.mean
    expected = gaussian.mean + np.linalg.solve(system, factors.T @ differences.T).T @ factors.T
    means = ConditionalMean(*gaussian)(images, np.ones([2, 6, 5, 1], np.float32))
    np.testing.assert_allclose(means, expected.reshape(images.shape), atol=2e-5)


def test_factors_of_size_0_count_for_nothing(gaussian):
    """A factor without variance may be left out."""
    images, known = random_images(8, 2), random_masks(9, 2)
    factors = np.concatenate([gaussian.factors, np.zeros([60, 2])], axis=1)
    np.testing.assert_allclose(
        ConditionalMean(gaussian.mean, factors, gaussian.noise)(images, known),
        ConditionalMean(*gaussian)(images, known),
        atol=1e-6,
    )


@pytest.mark.parametrize("scale", [1, 8])
def test_the_noise_scale_mends_a_noise_that_is_too_small(scale):
    """With a known Gaussian, the best scale leads to the true noise."""
    random = np.random.default_rng(4)
    factors, mean = random.normal(0, 0.1, (144, 3)), np.zeros(144)
    signal = (random.normal(size=(300, 3)) @ factors.T).reshape(-1, 12, 12, 1)
    images = (signal + random.normal(0, 0.3, (300, 12, 12, 1))).astype(np.float32)
    known = (random.random((300, 12, 12, 1)) < 0.2).astype(np.float32)
    assert best_noise_scale(mean, factors, 0.09 / scale, images, known) == scale
