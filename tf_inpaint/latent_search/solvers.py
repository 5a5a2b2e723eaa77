"""Solvers, which move z: the interface, Adam, constraints on z, and random numbers for each row.

A solver is two pure functions over a batch of independent points `[B, Z]`:

    init(point) -> state
    step(energy_fn, point, state, seeds) -> (energy, point, state)

A solver has no variables, no loop and no record of the best point: the search has all three (see
`loop`). So a solver is only its equation.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

EnergyFn = Callable[[tf.Tensor], tf.Tensor]
"""Function from points `[B, Z]` to energies `[B]`. The energy of a row depends on this row only."""
Constraint = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Function from points `[B, Z]` and seeds `[B, 2]` to points that the search may evaluate."""
VECTOR_WIDTH = 16
"""Number of float32 values in the widest vector instruction of a CPU."""


class Solver(NamedTuple):
    """A method that moves z."""

    init: Callable[[tf.Tensor], Any]
    """Function from the first point to the first state. Each tensor of a state has one row per
    point, or is a scalar that is the same for all rows."""
    step: Callable[[EnergyFn, tf.Tensor, Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor, Any]]
    """Function `(energy_fn, point, state, seeds) -> (energy, point, state)`. The returned energy
    `[B]` belongs to the point that was passed in; the returned point and state are the next ones.
    `seeds` are int `[B, 2]` for `normal` and `uniform`, different for each step and row."""


class AdamState(NamedTuple):
    """What Adam remembers between two steps."""

    count: tf.Tensor
    """Number of steps so far, a float32 scalar. With one count per row, the powers of the decays in
    the last few rows would be rounded differently."""
    mean: tf.Tensor
    """`[B, Z]`, moving average of the gradients."""
    square: tf.Tensor
    """`[B, Z]`, moving average of the squared gradients."""


def value_and_gradient(energy_fn: EnergyFn, point: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the energies `[B]` and their gradients `[B, Z]`.

    The tape watches only the point. A tape that also watches the weights of the networks takes 1.4
    times as long.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(point)
        energy = energy_fn(point)
    return energy, tape.gradient(energy, point, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def row_products(rows: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Returns `rows @ matrix`, `[B, Z]`, bit-identical for a row at any position in the batch.

    One matrix product of all rows would process several rows at a time, and would sum the remaining
    rows in another order.
    """
    return tf.matmul(rows[:, None], matrix)[:, 0]


def mix(bits: tf.Tensor) -> tf.Tensor:
    """Maps uint64 numbers of any shape one-to-one to other uint64 numbers; every output bit depends
    on all input bits.

    Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", the
    finalizer of SplitMix64
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        bits = tf.bitwise.bitwise_xor(
            bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
        )
        bits = bits if factor == 1 else bits * tf.constant(factor, tf.uint64)
    return bits


def random_bits(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the first `size` numbers of one SplitMix64 stream per row, `[B, size]` uint64.

    The seed of a row determines where its stream starts. All rows are computed together:
    TensorFlow's stateless generators take one seed per call, and 64 such calls take three times as
    long.

    Args:
        seeds: int `[B, 2]`.
        size: numbers per row.
    """
    seeds = tf.bitcast(tf.cast(seeds, tf.int64), tf.uint64)
    increment = np.uint64(0x9E3779B97F4A7C15)
    key = mix(mix(seeds[:, 0] + increment) + seeds[:, 1])
    with np.errstate(over="ignore"):
        counter = np.arange(1, size + 1, dtype=np.uint64) * increment
    return mix(key[:, None] + counter)


def fold_in(seeds: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Returns new seeds, int64 `[B, 2]`, from the seed and a number of each row, such as the number
    of a step.

    Args:
        seeds: int `[B, 2]`.
        numbers: int `[B]`, or a scalar for all rows.
    """
    first = tf.bitcast(random_bits(seeds, 1), tf.int64)
    second = tf.broadcast_to(tf.cast(numbers, tf.int64), tf.shape(first)[:1])
    return tf.concat([first, second[:, None]], axis=1)


def uniform(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Returns float32 numbers `[B, size]`, uniform in [0, 1).

    The numbers of a row depend on its own seed only. A larger `size` starts with the same numbers.

    Args:
        seeds: int `[B, 2]`; use each seed once.
        size: numbers per row.
    """
    mantissa = tf.bitwise.right_shift(random_bits(seeds, size), tf.constant(64 - 24, tf.uint64))
    return tf.cast(mantissa, tf.float32) * 2.0**-24


def normal(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Returns float32 numbers `[B, size]` from N(0, 1), the normal quantiles of uniform numbers.

    The numbers of a row depend on its own seed only. A larger `size` starts with the same numbers.

    Args:
        seeds: int `[B, 2]`; use each seed once.
        size: numbers per row.
    """
    # Vector and scalar code round differently, so every row is padded to whole vectors.
    padded = -(-size // VECTOR_WIDTH) * VECTOR_WIDTH
    mantissa = tf.bitwise.right_shift(random_bits(seeds, padded), tf.constant(64 - 23, tf.uint64))
    # The middle of one of 2^23 equal intervals: 0 and 1 have no finite quantile.
    return tf.math.ndtri(tf.cast(mantissa, tf.float32) * 2.0**-23 + 2.0**-24)[:, :size]


def unconstrained(point: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the point unchanged."""
    return point


def clip(point: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the nearest point in the support of the prior, [-1, 1]^Z."""
    return tf.clip_by_value(point, -1.0, 1.0)


def redraw(point: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Replaces each entry outside [-1, 1] by a random one, uniform in [-1, 1]: stochastic clipping.

    With `clip`, many entries would end exactly at -1 or 1, where the generator was trained on few
    z.

    Args:
        point: `[B, Z]`.
        seeds: int `[B, 2]`.

    Source: Lipton & Tripathi 2017, "Precise recovery of latent vectors from generative adversarial
    networks", https://arxiv.org/abs/1702.04782
    """
    return tf.where(tf.abs(point) > 1.0, 2.0 * uniform(seeds, point.shape[1]) - 1.0, point)


CONSTRAINTS: dict[str, Constraint] = {"clip": clip, "stochastic": redraw, "none": unconstrained}
"""Constraints that keep z in the support of the prior, by the name of the setting."""


def adam(
    learning_rate: float = 0.1,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    constrain: Constraint = unconstrained,
    directions: tf.Tensor | None = None,
    decay_steps: int | None = None,
) -> Solver:
    """Adam over z: `z <- constrain(z - learning_rate * W (m_hat / (sqrt(v_hat) + epsilon)))`.

    m_hat and v_hat are the bias-corrected moving averages of `g` and `g^2`, and `g = W^T gradient`
    is the gradient along the columns of W. Without `directions`, W is the identity.

    Adam scales each coordinate separately. The energy of a generator can be a thousand times
    steeper along one direction than along another, and these directions are not the coordinate
    axes. Without W, Adam cannot adapt to the steep directions.

    Args:
        learning_rate: approximate distance that z moves along a column of W in one step; the prior
            is 2 wide.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean squared gradient.
        epsilon: keeps the quotient finite where gradients vanish.
        constrain: is applied to every new point; one of `CONSTRAINTS`.
        directions: W, `[Z, Z]`, for example `curvature.directions`.
        decay_steps: number of steps in which the learning rate falls along a cosine to a twentieth;
            None keeps the learning rate constant.

    Source: Kingma & Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980; in an eigenbasis, Vyas
    et al. 2024, https://arxiv.org/abs/2409.11321
    """
    basis = None if directions is None else tf.constant(directions, tf.float32)

    def init(point):
        return AdamState(tf.constant(0.0), tf.zeros_like(point), tf.zeros_like(point))

    def rate(count):
        if decay_steps is None:
            return learning_rate
        cosine = 0.5 + 0.5 * tf.cos(math.pi * tf.minimum(count / decay_steps, 1.0))
        return learning_rate * (0.05 + 0.95 * cosine)

    def step(energy_fn, point, state, seeds=None):
        energy, gradient = value_and_gradient(energy_fn, point)
        if basis is not None:
            gradient = row_products(gradient, basis)

        # Update the moving averages.
        count = state.count + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        square = beta_2 * state.square + (1 - beta_2) * tf.square(gradient)

        # Move the point.
        change = mean / (1 - beta_1**count) / (tf.sqrt(square / (1 - beta_2**count)) + epsilon)
        if basis is not None:
            change = row_products(change, tf.transpose(basis))
        next_point = constrain(point - rate(state.count) * change, seeds)
        return energy, next_point, AdamState(count, mean, square)

    return Solver(init, step)
