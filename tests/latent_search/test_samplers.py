"""samplers: densities known in closed form stay as they are, and do not without the test of acceptance."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_inpaint.latent_search import samplers
from tf_inpaint.latent_search.solvers import fold_in

ROWS, SIZE = 6000, 3
RANDOM = np.random.default_rng(0)
MAP = RANDOM.normal(size=(5, SIZE)).astype(np.float32)
GIVEN = np.array([0.5, -1.0, 0.3, 0.8, -0.2], np.float32)
TEMPERATURE = 1.5
PRECISION = np.eye(SIZE) + MAP.T @ MAP / TEMPERATURE
"""Of the posterior of u ~ N(0, I) under the energy |MAP u - GIVEN|^2 / 2."""
MEAN = np.linalg.solve(PRECISION, MAP.T @ GIVEN / TEMPERATURE)


def nothing(u):
    return 0.0 * tf.reduce_sum(u, axis=1)


def misfit(u):
    return 0.5 * tf.reduce_sum(tf.square(tf.linalg.matvec(MAP, u) - GIVEN), axis=1)


def seeds_of(rows, first=0):
    return tf.stack(
        [tf.range(first, first + rows, dtype=tf.int64), tf.ones([rows], tf.int64)], axis=1
    )


def chain(sampler, energy_fn, u, steps, first_row=0):
    """`(point, state, energies [steps, B])` at the end."""
    step = tf.function(sampler.step)
    point, energies = tf.constant(u, tf.float32), []
    state, seeds = sampler.init(point), seeds_of(len(u), first_row)
    for number in range(steps):
        energy, point, state = step(energy_fn, point, state, fold_in(seeds, number))
        energies.append(energy.numpy())
    return point.numpy(), state, np.array(energies)


def likeness(u, mean, precision):
    """The smallest p of KS tests that u is N(mean, precision^-1): along the axes and diagonals of the whitened."""
    white = (u - mean) @ np.linalg.cholesky(precision)
    diagonals = (white[:, :-1] + white[:, 1:]) / np.sqrt(2)
    return min(scipy.stats.kstest(values, "norm").pvalue for values in [*white.T, *diagonals.T])


SAMPLERS = {
    "langevin": lambda **settings: samplers.langevin(1.1, **settings),
    "hamiltonian": lambda **settings: samplers.hamiltonian(1.1, 2, **settings),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("adjusted", [True, False])
def test_prior_is_invariant_and_without_adjustment_is_not(name, adjusted):
    start = np.random.default_rng(1).normal(size=(ROWS, SIZE))
    u, state, _ = chain(SAMPLERS[name](adjusted=adjusted), nothing, start, 8)
    assert 0.4 < state.acceptance.numpy().mean() < 0.95, "else the test would prove little"
    assert np.abs(np.corrcoef(start.T, u.T)[:SIZE, SIZE:]).max() < 0.2, "it must have moved"
    if adjusted:
        assert likeness(u, np.zeros(SIZE), np.eye(SIZE)) > 1e-3
        np.testing.assert_allclose(np.cov(u.T), np.eye(SIZE), atol=0.07)
    else:
        assert likeness(u, np.zeros(SIZE), np.eye(SIZE)) < 1e-9


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("adjusted", [True, False])
def test_posterior_is_invariant_and_without_adjustment_is_not(name, adjusted):
    start = np.random.default_rng(2).multivariate_normal(MEAN, np.linalg.inv(PRECISION), ROWS)
    # Coordinates of unlike scales, and rows of the same temperature said one by one.
    sampler = SAMPLERS[name](
        temperature=tf.fill([ROWS], TEMPERATURE),
        scales=tf.constant([0.6, 0.8, 0.5]),
        adjusted=adjusted,
    )
    u, state, _ = chain(sampler, misfit, start, 12)
    assert 0.3 < state.acceptance.numpy().mean() < 0.97, "else the test would prove little"
    if adjusted:
        assert likeness(u, MEAN, PRECISION) > 1e-3
        np.testing.assert_allclose(u.mean(0), MEAN, atol=0.05)
        np.testing.assert_allclose(np.cov(u.T), np.linalg.inv(PRECISION), atol=0.05)
    else:
        assert likeness(u, MEAN, PRECISION) < 1e-9


@pytest.mark.parametrize("name", SAMPLERS)
def test_posterior_is_reached_from_afar_after_a_burn_in(name):
    start = np.full((ROWS, SIZE), 4.0)
    sampler = SAMPLERS[name](temperature=TEMPERATURE, adapt_steps=30)
    u, _, _ = chain(sampler, misfit, start, 60)
    assert likeness(u, MEAN, PRECISION) > 1e-3


def test_prior_of_z_is_uniform():
    start = np.random.default_rng(3).uniform(-1, 1, (ROWS, SIZE))
    z, _, _ = chain(samplers.of_uniform(samplers.langevin(1.1)), nothing, start, 8)
    assert min(scipy.stats.kstest(values, "uniform", (-1, 2)).pvalue for values in z.T) > 1e-3
    assert np.abs(z).max() < 1


def test_z_carries_the_chain_of_u():
    start = RANDOM.normal(size=(4, SIZE)).astype(np.float32)
    of_z = samplers.of_uniform(samplers.langevin(0.5))
    u, _, energies = chain(samplers.langevin(0.5), misfit, start, 10)
    z, state, same = chain(
        of_z, lambda z: misfit(samplers.to_normal(z)), samplers.to_uniform(start), 10
    )
    np.testing.assert_allclose(z, samplers.to_uniform(u), atol=1e-4)
    np.testing.assert_allclose(same, energies, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(state[0], u, atol=1e-3)


def test_uniform_and_normal_are_each_others_inverse():
    z = np.linspace(-0.999, 0.999, 41).astype(np.float32)
    np.testing.assert_allclose(
        samplers.to_normal(z), scipy.stats.norm.ppf((z + 1) / 2), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(samplers.to_uniform(samplers.to_normal(z)), z, atol=1e-6)
    assert np.abs(samplers.to_normal([-1.0, 1.0, 1.5])).max() < 3.3


def test_leapfrog_forth_and_back():
    u, momentum = RANDOM.normal(size=(2, 6, SIZE))
    lengths = np.abs(RANDOM.normal(0.1, 0.05, (6, SIZE)))

    def force_fn(u):
        slope = u + tf.linalg.matmul(
            tf.linalg.matvec(MAP.astype(float), u) - GIVEN, MAP.astype(float)
        )
        return None, slope

    there = samplers.leapfrog(force_fn, u, momentum, force_fn(u)[1], lengths, 7)[:2]
    assert np.abs(there[0] - u).max() > 0.3
    back = samplers.leapfrog(force_fn, there[0], -there[1], force_fn(there[0])[1], lengths, 7)[:2]
    np.testing.assert_allclose(back[0], u, atol=1e-12)
    np.testing.assert_allclose(back[1], -momentum, atol=1e-12)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_no_energy_is_a_rejection(broken):
    def cut(u):
        return tf.where(u[:, 0] > 0.5, tf.constant(broken, tf.float32), misfit(u))

    start = RANDOM.normal(size=(500, SIZE)) - [4, 0, 0]
    u, state, _ = chain(samplers.langevin(0.5), cut, start, 40)
    assert u[:, 0].max() <= 0.5
    assert (u[:, 0] > 0).any(), "some must have come near"
    for values in (u, state.energy, state.gradient, state.log_step):
        assert np.isfinite(values).all()


def test_a_gradient_that_is_none_is_a_rejection():
    # Above 0 the energy is finite and its slope is not: the square root of a zero.
    def cut(u):
        return tf.reduce_sum(tf.where(u > 0, tf.sqrt(tf.nn.relu(-u)), 0.0), axis=1)

    u, state, _ = chain(samplers.langevin(0.5), cut, np.full((200, SIZE), -0.5), 20)
    assert u.max() <= 0
    assert np.isfinite(state.gradient).all()


def test_a_start_without_energy_is_left():
    def cut(u):
        return tf.where(u[:, 0] > 0.5, np.nan, misfit(u))

    u, state, energies = chain(samplers.langevin(0.5), cut, np.full((20, SIZE), 0.6), 40)
    assert np.isnan(energies[0]).all()
    assert np.isfinite(state.energy).all()
    assert u[:, 0].max() <= 0.5


def test_rows_do_not_look_at_each_other():
    start = RANDOM.normal(size=(5, SIZE))
    sampler = samplers.hamiltonian(0.4, 3, adapt_steps=5)
    u, state, energies = chain(sampler, misfit, start, 12)
    # Other rows before and after it, one of them without energy.
    others = np.concatenate([start[2:3], np.full((1, SIZE), np.nan), 10 * start[:3]])
    alone, alone_state, alone_energies = chain(sampler, misfit, others, 12, first_row=2)
    np.testing.assert_array_equal(alone[0], u[2])
    np.testing.assert_array_equal(alone_state.log_step[0], state.log_step[2])
    np.testing.assert_array_equal(alone_energies[:, 0], energies[:, 2])


def test_step_gives_the_energy_of_the_point_it_was_given():
    point = tf.constant(RANDOM.normal(size=(8, SIZE)), tf.float32)
    sampler = samplers.langevin(0.5)
    state, seeds = sampler.init(point), seeds_of(8)
    for number in range(6):
        energy, following, state = sampler.step(misfit, point, state, fold_in(seeds, number))
        np.testing.assert_allclose(energy, misfit(point), rtol=1e-5)
        if number == 0:
            np.testing.assert_array_equal(following, point)
        point = following


@pytest.mark.parametrize("leapfrog_steps", [1, 4])
def test_a_step_costs_its_leapfrog_steps(leapfrog_steps):
    calls = []

    def counted(u):
        calls.append(u)
        return misfit(u)

    point = tf.zeros([2, SIZE])
    sampler = samplers.hamiltonian(0.1, leapfrog_steps)
    sampler.step(counted, point, sampler.init(point), seeds_of(2))
    assert len(calls) == leapfrog_steps


@pytest.mark.parametrize("step_size", [0.003, 30.0])
@pytest.mark.parametrize("name", ["langevin", "hamiltonian"])
def test_step_size_is_adapted_in_the_burn_in_and_then_fixed(name, step_size):
    start = np.random.default_rng(4).multivariate_normal(MEAN, np.linalg.inv(PRECISION), 200)
    sampler, wanted = {
        "langevin": (samplers.langevin(step_size, TEMPERATURE, adapt_steps=200), 0.57),
        "hamiltonian": (samplers.hamiltonian(step_size, 3, TEMPERATURE, adapt_steps=200), 0.65),
    }[name]
    u, state, _ = chain(sampler, misfit, start, 201)
    assert len(np.unique(state.log_step)) >= 199, (
        "each row has its own; two may be one number by chance"
    )
    step, means = tf.function(sampler.step), []
    log_step = state.log_step
    for number in range(60):
        _, u, state = step(
            misfit, tf.convert_to_tensor(u), state, fold_in(seeds_of(200), 201 + number)
        )
        means.append(state.acceptance.numpy().mean())
    np.testing.assert_array_equal(state.log_step, log_step)
    assert np.mean(means) == pytest.approx(wanted, abs=0.08)
