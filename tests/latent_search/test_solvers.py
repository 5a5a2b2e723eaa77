"""Tests of solvers: Adam against NumPy and on a known minimum, constraints, and random numbers."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_inpaint.latent_search import solvers

# A quadratic whose axes are not the axes of z, so scaling the entries does not simplify it.
ROTATION = np.array([[0.8, -0.6], [0.6, 0.8]])
MATRIX = ROTATION @ np.diag([1.0, 8.0]) @ ROTATION.T
MINIMUM = np.array([0.3, -0.7])


def quadratic(point):
    difference = point - tf.constant(MINIMUM, point.dtype)
    matrix = tf.constant(MATRIX, point.dtype)
    return 0.5 * tf.einsum("bi,ij,bj->b", difference, matrix, difference)


def falling(point):
    """A linear energy: its gradient moves every entry up."""
    return -10 * tf.reduce_sum(point, axis=1)


def seeds_of(rows, step=0):
    return tf.constant([[row, step] for row in range(rows)], tf.int64)


def path(solver, point, steps, energy_fn=quadratic):
    """Returns the points after each step, and the energies of the points before each step."""
    step = tf.function(
        lambda point, state: solver.step(energy_fn, point, state, seeds_of(len(point)))
    )
    point, points, energies = tf.constant(point, tf.float32), [], []
    state = solver.init(point)
    for _ in range(steps):
        energy, point, state = step(point, state)
        points.append(point.numpy())
        energies.append(energy.numpy())
    return np.array(points), np.array(energies)


# --- Adam


def test_adam_equals_numpy_step_by_step():
    learning_rate, beta_1, beta_2, epsilon = 0.05, 0.8, 0.95, 1e-3
    point = np.array([[1.0, 1.0], [-0.5, 0.2]])
    points, _ = path(solvers.adam(learning_rate, beta_1, beta_2, epsilon), point, 30)
    mean, square = np.zeros((2, 2)), np.zeros((2, 2))
    for step, actual in enumerate(points, start=1):
        gradient = (point - MINIMUM) @ MATRIX
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        root = np.sqrt(square / (1 - beta_2**step))
        point = point - learning_rate * mean / (1 - beta_1**step) / (root + epsilon)
        np.testing.assert_allclose(actual, point, atol=2e-5)


def test_adam_converges_on_a_rotated_quadratic():
    points, energies = path(solvers.adam(0.03), [[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], 600)
    np.testing.assert_allclose(points[-1], np.broadcast_to(MINIMUM, (3, 2)), atol=1e-3)
    assert (energies[-1] < 1e-5 * energies[0]).all()


def test_directions_rotate_the_search():
    # If the problem and the directions are rotated together, the path is rotated too.
    def upright(point):
        return quadratic(point @ tf.constant(ROTATION.T, point.dtype))

    start = np.array([[1.0, 1.0], [-1.0, 0.2]])
    rotated, _ = path(solvers.adam(0.05, directions=ROTATION), start, 40)
    plain, _ = path(solvers.adam(0.05), start @ ROTATION, 40, upright)
    np.testing.assert_allclose(rotated, plain @ ROTATION.T, atol=1e-4)
    without_directions, _ = path(solvers.adam(0.05), start, 40)
    assert np.abs(without_directions - rotated).max() > 0.02


def test_length_of_a_column_is_the_length_of_the_step():
    lengths = np.array([0.5, 2.0])
    points, _ = path(solvers.adam(0.01, directions=ROTATION * lengths), [[1.0, 1.0]], 1)
    np.testing.assert_allclose(np.abs((points[0] - 1.0) @ ROTATION), [0.01 * lengths], rtol=1e-4)


def test_learning_rate_falls_along_a_cosine_to_a_twentieth():
    def rising(point):
        return tf.reduce_sum(point, axis=1)

    points, _ = path(solvers.adam(0.1, decay_steps=10), [[0.0]], 14, rising)
    steps = -np.diff(points[:, 0, 0], prepend=0.0)
    cosine = 0.5 + 0.5 * np.cos(np.pi * np.minimum(np.arange(14) / 10, 1))
    np.testing.assert_allclose(steps, 0.1 * (0.05 + 0.95 * cosine), rtol=1e-3)


def test_step_returns_the_energy_of_the_point_that_it_received():
    point = tf.constant([[1.0, 1.0], [0.3, -0.7]])
    solver = solvers.adam(0.1)
    energy, _, _ = solver.step(quadratic, point, solver.init(point), seeds_of(2))
    difference = np.array([0.7, 1.7])
    expected = [0.5 * difference @ MATRIX @ difference, 0.0]
    np.testing.assert_allclose(energy, expected, rtol=1e-5, atol=1e-12)


def test_rows_are_independent():
    rows = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    together, _ = path(solvers.adam(), rows, 20)
    others = np.concatenate([rows[2:3], 100 * rows[:4]])
    alone, _ = path(solvers.adam(), others, 20)
    np.testing.assert_array_equal(alone[:, 0], together[:, 2])


def test_value_and_gradient_watches_only_the_point():
    weight = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        energy, gradient = solvers.value_and_gradient(
            lambda point: weight * tf.reduce_sum(point**2, axis=1), tf.constant([[1.0, 2.0]])
        )
    np.testing.assert_allclose(gradient, [[4.0, 8.0]])
    np.testing.assert_allclose(energy, [10.0])
    assert tape.watched_variables() == (weight,)


# --- Constraints


def test_clip_keeps_every_point_in_the_prior():
    start = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    clipped, _ = path(solvers.adam(0.2, constrain=solvers.clip), start, 20, falling)
    unconstrained, _ = path(solvers.adam(0.2), start, 20, falling)
    assert np.abs(clipped).max() == 1
    assert np.abs(unconstrained).max() > 1
    np.testing.assert_array_equal(clipped[-1], np.ones((4, 3)))
    by_hand = solvers.clip(tf.constant([[-3.0, 0.25, 2.0]]))
    np.testing.assert_array_equal(by_hand, [[-1.0, 0.25, 1.0]])


def test_redraw_replaces_only_the_entries_outside_the_prior():
    point = np.random.default_rng(0).uniform(-2, 2, (400, 50)).astype(np.float32)
    point[0, :4] = [1.0, -1.0, np.inf, -np.inf]
    redrawn = solvers.redraw(tf.constant(point), seeds_of(400)).numpy()
    outside = np.abs(point) > 1
    np.testing.assert_array_equal(redrawn[~outside], point[~outside])
    assert outside.mean() > 0.4 and (redrawn[outside] != point[outside]).all()
    # The new entries do not depend on the old ones.
    assert stats.kstest(redrawn[outside], stats.uniform(-1, 2).cdf).pvalue > 0.01
    finite = outside & np.isfinite(point)
    assert abs(np.corrcoef(redrawn[finite], point[finite])[0, 1]) < 0.03


def test_stochastic_clipping_stays_in_the_prior_and_off_its_edge():
    start = np.random.default_rng(0).uniform(-1, 1, (4, 30))
    stochastic = solvers.adam(0.2, constrain=solvers.CONSTRAINTS["stochastic"])
    points, _ = path(stochastic, start, 20, falling)
    assert np.abs(points).max() < 1
    unconstrained = solvers.adam(0.2, constrain=solvers.CONSTRAINTS["none"])
    points, _ = path(unconstrained, start, 20, falling)
    assert points[-1].min() > 1


# --- Random numbers


def test_mix_gives_the_numbers_of_splitmix64():
    # The first numbers of Vigna's https://prng.di.unimi.it/splitmix64.c, from state 0.
    counter = np.array([0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A, 0xDAA66D2C7DDF743F], np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    np.testing.assert_array_equal(solvers.mix(tf.constant(counter)), np.array(expected, np.uint64))


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [(solvers.uniform, stats.uniform), (solvers.normal, stats.norm)],
    ids=["uniform", "normal"],
)
def test_numbers_follow_their_distribution(draw, distribution):
    # The seeds are those of a search: adjacent rows and steps.
    seeds = np.array([[row, step] for row in range(20) for step in range(50)])
    numbers = draw(seeds, 64).numpy()
    assert np.isfinite(numbers).all()
    assert stats.kstest(numbers.ravel(), distribution.cdf).pvalue > 0.01
    assert np.abs(np.corrcoef(numbers.T) - np.eye(64)).max() < 0.15
    assert np.abs(np.corrcoef(numbers[:64]) - np.eye(64)).max() < 0.6
    squares = np.corrcoef(np.square(numbers - numbers.mean()).T) - np.eye(64)
    assert np.abs(squares).max() < 0.15
    assert len(np.unique(draw(seeds, 1))) > 990


@pytest.mark.parametrize("draw", [solvers.uniform, solvers.normal])
def test_numbers_depend_on_the_seed_of_their_row_only(draw):
    # 7 is not a multiple of the vector width: a row must not move to another part of a vector.
    seeds = np.random.default_rng(0).integers(-(2**62), 2**62, (19, 2))
    together = draw(seeds, 7).numpy()
    for rows in ([0], [18], [4, 18, 3], np.random.default_rng(1).permutation(19)):
        np.testing.assert_array_equal(draw(seeds[rows], 7), together[rows])
    np.testing.assert_array_equal(draw(seeds, 5), together[:, :5])
    as_int32, as_int64 = (tf.constant([[3, 4]], dtype) for dtype in (tf.int32, tf.int64))
    np.testing.assert_array_equal(draw(as_int32, 5), draw(as_int64, 5))


def test_uniform_is_always_below_1():
    seeds = np.random.default_rng(0).integers(-(2**62), 2**62, (2000, 2))
    numbers = solvers.uniform(seeds, 500).numpy()
    assert numbers.min() >= 0 and numbers.max() < 1


def test_fold_in_gives_every_row_and_step_another_seed():
    seeds = seeds_of(30)
    folded = np.concatenate([solvers.fold_in(seeds, step) for step in range(40)])
    assert folded.shape == (1200, 2) and folded.dtype == np.int64
    assert len(np.unique(folded, axis=0)) == 1200
    np.testing.assert_array_equal(
        solvers.fold_in(seeds, tf.range(30))[7], solvers.fold_in(seeds, 7)[7]
    )
    # No stream is a shifted copy of another stream.
    streams = [solvers.uniform(solvers.fold_in(seeds, step), 5) for step in range(40)]
    numbers = np.concatenate(streams)
    assert len(np.unique(numbers)) > 0.999 * numbers.size


@pytest.mark.parametrize(
    ("draw", "tolerance"),
    [
        (lambda seeds: solvers.uniform(seeds, 100), 0),
        (lambda seeds: tf.bitcast(solvers.random_bits(seeds, 100), tf.int64), 0),
        (lambda seeds: solvers.fold_in(seeds, tf.range(4)), 0),
        # XLA has its own logarithm in the normal quantiles of the same uniform numbers.
        (lambda seeds: solvers.normal(seeds, 100), 2e-5),
    ],
    ids=["uniform", "bits", "fold in", "normal"],
)
def test_compiled_programs_draw_the_same_numbers(draw, tolerance):
    plain = draw(seeds_of(4))
    compiled = tf.function(draw, autograph=False, jit_compile=True)(seeds_of(4))
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=tolerance)
