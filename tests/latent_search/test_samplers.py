"""Tests of samplers: densities known in closed form are invariant, and without the test of
acceptance they are not."""

import functools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_inpaint.latent_search import samplers
from tf_inpaint.latent_search.solvers import fold_in

ROWS, SIZE = 6000, 3
RANDOM = np.random.default_rng(0)
MAP = RANDOM.normal(size=(5, SIZE)).astype(np.float32)
DATA = np.array([0.5, -1.0, 0.3, 0.8, -0.2], np.float32)
TEMPERATURE = 1.5
PRECISION = np.eye(SIZE) + MAP.T @ MAP / TEMPERATURE
"""Precision of the posterior of u ~ N(0, I) under the energy |MAP u - DATA|^2 / 2."""
MEAN = np.linalg.solve(PRECISION, MAP.T @ DATA / TEMPERATURE)
"""Mean of the same posterior."""

SAMPLERS = {
    "langevin": functools.partial(
        samplers.hamiltonian, leapfrog_steps=1, target_acceptance_rate=0.57
    ),
    "hamiltonian": functools.partial(samplers.hamiltonian, leapfrog_steps=2),
}


def flat(u):
    """The energy of the prior alone."""
    return 0.0 * tf.reduce_sum(u, axis=1)


def misfit(u):
    """The energy of the posterior."""
    return 0.5 * tf.reduce_sum(tf.square(tf.linalg.matvec(MAP, u) - DATA), axis=1)


def seeds_of(rows, first=0):
    numbers = tf.range(first, first + rows, dtype=tf.int64)
    return tf.stack([numbers, tf.ones([rows], tf.int64)], axis=1)


def run_chain(sampler, energy_fn, u, steps, first_row=0):
    """Returns `(point, state, energies [steps, B])` at the end."""
    step = tf.function(sampler.step)
    point, energies = tf.constant(u, tf.float32), []
    state, seeds = sampler.init(point), seeds_of(len(u), first_row)
    for number in range(steps):
        energy, point, state = step(energy_fn, point, state, fold_in(seeds, number))
        energies.append(energy.numpy())
    return point.numpy(), state, np.array(energies)


def smallest_p_value(u, mean, precision):
    """Tests if u is from N(mean, precision^-1), along the axes and diagonals of whitened u."""
    white = (u - mean) @ np.linalg.cholesky(precision)
    diagonals = (white[:, :-1] + white[:, 1:]) / np.sqrt(2)
    return min(scipy.stats.kstest(values, "norm").pvalue for values in [*white.T, *diagonals.T])


# --- Invariant densities


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("adjusted", [True, False])
def test_prior_is_invariant_and_without_adjustment_is_not(name, adjusted):
    start = np.random.default_rng(1).normal(size=(ROWS, SIZE))
    u, state, _ = run_chain(SAMPLERS[name](1.1, adjusted=adjusted), flat, start, 8)
    rate = state.acceptance_probability.numpy().mean()
    assert 0.4 < rate < 0.95, "otherwise the test proves little"
    assert np.abs(np.corrcoef(start.T, u.T)[:SIZE, SIZE:]).max() < 0.2, "the chains must move"
    if adjusted:
        assert smallest_p_value(u, np.zeros(SIZE), np.eye(SIZE)) > 1e-3
        np.testing.assert_allclose(np.cov(u.T), np.eye(SIZE), atol=0.07)
    else:
        assert smallest_p_value(u, np.zeros(SIZE), np.eye(SIZE)) < 1e-9


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("adjusted", [True, False])
def test_posterior_is_invariant_and_without_adjustment_is_not(name, adjusted):
    start = np.random.default_rng(2).multivariate_normal(MEAN, np.linalg.inv(PRECISION), ROWS)
    # The coordinates have different scales, and each row is given its own (equal) temperature.
    sampler = SAMPLERS[name](
        1.1,
        temperature=tf.fill([ROWS], TEMPERATURE),
        scales=tf.constant([0.6, 0.8, 0.5]),
        adjusted=adjusted,
    )
    u, state, _ = run_chain(sampler, misfit, start, 12)
    rate = state.acceptance_probability.numpy().mean()
    assert 0.3 < rate < 0.97, "otherwise the test proves little"
    if adjusted:
        assert smallest_p_value(u, MEAN, PRECISION) > 1e-3
        np.testing.assert_allclose(u.mean(0), MEAN, atol=0.05)
        np.testing.assert_allclose(np.cov(u.T), np.linalg.inv(PRECISION), atol=0.05)
    else:
        assert smallest_p_value(u, MEAN, PRECISION) < 1e-9


@pytest.mark.parametrize("name", SAMPLERS)
def test_posterior_is_reached_from_afar_after_a_burn_in(name):
    start = np.full((ROWS, SIZE), 4.0)
    sampler = SAMPLERS[name](1.1, temperature=TEMPERATURE, adapt_steps=30)
    u, _, _ = run_chain(sampler, misfit, start, 60)
    assert smallest_p_value(u, MEAN, PRECISION) > 1e-3


def test_prior_of_z_is_uniform():
    start = np.random.default_rng(3).uniform(-1, 1, (ROWS, SIZE)).astype(np.float32)
    u, _, _ = run_chain(SAMPLERS["langevin"](1.1), flat, samplers.to_normal(start), 8)
    z = samplers.to_uniform(u).numpy()
    assert min(scipy.stats.kstest(values, "uniform", (-1, 2)).pvalue for values in z.T) > 1e-3
    assert np.abs(z).max() < 1


# --- Parts of the sampler


def test_uniform_and_normal_are_inverse_maps():
    z = np.linspace(-0.999, 0.999, 41).astype(np.float32)
    quantiles = scipy.stats.norm.ppf((z + 1) / 2)
    np.testing.assert_allclose(samplers.to_normal(z), quantiles, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(samplers.to_uniform(samplers.to_normal(z)), z, atol=1e-6)
    assert np.abs(samplers.to_normal([-1.0, 1.0, 1.5])).max() < 3.3


def test_leapfrog_returns_to_its_start_with_reversed_momentum():
    u, momentum = RANDOM.normal(size=(2, 6, SIZE))
    lengths = np.abs(RANDOM.normal(0.1, 0.05, (6, SIZE)))
    matrix = MAP.astype(float)

    def force_fn(u):
        return None, u + tf.linalg.matmul(tf.linalg.matvec(matrix, u) - DATA, matrix)

    end, end_momentum, _ = samplers.leapfrog(force_fn, u, momentum, force_fn(u)[1], lengths, 7)
    assert np.abs(end - u).max() > 0.3
    back, back_momentum, _ = samplers.leapfrog(
        force_fn, end, -end_momentum, force_fn(end)[1], lengths, 7
    )
    np.testing.assert_allclose(back, u, atol=1e-12)
    np.testing.assert_allclose(back_momentum, -momentum, atol=1e-12)


def test_step_returns_the_energy_of_the_point_that_it_received():
    point = tf.constant(RANDOM.normal(size=(8, SIZE)), tf.float32)
    sampler = SAMPLERS["langevin"](0.5)
    state, seeds = sampler.init(point), seeds_of(8)
    for number in range(6):
        energy, next_point, state = sampler.step(misfit, point, state, fold_in(seeds, number))
        np.testing.assert_allclose(energy, misfit(point), rtol=1e-5)
        if number == 0:
            np.testing.assert_array_equal(next_point, point)
        point = next_point


@pytest.mark.parametrize("leapfrog_steps", [1, 4])
def test_a_step_evaluates_one_energy_per_leapfrog_step(leapfrog_steps):
    calls = []

    def counted(u):
        calls.append(u)
        return misfit(u)

    point = tf.zeros([2, SIZE])
    sampler = samplers.hamiltonian(0.1, leapfrog_steps)
    sampler.step(counted, point, sampler.init(point), seeds_of(2))
    assert len(calls) == leapfrog_steps


@pytest.mark.parametrize("step_size", [0.003, 30.0])
@pytest.mark.parametrize(("leapfrog_steps", "target"), [(1, 0.57), (3, 0.65)])
def test_step_size_is_adapted_in_the_burn_in_and_then_fixed(leapfrog_steps, target, step_size):
    start = np.random.default_rng(4).multivariate_normal(MEAN, np.linalg.inv(PRECISION), 200)
    sampler = samplers.hamiltonian(
        step_size,
        leapfrog_steps,
        TEMPERATURE,
        adapt_steps=200,
        target_acceptance_rate=target,
    )
    u, state, _ = run_chain(sampler, misfit, start, 201)
    assert len(np.unique(state.log_step)) >= 199, (
        "each row has its own step size; two rows may have the same number by chance"
    )
    step, rates = tf.function(sampler.step), []
    log_step = state.log_step
    u = tf.convert_to_tensor(u)
    for number in range(60):
        _, u, state = step(misfit, u, state, fold_in(seeds_of(200), 201 + number))
        rates.append(state.acceptance_probability.numpy().mean())
    np.testing.assert_array_equal(state.log_step, log_step)
    assert np.mean(rates) == pytest.approx(target, abs=0.08)


# --- Values that are not finite, and independence of rows


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_proposal_without_a_finite_energy_is_rejected(bad):
    def cut(u):
        return tf.where(u[:, 0] > 0.5, tf.constant(bad, tf.float32), misfit(u))

    start = RANDOM.normal(size=(500, SIZE)) - [4, 0, 0]
    u, state, _ = run_chain(SAMPLERS["langevin"](0.5), cut, start, 40)
    assert u[:, 0].max() <= 0.5
    assert (u[:, 0] > 0).any(), "some chains must come near the cut"
    for values in (u, state.energy, state.gradient, state.log_step):
        assert np.isfinite(values).all()


def test_proposal_without_a_finite_gradient_is_rejected():
    # Above 0 the energy is finite and its slope is not: it is the square root of 0.
    def cut(u):
        return tf.reduce_sum(tf.where(u > 0, tf.sqrt(tf.nn.relu(-u)), 0.0), axis=1)

    u, state, _ = run_chain(SAMPLERS["langevin"](0.5), cut, np.full((200, SIZE), -0.5), 20)
    assert u.max() <= 0
    assert np.isfinite(state.gradient).all()


def test_chain_leaves_a_start_without_a_finite_energy():
    def cut(u):
        return tf.where(u[:, 0] > 0.5, np.nan, misfit(u))

    start = np.full((20, SIZE), 0.6)
    u, state, energies = run_chain(SAMPLERS["langevin"](0.5), cut, start, 40)
    assert np.isnan(energies[0]).all()
    assert np.isfinite(state.energy).all()
    assert u[:, 0].max() <= 0.5


def test_rows_are_independent():
    start = RANDOM.normal(size=(5, SIZE))
    sampler = samplers.hamiltonian(0.4, 3, adapt_steps=5)
    u, state, energies = run_chain(sampler, misfit, start, 12)
    # Row 2 gets other rows after it, and one of them has no energy.
    others = np.concatenate([start[2:3], np.full((1, SIZE), np.nan), 10 * start[:3]])
    other_u, other_state, other_energies = run_chain(sampler, misfit, others, 12, first_row=2)
    np.testing.assert_array_equal(other_u[0], u[2])
    np.testing.assert_array_equal(other_state.log_step[0], state.log_step[2])
    np.testing.assert_array_equal(other_energies[:, 0], energies[:, 2])
