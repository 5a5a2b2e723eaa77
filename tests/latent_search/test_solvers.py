"""solvers: random numbers of a row's own, and Adam, against an independent version and on a known minimum."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_inpaint.latent_search import solvers

# A quadratic whose axes are not those of z: Adam's scaling per entry does not undo it.
ROTATION = np.array([[0.8, -0.6], [0.6, 0.8]])
MATRIX = ROTATION @ np.diag([1.0, 8.0]) @ ROTATION.T
MINIMUM = np.array([0.3, -0.7])


def quadratic(point):
    away = point - tf.constant(MINIMUM, point.dtype)
    return 0.5 * tf.einsum("bi,ij,bj->b", away, tf.constant(MATRIX, point.dtype), away)


def seeds_of(rows, step=0):
    return tf.constant([[row, step] for row in range(rows)], tf.int64)


def path(solver, point, steps, energy_fn=quadratic):
    """The points after each step and the energies of the points before it."""
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


def test_adam_equals_numpy_step_by_step():
    learning_rate, beta_1, beta_2, epsilon = 0.05, 0.8, 0.95, 1e-3
    point = np.array([[1.0, 1.0], [-0.5, 0.2]])
    points, _ = path(solvers.adam(learning_rate, beta_1, beta_2, epsilon), point, 30)
    mean, square = np.zeros((2, 2)), np.zeros((2, 2))
    for step, actual in enumerate(points, start=1):
        gradient = (point - MINIMUM) @ MATRIX
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        unbiased = np.sqrt(square / (1 - beta_2**step))
        point = point - learning_rate * mean / (1 - beta_1**step) / (unbiased + epsilon)
        np.testing.assert_allclose(actual, point, atol=2e-5)


def test_adam_converges_on_a_rotated_quadratic():
    points, energies = path(solvers.adam(0.03), [[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], 600)
    np.testing.assert_allclose(points[-1], np.broadcast_to(MINIMUM, (3, 2)), atol=1e-3)
    assert (energies[-1] < 1e-5 * energies[0]).all()


def test_directions_turn_the_search():
    # Turned about, the problem is the same, if Adam is turned with it: its path is turned and nothing else.
    start = np.array([[1.0, 1.0], [-1.0, 0.2]])
    turned, _ = path(solvers.adam(0.05, directions=ROTATION), start, 40)
    upright = lambda point: quadratic(point @ tf.constant(ROTATION.T, point.dtype))  # noqa: E731
    plain, _ = path(solvers.adam(0.05), start @ ROTATION, 40, upright)
    np.testing.assert_allclose(turned, plain @ ROTATION.T, atol=1e-4)
    unturned, _ = path(solvers.adam(0.05), start, 40)
    assert np.abs(unturned - turned).max() > 0.02


def test_columns_length_is_the_step_along_it():
    lengths = np.array([0.5, 2.0])
    points, _ = path(solvers.adam(0.01, directions=ROTATION * lengths), [[1.0, 1.0]], 1)
    np.testing.assert_allclose(np.abs((points[0] - 1.0) @ ROTATION), [0.01 * lengths], rtol=1e-4)


def test_steps_fall_along_a_cosine_to_a_twentieth():
    slope = lambda point: tf.reduce_sum(point, axis=1)  # noqa: E731
    points, _ = path(solvers.adam(0.1, decay_steps=10), [[0.0]], 14, slope)
    steps = -np.diff(points[:, 0, 0], prepend=0.0)
    expected = 0.1 * (0.05 + 0.95 * (0.5 + 0.5 * np.cos(np.pi * np.minimum(np.arange(14) / 10, 1))))
    np.testing.assert_allclose(steps, expected, rtol=1e-3)


def test_step_gives_the_energy_of_the_point_it_was_given():
    point = tf.constant([[1.0, 1.0], [0.3, -0.7]])
    solver = solvers.adam(0.1)
    energy, _, _ = solver.step(quadratic, point, solver.init(point), seeds_of(2))
    away = np.array([0.7, 1.7])
    np.testing.assert_allclose(energy, [0.5 * away @ MATRIX @ away, 0.0], rtol=1e-5, atol=1e-12)


def test_rows_do_not_look_at_each_other():
    rows = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    together, _ = path(solvers.adam(), rows, 20)
    others = np.concatenate([rows[2:3], 100 * rows[:4]])
    np.testing.assert_array_equal(path(solvers.adam(), others, 20)[0][:, 0], together[:, 2])


def test_clip_keeps_every_point_in_the_prior():
    def outwards(point):
        return -10 * tf.reduce_sum(point, axis=1)

    start = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    clipped, _ = path(solvers.adam(0.2, constrain=solvers.clip), start, 20, outwards)
    free, _ = path(solvers.adam(0.2), start, 20, outwards)
    assert np.abs(clipped).max() == 1
    assert np.abs(free).max() > 1
    np.testing.assert_array_equal(clipped[-1], np.ones((4, 3)))
    np.testing.assert_array_equal(
        solvers.clip(tf.constant([[-3.0, 0.25, 2.0]])), [[-1.0, 0.25, 1.0]]
    )


def test_stochastic_clipping_draws_those_that_left_anew_and_no_other():
    point = np.random.default_rng(0).uniform(-2, 2, (400, 50)).astype(np.float32)
    point[0, :4] = [1.0, -1.0, np.inf, -np.inf]
    drawn = solvers.redraw(tf.constant(point), seeds_of(400)).numpy()
    left = np.abs(point) > 1
    np.testing.assert_array_equal(drawn[~left], point[~left])
    assert left.mean() > 0.4 and (drawn[left] != point[left]).all()
    # Where they left has no part in it.
    assert stats.kstest(drawn[left], stats.uniform(-1, 2).cdf).pvalue > 0.01
    assert (
        abs(np.corrcoef(drawn[left & np.isfinite(point)], point[left & np.isfinite(point)])[0, 1])
        < 0.03
    )


def test_adam_with_stochastic_clipping_stays_in_the_prior_and_off_its_edge():
    outwards = lambda point: -10 * tf.reduce_sum(point, axis=1)  # noqa: E731
    start = np.random.default_rng(0).uniform(-1, 1, (4, 30))
    points, _ = path(
        solvers.adam(0.2, constrain=solvers.CONSTRAINTS["stochastic"]), start, 20, outwards
    )
    assert np.abs(points).max() < 1
    free, _ = path(solvers.adam(0.2, constrain=solvers.CONSTRAINTS["none"]), start, 20, outwards)
    assert free[-1].min() > 1


# --- random numbers


def test_numbers_are_those_of_splitmix64():
    # The first of Vigna's splitmix64.c, https://prng.di.unimi.it/splitmix64.c, from state 0.
    counter = np.array([0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A, 0xDAA66D2C7DDF743F], np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    np.testing.assert_array_equal(solvers.mix(tf.constant(counter)), np.array(expected, np.uint64))


@pytest.mark.parametrize(
    ("draw", "law"),
    [(solvers.uniform, stats.uniform), (solvers.normal, stats.norm)],
    ids=["uniform", "normal"],
)
def test_numbers_follow_their_law(draw, law):
    # Seeds as a search makes them: of neighbouring rows and steps.
    seeds = np.array([[row, step] for row in range(20) for step in range(50)])
    numbers = draw(seeds, 64).numpy()
    assert np.isfinite(numbers).all()
    assert stats.kstest(numbers.ravel(), law.cdf).pvalue > 0.01
    correlations = np.corrcoef(numbers.T) - np.eye(64), np.corrcoef(numbers[:64]) - np.eye(64)
    assert np.abs(correlations[0]).max() < 0.15 and np.abs(correlations[1]).max() < 0.6
    squares = np.corrcoef(np.square(numbers - numbers.mean()).T) - np.eye(64)
    assert np.abs(squares).max() < 0.15
    assert len(np.unique(draw(seeds, 1))) > 990


@pytest.mark.parametrize("draw", [solvers.uniform, solvers.normal])
def test_numbers_are_a_row_s_own(draw):
    # 7 numbers a row, no multiple of a vector instruction's: a row must not fall into another part of it.
    seeds = np.random.default_rng(0).integers(-(2**62), 2**62, (19, 2))
    together = draw(seeds, 7).numpy()
    for chosen in ([0], [18], [4, 18, 3], np.random.default_rng(1).permutation(19)):
        np.testing.assert_array_equal(draw(seeds[chosen], 7), together[chosen])
    np.testing.assert_array_equal(draw(seeds, 5), together[:, :5])
    np.testing.assert_array_equal(
        draw(tf.constant([[3, 4]], tf.int32), 5), draw(tf.constant([[3, 4]], tf.int64), 5)
    )


def test_uniform_never_reaches_1():
    numbers = solvers.uniform(
        np.random.default_rng(0).integers(-(2**62), 2**62, (2000, 2)), 500
    ).numpy()
    assert numbers.min() >= 0 and numbers.max() < 1


def test_fold_gives_every_row_and_step_another_seed():
    seeds = seeds_of(30)
    folded = np.concatenate([solvers.fold_in(seeds, step) for step in range(40)])
    assert folded.shape == (1200, 2) and folded.dtype == np.int64
    assert len(np.unique(folded, axis=0)) == 1200
    np.testing.assert_array_equal(
        solvers.fold_in(seeds, tf.range(30))[7], solvers.fold_in(seeds, 7)[7]
    )
    # Step s of one row is no step of another: not the same numbers one later.
    numbers = np.concatenate(
        [solvers.uniform(solvers.fold_in(seeds, step), 5) for step in range(40)]
    )
    assert len(np.unique(numbers)) > 0.999 * numbers.size


def test_only_the_point_is_watched():
    weight = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        energy, gradient = solvers.value_and_gradient(
            lambda point: weight * tf.reduce_sum(point**2, axis=1), tf.constant([[1.0, 2.0]])
        )
    np.testing.assert_allclose(gradient, [[4.0, 8.0]])
    np.testing.assert_allclose(energy, [10.0])
    assert tape.watched_variables() == (weight,)
