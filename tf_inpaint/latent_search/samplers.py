"""What draws z from the posterior: Metropolis-adjusted Langevin and Hamiltonian Monte Carlo, as solvers.

A sampler moves u, whose prior is N(0, I), and leaves the density proportional to

    exp(-energy(u) / temperature) N(u; 0, I)

as it is. `z = erf(u / sqrt 2)` is then uniform in [-1, 1], the prior of the generator, and has no edge at which a
chain would have to be held: `of_uniform` makes a sampler of z out of one of u. Each row is a chain of its own, with
its own step size and its own acceptance.
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

EDGE = 0.999
"""The largest |z| that a chain starts from: at 1, where a clipped search leaves many entries, u is infinite."""

ForceFn = Callable[[tf.Tensor], tuple[Any, tf.Tensor]]
"""Points `[B, Z]` to whatever is worth knowing there, and to the slope of the potential, `[B, Z]`."""


class ChainState(NamedTuple):
    """What a chain knows besides its point. Nothing in it depends on the temperature, which may change."""

    count: tf.Tensor
    """Steps so far, a float32 scalar."""
    energy: tf.Tensor
    """`[B]`, at the point; infinite where it is not finite."""
    gradient: tf.Tensor
    """`[B, Z]`, of the energy at the point."""
    log_step: tf.Tensor
    """`[B]`, the logarithm of the step size."""
    acceptance: tf.Tensor
    """`[B]`, the probability with which the last proposal was accepted."""


def padded_to_vectors(function: Callable[[tf.Tensor], tf.Tensor], values: tf.Tensor) -> tf.Tensor:
    """`function` of every entry, with rows filled up to whole vector instructions.

    These and the scalar code for what is left over round differently, and which row is left over depends on the
    others. A chain makes another one of a last bit.
    """
    values = tf.convert_to_tensor(values)
    size = values.shape[-1]
    return function(
        tf.pad(values, [[0, 0]] * (values.shape.rank - 1) + [[0, -size % VECTOR_WIDTH]])
    )[..., :size]


def to_uniform(u: tf.Tensor) -> tf.Tensor:
    """`z = erf(u / sqrt 2)`: uniform in [-1, 1] where u is N(0, 1)."""
    return padded_to_vectors(tf.math.erf, math.sqrt(0.5) * u)


def to_normal(z: tf.Tensor) -> tf.Tensor:
    """The u of which z is `to_uniform`, for |z| up to `EDGE`; beyond it, that of the edge, 3.3."""
    return math.sqrt(2.0) * padded_to_vectors(tf.math.erfinv, tf.clip_by_value(z, -EDGE, EDGE))


def of_uniform(sampler: Solver) -> Solver:
    """The same chain seen from z in [-1, 1]^Z: it carries u along and shows `to_uniform(u)`."""

    def init(z):
        u = to_normal(z)
        return u, sampler.init(u)

    def step(energy_fn, z, state, seeds):
        energy, u, inner = sampler.step(lambda u: energy_fn(to_uniform(u)), *state, seeds)
        return energy, to_uniform(u), (u, inner)

    return Solver(init, step)


def leapfrog(
    force_fn: ForceFn,
    u: tf.Tensor,
    momentum: tf.Tensor,
    slope: tf.Tensor,
    lengths: tf.Tensor,
    steps: int,
) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """The end of a path under the Hamiltonian `potential(u) + |momentum|^2 / 2`, in `steps` leapfrog steps.

    It keeps volumes, and with the momentum turned about at its end it leads back to where it began: what makes a
    Metropolis test of the two ends enough.

    Args:
        force_fn: see `ForceFn`.
        u, momentum, slope: `[B, Z]`, where the path begins and the slope of the potential there.
        lengths: `[B, Z]`, how far a step goes for each unit of momentum.
        steps: at least 1.

    Returns:
        `(u, momentum, told)`: told is what `force_fn` told of the end.
    """
    told = None
    for _ in range(steps):
        momentum -= 0.5 * lengths * slope
        u += lengths * momentum
        told, slope = force_fn(u)
        momentum -= 0.5 * lengths * slope
    return u, momentum, told


def hamiltonian(
    step_size: float = 0.2,
    leapfrog_steps: int = 5,
    temperature: float | tf.Tensor = 1.0,
    scales: float | tf.Tensor = 1.0,
    adapt_steps: int = 0,
    target_acceptance_rate: float = 0.65,
    adjusted: bool = True,
) -> Solver:
    """Hamiltonian Monte Carlo over u, with the density above as its invariant one.

        momentum ~ N(0, I),   (u', momentum') = leapfrog(u, momentum),   H = energy / temperature + |u|^2 / 2
        accept u' with the probability min(1, exp(H(u) + |momentum|^2 / 2 - H(u') - |momentum'|^2 / 2))

    A step costs `leapfrog_steps` gradients: energy and gradient of the point are carried along. So the first step of
    a chain is of length 0 and does nothing but compute them. A proposal whose energy or gradient is not finite is
    rejected. In the steps 1 to `adapt_steps` the logarithm of a row's step size follows the acceptance (Robbins &
    Monro); density and detailed balance hold after them.

    Args:
        step_size: epsilon, at first.
        leapfrog_steps: of each proposal.
        temperature: a scalar, or `[B]`.
        scales: `[Z]` or `[B, Z]`, lengths of a step along the coordinates, with a mass matrix of `scales^-2`. They
            must not depend on where the chain is.
        adapt_steps: of the burn-in; 0 keeps epsilon.
        target_acceptance_rate: the mean one to be reached; 0.65 serves long paths, 0.57 single steps.
        adjusted: False accepts every finite proposal. The density is then another one; for comparison.

    Source: Neal 2011, "MCMC using Hamiltonian dynamics", https://arxiv.org/abs/1206.1901; acceptances of Roberts &
    Rosenthal 1998 and Beskos et al. 2013
    """
    temperature = tf.convert_to_tensor(temperature, tf.float32)
    heat = temperature[..., None]

    def init(u):
        zeros = tf.zeros_like(u[:, 0])
        return ChainState(
            tf.constant(0.0), zeros + math.inf, tf.zeros_like(u), zeros + math.log(step_size), zeros
        )

    def step(energy_fn: EnergyFn, u, state, seeds):
        def force_fn(u):
            energy, gradient = value_and_gradient(energy_fn, u)
            return (energy, gradient), u + gradient / heat

        # Out of one draw: two draws from one seed would not be independent.
        noise = normal(seeds, u.shape[1] + 1)
        momentum, chance = noise[:, :-1], 0.5 + 0.5 * to_uniform(noise[:, -1:])[:, 0]
        first = tf.equal(state.count, 0.0)
        lengths = scales * tf.where(first, 0.0, padded_to_vectors(tf.exp, state.log_step[:, None]))
        slope = u + state.gradient / heat
        proposal, last_momentum, (energy, gradient) = leapfrog(
            force_fn, u, momentum, slope, lengths, leapfrog_steps
        )
        squares = (
            tf.square(u) - tf.square(proposal) + tf.square(momentum) - tf.square(last_momentum)
        )
        fall = (state.energy - energy) / temperature + 0.5 * tf.reduce_sum(squares, axis=1)
        finite = tf.math.is_finite(energy) & tf.reduce_all(tf.math.is_finite(gradient), axis=1)
        probability = tf.where(
            finite, padded_to_vectors(tf.exp, tf.minimum(fall, 0.0)[:, None])[:, 0], 0.0
        )
        accepted = finite & (chance < probability) if adjusted else finite
        moved = lambda new, old: tf.where(accepted[:, None], new, old)  # noqa: E731

        adapting = (state.count > 0) & (state.count <= adapt_steps)
        rate = tf.where(adapting, tf.pow(tf.maximum(state.count, 1.0), -0.6), 0.0)
        following = ChainState(
            state.count + 1,
            tf.where(accepted, energy, state.energy),
            moved(gradient, state.gradient),
            state.log_step + rate * (probability - target_acceptance_rate),
            probability,
        )
        return tf.where(first, energy, state.energy), moved(proposal, u), following

    return Solver(init, step)


def langevin(
    step_size: float = 0.2,
    temperature: float | tf.Tensor = 1.0,
    scales: float | tf.Tensor = 1.0,
    adapt_steps: int = 0,
    target_acceptance_rate: float = 0.57,
    adjusted: bool = True,
) -> Solver:
    """The Metropolis-adjusted Langevin algorithm over u: `hamiltonian` with paths of one step.

        u' = u - step_size^2 / 2 * (u + gradient / temperature) + step_size * N(0, I)

    Args: as `hamiltonian`.

    Source: Roberts & Tweedie 1996, "Exponential convergence of Langevin distributions and their discrete
    approximations"
    """
    return hamiltonian(
        step_size, 1, temperature, scales, adapt_steps, target_acceptance_rate, adjusted
    )
