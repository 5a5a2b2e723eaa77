"""Hamiltonian Monte Carlo as a solver, which draws z from the posterior.

The sampler moves u, whose prior is N(0, I), and its invariant density is proportional to

    exp(-energy(u) / temperature) N(u; 0, I)

`z = erf(u / sqrt 2)` is then uniform in [-1, 1] under the prior, as the generator requires. Unlike
z, u has no edge at which a chain would have to be stopped. Each row is a separate chain, with its
own step size and its own acceptance.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_inpaint.latent_search.solvers import (
    VECTOR_WIDTH,
    EnergyFn,
    Solver,
    normal,
    value_and_gradient,
)

MAX_START = 0.999
"""Maximum |z| at which a chain starts. A search with `clip` leaves many entries at 1, where u is
infinite."""

ForceFn = Callable[[tf.Tensor], tuple[Any, tf.Tensor]]
"""Function from points `[B, Z]` to any further results and to the slope of the potential there,
`[B, Z]`."""


class ChainState(NamedTuple):
    """What a chain remembers besides its point.

    Nothing here depends on the temperature, so the temperature may change between two steps.
    """

    count: tf.Tensor
    """Number of steps so far, a float32 scalar."""
    energy: tf.Tensor
    """`[B]`, energy at the point; infinite as long as no finite energy was found."""
    gradient: tf.Tensor
    """`[B, Z]`, gradient of the energy at the point."""
    log_step: tf.Tensor
    """`[B]`, logarithm of the step size."""
    acceptance_probability: tf.Tensor
    """`[B]`, probability with which the last proposal was accepted."""


def padded_to_vectors(function: Callable[[tf.Tensor], tf.Tensor], values: tf.Tensor) -> tf.Tensor:
    """Applies `function` to every entry, with each row padded to whole vector instructions.

    Vector code and scalar code round differently, and without padding the other rows decide which
    entries get the scalar code. A difference in the last bit leads to another chain.
    """
    values = tf.convert_to_tensor(values)
    size = values.shape[-1]
    padding = [[0, 0]] * (values.shape.rank - 1) + [[0, -size % VECTOR_WIDTH]]
    return function(tf.pad(values, padding))[..., :size]


def to_uniform(u: tf.Tensor) -> tf.Tensor:
    """Returns `z = erf(u / sqrt 2)`, which is uniform in [-1, 1] if u is from N(0, 1)."""
    return padded_to_vectors(tf.math.erf, math.sqrt(0.5) * u)


def to_normal(z: tf.Tensor) -> tf.Tensor:
    """Returns the u with `to_uniform(u) = z`. Where |z| exceeds `MAX_START`, |u| is 3.3."""
    return math.sqrt(2.0) * padded_to_vectors(
        tf.math.erfinv, tf.clip_by_value(z, -MAX_START, MAX_START)
    )


def leapfrog(
    force_fn: ForceFn,
    u: tf.Tensor,
    momentum: tf.Tensor,
    slope: tf.Tensor,
    lengths: tf.Tensor,
    steps: int,
) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """Follows the Hamiltonian `potential(u) + |momentum|^2 / 2` for some leapfrog steps.

    The map keeps volumes. With the sign of the momentum reversed at the end, the same steps lead
    back to the start. Because of these two properties, a Metropolis test of the two ends is
    sufficient.

    Args:
        force_fn: see `ForceFn`.
        u: `[B, Z]`, start of the path.
        momentum: `[B, Z]`, momentum at the start.
        slope: `[B, Z]`, slope of the potential at the start.
        lengths: `[B, Z]`, distance of one step per unit of momentum.
        steps: at least 1.

    Returns:
        `(u, momentum, info)` at the end of the path; info is the first result of `force_fn` there.
    """
    info = None
    for _ in range(steps):
        momentum -= 0.5 * lengths * slope
        u += lengths * momentum
        info, slope = force_fn(u)
        momentum -= 0.5 * lengths * slope
    return u, momentum, info


def hamiltonian(
    step_size: float = 0.2,
    leapfrog_steps: int = 5,
    temperature: float | tf.Tensor = 1.0,
    scales: float | tf.Tensor = 1.0,
    adapt_steps: int = 0,
    target_acceptance_rate: float = 0.65,
    adjusted: bool = True,
) -> Solver:
    """Hamiltonian Monte Carlo over u. The density at the top of this module is its invariant one.

        momentum ~ N(0, I)
        (u', momentum') = leapfrog(u, momentum)
        H(u, momentum) = energy(u) / temperature + |u|^2 / 2 + |momentum|^2 / 2
        accept u' with probability min(1, exp(H(u, momentum) - H(u', momentum')))

    With one leapfrog step this is the Metropolis-adjusted Langevin algorithm, whose proposal is

        u' = u - step_size^2 / 2 * (u + gradient / temperature) + step_size * N(0, I)

    A step evaluates `leapfrog_steps` gradients, because the state holds the energy and the gradient
    of the point. The first step of a chain has length 0 and only computes these two. A proposal
    whose energy or gradient is not finite is rejected.

    In the steps 1 to `adapt_steps`, the logarithm of the step size of a row follows its acceptance
    probability (Robbins & Monro). The density is invariant only after these steps.

    Args:
        step_size: first step size.
        leapfrog_steps: leapfrog steps per proposal.
        temperature: a scalar, or `[B]`.
        scales: `[Z]` or `[B, Z]`, length of a step along each coordinate; the mass matrix is
            `scales^-2`. The scales must not depend on the point.
        adapt_steps: number of steps of the burn-in; 0 keeps the step size.
        target_acceptance_rate: mean acceptance probability that the step size is adapted to; 0.65
            suits long paths, 0.57 suits single leapfrog steps.
        adjusted: False accepts every finite proposal, only for comparison: the invariant density
            is then another one.

    Source: Neal 2011, "MCMC using Hamiltonian dynamics", https://arxiv.org/abs/1206.1901; Roberts &
    Tweedie 1996, "Exponential convergence of Langevin distributions and their discrete
    approximations"; acceptance rates of Roberts & Rosenthal 1998 and Beskos et al. 2013
    """
    temperature = tf.convert_to_tensor(temperature, tf.float32)
    temperature_column = temperature[..., None]

    def init(u):
        zeros = tf.zeros_like(u[:, 0])
        return ChainState(
            tf.constant(0.0), zeros + math.inf, tf.zeros_like(u), zeros + math.log(step_size), zeros
        )

    def step(energy_fn: EnergyFn, u, state, seeds):
        def force_fn(u):
            energy, gradient = value_and_gradient(energy_fn, u)
            return (energy, gradient), u + gradient / temperature_column

        # Draw the momentum. One draw also serves the test of acceptance, because two draws with the
        # same seed would not be independent.
        noise = normal(seeds, u.shape[1] + 1)
        momentum, threshold = noise[:, :-1], 0.5 + 0.5 * to_uniform(noise[:, -1:])[:, 0]

        # Propose a point.
        is_first = tf.equal(state.count, 0.0)
        step_sizes = padded_to_vectors(tf.exp, state.log_step[:, None])
        lengths = scales * tf.where(is_first, 0.0, step_sizes)
        slope = u + state.gradient / temperature_column
        proposal, last_momentum, (energy, gradient) = leapfrog(
            force_fn, u, momentum, slope, lengths, leapfrog_steps
        )

        # Accept or reject the proposal.
        squares = (
            tf.square(u) - tf.square(proposal) + tf.square(momentum) - tf.square(last_momentum)
        )
        energy_fall = (state.energy - energy) / temperature
        log_ratio = energy_fall + 0.5 * tf.reduce_sum(squares, axis=1)
        finite = tf.math.is_finite(energy) & tf.reduce_all(tf.math.is_finite(gradient), axis=1)
        ratio = padded_to_vectors(tf.exp, tf.minimum(log_ratio, 0.0)[:, None])[:, 0]
        probability = tf.where(finite, ratio, 0.0)
        accepted = finite & (threshold < probability) if adjusted else finite

        def accepted_or(new, old):
            return tf.where(accepted[:, None], new, old)

        # Adapt the step size.
        adapting = (state.count > 0) & (state.count <= adapt_steps)
        rate = tf.where(adapting, tf.pow(tf.maximum(state.count, 1.0), -0.6), 0.0)
        next_state = ChainState(
            state.count + 1,
            tf.where(accepted, energy, state.energy),
            accepted_or(gradient, state.gradient),
            state.log_step + rate * (probability - target_acceptance_rate),
            probability,
        )
        return tf.where(is_first, energy, state.energy), accepted_or(proposal, u), next_state

    return Solver(init, step)
