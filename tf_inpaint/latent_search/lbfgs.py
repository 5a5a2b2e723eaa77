"""L-BFGS as a solver: steps that learn the energy's curvature from the gradients they come by."""

from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.latent_search.solvers import (
    Constraint,
    Solver,
    row_products,
    unconstrained,
    value_and_gradient,
)

RISING = 1e-3
"""The least cosine between a move and the gradient's change along it that L-BFGS learns from."""
LONGEST = 0.5
"""The root mean square over z's entries that no step of L-BFGS exceeds: a quarter of the prior's width."""
SHORTEST = 0.01
"""The share of a step below which L-BFGS takes it in any case."""


class State(NamedTuple):
    point: tf.Tensor
    """`[B, Z]`, from where the search goes on: of the lowest energy, but see `lbfgs`."""
    energy: tf.Tensor
    """`[B]`; infinite before the first step."""
    gradient: tf.Tensor
    """`[B, Z]`."""
    length: tf.Tensor
    """`[B]`, the share of the whole step that is tried next."""
    moves: tf.Tensor
    """`[B, M, Z]`, differences of points, the newest last; 0 where there is none yet."""
    bends: tf.Tensor
    """`[B, M, Z]`, the gradient's differences along them."""
    scaled_bends: tf.Tensor
    """`[B, M, Z]`, these times the metric."""


def dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Scalar products along the last axis."""
    return tf.reduce_sum(first * second, axis=-1)


def root_mean_square(rows: tf.Tensor) -> tf.Tensor:
    """Of each row's entries."""
    return tf.sqrt(tf.reduce_mean(tf.square(rows), axis=-1))


def lbfgs(
    learning_rate: float = 0.1,
    metric: tf.Tensor | None = None,
    constrain: Constraint = unconstrained,
    memory: int = 5,
) -> Solver:
    """L-BFGS over z: `z <- constrain(z - length * H gradient)`, H from the last `memory` moves and the metric M.

    H agrees with what the gradient did along these moves, and is `gamma M` across them, gamma being what they say of
    M's scale. Moves along which the gradient does not rise are not learnt from. One energy and gradient a step: a step
    is tried whole; where the energy did not fall, half of it is tried from the same point, and so on. A step so short
    that it must have helped is taken even if it did not: the energy changed (the prior's tangent does), or has a kink.

    Args:
        learning_rate: the root mean square over z's entries of the first step, before which nothing is known.
        metric: M, `[Z, Z]`, symmetric and positive, such as `curvature.metric`; None: the identity.
        constrain: applied to every new point; one of `CONSTRAINTS`.
        memory: moves that are remembered.

    Source: Nocedal & Wright 2006, Numerical Optimization, algorithm 7.4; entries at the prior's edge, Bertsekas 1982,
    Projected Newton methods for optimization problems with simple constraints, https://doi.org/10.1137/0320018
    """
    metric = None if metric is None else tf.constant(metric, tf.float32)

    def times_metric(rows):
        return rows if metric is None else row_products(rows, metric)

    def init(point):
        nothing = tf.zeros_like(point)
        moves = tf.zeros([tf.shape(point)[0], memory, point.shape[1]])
        energy, length = tf.fill(tf.shape(point)[:1], float("inf")), tf.ones(tf.shape(point)[:1])
        return State(point, energy, nothing, length, moves, moves, moves)

    def learnt(state, move, bend, scaled_bend):
        rising = dot(move, bend) > RISING * tf.sqrt(dot(move, move) * dot(bend, bend))
        pairs = (state.moves, move), (state.bends, bend), (state.scaled_bends, scaled_bend)
        return [
            tf.where(rising[:, None, None], tf.concat([past[:, 1:], new[:, None]], axis=1), past)
            for past, new in pairs
        ]

    def direction(state, held):
        moves, bends, scaled_bends = (tf.unstack(past, axis=1) for past in state[-3:])
        products = dot(state.moves, state.bends)
        rises = tf.unstack(products, axis=1)
        gradient = tf.where(held, 0.0, state.gradient)
        scaled, weights = times_metric(gradient), [None] * memory
        for past in reversed(range(memory)):
            weights[past] = tf.math.divide_no_nan(dot(moves[past], gradient), rises[past])[:, None]
            gradient -= weights[past] * bends[past]
            scaled -= weights[past] * scaled_bends[past]
        scales = tf.math.divide_no_nan(products, dot(state.bends, state.scaled_bends))
        known = tf.reduce_sum(tf.cast(products > 0, tf.float32), axis=1)
        first = tf.math.divide_no_nan(learning_rate, root_mean_square(scaled))
        gamma = tf.where(
            known > 0, tf.math.divide_no_nan(tf.reduce_sum(scales, axis=1), known), first
        )
        step = gamma[:, None] * scaled
        for past in range(memory):
            against = tf.math.divide_no_nan(dot(bends[past], step), rises[past])[:, None]
            step += moves[past] * (weights[past] - against)
        step = tf.where(held, 0.0, step)
        return (
            step * tf.minimum(1.0, tf.math.divide_no_nan(LONGEST, root_mean_square(step)))[:, None]
        )

    def step(energy_fn, point, state, seeds=None):
        energy, gradient = value_and_gradient(energy_fn, point)
        bend = gradient - state.gradient
        past = learnt(state, point - state.point, bend, times_metric(bend))
        taken = (energy < state.energy) | (state.length < SHORTEST)
        own = [
            tf.where(taken[:, None] if new.shape.rank == 2 else taken, new, old)
            for new, old in zip((point, energy, gradient), state, strict=False)
        ]
        state = State(*own, tf.where(taken, 1.0, 0.5 * state.length), *past)
        # An entry that a step downhill would not move stands at the prior's edge. It stays, and the others are moved
        # without it: clipped afterwards, the step of all may lead uphill.
        held = constrain(state.point - tf.sign(state.gradient), seeds) == state.point
        return (
            energy,
            constrain(state.point - state.length[:, None] * direction(state, held), seeds),
            state,
        )

    return Solver(init, step)
