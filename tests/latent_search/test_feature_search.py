"""The search for a correction of a feature map."""

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import feature_search, solvers

SHAPE = 2, 2, 3


FEATURES = tf.random.stateless_normal([3, *SHAPE], [3, 4]).numpy()
TARGETS = tf.random.stateless_normal([3, *SHAPE], [5, 6]).numpy()


def corrected(targets, scale, steps):
    """Returns corrected feature maps, which are pictures here."""

    def contextual(pictures):
        return tf.reduce_sum(tf.square(pictures - targets), axis=[1, 2, 3])

    solver = solvers.adam(feature_search.LEARNING_RATE)
    return feature_search.corrected_pictures(
        tf.constant(FEATURES), tf.identity, scale, contextual, solver, steps
    ).numpy()


def test_long_search_finds_the_closed_form():
    """|f + s d - x|^2 + p / 2 |d|^2 is least at d = s (x - f) / (s^2 + p / 2)."""
    scale = tf.random.stateless_uniform(SHAPE, [7, 8], 0.3, 1.0).numpy()
    correction = scale * (TARGETS - FEATURES) / (scale**2 + feature_search.PRICE / 2)
    pictures = corrected(TARGETS, scale, steps=600)
    np.testing.assert_allclose(pictures, FEATURES + scale * correction, atol=0.02)


def test_first_step_corrects_nothing_and_further_steps_never_raise_the_energy():
    scale = np.ones(SHAPE, np.float32)

    def energies(pictures):
        misfit, correction = pictures - TARGETS, pictures - FEATURES
        return np.sum(misfit**2 + feature_search.PRICE / 2 * correction**2, axis=(1, 2, 3))

    pictures = [corrected(TARGETS, scale, steps) for steps in (1, 5, 25)]
    np.testing.assert_array_equal(pictures[0], FEATURES)
    assert (energies(pictures[0]) > energies(pictures[1])).all()
    assert (energies(pictures[1]) > energies(pictures[2])).all()


def test_a_feature_that_does_not_vary_stays():
    scale = np.ones(SHAPE, np.float32)
    scale[..., 1] = 0
    moved = corrected(TARGETS, scale, steps=20) != FEATURES
    assert not moved[..., 1].any() and moved[..., ::2].all()


def test_row_that_is_not_finite_stays_and_changes_no_other_row():
    scale = np.ones(SHAPE, np.float32)
    targets = TARGETS.copy()
    targets[1] = np.nan
    pictures, expected = corrected(targets, scale, 10), corrected(TARGETS, scale, 10)
    np.testing.assert_array_equal(pictures[1], FEATURES[1])
    np.testing.assert_array_equal(pictures[::2], expected[::2])
