"""Tests of lbfgs: against dense BFGS in NumPy, and Newton's step where the metric is exact."""

import numpy as np
import pytest
import tensorflow as tf
from test_solvers import MATRIX, MINIMUM, path, quadratic

from tf_inpaint.latent_search import loop, solvers
from tf_inpaint.latent_search.lbfgs import lbfgs

START = [[1.0, 1.0], [-1.0, 0.2], [0.4, -0.9]]
METRIC = np.array([[0.7, 0.2], [0.2, 0.3]])


def quartic(point):
    """A convex energy whose curvature is different at every point."""
    return quadratic(point) + tf.reduce_sum(point**4, axis=1)


def quartic_in_numpy(point):
    """Returns the energy and the gradient of one point."""
    difference = point - MINIMUM
    energy = 0.5 * difference @ MATRIX @ difference + np.sum(point**4)
    return energy, MATRIX @ difference + 4 * point**3


def dense_bfgs(point, learning_rate, metric, memory, steps):
    """Returns the points that BFGS tries for one row, with dense inverse Hessians."""
    accepted, energy, gradient = point, np.inf, np.zeros(2)
    pairs, step_share, tried = [], 1.0, []
    for _ in range(steps):
        next_energy, next_gradient = quartic_in_numpy(point)
        s, y = point - accepted, next_gradient - gradient
        if s @ y > 1e-3 * np.linalg.norm(s) * np.linalg.norm(y):
            pairs = [*pairs, (s, y)][-memory:]
        if next_energy < energy:
            accepted, energy, gradient, step_share = point, next_energy, next_gradient, 1.0
        else:
            step_share *= 0.5
        inverse = metric * learning_rate / np.sqrt(np.mean((metric @ gradient) ** 2))
        if pairs:
            inverse = metric * np.mean([s @ y / (y @ metric @ y) for s, y in pairs])
        for s, y in pairs:
            left = np.eye(2) - np.outer(s, y) / (s @ y)
            inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
        step = inverse @ gradient
        point = accepted - step_share * step * min(1, 0.5 / np.sqrt(np.mean(step**2)))
        tried.append(point)
    return np.array(tried)


# --- The equation


@pytest.mark.parametrize("learning_rate", [0.05, 0.9], ids=["short", "overshooting"])
@pytest.mark.parametrize("memory", [1, 3])
def test_every_step_equals_dense_bfgs(learning_rate, memory):
    points, _ = path(lbfgs(learning_rate, METRIC, memory=memory), START, 8, quartic)
    for row, start in enumerate(START):
        expected = dense_bfgs(np.array(start), learning_rate, METRIC, memory, 8)
        np.testing.assert_allclose(points[:, row], expected, atol=2e-3)


def test_first_step_has_the_learning_rate_as_length_and_follows_the_metric():
    points, _ = path(lbfgs(0.02, METRIC), START, 1)
    steps = points[0] - START
    np.testing.assert_allclose(np.sqrt(np.mean(steps**2, axis=1)), 0.02, rtol=1e-4)
    downhill = -(np.array(START) - MINIMUM) @ MATRIX @ METRIC
    directions = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (steps, downhill)]
    np.testing.assert_allclose(*directions, atol=1e-4)


def test_second_step_is_newtons_if_the_metric_is_the_inverse_hessian():
    points, _ = path(lbfgs(0.05, np.linalg.inv(MATRIX)), [[0.6, -0.4], [0.0, -0.7]], 2)
    np.testing.assert_allclose(points[1], np.broadcast_to(MINIMUM, (2, 2)), atol=1e-5)


def test_no_step_is_longer_than_a_quarter_of_the_prior():
    def flat(point):
        return tf.sqrt(1 + tf.reduce_sum((point / 100) ** 2, axis=1))

    points, _ = path(lbfgs(0.1), [[90.0, 30.0]], 6, flat)
    lengths = np.sqrt(np.mean(np.diff(points[:, 0], axis=0) ** 2, axis=1))
    assert lengths.max() <= 0.5 + 1e-4 and lengths.max() > 0.49


# --- Energies that are hard to minimize


def test_converges_where_adam_is_slow():
    # The condition number is a million, and the energy has kinks as an L1 distance has.
    rng = np.random.default_rng(0)
    matrix = tf.constant(rng.normal(size=(200, 10)) * np.logspace(0, -3, 10), tf.float32)
    curvature = tf.matmul(matrix, matrix, transpose_a=True).numpy()
    goal = tf.constant(rng.uniform(-0.9, 0.9, (1, 10)), tf.float32)

    def distance(z):
        return tf.reduce_sum(tf.abs(tf.linalg.matvec(matrix, z - goal)), axis=1)

    start = rng.uniform(-1, 1, (6, 10))
    solver = lbfgs(0.1, np.linalg.inv(curvature), solvers.clip)
    _, energies = path(solver, start, 40, distance)
    _, adam_energies = path(solvers.adam(0.1, constrain=solvers.clip), start, 40, distance)
    assert (energies.min(axis=0) < 0.02 * energies[0]).all()
    assert (energies.min(axis=0) < 0.2 * adam_energies.min(axis=0)).all()


def test_entry_at_the_edge_of_the_prior_does_not_turn_the_others():
    # The minimum (2, 0.9) lies outside the prior; the lowest point of the prior is (1, 0.25).
    # From there, Newton's step and clipping go uphill to (1, 0.9) again and again.
    matrix, goal = np.array([[4.0, -2.6], [-2.6, 4.0]]), np.array([2.0, 0.9])

    def energy(z):
        return 0.5 * tf.einsum("bi,ij,bj->b", z - goal, tf.constant(matrix, tf.float32), z - goal)

    solver = lbfgs(0.3, np.linalg.inv(matrix), solvers.clip)
    _, energies = path(solver, [[0.0, 0.0], [1.0, -1.0]], 12, energy)
    difference = np.array([1.0, 0.25]) - goal
    expected = 0.5 * difference @ matrix @ difference
    np.testing.assert_allclose(energies.min(axis=0), expected, rtol=1e-3)


def test_an_energy_function_that_rises_does_not_stop_the_search():
    solver = lbfgs(0.1)
    point, state = tf.constant(START), solver.init(tf.constant(START))

    def raised_quadratic(point):
        return quadratic(point) + 100.0

    for number in range(60):
        energy_fn = raised_quadratic if number > 2 else quadratic
        _, point, state = solver.step(energy_fn, point, state)
    np.testing.assert_allclose(state.point, np.broadcast_to(MINIMUM, (3, 2)), atol=1e-3)


# --- Rows


def test_rows_are_independent():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(30, 30))
    metric, weights = half @ half.T, tf.constant(rng.uniform(1, 9, 30), tf.float32)

    def energy(point):
        return tf.reduce_sum(weights * tf.abs(point - 0.3), axis=1)

    rows = rng.uniform(-1, 1, (5, 30))
    together, _ = path(lbfgs(0.1, metric, solvers.clip), rows, 20, energy)
    others = np.concatenate([rows[2:3], 0.1 * rows[:4]])
    alone, _ = path(lbfgs(0.1, metric, solvers.clip), others, 20, energy)
    np.testing.assert_array_equal(alone[:, 0], together[:, 2])
    assert np.abs(together).max() <= 1


def test_row_without_a_finite_energy_returns_and_goes_on():
    def cut(point):
        return tf.where(point[:, 0] < 0.5, float("nan"), quadratic(point))

    def search(points):
        return loop.search_loop(cut, solver, loop.initial_state(solver, tf.constant(points)), 40)

    solver = lbfgs(0.3)
    state = search(START)
    np.testing.assert_array_equal(np.isfinite(state.best_energy), [True, False, False])
    lowest = 0.5, MINIMUM[1] - MATRIX[0, 1] / MATRIX[1, 1] * (0.5 - MINIMUM[0])
    assert state.best_energy[0] < 1.2 * quadratic(tf.constant([lowest], tf.float32))[0]
    finite = search(np.array([START[0], [0.9, 0.9], [0.9, 0.9]], np.float32))
    np.testing.assert_array_equal(finite.best_point[0], state.best_point[0])
