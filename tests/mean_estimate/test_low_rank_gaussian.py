"""Tests of the Gaussian that is fitted to training images."""

import numpy as np
import pytest
from random_images import images_of, random_images

from tf_inpaint.mean_estimate import low_rank_gaussian as module
from tf_inpaint.mean_estimate.low_rank_gaussian import QUANTIZATION_VARIANCE, fit


@pytest.mark.parametrize("max_exact_size", [1024, 0])
def test_fit_is_probabilistic_principal_components(max_exact_size, monkeypatch):
    """The fit of a covariance of 8 factors and white noise is this covariance."""
    monkeypatch.setattr(module, "MAX_EXACT_SIZE", max_exact_size)
    # The eigenvalues fall, as those of images, and then stay constant.
    eigenvalues = np.concatenate([0.5 ** np.arange(8), np.full(52, 1e-3)])
    vectors = np.linalg.qr(np.random.default_rng(12).normal(size=(60, 60)))[0]
    training = images_of(np.full(60, 0.1), vectors * eigenvalues @ vectors.T, 700, 13)
    training = training.reshape(-1, 6, 5, 2)
    gaussian = fit(training, rank=8)
    assert gaussian.factors.shape == (60, 8)
    np.testing.assert_allclose(gaussian.mean, 0.1, atol=1e-6)
    assert gaussian.noise == pytest.approx(1e-3, rel=1e-3)
    expected = (vectors[:, :8] * (eigenvalues[:8] - 1e-3)) @ vectors[:, :8].T
    np.testing.assert_allclose(gaussian.factors @ gaussian.factors.T, expected, atol=1e-4)


@pytest.mark.parametrize(("count", "rank", "expected"), [(1, 5, 1), (4, 5, 3), (100, 1000, 60)])
def test_rank_is_at_most_what_the_images_allow(count, rank, expected):
    """The rank is reduced for few images or small images, and the noise is not 0."""
    training = random_images(14, count)
    gaussian = fit(training, rank)
    assert gaussian.factors.shape == (60, expected)
    assert gaussian.noise >= QUANTIZATION_VARIANCE


def test_a_rank_below_1_is_an_error():
    """A Gaussian without factors is refused."""
    with pytest.raises(ValueError, match="rank of a Gaussian must be at least 1; received 0"):
        fit(random_images(18, 3), 0)
