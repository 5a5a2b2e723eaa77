"""The search for z: one loop, which owns everything that is no solver's business.

`start` gives the points to begin with, `search_loop` is the loop as a pure function over its state, and `Search`
holds that state in variables, so that a search can be watched, checkpointed and continued.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_inpaint.inpainting.solvers import EnergyFn, Solver


class State(NamedTuple):
    """Where the searches of B rows are. A row never looks at another."""

    point: tf.Tensor
    """`[B, Z]`, what the solver looks at next."""
    solver: Any
    """What the solver remembers."""
    best_point: tf.Tensor
    """`[B, Z]`, of the lowest energy so far."""
    best_energy: tf.Tensor
    """`[B]`; infinite until a finite energy was seen."""


def initial_state(solver: Solver, point: tf.Tensor) -> State:
    return State(point, solver.init(point), point, tf.fill(tf.shape(point)[:1], float("inf")))


def search_loop(energy_fn: EnergyFn, solver: Solver, state: State, steps: tf.Tensor) -> State:
    """The state after `steps` more steps of the solver.

    Each step looks at `state.point`, and keeps it where no energy was lower: `best_energy` never rises. A row
    whose energy or next point is not finite returns to its best point, and leaves the other rows alone.

    Args:
        energy_fn: points `[B, Z]` to energies `[B]`, row by row.
        solver: what moves the points.
        state: from `initial_state`, or an earlier call.
        steps: int32 scalar.
    """

    def body(step, state):
        energy, point, solver_state = solver.step(energy_fn, state.point, state.solver)
        better = tf.math.is_finite(energy) & (energy < state.best_energy)
        best_point = tf.where(better[:, None], state.point, state.best_point)
        finite = tf.math.is_finite(energy) & tf.reduce_all(tf.math.is_finite(point), axis=1)
        point = tf.where(finite[:, None], point, best_point)
        solver_state = tf.nest.map_structure(
            # Only what has a row per point can hold a row's NaN.
            lambda new, old: tf.where(finite[:, None], new, old) if new.shape.rank == 2 else new,
            solver_state,
            state.solver,
        )
        return step + 1, State(point, solver_state, best_point, tf.where(better, energy, state.best_energy))

    return tf.while_loop(lambda step, _: step < steps, body, (0, state))[1]


def draw(seeds: tf.Tensor, draws: int, latent_size: int) -> tf.Tensor:
    """Points of the prior, uniform in [-1, 1]: `[B, draws, latent_size]`, a row's from its own seed alone.

    Args:
        seeds: int32 or int64 `[B, 2]`.
    """

    def row(seed):
        return tf.random.stateless_uniform([draws, latent_size], seed=seed, minval=-1.0)

    return tf.map_fn(row, seeds, fn_output_signature=tf.float32)


def start(energy_fn: EnergyFn, candidates: tf.Tensor, keep: int) -> tf.Tensor:
    """The `keep` candidates of the lowest energy for each row, the lowest first.

    Args:
        energy_fn: points `[B, Z]` to energies `[B]`, row by row.
        candidates: `[B, K, Z]`.
        keep: at most K.

    Returns:
        `[B, keep, Z]`.
    """
    energies = tf.map_fn(energy_fn, tf.transpose(candidates, [1, 0, 2]))
    # A NaN would rank anywhere.
    ranked = tf.where(tf.math.is_finite(energies), energies, float("inf"))
    best = tf.math.top_k(-tf.transpose(ranked), keep).indices
    return tf.gather(candidates, best, batch_dims=1)


class Search(tf.Module):
    """A search through a block of rows, held in variables; `z` is the one that is trainable.

    Args:
        energy_fn: `(z [B, Z], *conditions) -> [B]`, row by row.
        solver: what moves z.
        block_size: B, fixed: convolutions round differently at different batch sizes, and 300 steps make
            different answers of that.
        latent_size: Z.
    """

    def __init__(self, energy_fn: Callable[..., tf.Tensor], solver: Solver, block_size: int, latent_size: int):
        super().__init__()
        self.energy_fn = energy_fn
        self.solver = solver
        self.z = tf.Variable(tf.zeros([block_size, latent_size]), name="z")
        first = initial_state(solver, tf.zeros([block_size, latent_size]))
        self.rest = tf.nest.map_structure(lambda value: tf.Variable(value, trainable=False), first[1:])

    @property
    def state(self) -> State:
        return State(tf.convert_to_tensor(self.z), *tf.nest.map_structure(tf.convert_to_tensor, self.rest))

    def assign(self, state: State) -> None:
        self.z.assign(state.point)
        tf.nest.map_structure(lambda variable, value: variable.assign(value), self.rest, state[1:])

    def restart(self, point: tf.Tensor) -> None:
        """Begins anew at `point` `[B, Z]`."""
        self.assign(initial_state(self.solver, tf.convert_to_tensor(point)))

    @tf.function
    def advance(self, conditions, steps) -> None:
        """Takes `steps` (int32 scalar) more steps; `conditions` are the further arguments of `energy_fn`."""
        self.assign(search_loop(lambda z: self.energy_fn(z, *conditions), self.solver, self.state, steps))
