"""Tests of curvature: linear generators, whose curvature is known in closed form."""

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
    estimate = curvature.curvature(linear, 5, rounds=60, rows=200)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(estimate / scale, expected / scale, atol=0.05)
    np.testing.assert_array_equal(estimate, curvature.curvature(linear, 5, rounds=60, rows=200))


def test_directions_are_eigenvectors_and_longer_where_the_curvature_is_small():
    matrix = MATRIX @ MATRIX.T
    values, vectors = np.linalg.eigh(matrix)
    directions = curvature.directions(matrix, power=0.25)
    lengths = np.linalg.norm(directions, axis=0)
    cosines = np.sum(directions / lengths * vectors, axis=0)
    np.testing.assert_allclose(np.abs(cosines), 1, rtol=1e-5)
    np.testing.assert_allclose(lengths / lengths[0], (values / values[0]) ** -0.25, rtol=1e-4)
    assert np.prod(lengths) == pytest.approx(1, rel=1e-4)


def test_directions_of_power_0_are_orthonormal():
    directions = curvature.directions(MATRIX @ MATRIX.T, power=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(5), atol=1e-5)


def test_a_direction_without_effect_gets_no_infinite_step():
    for matrix in (np.diag([0.0, 1.0, 4.0]), np.zeros((3, 3))):
        directions = curvature.directions(matrix)
        assert np.isfinite(directions).all()
        assert np.linalg.norm(directions, axis=0).max() < 20


def test_metric_is_the_damped_inverse():
    values = np.array([0.0, 1.0, 50.0, 1e6])
    rotation = np.linalg.qr(RANDOM.normal(size=(4, 4)))[0]
    metric = curvature.metric(rotation @ np.diag(values) @ rotation.T)
    in_eigenvectors = rotation.T @ metric @ rotation
    diagonal = np.diag(in_eigenvectors)
    damping = 0.2 * values.mean()
    np.testing.assert_allclose(diagonal, 1 / (values + damping), rtol=1e-4)
    np.testing.assert_allclose(in_eigenvectors - np.diag(diagonal), 0, atol=1e-9)
    assert np.isfinite(curvature.metric(np.zeros((3, 3)))).all()
