"""What moves z: a solver is `init(point) -> state` and `step(energy_fn, point, state) -> (energy, point, state)`.

Pure functions over a batch of independent points `[B, Z]`: no variable, no loop, no memory of the best point.
All of that is the search's (`solve`), so a solver is only its equation.
"""

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
) -> Solver:
    """Adam over z: `z <- constrain(z - learning_rate * m_hat / (sqrt(v_hat) + epsilon))`.

    Args:
        learning_rate: about how far an entry of z moves in a step; the prior is 2 wide.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean squared gradient.
        epsilon: keeps the quotient finite where gradients vanish.
        constrain: applied to every new point, such as `clip`.

    Source: Kingma & Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980
    """

    def init(point):
        return AdamState(tf.constant(0.0), tf.zeros_like(point), tf.zeros_like(point))

    def step(energy_fn, point, state):
        energy, gradient = value_and_gradient(energy_fn, point)
        count = state.count + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        square = beta_2 * state.square + (1 - beta_2) * tf.square(gradient)
        corrected = mean / (1 - beta_1**count)
        scale = tf.sqrt(square / (1 - beta_2**count)) + epsilon
        return energy, constrain(point - learning_rate * corrected / scale), AdamState(count, mean, square)

    return Solver(init, step)
