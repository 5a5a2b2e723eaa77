"""L-BFGS as a solver: each step uses the curvature of the energy, estimated from the gradients of
the last steps."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.latent_search.solvers import (
    Constraint,
    Solver,
    row_products,
    unconstrained,
    value_and_gradient,
)

MIN_CURVATURE_COSINE = 1e-3
"""Minimum cosine between a position delta and its gradient delta. A pair below it is ignored."""
MAX_STEP_RMS = 0.5
"""Maximum root mean square, over the entries of z, of a step: a quarter of the width of the
prior."""
MIN_STEP_SHARE = 0.01
"""Share of the full step below which L-BFGS accepts the step in any case."""


class LbfgsState(NamedTuple):
    """What L-BFGS remembers between two steps. M is the maximum number of pairs."""

    point: tf.Tensor
    """`[B, Z]`, last accepted point: usually the point of lowest energy, see `lbfgs` for the
    exception."""
    energy: tf.Tensor
    """`[B]`, energy of `point`; infinite before the first step."""
    gradient: tf.Tensor
    """`[B, Z]`, gradient at `point`."""
    step_share: tf.Tensor
    """`[B]`, share of the full step that is tried next."""
    position_deltas: tf.Tensor
    """`[B, M, Z]`, differences of points, the newest last; 0 where no pair is stored yet."""
    gradient_deltas: tf.Tensor
    """`[B, M, Z]`, differences of the gradients at these points."""
    scaled_gradient_deltas: tf.Tensor
    """`[B, M, Z]`, the gradient deltas times the metric."""


def dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns the scalar products along the last axis."""
    return tf.reduce_sum(first * second, axis=-1)


def root_mean_square(rows: tf.Tensor) -> tf.Tensor:
    """Returns the root mean square of the entries of each row."""
    return tf.sqrt(tf.reduce_mean(tf.square(rows), axis=-1))


def with_new_pair(
    state: LbfgsState,
    position_delta: tf.Tensor,
    gradient_delta: tf.Tensor,
    scaled_gradient_delta: tf.Tensor,
) -> list[tf.Tensor]:
    """Returns the three histories, each `[B, M, Z]`, with a new pair instead of the oldest pair.

    A row whose gradient does not rise along its position delta keeps its old pairs: such a pair
    would give H a direction of negative curvature.
    """
    curvature = dot(position_delta, gradient_delta)
    lengths = tf.sqrt(dot(position_delta, position_delta) * dot(gradient_delta, gradient_delta))
    rising = curvature > MIN_CURVATURE_COSINE * lengths
    histories = [
        (state.position_deltas, position_delta),
        (state.gradient_deltas, gradient_delta),
        (state.scaled_gradient_deltas, scaled_gradient_delta),
    ]
    return [
        tf.where(rising[:, None, None], tf.concat([old[:, 1:], new[:, None]], axis=1), old)
        for old, new in histories
    ]


def quasi_newton_step(
    state: LbfgsState,
    fixed: tf.Tensor,
    times_metric: Callable[[tf.Tensor], tf.Tensor],
    learning_rate: float,
) -> tf.Tensor:
    """Returns the full step `H gradient`, `[B, Z]`, by the two-loop recursion.

    H is the estimate of the inverse Hessian. With M the metric, s_k the position deltas and y_k the
    gradient deltas, from the oldest pair k = 1 to the newest pair k = m:

        q = gradient
        for k = m, ..., 1:
            a_k = (s_k . q) / (s_k . y_k)
            q = q - a_k y_k

        gamma = mean over k of (s_k . y_k) / (y_k . M y_k)
        r = gamma M q

        for k = 1, ..., m:
            b_k = (y_k . r) / (s_k . y_k)
            r = r + (a_k - b_k) s_k

        return r

    The code updates `M q` together with q, from the stored `M y_k`. An empty slot of the memory
    holds zeros and contributes nothing, because a division by zero gives 0 here. Before the first
    pair, gamma is chosen so that the root mean square of the step is `learning_rate`. A step longer
    than `MAX_STEP_RMS` is shortened to this length.

    Args:
        state: with the gradient and all pairs.
        fixed: bool `[B, Z]`, entries of z that must not move.
        times_metric: rows `[B, Z]` to rows times M.
        learning_rate: root mean square of the step while no pair is stored.

    Source: Nocedal & Wright 2006, Numerical Optimization, algorithm 7.4
    """
    position_deltas = tf.unstack(state.position_deltas, axis=1)
    gradient_deltas = tf.unstack(state.gradient_deltas, axis=1)
    scaled_gradient_deltas = tf.unstack(state.scaled_gradient_deltas, axis=1)
    all_curvatures = dot(state.position_deltas, state.gradient_deltas)
    curvatures = tf.unstack(all_curvatures, axis=1)
    pairs = range(len(curvatures))

    # Apply the pairs to the gradient, newest first.
    gradient = tf.where(fixed, 0.0, state.gradient)
    scaled_gradient = times_metric(gradient)
    weights = [None] * len(pairs)
    for k in reversed(pairs):
        products = dot(position_deltas[k], gradient)
        weights[k] = tf.math.divide_no_nan(products, curvatures[k])[:, None]
        gradient -= weights[k] * gradient_deltas[k]
        scaled_gradient -= weights[k] * scaled_gradient_deltas[k]

    # Scale by gamma.
    squares = dot(state.gradient_deltas, state.scaled_gradient_deltas)
    gammas = tf.math.divide_no_nan(all_curvatures, squares)
    count = tf.reduce_sum(tf.cast(all_curvatures > 0, tf.float32), axis=1)
    first_gamma = tf.math.divide_no_nan(learning_rate, root_mean_square(scaled_gradient))
    mean_gamma = tf.math.divide_no_nan(tf.reduce_sum(gammas, axis=1), count)
    step = tf.where(count > 0, mean_gamma, first_gamma)[:, None] * scaled_gradient

    # Apply the pairs to the step, oldest first.
    for k in pairs:
        products = dot(gradient_deltas[k], step)
        correction = tf.math.divide_no_nan(products, curvatures[k])[:, None]
        step += position_deltas[k] * (weights[k] - correction)

    # Keep fixed entries, and shorten a long step.
    step = tf.where(fixed, 0.0, step)
    shortening = tf.minimum(1.0, tf.math.divide_no_nan(MAX_STEP_RMS, root_mean_square(step)))
    return step * shortening[:, None]


def lbfgs(
    learning_rate: float = 0.1,
    metric: tf.Tensor | None = None,
    constrain: Constraint = unconstrained,
    memory: int = 5,
) -> Solver:
    """L-BFGS over z: `z <- constrain(z - step_share * H gradient)`.

    H is the estimate of the inverse Hessian from the last `memory` steps and the metric, see
    `quasi_newton_step`. Along these steps H agrees with the measured change of the gradient. In the
    other directions H is `gamma` times the metric.

    One step evaluates the energy and the gradient once. The full step is tried first. Where the
    energy did not fall, half of the step is tried next, from the same point, and so on. A step
    share below `MIN_STEP_SHARE` is accepted even if the energy rose. In this case the energy
    function has a kink, or it has changed, as the linearized prior does when it is refreshed.

    Args:
        learning_rate: root mean square, over the entries of z, of the first step, when no curvature
            is known yet.
        metric: `[Z, Z]`, symmetric and positive definite, for example `curvature.metric`; None is
            the identity.
        constrain: is applied to every new point; one of `CONSTRAINTS`.
        memory: number of steps to remember.

    Source: Nocedal & Wright 2006, Numerical Optimization, algorithm 7.4; entries at the edge of the
    prior, Bertsekas 1982, Projected Newton methods for optimization problems with simple
    constraints, https://doi.org/10.1137/0320018
    """
    metric = None if metric is None else tf.constant(metric, tf.float32)

    def times_metric(rows):
        return rows if metric is None else row_products(rows, metric)

    def init(point):
        no_gradient = tf.zeros_like(point)
        no_pairs = tf.zeros([tf.shape(point)[0], memory, point.shape[1]])
        no_energy = tf.fill(tf.shape(point)[:1], float("inf"))
        full_step = tf.ones(tf.shape(point)[:1])
        return LbfgsState(point, no_energy, no_gradient, full_step, no_pairs, no_pairs, no_pairs)

    def step(energy_fn, point, state, seeds=None):
        energy, gradient = value_and_gradient(energy_fn, point)

        # Learn from this point, whether it is accepted or not.
        gradient_delta = gradient - state.gradient
        position_delta = point - state.point
        scaled_gradient_delta = times_metric(gradient_delta)
        histories = with_new_pair(state, position_delta, gradient_delta, scaled_gradient_delta)

        # Accept the point, or return to the last one and halve the step.
        accepted = (energy < state.energy) | (state.step_share < MIN_STEP_SHARE)
        state = LbfgsState(
            tf.where(accepted[:, None], point, state.point),
            tf.where(accepted, energy, state.energy),
            tf.where(accepted[:, None], gradient, state.gradient),
            tf.where(accepted, 1.0, 0.5 * state.step_share),
            *histories,
        )

        # An entry is at the edge of the prior if the constraint does not let this entry move
        # downhill. Such an entry stays fixed, and the step of the other entries is computed without
        # it: a full step that is clipped afterwards may lead uphill.
        fixed = constrain(state.point - tf.sign(state.gradient), seeds) == state.point
        change = state.step_share[:, None] * quasi_newton_step(
            state, fixed, times_metric, learning_rate
        )
        return energy, constrain(state.point - change, seeds), state

    return Solver(init, step)
