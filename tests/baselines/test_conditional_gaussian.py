"""Tests of the baseline that completes with the conditional mean of a Gaussian."""

import numpy as np
import pytest
from random_images import images_of, random_images, random_masks
from scipy import linalg

from tf_inpaint.baselines.conditional_gaussian import conditional_gaussian, conditional_mean
from tf_inpaint.mean_estimate.low_rank_gaussian import Gaussian, fit


def random_covariance(seed, size):
    """A random covariance matrix of full rank."""
    factors = np.random.default_rng(seed).normal(0, 0.1, (size, 2 * size))
    return factors @ factors.T


def block_formula(mean, covariance, values, is_known):
    """m_h + C_hk C_kk^-1 (x_k - m_k), with dense matrices."""
    gain = covariance[np.ix_(~is_known, is_known)] @ np.linalg.inv(
        covariance[np.ix_(is_known, is_known)]
    )
    return mean[~is_known] + gain @ (values[is_known] - mean[is_known])


@pytest.mark.parametrize("hole_share", [0.1, 0.5, 0.9])
def test_full_rank_gives_a_known_covariances_conditional_mean(hole_share):
    """With as many factors as values, the mean is that of the dense formula."""
    random = np.random.default_rng(6)
    covariance = random_covariance(7, 40)
    mean, values = random.normal(size=40), random.normal(size=40)
    gaussian = Gaussian(mean, np.linalg.cholesky(covariance), 0.0)
    is_known = random.uniform(size=40) >= hole_share
    expected = block_formula(mean, covariance, values, is_known)
    np.testing.assert_allclose(
        conditional_mean(gaussian, is_known)(values[is_known]), expected, atol=1e-9
    )


@pytest.mark.parametrize("known_count", [2, 8, 9, 30, 39])
def test_low_rank_agrees_with_the_dense_formula(known_count):
    """Both forms of the linear system give the mean of the dense formula."""
    random = np.random.default_rng(8)
    gaussian = Gaussian(random.normal(size=40), random.normal(size=(40, 8)), 0.3)
    values, is_known = random.normal(size=40), random.permutation(40) < known_count
    covariance = gaussian.factors @ gaussian.factors.T + 0.3 * np.eye(40)
    expected = block_formula(gaussian.mean, covariance, values, is_known)
    np.testing.assert_allclose(
        conditional_mean(gaussian, is_known)(values[is_known]), expected, atol=1e-9
    )


@pytest.mark.parametrize("known_count", [5, 30])
def test_the_system_is_factorized_once_per_mask(known_count, monkeypatch):
    """The function of a mask solves its system without a new factorization."""
    random = np.random.default_rng(8)
    gaussian = Gaussian(random.normal(size=40), random.normal(size=(40, 8)), 0.3)
    is_known = random.permutation(40) < known_count
    hidden_mean = conditional_mean(gaussian, is_known)
    covariance = gaussian.factors @ gaussian.factors.T + 0.3 * np.eye(40)
    values = random.normal(size=(3, 40))
    expected = [block_formula(gaussian.mean, covariance, image, is_known) for image in values]
    for library, name in (
        (np.linalg, "solve"),
        (np.linalg, "inv"),
        (linalg, "cho_factor"),
        (linalg, "solve"),
    ):
        monkeypatch.delattr(library, name)
    means = [hidden_mean(image[is_known]) for image in values]
    np.testing.assert_allclose(means, expected, atol=1e-9)


def test_the_whole_method_recovers_a_known_covariance():
    """The method fits the Gaussian of the training images and completes with its mean."""
    mean = np.linspace(-0.3, 0.3, 60)
    covariance = 0.02 * random_covariance(9, 60) + 0.002 * np.eye(60)
    training = images_of(mean, covariance, 500, 10).reshape(-1, 6, 5, 2)
    images, masks = training[:12], random_masks(11, 12)
    is_known = np.repeat(masks, 2, -1).reshape(12, -1) > 0
    method = conditional_gaussian(training, rank=60, noise_scale=1)
    completions = method(images, masks).reshape(12, -1)
    for completion, image, mask in zip(completions, images.reshape(12, -1), is_known, strict=True):
        expected = block_formula(mean, covariance, image, mask)
        np.testing.assert_allclose(completion[~mask], expected, atol=1e-4)


def test_noise_scale_multiplies_the_noise_and_rank_is_a_quarter_of_the_images():
    """The method is the conditional mean of the fit with this noise and this rank."""
    training, images, mask = random_images(19, 40), random_images(20, 1), random_masks(21, 1)
    gaussian = fit(training, 10)
    gaussian = gaussian._replace(noise=3 * gaussian.noise)
    is_known = np.repeat(mask, 2, -1).ravel() > 0
    expected = conditional_mean(gaussian, is_known)(images.ravel()[is_known])
    completions = conditional_gaussian(training, noise_scale=3)(images, mask)
    np.testing.assert_allclose(completions.ravel()[~is_known], expected, atol=1e-6)


def test_few_training_images_are_completed_almost_exactly():
    """A Gaussian of a few training images completes a training image almost exactly."""
    for count in (1, 4):
        training = random_images(14, count)
        method = conditional_gaussian(training, 5, noise_scale=1)
        completions = method(training[:1], random_masks(15, 1))
        np.testing.assert_allclose(completions, training[:1], atol=2e-2)


def test_completions_are_clipped():
    """Hidden pixels are clipped to [-1, 1]."""
    random = np.random.default_rng(16)
    brightness = random.uniform(-0.2, 0.2, (50, 1, 1, 1))
    training = (np.array([1.0, 5.0]).reshape(1, 1, 2, 1) * brightness).astype(np.float32)
    known = np.array([1.0, 0.0]).reshape(1, 1, 2, 1)
    images = np.full((1, 1, 2, 1), 0.9, np.float32)
    completions = conditional_gaussian(training, 1, noise_scale=1)(images, known)
    np.testing.assert_array_equal(completions.ravel(), np.float32([0.9, 1.0]))
