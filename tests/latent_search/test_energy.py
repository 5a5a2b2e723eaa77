"""Tests of energy: how the terms are combined, and the linearized prior."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.latent_search import objective, solvers
from tf_inpaint.latent_search.energy import DISTANCES, PRIORS, Energy

ROWS, LATENT, SIDE = 5, 4, 4
RANDOM = np.random.default_rng(0)
TO_PICTURE = tf.constant(RANDOM.normal(size=(LATENT, SIDE * SIDE)), tf.float32)
TO_LOGIT = tf.constant(RANDOM.normal(size=(SIDE * SIDE, 1)), tf.float32)
Z, OTHER_Z = tf.constant(RANDOM.uniform(-1, 1, (2, ROWS, LATENT)), tf.float32)
IMAGES = tf.constant(RANDOM.uniform(-1, 1, (ROWS, SIDE, SIDE, 1)), tf.float32)
KNOWN = tf.constant(RANDOM.uniform(size=(ROWS, SIDE, SIDE, 1)) < 0.6, tf.float32)


def generator(z):
    return tf.reshape(tf.tanh(z @ TO_PICTURE), [-1, SIDE, SIDE, 1])


def discriminator(images):
    return tf.reshape(images, [-1, SIDE * SIDE]) @ TO_LOGIT


def refused(images):
    raise AssertionError("the discriminator must not be evaluated")


def new_energy(distance="l1", prior="saturating", prior_weight=0.3, **settings):
    settings = {"discriminator": discriminator} | settings
    return Energy(
        generator,
        distance=DISTANCES[distance],
        prior=PRIORS[prior],
        prior_weight=prior_weight,
        **settings,
    )


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("prior", PRIORS)
def test_energy_is_the_weighted_sum_of_its_terms(distance, prior):
    pictures = generator(Z)
    contextual = DISTANCES[distance](pictures, IMAGES, KNOWN)
    perceptual = PRIORS[prior](discriminator(pictures))
    energy = new_energy(distance, prior)
    np.testing.assert_allclose(energy.contextual(pictures, IMAGES, KNOWN), contextual, rtol=1e-5)
    np.testing.assert_allclose(energy.perceptual(pictures), perceptual, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        energy(Z, IMAGES, KNOWN), contextual + 0.3 * perceptual, rtol=1e-4, atol=1e-5
    )


def test_low_resolution_factor_compares_box_averages():
    energy = new_energy(prior_weight=0, low_resolution_factor=2)
    expected = objective.contextual_low_resolution(generator(Z), IMAGES, 2)
    np.testing.assert_array_equal(energy(Z, IMAGES, KNOWN), expected)


def test_without_a_prior_weight_the_discriminator_is_not_evaluated():
    energy = new_energy(prior_weight=0, discriminator=refused)
    np.testing.assert_array_equal(energy.perceptual(generator(Z)), np.zeros(ROWS))
    expected = objective.contextual_l1(generator(Z), IMAGES, KNOWN)
    np.testing.assert_array_equal(energy(Z, IMAGES, KNOWN), expected)


def test_linearized_prior_has_the_value_and_the_gradient_at_its_z():
    energy = new_energy()
    prior = energy.linearize_prior(generator(Z))
    expected = solvers.value_and_gradient(lambda z: energy(z, IMAGES, KNOWN), Z)
    linearized = solvers.value_and_gradient(
        lambda z: energy.with_linearized_prior(generator(z), prior, IMAGES, KNOWN), Z
    )
    np.testing.assert_allclose(linearized[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(linearized[1], expected[1], rtol=1e-4, atol=1e-5)


def test_linearized_prior_is_a_tangent_in_the_picture():
    energy = new_energy()
    prior = energy.linearize_prior(generator(OTHER_Z))
    logits = discriminator(generator(OTHER_Z))[:, 0].numpy()
    away = (discriminator(generator(Z))[:, 0] - logits).numpy()
    # The slope of log(1 - D) is -D.
    expected = -np.log1p(np.exp(logits)) - away / (1 + np.exp(-logits))
    contextual = energy.contextual(generator(Z), IMAGES, KNOWN)
    received = energy.with_linearized_prior(generator(Z), prior, IMAGES, KNOWN) - contextual
    np.testing.assert_allclose(received, 0.3 * expected, rtol=1e-3, atol=1e-4)


def test_linear_prior_equals_its_linearization_everywhere():
    energy = new_energy(prior="critic")
    linearized = energy.with_linearized_prior(
        generator(Z), energy.linearize_prior(generator(OTHER_Z)), IMAGES, KNOWN
    )
    np.testing.assert_allclose(linearized, energy(Z, IMAGES, KNOWN), rtol=1e-4, atol=1e-4)


def test_linearized_prior_does_not_evaluate_the_discriminator():
    prior = new_energy().linearize_prior(generator(OTHER_Z))
    energy = new_energy(discriminator=refused)
    expected = new_energy().with_linearized_prior(generator(Z), prior, IMAGES, KNOWN)
    received = energy.with_linearized_prior(generator(Z), prior, IMAGES, KNOWN)
    np.testing.assert_array_equal(received, expected)
