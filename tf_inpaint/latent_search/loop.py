"""The search for z: one loop, which owns everything that is no solver's business.

`start` gives the points to begin with, `search_loop` is the loop as a pure function over its state, and `Search`
holds that state in variables, so that a search can be watched, checkpointed and continued.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search.solvers import Solver, fold_in


class Reason(IntEnum):
    """Why a search ended; `sentence` says it in words, and what may help."""

    CAP = 0
    CONVERGED = 1
    NO_ENERGY = 2
    DRAWN = 3

    @property
    def sentence(self) -> str:
        return {
            Reason.CAP: "It took all its steps; more of them may lower the energy further.",
            Reason.CONVERGED: "Its energy no longer fell.",
            Reason.DRAWN: "It was drawn at the end of a chain, all of which are of one length.",
            Reason.NO_ENERGY: "No point had a finite energy; check the networks and the known pixels for NaN.",
        }[self]


class Stopping(NamedTuple):
    """When a row has converged: its energy has not fallen by the share `tolerance` in `patience` steps."""

    tolerance: float
    patience: int


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
    seeds: tf.Tensor
    """int64 `[B, 2]`, a row's own; with the number of the step they give the solver's."""
    steps: tf.Tensor
    """int32 `[B]`, taken so far."""
    level: tf.Tensor
    """`[B]`, the energy when it last fell by enough to go on."""
    stale: tf.Tensor
    """int32 `[B]`, steps since."""
    memory: Any = ()
    """What `refresh` gave last, a row per point."""


def initial_state(
    solver: Solver, point: tf.Tensor, seeds: tf.Tensor | None = None, memory: Any = ()
) -> State:
    """The state before the first step, at `point` `[B, Z]`; without seeds (int `[B, 2]`) they are 0.

    Args:
        memory: anything of the structure and shapes that `refresh` gives, if there is one.
    """
    nothing = tf.fill(tf.shape(point)[:1], float("inf"))
    zeros = tf.zeros_like(nothing, tf.int32)
    seeds = (
        tf.zeros(tf.stack([tf.shape(point)[0], 2]), tf.int64)
        if seeds is None
        else tf.cast(seeds, tf.int64)
    )
    return State(point, solver.init(point), point, nothing, seeds, zeros, nothing, zeros, memory)


def live(state: State, stopping: Stopping | None) -> tf.Tensor:
    """Which rows still move, bool `[B]`: those that have not converged."""
    if stopping is None:
        return tf.ones_like(state.stale, tf.bool)
    return state.stale < stopping.patience


def reasons(state: State, stopping: Stopping | None) -> tf.Tensor:
    """Why each row ended, int32 `[B]` of `Reason`, once the loop has."""
    ended = tf.where(live(state, stopping), int(Reason.CAP), int(Reason.CONVERGED))
    return tf.where(tf.math.is_finite(state.best_energy), ended, int(Reason.NO_ENERGY))


def search_loop(
    energy_fn: Callable[..., tf.Tensor],
    solver: Solver,
    state: State,
    steps: tf.Tensor,
    stopping: Stopping | None = None,
    keep: str = "best",
    refresh: Callable[[tf.Tensor], Any] | None = None,
    refresh_every: int = 1,
) -> State:
    """The state after `steps` more steps of the solver, or fewer once every row has converged.

    Each step looks at `state.point`, and keeps it where no energy was lower: `best_energy` never rises. A row
    whose energy or next point is not finite returns to its best point, and a row that has converged stays as it
    is, to the bit; neither touches the other rows.

    Args:
        energy_fn: points `[B, Z]` to energies `[B]`, row by row.
        solver: what moves the points.
        state: from `initial_state`, or an earlier call.
        steps: int32 scalar.
        stopping: None: no row ever has converged.
        keep: "last" keeps the last point looked at, whatever its energy, instead of the best.
        refresh: points `[B, Z]` to what `energy_fn` is given as its second argument, for what is too dear to
            compute in every step: called in every `refresh_every`-th.
    """

    def body(step, state):
        memory, whole_fn = state.memory, energy_fn
        if refresh is not None:
            # The rows that still move have all taken as many steps as the one that took most.
            due = tf.reduce_max(state.steps) % refresh_every == 0
            memory = tf.cond(due, lambda: refresh(state.point), lambda: state.memory)
            whole_fn = lambda z: energy_fn(z, memory)  # noqa: E731
        seeds = fold_in(state.seeds, state.steps)
        energy, point, solver_state = solver.step(whole_fn, state.point, state.solver, seeds)
        energetic = tf.math.is_finite(energy)
        lower = energetic if keep == "last" else energetic & (energy < state.best_energy)
        best_point = tf.where(lower[:, None], state.point, state.best_point)
        finite = energetic & tf.reduce_all(tf.math.is_finite(point), axis=1)
        # Infinity less a share of infinity has no value: the first energy counts as fallen.
        fallen = energetic & (
            tf.math.is_inf(state.level) | (energy < state.level - tolerance * tf.abs(state.level))
        )
        moved = State(
            tf.where(finite[:, None], point, best_point),
            select(finite, solver_state, state.solver),
            best_point,
            tf.where(lower, energy, state.best_energy),
            state.seeds,
            state.steps + 1,
            tf.where(fallen, energy, state.level),
            tf.where(fallen, 0, state.stale + 1),
            memory,
        )
        return step + 1, moved if stopping is None else select(live(state, stopping), moved, state)

    tolerance = 0.0 if stopping is None else stopping.tolerance
    going = lambda step, state: (step < steps) & tf.reduce_any(live(state, stopping))  # noqa: E731
    return tf.while_loop(going, body, (0, state))[1]


def select(rows: tf.Tensor, new: Any, old: Any) -> Any:
    """The new values in these rows, bool `[B]`, and the old ones in the others; scalars are of no row, and new."""

    def choose(new, old):
        if new.shape.rank == 0:
            return new
        return tf.where(tf.reshape(rows, [-1] + [1] * (new.shape.rank - 1)), new, old)

    return tf.nest.map_structure(choose, new, old)


class Search(tf.Module):
    """A search through a block of rows, held in variables; `z` is the one that is trainable.

    Args:
        energy_fn: `(z [B, Z], *conditions) -> [B]`, row by row; with `refresh` its memory is the second argument.
        solver: what moves z.
        block_size: B, fixed: convolutions round differently at different batch sizes, and 300 steps make
            different answers of that.
        latent_size: Z.
        stopping, keep, refresh, refresh_every: see `search_loop`.
    """

    def __init__(
        self,
        energy_fn: Callable[..., tf.Tensor],
        solver: Solver,
        block_size: int,
        latent_size: int,
        stopping: Stopping | None = None,
        keep: str = "best",
        refresh: Callable[[tf.Tensor], Any] | None = None,
        refresh_every: int = 1,
    ):
        super().__init__()
        self.energy_fn = energy_fn
        self.solver = solver
        self.stopping = stopping
        self.keep = keep
        self.refresh = refresh
        self.refresh_every = refresh_every
        self.z = tf.Variable(tf.zeros([block_size, latent_size]), name="z")
        zeros = tf.zeros([block_size, latent_size])
        first = initial_state(solver, zeros, memory=refresh(zeros) if refresh else ())
        self.rest = tf.nest.map_structure(
            lambda value: tf.Variable(value, trainable=False), first[1:]
        )

    @property
    def state(self) -> State:
        return State(
            tf.convert_to_tensor(self.z), *tf.nest.map_structure(tf.convert_to_tensor, self.rest)
        )

    def assign(self, state: State) -> None:
        self.z.assign(state.point)
        tf.nest.map_structure(lambda variable, value: variable.assign(value), self.rest, state[1:])

    @tf.function(autograph=False)
    def restart(self, point: tf.Tensor, seeds: tf.Tensor | None = None) -> None:
        """Begins anew at `point` `[B, Z]`; see `initial_state`."""
        self.assign(
            initial_state(self.solver, tf.convert_to_tensor(point), seeds, self.state.memory)
        )

    @property
    def all_converged(self) -> bool:
        """Whether every row has converged."""
        return self.stopping is not None and not np.any(live(self.state, self.stopping))

    @tf.function(autograph=False)
    def result(self) -> tuple[tf.Tensor, ...]:
        """`best_point`, `best_energy`, `steps` and `reasons` of the rows."""
        state = self.state
        return state.best_point, state.best_energy, state.steps, reasons(state, self.stopping)

    @tf.function(autograph=False)
    def advance(self, conditions, steps) -> None:
        """Takes up to `steps` (int32 scalar) more steps; `conditions` are the further arguments of `energy_fn`."""
        energy_fn = lambda z, *memory: self.energy_fn(z, *memory, *conditions)  # noqa: E731
        settings = self.stopping, self.keep, self.refresh, self.refresh_every
        self.assign(search_loop(energy_fn, self.solver, self.state, steps, *settings))

    def minimize(
        self, point: tf.Tensor, seeds: tf.Tensor, conditions, steps: int
    ) -> tuple[tf.Tensor, ...]:
        """What `result` gives after `steps` steps from `point`, without touching a variable: for served models."""
        energy_fn = lambda z, *memory: self.energy_fn(z, *memory, *conditions)  # noqa: E731
        # The first step refreshes it.
        memory = tf.nest.map_structure(lambda variable: tf.zeros(variable.shape), self.rest[-1])
        state = initial_state(self.solver, point, seeds, memory)
        settings = self.stopping, self.keep, self.refresh, self.refresh_every
        state = search_loop(energy_fn, self.solver, state, steps, *settings)
        return state.best_point, state.best_energy, state.steps, reasons(state, self.stopping)
