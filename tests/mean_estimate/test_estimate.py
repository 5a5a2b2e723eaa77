"""Tests of the estimate from two predictions."""

import numpy as np
import pytest
from random_images import random_images, random_masks

from tf_inpaint.mean_estimate.estimate import Coefficients, MeanEstimate, error_terms
from tf_inpaint.mean_estimate.hole_distance import KNOTS, hat_functions

IMAGES, COMPLETIONS = random_images(1, 4), random_images(2, 4)
KNOWN = random_masks(3, 4)
ZEROS = np.zeros([3, len(KNOTS)])


def linear(images, known):
    """A linear prediction that is 0.25 everywhere."""
    return np.full_like(images, 0.25)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_mean_lies_between_the_predictions(share):
    """With the same weight at all distances, the mean is the weighted mean."""
    estimate = MeanEstimate(linear, Coefficients(np.full(len(KNOTS), share), ZEROS))
    means, _ = estimate(IMAGES, KNOWN, COMPLETIONS)
    expected = np.where(KNOWN > 0, IMAGES, share * COMPLETIONS + (1 - share) * 0.25)
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_known_pixels_are_exact_and_certain():
    """Known pixels come back bit for bit, with the deviation 0."""
    estimate = MeanEstimate(linear, Coefficients(np.full(len(KNOTS), 0.5), ZEROS + 1))
    means, deviations = estimate(IMAGES, KNOWN, COMPLETIONS)
    is_known = KNOWN[..., 0] > 0
    np.testing.assert_array_equal(means.numpy()[is_known], IMAGES[is_known])
    assert (deviations.numpy()[is_known] == 0).all()
    assert (deviations.numpy()[~is_known] > 0).all()


def test_the_weight_is_that_of_the_distance():
    """A pixel next to a known pixel has the first weight, a far pixel the last one."""
    known = np.zeros([1, 1, 40, 1], np.float32)
    known[0, 0, 0] = 1
    weights = np.array([1.0, 0, 0, 0, 0.5])
    estimate = MeanEstimate(
        lambda images, known: np.zeros_like(images), Coefficients(weights, ZEROS)
    )
    completions = np.full([1, 1, 40, 1], 0.8, np.float32)
    means, _ = estimate(0 * completions, known, completions)
    np.testing.assert_allclose(means.numpy()[0, 0, [1, 4, 30], 0], [0.8, 0, 0.4], atol=1e-6)


@pytest.mark.parametrize("term", [0, 1, 2])
def test_the_deviation_is_the_root_of_the_expected_squared_error(term):
    """Each term alone gives the deviation that its formula says."""
    variances = ZEROS.copy()
    variances[term] = 0.09
    estimate = MeanEstimate(linear, Coefficients(np.zeros(len(KNOTS)), variances))
    _, deviations = estimate(IMAGES, KNOWN, COMPLETIONS)
    terms = (
        np.ones(KNOWN.shape),
        np.square(COMPLETIONS - 0.25).mean(-1, keepdims=True),
        np.full(KNOWN.shape, 1 - 0.25**2),
    )
    expected = np.where(KNOWN > 0, 0, 0.3 * np.sqrt(terms[term]))
    np.testing.assert_allclose(deviations, expected, rtol=1e-5)


def test_the_terms_are_in_the_order_of_the_coefficients():
    """The terms of one hat function after the other sum to the terms without hat functions."""
    hats = hat_functions(KNOWN)
    terms = error_terms(linear(IMAGES, KNOWN), COMPLETIONS, hats).numpy()
    sums = terms.reshape(*KNOWN.shape[:3], 3, len(KNOTS)).sum(-1)
    np.testing.assert_allclose(sums[..., 0], 1, atol=1e-6)
