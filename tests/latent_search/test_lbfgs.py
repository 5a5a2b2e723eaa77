"""lbfgs: against dense BFGS in NumPy, Newton's step where the metric is exact, and what it does in vain."""

import numpy as np
import pytest
import tensorflow as tf
from test_solvers import MATRIX, MINIMUM, path, quadratic

from tf_inpaint.latent_search import loop, solvers
from tf_inpaint.latent_search.lbfgs import lbfgs

START = [[1.0, 1.0], [-1.0, 0.2], [0.4, -0.9]]
METRIC = np.array([[0.7, 0.2], [0.2, 0.3]])


def bent(point):
    """Convex, and its curvature is another everywhere."""
    return quadratic(point) + tf.reduce_sum(point**4, axis=1)


def bent_in_numpy(point):
    away = point - MINIMUM
    return 0.5 * away @ MATRIX @ away + np.sum(point**4), MATRIX @ away + 4 * point**3


def dense_bfgs(point, learning_rate, metric, memory, steps):
    """Points tried by BFGS with whole inverse Hessians, a row by itself."""
    base, energy, gradient, pairs, length, tried = point, np.inf, np.zeros(2), [], 1.0, []
    for _ in range(steps):
        value, slope = bent_in_numpy(point)
        move, bend = point - base, slope - gradient
        if move @ bend > 1e-3 * np.linalg.norm(move) * np.linalg.norm(bend):
            pairs = [*pairs, (move, bend)][-memory:]
        if value < energy:
            base, energy, gradient, length = point, value, slope, 1.0
        else:
            length *= 0.5
        inverse = metric * learning_rate / np.sqrt(np.mean((metric @ gradient) ** 2))
        if pairs:
            inverse = metric * np.mean(
                [move @ bend / (bend @ metric @ bend) for move, bend in pairs]
            )
        for move, bend in pairs:
            left = np.eye(2) - np.outer(move, bend) / (move @ bend)
            inverse = left @ inverse @ left.T + np.outer(move, move) / (move @ bend)
        step = inverse @ gradient
        point = base - length * step * min(1, 0.5 / np.sqrt(np.mean(step**2)))
        tried.append(point)
    return np.array(tried)


@pytest.mark.parametrize("learning_rate", [0.05, 0.9], ids=["short", "overshooting"])
@pytest.mark.parametrize("memory", [1, 3])
def test_equals_dense_bfgs_step_by_step(learning_rate, memory):
    points, _ = path(lbfgs(learning_rate, METRIC, memory=memory), START, 8, bent)
    for row, start in enumerate(START):
        expected = dense_bfgs(np.array(start), learning_rate, METRIC, memory, 8)
        np.testing.assert_allclose(points[:, row], expected, atol=2e-3)


def test_first_step_is_as_long_as_asked_and_along_the_metric():
    points, _ = path(lbfgs(0.02, METRIC), START, 1)
    moved = points[0] - START
    np.testing.assert_allclose(np.sqrt(np.mean(moved**2, axis=1)), 0.02, rtol=1e-4)
    downhill = -(np.array(START) - MINIMUM) @ MATRIX @ METRIC
    np.testing.assert_allclose(
        *(rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (moved, downhill)), atol=1e-4
    )


def test_with_the_inverse_hessian_the_second_step_is_newtons():
    points, _ = path(lbfgs(0.05, np.linalg.inv(MATRIX)), [[0.6, -0.4], [0.0, -0.7]], 2)
    np.testing.assert_allclose(points[1], np.broadcast_to(MINIMUM, (2, 2)), atol=1e-5)


def test_no_step_is_longer_than_a_quarter_of_the_prior():
    flat = lambda point: tf.sqrt(1 + tf.reduce_sum((point / 100) ** 2, axis=1))  # noqa: E731
    points, _ = path(lbfgs(0.1), [[90.0, 30.0]], 6, flat)
    lengths = np.sqrt(np.mean(np.diff(points[:, 0], axis=0) ** 2, axis=1))
    assert lengths.max() <= 0.5 + 1e-4 and lengths.max() > 0.49


def test_converges_where_adam_crawls():
    # A condition of a million and kinks, as an L1 distance has.
    rng = np.random.default_rng(0)
    matrix = tf.constant(rng.normal(size=(200, 10)) * np.logspace(0, -3, 10), tf.float32)
    curvature = tf.matmul(matrix, matrix, transpose_a=True).numpy()
    goal = tf.constant(rng.uniform(-0.9, 0.9, (1, 10)), tf.float32)
    distance = lambda z: tf.reduce_sum(tf.abs(tf.linalg.matvec(matrix, z - goal)), axis=1)  # noqa: E731
    start = rng.uniform(-1, 1, (6, 10))
    _, energies = path(lbfgs(0.1, np.linalg.inv(curvature), solvers.clip), start, 40, distance)
    _, of_adam = path(solvers.adam(0.1, constrain=solvers.clip), start, 40, distance)
    assert (energies.min(axis=0) < 0.02 * energies[0]).all()
    assert (energies.min(axis=0) < 0.2 * of_adam.min(axis=0)).all()


def test_an_entry_at_the_priors_edge_does_not_turn_the_others():
    # The minimum of all, (2, 0.9), lies outside; the lowest within is at (1, 0.25). Newton's step, clipped, climbs from
    # there to (1, 0.9) for ever.
    matrix, goal = np.array([[4.0, -2.6], [-2.6, 4.0]]), np.array([2.0, 0.9])

    def energy(z):
        return 0.5 * tf.einsum("bi,ij,bj->b", z - goal, tf.constant(matrix, tf.float32), z - goal)

    _, energies = path(
        lbfgs(0.3, np.linalg.inv(matrix), solvers.clip), [[0.0, 0.0], [1.0, -1.0]], 12, energy
    )
    away = np.array([1.0, 0.25]) - goal
    np.testing.assert_allclose(energies.min(axis=0), 0.5 * away @ matrix @ away, rtol=1e-3)


def test_an_energy_that_has_risen_by_itself_does_not_hold_it():
    solver = lbfgs(0.1)
    point, state = tf.constant(START), solver.init(tf.constant(START))
    for number in range(60):
        raised = lambda point, by=100.0 * (number > 2): quadratic(point) + by  # noqa: E731
        _, point, state = solver.step(raised, point, state)
    np.testing.assert_allclose(state.point, np.broadcast_to(MINIMUM, (3, 2)), atol=1e-3)


def test_rows_do_not_look_at_each_other():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(30, 30))
    metric, weights = half @ half.T, tf.constant(rng.uniform(1, 9, 30), tf.float32)
    energy = lambda point: tf.reduce_sum(weights * tf.abs(point - 0.3), axis=1)  # noqa: E731
    rows = rng.uniform(-1, 1, (5, 30))
    together, _ = path(lbfgs(0.1, metric, solvers.clip), rows, 20, energy)
    others = np.concatenate([rows[2:3], 0.1 * rows[:4]])
    alone, _ = path(lbfgs(0.1, metric, solvers.clip), others, 20, energy)
    np.testing.assert_array_equal(alone[:, 0], together[:, 2])
    assert np.abs(together).max() <= 1


def test_a_row_without_an_energy_returns_and_goes_on():
    hole = lambda point: tf.where(point[:, 0] < 0.5, float("nan"), quadratic(point))  # noqa: E731
    solver = lbfgs(0.3)
    state = loop.search_loop(hole, solver, loop.initial_state(solver, tf.constant(START)), 40)
    np.testing.assert_array_equal(np.isfinite(state.best_energy), [True, False, False])
    lowest = 0.5, MINIMUM[1] - MATRIX[0, 1] / MATRIX[1, 1] * (0.5 - MINIMUM[0])
    assert state.best_energy[0] < 1.2 * quadratic(tf.constant([lowest], tf.float32))[0]
    with_sound_neighbours = np.array([START[0], [0.9, 0.9], [0.9, 0.9]], np.float32)
    sound = loop.search_loop(
        hole, solver, loop.initial_state(solver, tf.constant(with_sound_neighbours)), 40
    )
    np.testing.assert_array_equal(sound.best_point[0], state.best_point[0])
