"""Tests of `lessons.normal_distribution`: the maximum, the integral, and estimates."""

import numpy as np
import pytest

from tf_inpaint.lessons import normal_distribution


def test_maximum_likelihood_is_the_maximum():
    data = np.random.default_rng(0).gamma(2.0, size=500)

    def log_likelihood(mean, deviation):
        return np.log(normal_distribution.normal(data, mean, deviation)).sum()

    mean, deviation = normal_distribution.maximum_likelihood(data)
    best = log_likelihood(mean, deviation)
    for changed in [
        (mean + 0.01, deviation),
        (mean - 0.01, deviation),
        (mean, deviation * 1.01),
        (mean, deviation / 1.01),
    ]:
        assert log_likelihood(*changed) < best


def test_divergence_is_the_integral():
    x = np.linspace(-15, 15, 20_001)
    q = normal_distribution.normal(x, 1.0, 0.7)
    p = normal_distribution.normal(x, 0.4, 1.3)
    integral = np.sum(q * np.log(q / p)) * (x[1] - x[0])
    divergence = normal_distribution.divergence(1.0, 0.7, 0.4, 1.3)
    assert divergence == pytest.approx(integral, abs=1e-9)
    assert normal_distribution.divergence(3.0, 2.0, 3.0, 2.0) == 0


@pytest.mark.parametrize(
    ("mean", "deviation"), [(4.0, 0.5), (4.5, 0.5), (4.0, 1.5), (4.0, 0.01), (-3.0, 0.1)]
)
def test_sampled_divergence_is_near_the_exact_one(mean, deviation):
    points = np.random.default_rng(0).normal(mean, deviation, 50_000)
    exact = normal_distribution.divergence(mean, deviation, 4.0, 0.5)
    estimate = normal_distribution.sampled_divergence(points, 4.0, 0.5)
    assert estimate == pytest.approx(exact, abs=0.02, rel=0.02)


def test_sampled_density_is_a_density():
    axis = np.linspace(-5, 5, 400)
    points = np.random.default_rng(0).normal(size=50_000)
    density = normal_distribution.sampled_density(points, axis)
    assert density.sum() * (axis[1] - axis[0]) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(density, normal_distribution.normal(axis, 0, 1), atol=0.03)
