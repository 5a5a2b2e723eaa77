"""The search loop: applies a solver to a batch of points, and does what a solver does not.

The loop records the best point of each row, decides when a row has converged, and rejects values
that are not finite. `search_loop` is a pure function over its state. `Search` holds this state in
variables, so that a search can be watched, saved and continued.
"""

import functools
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search.solvers import Solver, fold_in

PLAIN_GRAPH = functools.partial(tf.function, autograph=False)
"""`tf.function` without AutoGraph: nothing here needs it."""


class Reason(IntEnum):
    """Why a search ended."""

    CAP = 0
    """The search took all its steps. More steps may lower the energy further."""
    CONVERGED = 1
    """The energy no longer fell."""
    NO_ENERGY = 2
    """No point had a finite energy. Check the networks and the known pixels for NaN."""
    DRAWN = 3
    """z is the end of a chain that draws samples. All chains have the same length."""


class Stopping(NamedTuple):
    """Rule for convergence: a row has converged when its energy stops falling."""

    tolerance: float
    """Minimum fall of the energy that counts, as a share of the energy."""
    patience: int
    """Number of steps without a fall that counts, after which the row has converged."""


class State(NamedTuple):
    """The state of a search over B rows. The rows are independent of each other."""

    point: tf.Tensor
    """`[B, Z]`, points that the solver evaluates next."""
    solver: Any
    """State of the solver."""
    best_point: tf.Tensor
    """`[B, Z]`, points of the lowest energy so far."""
    best_energy: tf.Tensor
    """`[B]`, energy of `best_point`; infinite until a finite energy was found."""
    seeds: tf.Tensor
    """int64 `[B, 2]`, seed of each row. The seed and the number of a step give the seed of the
    step."""
    steps: tf.Tensor
    """int32 `[B]`, number of steps so far."""
    reference_energy: tf.Tensor
    """`[B]`, energy at the last step that fell by the tolerance."""
    stale_steps: tf.Tensor
    """int32 `[B]`, number of steps since the step of `reference_energy`."""
    memory: Any = ()
    """Latest result of `refresh`. Each tensor has one row per point."""


class Result(NamedTuple):
    """What a search found for B rows."""

    point: tf.Tensor
    """`[B, Z]`, point of the lowest energy, or the last point with `keep="last"`."""
    energy: tf.Tensor
    """`[B]`, energy of `point`."""
    steps: tf.Tensor
    """int32 `[B]`, number of steps of each row."""
    reason: tf.Tensor
    """int32 `[B]`, the `Reason` why the search of each row ended."""


def initial_state(
    solver: Solver, point: tf.Tensor, seeds: tf.Tensor | None = None, memory: Any = ()
) -> State:
    """Returns the state before the first step.

    Args:
        solver: the solver that will move the points.
        point: `[B, Z]`, points where the search starts.
        seeds: int `[B, 2]`, seed of each row; None: 0 for all rows.
        memory: only with `refresh`: any value with the structure and the shapes of its result.
    """
    infinite = tf.fill(tf.shape(point)[:1], float("inf"))
    zeros = tf.zeros_like(infinite, tf.int32)
    if seeds is None:
        seeds = tf.zeros(tf.stack([tf.shape(point)[0], 2]), tf.int64)
    seeds = tf.cast(seeds, tf.int64)
    return State(point, solver.init(point), point, infinite, seeds, zeros, infinite, zeros, memory)


def active_rows(state: State, stopping: Stopping | None) -> tf.Tensor:
    """Returns which rows have not converged yet, bool `[B]`."""
    if stopping is None:
        return tf.ones_like(state.stale_steps, tf.bool)
    return state.stale_steps < stopping.patience


def reasons(state: State, stopping: Stopping | None) -> tf.Tensor:
    """Returns why each row ended, int32 `[B]` of `Reason`, for the state after the loop."""
    ended = tf.where(active_rows(state, stopping), int(Reason.CAP), int(Reason.CONVERGED))
    return tf.where(tf.math.is_finite(state.best_energy), ended, int(Reason.NO_ENERGY))


def result_of(state: State, stopping: Stopping | None) -> Result:
    """Returns the result of a search from its last state."""
    return Result(state.best_point, state.best_energy, state.steps, reasons(state, stopping))


def select(rows: tf.Tensor, new: Any, old: Any) -> Any:
    """Returns the new values in the selected rows and the old values in all other rows.

    A scalar belongs to no row; its new value is returned.

    Args:
        rows: bool `[B]`.
        new: a tensor, or a nested structure of tensors.
        old: values of the same structure and shapes.
    """

    def choose(new, old):
        if new.shape.rank == 0:
            return new
        return tf.where(tf.reshape(rows, [-1] + [1] * (new.shape.rank - 1)), new, old)

    return tf.nest.map_structure(choose, new, old)


def next_state(
    state: State,
    energy: tf.Tensor,
    point: tf.Tensor,
    solver_state: Any,
    memory: Any,
    tolerance: float,
    keep: str,
) -> State:
    """Returns the state after one step of the solver: records the best points and counts the steps.

    A row whose energy or next point is not finite returns to its best point, and its solver state
    stays as it was.

    Args:
        state: the state before the step.
        energy: `[B]`, energy of `state.point`.
        point: `[B, Z]`, next points that the solver proposes.
        solver_state: next state of the solver.
        memory: see `State`.
        tolerance: see `Stopping`.
        keep: see `search_loop`.
    """
    # Record the best point.
    finite_energy = tf.math.is_finite(energy)
    better = finite_energy if keep == "last" else finite_energy & (energy < state.best_energy)
    best_point = tf.where(better[:, None], state.point, state.best_point)

    # Reject a row that is not finite.
    finite = finite_energy & tf.reduce_all(tf.math.is_finite(point), axis=1)

    # Check whether the energy fell. Infinity minus a share of infinity is NaN, so the first finite
    # energy needs its own test.
    required_energy = state.reference_energy - tolerance * tf.abs(state.reference_energy)
    fell = finite_energy & (tf.math.is_inf(state.reference_energy) | (energy < required_energy))

    return State(
        point=tf.where(finite[:, None], point, best_point),
        solver=select(finite, solver_state, state.solver),
        best_point=best_point,
        best_energy=tf.where(better, energy, state.best_energy),
        seeds=state.seeds,
        steps=state.steps + 1,
        reference_energy=tf.where(fell, energy, state.reference_energy),
        stale_steps=tf.where(fell, 0, state.stale_steps + 1),
        memory=memory,
    )


def search_loop(
    energy_fn: Callable[..., tf.Tensor],
    solver: Solver,
    state: State,
    steps: tf.Tensor,
    stopping: Stopping | None = None,
    keep: str = "best",
    refresh: Callable[[tf.Tensor], Any] | None = None,
    refresh_every: int = 1,
    render: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> State:
    """Returns the state after `steps` more steps of the solver, or once every row has converged.

    Each step evaluates `state.point` and records every point whose energy is the lowest so far, so
    `best_energy` never rises. A row whose energy or next point is not finite returns to its best
    point. A converged row stays bit-identical. Neither case changes any other row.

    Args:
        energy_fn: rendered points to energies `[B]`, row by row; with `refresh`, rendered points
            and the latest result of `refresh` to energies.
        solver: the solver that moves the points. With `refresh` it must evaluate the energy once
            in each step, at the point.
        state: from `initial_state`, or from an earlier call.
        steps: int32 scalar.
        stopping: when a row has converged; None: never.
        keep: "best" records the point of the lowest energy, "last" the last evaluated point.
        refresh: rendered points to a value that `energy_fn` needs and that takes too long to
            compute in every step.
        refresh_every: number of steps from one call of `refresh` to the next.
        render: points `[B, Z]` to what `energy_fn` and `refresh` both need, such as pictures.
    """
    tolerance = 0.0 if stopping is None else stopping.tolerance

    def unfinished(step, state):
        return (step < steps) & tf.reduce_any(active_rows(state, stopping))

    def body(step, state):
        memory = state.memory
        # All active rows have taken the same number of steps, and no row has taken more.
        due = tf.reduce_max(state.steps) % refresh_every == 0

        def step_energy_fn(z):
            nonlocal memory
            rendered = render(z)
            if refresh is None:
                return energy_fn(rendered)
            # Refresh the memory. The slope of the energy does not go through the memory.
            memory = tf.cond(due, lambda: refresh(rendered), lambda: state.memory)
            memory = tf.nest.map_structure(tf.stop_gradient, memory)
            return energy_fn(rendered, memory)

        # Take a step in the rows that have not converged.
        seeds = fold_in(state.seeds, state.steps)
        energy, point, solver_state = solver.step(step_energy_fn, state.point, state.solver, seeds)
        moved = next_state(state, energy, point, solver_state, memory, tolerance, keep)
        if stopping is not None:
            moved = select(active_rows(state, stopping), moved, state)
        return step + 1, moved

    return tf.while_loop(unfinished, body, (0, state))[1]


def as_variable_value(value: tf.Tensor) -> tf.Tensor:
    """Returns the value in a type that a variable can have on every device.

    TensorFlow keeps int32 variables in the memory of the CPU, where a program of XLA for a GPU
    cannot read them.
    """
    return tf.cast(value, tf.int64) if value.dtype == tf.int32 else value


class Search(tf.Module):
    """A search over a block of rows, with its state in variables. Only `z` is trainable.

    Args:
        energy_fn: `(rendered z, *conditions) -> [B]`, row by row; with `refresh` its second
            argument is the latest result of `refresh`.
        solver: the solver that moves z.
        block_size: B. B is fixed because convolutions round differently at different batch sizes,
            and after 300 steps such a difference gives other answers.
        latent_size: Z.
        stopping: see `search_loop`.
        keep: see `search_loop`.
        refresh: see `search_loop`.
        refresh_every: see `search_loop`.
        render: see `search_loop`.
        graph: turns a function of tensors into a graph, as `tf.function` does.
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
        render: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
        graph: Callable[[Callable], Callable] = PLAIN_GRAPH,
    ):
        super().__init__()
        self.energy_fn = energy_fn
        self.solver = solver
        self.stopping = stopping
        self.keep = keep
        self.refresh = refresh
        self.refresh_every = refresh_every
        self.render = render
        self.z = tf.Variable(tf.zeros([block_size, latent_size]), name="z")
        zeros = tf.zeros([block_size, latent_size])
        first = initial_state(solver, zeros, memory=refresh(render(zeros)) if refresh else ())
        self.dtypes = tf.nest.map_structure(lambda value: value.dtype, first[1:])
        self.other_variables = tf.nest.map_structure(
            lambda value: tf.Variable(as_variable_value(value), trainable=False), first[1:]
        )
        self.restart = graph(self.restart)
        self.advance = graph(self.advance)
        self.result = graph(self.result)

    @property
    def state(self) -> State:
        """The current state, as tensors."""
        others = tf.nest.map_structure(
            lambda variable, dtype: tf.cast(tf.convert_to_tensor(variable), dtype),
            self.other_variables,
            self.dtypes,
        )
        return State(tf.convert_to_tensor(self.z), *others)

    @property
    def all_converged(self) -> bool:
        """Whether every row has converged."""
        return self.stopping is not None and not np.any(active_rows(self.state, self.stopping))

    def assign(self, state: State) -> None:
        """Sets the variables to this state."""
        self.z.assign(state.point)
        tf.nest.map_structure(
            lambda variable, value: variable.assign(as_variable_value(value)),
            self.other_variables,
            state[1:],
        )

    def advanced(self, state: State, conditions: tuple[tf.Tensor, ...], steps: tf.Tensor) -> State:
        """Returns the state after up to `steps` more steps; sets no variable."""

        def energy_fn(rendered, *memory):
            return self.energy_fn(rendered, *memory, *conditions)

        return search_loop(
            energy_fn,
            self.solver,
            state,
            steps,
            self.stopping,
            self.keep,
            self.refresh,
            self.refresh_every,
            self.render,
        )

    def restart(self, point: tf.Tensor, seeds: tf.Tensor | None = None) -> None:
        """Starts a new search at `point` `[B, Z]`; for `seeds` see `initial_state`."""
        self.assign(
            initial_state(self.solver, tf.convert_to_tensor(point), seeds, self.state.memory)
        )

    def advance(self, conditions: tuple[tf.Tensor, ...], steps: tf.Tensor) -> None:
        """Takes up to `steps` more steps.

        Args:
            conditions: further arguments of `energy_fn`.
            steps: int32 scalar.
        """
        self.assign(self.advanced(self.state, conditions, steps))

    def result(self) -> Result:
        """Returns what the search has found so far."""
        return result_of(self.state, self.stopping)

    def minimize(
        self,
        point: tf.Tensor,
        seeds: tf.Tensor,
        conditions: tuple[tf.Tensor, ...],
        steps: int,
    ) -> Result:
        """Returns the result of up to `steps` steps from `point`, without any variable.

        A served model needs this method, because concurrent requests would share the variables.
        """
        # The first step refreshes the memory.
        memory = tf.nest.map_structure(
            lambda variable: tf.zeros(variable.shape), self.other_variables[-1]
        )
        state = initial_state(self.solver, point, seeds, memory)
        return result_of(self.advanced(state, conditions, steps), self.stopping)
