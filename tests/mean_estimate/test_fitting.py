"""Tests of the fit of the estimate to training images."""

import numpy as np
import pytest
from random_images import random_images
from scipy import optimize

from tf_inpaint.mean_estimate import fitting
from tf_inpaint.mean_estimate.estimate import MeanEstimate
from tf_inpaint.mean_estimate.hole_distance import KNOTS

COUNT, SIZE = 200, 24


@pytest.fixture(scope="module")
def masks():
    """Masks with holes at all distances."""
    random = np.random.default_rng(0)
    return (random.random((COUNT, SIZE, SIZE, 1)) < 0.02).astype(np.float32)


def predictions(masks, deviations):
    """Images, and two predictions of them with independent errors of these deviations."""
    random = np.random.default_rng(1)
    images = random.uniform(-0.3, 0.3, (COUNT, SIZE, SIZE, 1)).astype(np.float32)
    first, second = (
        np.where(masks > 0, images, images + random.normal(0, deviation, images.shape))
        for deviation in deviations
    )
    return images, first.astype(np.float32), second.astype(np.float32)


def test_weights_of_independent_errors_are_inverse_to_their_variances(masks):
    """The weight is s1^2 / (s1^2 + s2^2) at all distances that occur."""
    images, linear, completions = predictions(masks, (0.1, 0.2))
    weights = fitting.fit(linear, images, masks, completions).weights
    np.testing.assert_allclose(weights[:4], 0.01 / 0.05, atol=0.03)


def test_weights_follow_the_distance(masks):
    """A completion that is exact near known pixels and useless far from them counts only there."""
    images, linear, completions = predictions(masks, (0.1, 0.0))
    distance = fitting.hat_functions(masks).numpy() @ np.array(KNOTS)
    noise = np.random.default_rng(2).normal(0, 3, images.shape)
    completions = np.where(distance[..., None] > 2.5, noise, completions).astype(np.float32)
    weights = fitting.fit(linear, images, masks, completions).weights
    assert weights[0] > 0.9 and weights[1] > 0.9
    assert weights[4] < 0.05


def test_a_useless_completion_has_no_weight(masks):
    """A completion whose errors lie opposite to the linear prediction's has the weight 0."""
    images, linear, _ = predictions(masks, (0.1, 0.1))
    completions = linear + 2 * (linear - images)
    np.testing.assert_array_equal(fitting.fit(linear, images, masks, completions).weights, 0)


def test_the_expected_error_is_the_actual_error(masks):
    """The mean of the predicted squared error is that of the actual squared error."""
    images, linear, completions = predictions(masks, (0.1, 0.2))
    coefficients = fitting.fit(linear, images, masks, completions)
    estimate = MeanEstimate(lambda *_: linear, coefficients)
    means, deviations = estimate(images, masks, completions)
    hidden = masks == 0
    actual = np.square(means - images)[hidden].mean()
    assert np.square(deviations)[hidden].mean() == pytest.approx(actual, rel=0.02)


def test_nonnegative_solution_is_that_of_scipy():
    """The solution agrees with SciPy's, where some entries are 0."""
    random = np.random.default_rng(3)
    table = random.random((50, 6))
    target = table @ [1, 0, 2, 0, 0.5, 0] + 0.2 * random.random(50)
    expected, _ = optimize.nnls(table, target)
    assert (expected == 0).any()
    solution = fitting.nonnegative_solution(table.T @ table, table.T @ target)
    np.testing.assert_allclose(solution, expected, atol=1e-3)


def test_blocks_hold_all_rows():
    """The last block may be smaller."""
    rows = random_images(6, fitting.BLOCK + 3)
    parts = [block for (block,) in fitting.blocks(rows)]
    assert [len(part) for part in parts] == [fitting.BLOCK, 3]
    np.testing.assert_array_equal(np.concatenate(parts), rows)
