"""Tests of loop: the best point, convergence, values that are not finite, and saved searches."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.latent_search import loop, solvers

TARGET = np.array([0.5, -0.25, 0.75], np.float32)
STOPPING = loop.Stopping(0.01, 8)


def distance(point):
    """The L1 distance from `TARGET`."""
    return tf.reduce_sum(tf.abs(point - TARGET), axis=1)


def bowl(point):
    """A quadratic with the minimum 0 at `TARGET`."""
    return tf.reduce_sum(tf.square(point - TARGET), axis=1)


def raised_bowl(point):
    """A quadratic with the minimum 1 at `TARGET`."""
    return 1 + bowl(point)


def states(energy_fn, point, steps, solver=None, seeds=None, **settings):
    """Returns the state after each of `steps` steps, as arrays."""
    solver = solver or solvers.adam(0.3)
    advance = tf.function(lambda state: loop.search_loop(energy_fn, solver, state, 1, **settings))
    state = loop.initial_state(solver, tf.constant(point, tf.float32), seeds)
    result = []
    for _ in range(steps):
        state = advance(state)
        result.append(tf.nest.map_structure(lambda value: value.numpy(), state))
    return result


def random_points(rows, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (rows, 3)).astype(np.float32)


# --- The best point


def test_best_energy_never_rises_and_belongs_to_best_point():
    # With this long step Adam overshoots, so the energy of the points does rise.
    history = states(distance, random_points(4), 60)
    points = np.stack([random_points(4)] + [state.point for state in history[:-1]])
    energies = np.abs(points - TARGET).sum(axis=2)
    assert (np.diff(energies, axis=0) > 0).any()
    best = np.stack([state.best_energy for state in history])
    np.testing.assert_allclose(best, np.minimum.accumulate(energies), rtol=1e-5, atol=1e-6)
    for state in history:
        np.testing.assert_array_equal(distance(state.best_point).numpy(), state.best_energy)


def test_first_step_evaluates_the_start():
    (state,) = states(distance, TARGET[None], 1)
    assert state.best_energy == 0
    np.testing.assert_array_equal(state.best_point[0], TARGET)


def test_keep_last_records_the_last_point_and_keep_best_the_lowest():
    best, last = (states(distance, random_points(4), 31, keep=keep) for keep in ("best", "last"))
    np.testing.assert_array_equal(best[-1].point, last[-1].point)
    np.testing.assert_array_equal(last[-1].best_point, last[-2].point)
    np.testing.assert_array_equal(last[-1].best_energy, distance(last[-2].point))
    assert (best[-1].best_energy <= last[-1].best_energy).all()
    assert (best[-1].best_energy < last[-1].best_energy).any()


# --- Values that are not finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_that_meets_a_non_finite_energy_returns_and_goes_on(bad):
    # Momentum carries the first row into z[0] > 0.2, where there is no finite energy.
    def energy(point):
        return tf.where(point[:, 0] > 0.2, bad, bowl(point))

    start = np.array([[-0.3, 0.0, 0.0], [-0.9, 0.5, 0.5], [0.1, 0.9, -0.9]], np.float32)
    history, without_first_row = states(energy, start, 40), states(energy, start[1:], 40)
    assert any(state.point[0, 0] > 0.2 for state in history), "the first row must meet the region"
    for state in history:
        assert all(np.isfinite(part).all() for part in tf.nest.flatten(state))
        assert (state.best_point[:, 0] <= 0.2).all()
    assert history[-1].best_energy[0] < history[0].best_energy[0]
    expected = without_first_row[-1].best_point
    np.testing.assert_array_equal(history[-1].best_point[1:], expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_without_a_finite_energy_does_not_change_other_rows(bad):
    def energy(point):
        return tf.where(point[:, 0] > 5, bad, distance(point))

    start = np.array([[-0.9, 0.5, 0.5], [0.1, 0.9, -0.9]], np.float32)
    alone = states(energy, start, 40)
    together = states(energy, np.concatenate([[[9.0, 0.0, 0.0]], start]), 40)
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first.best_point, second.best_point[1:])
        np.testing.assert_array_equal(first.best_energy, second.best_energy[1:])
    assert np.isinf(together[-1].best_energy[0]) and together[-1].best_energy[0] > 0
    np.testing.assert_array_equal(together[-1].best_point[0], [9.0, 0.0, 0.0])


def test_non_finite_gradient_is_rejected():
    # |x|^(1/2) has an infinite slope at 0, where its energy is finite.
    def energy(point):
        return tf.reduce_sum(tf.sqrt(tf.abs(point)) * tf.sign(point - 2), axis=1)

    last = states(energy, [[0.0, 0.5, 0.5], [0.4, 0.5, 0.6]], 5)[-1]
    assert all(np.isfinite(part).all() for part in tf.nest.flatten(last))
    np.testing.assert_array_equal(last.best_point[0], np.float32([0.0, 0.5, 0.5]))
    assert last.best_energy[1] < energy(tf.constant([[0.4, 0.5, 0.6]]))[0]


# --- Convergence


def test_search_stops_when_all_rows_have_converged():
    solver = solvers.adam(0.05)
    start = loop.initial_state(solver, tf.constant(random_points(5)))
    search = tf.function(lambda state: loop.search_loop(raised_bowl, solver, state, 500, STOPPING))
    state = search(start)
    assert (state.steps.numpy() < 100).all() and len(set(state.steps.numpy())) > 1
    assert (loop.reasons(state, STOPPING).numpy() == loop.Reason.CONVERGED).all()
    np.testing.assert_allclose(state.best_energy, np.ones(5), atol=0.02)
    # The loop ended with its slowest row, not at the maximum number of steps.
    assert state.solver.count.numpy() == max(state.steps.numpy())


def test_search_without_convergence_ends_at_the_cap():
    solver = solvers.adam(0.05)
    start = loop.initial_state(solver, tf.constant(random_points(5)))
    patient = loop.Stopping(0.01, 501)
    state = loop.search_loop(raised_bowl, solver, start, 60, patient)
    assert (loop.reasons(state, patient).numpy() == loop.Reason.CAP).all()
    assert (state.steps.numpy() == 60).all()


@pytest.mark.parametrize(
    ("tolerance", "patience", "steps", "best"),
    [
        (0.01, 4, 10, 49.7),  # 100, 90 and 50 count as falling; the four steps after 50 do not
        (0.01, 3, 5, 89.2),  # 89.5, 95 and 89.2 are not 1 % below 90
        (0.001, 4, 11, 1.0),
        (0.6, 5, 6, 50.0),
    ],
)
def test_row_converges_when_its_energy_does_not_fall_enough(tolerance, patience, steps, best):
    # The solver moves a point by 1 per step, and the energy is an entry of a table.
    table = tf.constant([100.0, 90.0, 89.5, 95.0, 89.2, 50.0, 50.0, 49.9, 49.8, 49.7, 1.0, 1.0])

    def energy(point):
        return tf.gather(table, tf.cast(point[:, 0], tf.int32))

    def step(energy_fn, point, state, seeds):
        return energy_fn(point), point + 1, state

    solver = solvers.Solver(lambda point: (), step)
    stopping = loop.Stopping(tolerance, patience)
    start = loop.initial_state(solver, tf.zeros([1, 1]))
    state = loop.search_loop(energy, solver, start, 11, stopping)
    assert (state.steps.numpy(), state.best_energy.numpy()) == (steps, np.float32(best))
    expected = loop.Reason.CAP if steps == 11 else loop.Reason.CONVERGED
    assert loop.reasons(state, stopping).numpy() == expected


def test_converged_row_stays_bit_identical_and_equals_the_row_alone():
    solver = solvers.adam(0.2, constrain=solvers.redraw)
    seeds, start = np.arange(8).reshape(4, 2), 2 * random_points(4)
    together = states(raised_bowl, start, 80, solver, seeds, stopping=STOPPING)
    ends = together[-1].steps
    assert ends.min() < ends.max() < 80
    for row, end in enumerate(ends):
        alone = states(raised_bowl, start[[row]], 80, solver, seeds[[row]], stopping=STOPPING)
        at_end = tf.nest.flatten(together[end - 1])
        for step in range(80):
            parts = tf.nest.flatten(together[step]), at_end, tf.nest.flatten(alone[step])
            for part, part_at_end, part_alone in zip(*parts, strict=True):
                if part.ndim:
                    np.testing.assert_array_equal(part[row], part_alone[0])
                    if step >= end:
                        np.testing.assert_array_equal(part[row], part_at_end[row])


def test_row_without_a_finite_energy_stops_with_its_reason():
    def energy(point):
        return tf.where(point[:, 0] > 5, np.nan, raised_bowl(point))

    start = np.concatenate([random_points(2), [[9.0, 0.0, 0.0]]])
    state = states(energy, start, 200, stopping=STOPPING)[-1]
    reasons = loop.reasons(tf.nest.map_structure(tf.constant, state), STOPPING).numpy().tolist()
    assert reasons == [loop.Reason.CONVERGED, loop.Reason.CONVERGED, loop.Reason.NO_ENERGY]
    assert state.steps[2] == STOPPING.patience


def test_without_stopping_a_row_takes_every_step():
    state = states(bowl, TARGET[None], 40)[-1]
    assert state.steps == 40 and loop.reasons(state, None).numpy() == loop.Reason.CAP


# --- Refreshed memory, and seeds


def test_memory_is_refreshed_every_few_steps():
    def refresh(point):
        return 2 * point, point[:, 0]

    def energy(point, memory):
        return bowl(point) + memory[1]

    solver = solvers.adam(0.1)
    advance = tf.function(
        lambda state: loop.search_loop(energy, solver, state, 1, refresh=refresh, refresh_every=3)
    )
    state = loop.initial_state(
        solver, tf.constant(random_points(4)), memory=refresh(tf.zeros([4, 3]))
    )
    points, memories = [], []
    for _ in range(8):
        points.append(state.point.numpy())
        state = advance(state)
        memories.append([part.numpy() for part in state.memory])
    for step, (double, first) in enumerate(memories):
        refreshed_at = points[step // 3 * 3]
        np.testing.assert_array_equal(double, 2 * refreshed_at)
        np.testing.assert_array_equal(first, refreshed_at[:, 0])
    assert (points[3] != points[0]).all()


def test_energy_and_memory_share_one_rendering_and_no_slope_goes_through_the_memory():
    renderings = []

    def render(point):
        renderings.append(point)
        return 2 * point

    def energy(doubled, memory):
        # The memory is the doubled point too, so the slope is that of the first factor alone.
        return tf.reduce_sum(doubled * memory, axis=1)

    step = solvers.Solver(
        lambda point: (),
        lambda energy_fn, point, state, seeds: (*solvers.value_and_gradient(energy_fn, point), ()),
    )
    point = tf.constant(random_points(4))
    state = loop.initial_state(step, point, memory=tf.zeros([4, 3]))
    advance = tf.function(
        lambda state: loop.search_loop(
            energy, step, state, 1, refresh=tf.identity, refresh_every=3, render=render
        )
    )
    state = advance(state)
    assert len(renderings) == 1
    np.testing.assert_array_equal(state.memory, 2 * point)
    np.testing.assert_allclose(state.best_energy, 4 * tf.reduce_sum(point**2, axis=1), rtol=1e-6)
    np.testing.assert_allclose(state.point, 4 * point, rtol=1e-6)


def test_random_numbers_depend_on_the_seed_of_their_row_only():
    # Most entries leave the prior at every step, so the path consists of random numbers.
    solver = solvers.adam(1.5, constrain=solvers.redraw)
    seeds, start = np.random.default_rng(0).integers(0, 2**62, (9, 2)), random_points(9)
    together = states(distance, start, 12, solver, seeds)[-1]
    for rows in ([8], [5, 0], np.random.default_rng(1).permutation(9)):
        state = states(distance, start[rows], 12, solver, seeds[rows])[-1]
        np.testing.assert_array_equal(state.point, together.point[rows])
        np.testing.assert_array_equal(state.best_energy, together.best_energy[rows])
    other_seeds = states(distance, start, 12, solver, seeds + [0, 1])[-1]
    assert (other_seeds.point != together.point).any(axis=1).all()


def test_every_step_has_other_random_numbers():
    def step(energy_fn, point, state, seeds):
        return energy_fn(point), solvers.normal(seeds, 3), state

    solver = solvers.Solver(lambda point: (), step)
    history = states(distance, random_points(2), 50, solver, [[0, 0], [0, 1]])
    points = np.array([state.point for state in history])
    assert len(np.unique(points)) == points.size


# --- Search


CONDITIONS = (tf.constant(random_points(4, seed=2)),)
SEEDS = tf.constant([[1, 2], [3, 4], [1, 5], [9, 9]], tf.int64)


def new_search():
    def energy(point, offset):
        return tf.reduce_sum(tf.abs(tf.sin(3 * point) - offset), axis=1)

    solver = solvers.adam(0.05, constrain=solvers.redraw)
    return loop.Search(energy, solver, 4, 3, loop.Stopping(0.01, 9))


def arrays(search):
    """Returns all parts of the state of a search, as arrays."""
    return [value.numpy() for value in tf.nest.flatten(search.state)]


def assert_same_state(first, second):
    for one, other in zip(arrays(first), arrays(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_search_may_stop_and_go_on():
    uninterrupted, interrupted = new_search(), new_search()
    for search in (uninterrupted, interrupted):
        search.restart(tf.constant(random_points(4)), SEEDS)
    uninterrupted.advance(CONDITIONS, tf.constant(20))
    interrupted.advance(CONDITIONS, tf.constant(10))
    halfway = arrays(interrupted)
    interrupted.advance(CONDITIONS, tf.constant(10))
    assert_same_state(uninterrupted, interrupted)
    end = arrays(interrupted)
    assert any((one != other).any() for one, other in zip(halfway, end, strict=True))


def test_minimize_gives_the_result_of_restart_and_advance():
    search, other = new_search(), new_search()
    search.restart(tf.constant(random_points(4)), SEEDS)
    search.advance(CONDITIONS, tf.constant(20))
    minimize = tf.function(lambda point: other.minimize(point, SEEDS, CONDITIONS, 20))
    result = minimize(tf.constant(random_points(4)))
    for value, expected in zip(result, search.result(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_search_saved_and_restored_goes_on_bit_identical(tmp_path):
    search, restored = new_search(), new_search()
    search.restart(tf.constant(random_points(4)), SEEDS)
    search.advance(CONDITIONS, tf.constant(7))
    path = tf.train.Checkpoint(search=search).save(tmp_path / "search")
    tf.train.Checkpoint(search=restored).restore(path).assert_consumed()
    assert_same_state(search, restored)
    search.advance(CONDITIONS, tf.constant(8))
    restored.advance(CONDITIONS, tf.constant(8))
    assert_same_state(search, restored)
    assert search.state.solver.count.numpy() == 15


def test_restart_forgets_the_last_search():
    search, fresh = new_search(), new_search()
    search.advance(CONDITIONS, tf.constant(5))
    for started in (search, fresh):
        started.restart(tf.constant(random_points(4)), SEEDS)
    assert_same_state(search, fresh)


def test_z_is_the_only_trainable_variable():
    search = new_search()
    assert [variable.name for variable in search.trainable_variables] == ["z:0"]
    assert len(search.variables) == len(arrays(search))


def test_no_variable_is_an_int32():
    """A program of XLA for a GPU cannot read such a variable, for it lies in the CPU's memory."""
    search = new_search()
    assert tf.int32 not in {variable.dtype for variable in search.variables}
    assert search.state.steps.dtype == search.result().steps.dtype == tf.int32
