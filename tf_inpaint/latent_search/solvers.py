"""What moves z: `init(point) -> state` and `step(energy_fn, point, state, seeds) -> (energy, point, state)`.

Pure functions over a batch of independent points `[B, Z]`: no variable, no loop, no memory of the best point.
All of that is the search's (`solve`), so a solver is only its equation.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

EnergyFn = Callable[[tf.Tensor], tf.Tensor]
"""Points `[B, Z]` to energies `[B]`, row by row."""
Constraint = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Points `[B, Z]` and seeds `[B, 2]` to points that the search may look at."""
VECTOR_WIDTH = 16
"""Numbers in the widest vector instruction of a CPU."""


class Solver(NamedTuple):
    """`init(point)` gives the first state; `step(energy_fn, point, state, seeds)` the energy *of the point it was
    given*, `[B]`, and the next point and state.

    `seeds` are int `[B, 2]`, new ones for every step and row, for `normal` and `uniform`. A state's tensors have a
    row per point, or are scalars and the same for all rows.
    """

    init: Callable[[tf.Tensor], Any]
    step: Callable[[EnergyFn, tf.Tensor, Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor, Any]]


class AdamState(NamedTuple):
    count: tf.Tensor
    """Steps so far, a float32 scalar: of a row of counts the last few powers would be rounded otherwise."""
    mean: tf.Tensor
    """`[B, Z]`, of the gradients."""
    square: tf.Tensor
    """`[B, Z]`, of the gradients' squares."""


def value_and_gradient(energy_fn: EnergyFn, point: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Energies `[B]` and their gradients `[B, Z]`.

    Only the point is watched: a tape that watches the networks' weights as well costs 1.4 times as much.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(point)
        energy = energy_fn(point)
    return energy, tape.gradient(energy, point, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def row_products(rows: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """`rows @ matrix`, `[B, Z]`, to the last bit the same wherever in the batch a row stands.

    One product of all rows takes several at a time and sums what is left over in another order.
    """
    return tf.matmul(rows[:, None], matrix)[:, 0]


def mix(bits: tf.Tensor) -> tf.Tensor:
    """Other 64 bits for every 64 bits, one to one, each depending on all: uint64 to uint64, any shape.

    Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", the finaliser of SplitMix64
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        bits = tf.bitwise.bitwise_xor(
            bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
        )
        bits = bits if factor == 1 else bits * tf.constant(factor, tf.uint64)
    return bits


def random_bits(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """The first `size` numbers of SplitMix64 from where each row's seed puts it: `[B, size]` uint64.

    All rows at once: TensorFlow's own stateless generators take one seed a call, and 64 calls cost three times this.
    """
    seeds = tf.bitcast(tf.cast(seeds, tf.int64), tf.uint64)
    increment = np.uint64(0x9E3779B97F4A7C15)
    key = mix(mix(seeds[:, 0] + increment) + seeds[:, 1])
    with np.errstate(over="ignore"):
        counter = np.arange(1, size + 1, dtype=np.uint64) * increment
    return mix(key[:, None] + counter)


def fold_in(seeds: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """New seeds, int64 `[B, 2]`, out of each row's seed and its number: such as that of a step.

    Args:
        seeds: int `[B, 2]`.
        numbers: int `[B]`, or a scalar for all.
    """
    first = tf.bitcast(random_bits(seeds, 1), tf.int64)
    second = tf.broadcast_to(tf.cast(numbers, tf.int64), tf.shape(first)[:1])
    return tf.concat([first, second[:, None]], axis=1)


def uniform(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """`[B, size]` float32, uniform in [0, 1), a row's from its own seed alone. More numbers begin with the same ones.

    Args:
        seeds: int `[B, 2]`; use each one once.
        size: numbers a row.
    """
    mantissa = tf.bitwise.right_shift(random_bits(seeds, size), tf.constant(64 - 24, tf.uint64))
    return tf.cast(mantissa, tf.float32) * 2.0**-24


def normal(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """`[B, size]` float32, from N(0, 1), a row's from its own seed alone: the quantiles of uniform numbers.

    Args:
        seeds: int `[B, 2]`; use each one once.
        size: numbers a row.
    """
    # A vector instruction and the scalar code for what is left over round differently: no row may be left over.
    padded = -(-size // VECTOR_WIDTH) * VECTOR_WIDTH
    mantissa = tf.bitwise.right_shift(random_bits(seeds, padded), tf.constant(64 - 23, tf.uint64))
    # In the middle of 2^23 equal parts: 0 and 1 have no quantile.
    return tf.math.ndtri(tf.cast(mantissa, tf.float32) * 2.0**-23 + 2.0**-24)[:, :size]


def unconstrained(point: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
    """The point itself: no constraint."""
    return point


def clip(point: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
    """The nearest point in the support of the prior, [-1, 1]^Z."""
    return tf.clip_by_value(point, -1.0, 1.0)


def redraw(point: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Stochastic clipping: an entry that left [-1, 1] is drawn anew, uniform in [-1, 1]; the others stay.

    Clipped ones would pile up at the edge, where few of the z lie that the generator was trained on.

    Args:
        point: `[B, Z]`.
        seeds: int `[B, 2]`.

    Source: Lipton & Tripathi 2017, "Precise recovery of latent vectors from generative adversarial networks",
    https://arxiv.org/abs/1702.04782
    """
    return tf.where(tf.abs(point) > 1.0, 2.0 * uniform(seeds, point.shape[1]) - 1.0, point)


CONSTRAINTS: dict[str, Constraint] = {"clip": clip, "stochastic": redraw, "none": unconstrained}
"""What keeps z in the prior's support, by the name of the setting."""


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

    m_hat and v_hat are the means of the gradient along the columns of W and of its square. Without `directions` W
    is the identity. Adam scales each coordinate by itself; where the energy is steep along some direction between
    the coordinates, as a generator's is a thousandfold, it needs W to see that.

    Args:
        learning_rate: about how far z moves along a column of W in a step; the prior is 2 wide.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean squared gradient.
        epsilon: keeps the quotient finite where gradients vanish.
        constrain: applied to every new point; one of `CONSTRAINTS`.
        directions: W, `[Z, Z]`, such as `curvature.directions`.
        decay_steps: the learning rate falls along a cosine to a twentieth in so many steps; None: it stays.

    Source: Kingma & Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980; in an eigenbasis, Vyas et al. 2024,
    https://arxiv.org/abs/2409.11321
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
        count = state.count + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        square = beta_2 * state.square + (1 - beta_2) * tf.square(gradient)
        change = mean / (1 - beta_1**count) / (tf.sqrt(square / (1 - beta_2**count)) + epsilon)
        if basis is not None:
            change = row_products(change, tf.transpose(basis))
        return (
            energy,
            constrain(point - rate(state.count) * change, seeds),
            AdamState(count, mean, square),
        )

    return Solver(init, step)
