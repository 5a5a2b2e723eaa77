"""What moves z: a solver is `init(point) -> state` and `step(energy_fn, point, state) -> (energy, point, state)`.

Pure functions over a batch of independent points `[B, Z]`: no variable, no loop, no memory of the best point.
All of that is the search's (`solve`), so a solver is only its equation.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

EnergyFn = Callable[[tf.Tensor], tf.Tensor]
"""Points `[B, Z]` to energies `[B]`, row by row."""


class Solver(NamedTuple):
    """`init(point)` gives the first state; `step(energy_fn, point, state)` the energy *of the point it was
    given*, `[B]`, and the next point and state."""

    init: Callable[[tf.Tensor], Any]
    step: Callable[[EnergyFn, tf.Tensor, Any], tuple[tf.Tensor, tf.Tensor, Any]]


class AdamState(NamedTuple):
    count: tf.Tensor
    """Steps so far, a float32 scalar."""
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
    return energy, tape.gradient(energy, point)


def clip(point: tf.Tensor) -> tf.Tensor:
    """The nearest point in the support of the prior, [-1, 1]^Z."""
    return tf.clip_by_value(point, -1.0, 1.0)


def adam(
    learning_rate: float = 0.1,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    constrain: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
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
        constrain: applied to every new point, such as `clip`.
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

    def step(energy_fn, point, state):
        energy, gradient = value_and_gradient(energy_fn, point)
        if basis is not None:
            gradient = gradient @ basis
        count = state.count + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        square = beta_2 * state.square + (1 - beta_2) * tf.square(gradient)
        change = mean / (1 - beta_1**count) / (tf.sqrt(square / (1 - beta_2**count)) + epsilon)
        if basis is not None:
            change = tf.matmul(change, basis, transpose_b=True)
        return energy, constrain(point - rate(state.count) * change), AdamState(count, mean, square)

    return Solver(init, step)
