"""The curvature of linear generators, known in closed form, and the directions made of it."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.latent_search import curvature

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.normal(size=(5, 64)).astype(np.float32) * [[0.1], [1], [1], [3], [10]]


def linear(z):
    return tf.reshape(z @ tf.constant(MATRIX, tf.float32), [-1, 8, 8, 1])


def test_curvature_of_a_linear_generator():
    expected = MATRIX @ MATRIX.T
    found = curvature.curvature(linear, 5, rounds=60, rows=200)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=0.05)
    np.testing.assert_array_equal(found, curvature.curvature(linear, 5, rounds=60, rows=200))


def test_directions_are_eigenvectors_with_long_steps_where_it_is_flat():
    matrix = MATRIX @ MATRIX.T
    values, vectors = np.linalg.eigh(matrix)
    found = curvature.directions(matrix, power=0.25)
    lengths = np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(np.abs(np.sum(found / lengths * vectors, axis=0)), 1, rtol=1e-5)
    np.testing.assert_allclose(lengths / lengths[0], (values / values[0]) ** -0.25, rtol=1e-4)
    assert np.prod(lengths) == pytest.approx(1, rel=1e-4)


def test_power_0_only_turns():
    found = curvature.directions(MATRIX @ MATRIX.T, power=0)
    np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-5)


def test_a_direction_without_effect_gets_no_endless_step():
    for matrix in (np.diag([0.0, 1.0, 4.0]), np.zeros((3, 3))):
        found = curvature.directions(matrix)
        assert np.isfinite(found).all() and np.linalg.norm(found, axis=0).max() < 20


def test_metric_is_the_inverse_where_it_is_steep_and_bounded_where_it_is_flat():
    values = np.array([0.0, 1.0, 50.0, 1e6])
    turn = np.linalg.qr(RANDOM.normal(size=(4, 4)))[0]
    found = turn.T @ curvature.metric(turn @ np.diag(values) @ turn.T) @ turn
    damping = 0.2 * values.mean()
    np.testing.assert_allclose(np.diag(found), 1 / (values + damping), rtol=1e-4)
    np.testing.assert_allclose(found - np.diag(np.diag(found)), 0, atol=1e-9)
    assert np.isfinite(curvature.metric(np.zeros((3, 3)))).all()
