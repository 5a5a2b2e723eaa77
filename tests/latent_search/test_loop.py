"""solve: what the loop owns: the best so far, when a row is done, the non-finite guard, starts, and going on."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_inpaint.latent_search import loop, solvers, starting_points

TARGET = np.array([0.5, -0.25, 0.75], np.float32)


def distance(point):
    return tf.reduce_sum(tf.abs(point - TARGET), axis=1)


def states(energy_fn, point, steps, solver=None, seeds=None, **settings):
    """The state after each of `steps` steps, as arrays."""
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


def test_best_energy_never_rises_and_belongs_to_best_point():
    # The step is so long that Adam overshoots: the energy itself does rise.
    seen = states(distance, random_points(4), 60)
    points = np.stack([random_points(4)] + [state.point for state in seen[:-1]])
    energies = np.abs(points - TARGET).sum(axis=2)
    assert (np.diff(energies, axis=0) > 0).any()
    best = np.stack([state.best_energy for state in seen])
    np.testing.assert_allclose(best, np.minimum.accumulate(energies), rtol=1e-5, atol=1e-6)
    for state in seen:
        np.testing.assert_array_equal(distance(state.best_point).numpy(), state.best_energy)


def test_first_step_looks_at_the_start():
    (state,) = states(distance, TARGET[None], 1)
    assert state.best_energy == 0
    np.testing.assert_array_equal(state.best_point[0], TARGET)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_energy_is_rejected_and_other_rows_go_on(bad):
    # Downhill lies a region without an energy, which a momentum runs into: z[0] above 0.2.
    def energy(point):
        return tf.where(point[:, 0] > 0.2, bad, tf.reduce_sum(tf.square(point - TARGET), axis=1))

    start = np.array([[-0.3, 0.0, 0.0], [-0.9, 0.5, 0.5], [0.1, 0.9, -0.9]], np.float32)
    broken, whole = states(energy, start, 40), states(energy, start[1:], 40)
    crossed = [state for state in broken if state.point[0, 0] > 0.2]
    assert crossed, "the first row must have met the region"
    for state in broken:
        assert all(np.isfinite(part).all() for part in tf.nest.flatten(state))
        assert (state.best_point[:, 0] <= 0.2).all()
    assert broken[-1].best_energy[0] < broken[0].best_energy[0]

    # And rows that never meet it do not notice.
    def fenced(point):
        return tf.where(point[:, 0] > 5, bad, distance(point))

    alone = states(fenced, start[1:], 40)
    beside = states(fenced, np.concatenate([[[9.0, 0.0, 0.0]], start[1:]]), 40)
    for first, second in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(first.best_point, second.best_point[1:])
        np.testing.assert_array_equal(first.best_energy, second.best_energy[1:])
    assert np.isinf(beside[-1].best_energy[0]) and beside[-1].best_energy[0] > 0
    np.testing.assert_array_equal(beside[-1].best_point[0], [9.0, 0.0, 0.0])
    np.testing.assert_array_equal(broken[-1].best_point[1:], whole[-1].best_point)


# --- when a row is done


def bowl(point):
    return tf.reduce_sum(tf.square(point - TARGET), axis=1)


STOPPING = loop.Stopping(0.01, 8)


def test_converged_quadratic_stops_early_and_says_so():
    solver = solvers.adam(0.05)
    energy = lambda point: 1 + bowl(point)  # noqa: E731
    search = tf.function(lambda state: loop.search_loop(energy, solver, state, 500, STOPPING))
    state = search(loop.initial_state(solver, tf.constant(random_points(5))))
    assert (state.steps.numpy() < 100).all() and len(set(state.steps.numpy())) > 1
    assert (loop.reasons(state, STOPPING).numpy() == loop.Reason.CONVERGED).all()
    np.testing.assert_allclose(state.best_energy, np.ones(5), atol=0.02)
    # The loop ended with its slowest row, not at the cap.
    assert state.solver.count.numpy() == max(state.steps.numpy())
    patient = loop.Stopping(0.01, 501)
    capped = loop.search_loop(
        energy, solver, loop.initial_state(solver, tf.constant(random_points(5))), 60, patient
    )
    assert (loop.reasons(capped, patient).numpy() == loop.Reason.CAP).all()
    assert (capped.steps.numpy() == 60).all()


def test_row_stops_when_its_energy_has_not_fallen_enough_for_so_long():
    # By hand: energies per step of a point that moves by 1 a step along a table.
    table = tf.constant([100.0, 90.0, 89.5, 95.0, 89.2, 50.0, 50.0, 49.9, 49.8, 49.7, 1.0, 1.0])
    energy = lambda point: tf.gather(table, tf.cast(point[:, 0], tf.int32))  # noqa: E731
    walk = solvers.Solver(
        lambda point: (),
        lambda energy_fn, point, state, seeds: (energy_fn(point), point + 1, state),
    )
    for tolerance, patience, taken, best in [
        (0.01, 4, 10, 49.7),  # 100, 90 and 50 count; after 50 come four that do not
        (0.01, 3, 5, 89.2),  # 89.5, 95 and 89.2 lie within 1 % of 90
        (0.001, 4, 11, 1.0),
        (0.6, 5, 6, 50.0),
    ]:
        stopping = loop.Stopping(tolerance, patience)
        state = loop.search_loop(
            energy, walk, loop.initial_state(walk, tf.zeros([1, 1])), 11, stopping
        )
        assert (state.steps.numpy(), state.best_energy.numpy()) == (taken, np.float32(best)), (
            tolerance,
            patience,
        )
        expected = loop.Reason.CAP if taken == 11 else loop.Reason.CONVERGED
        assert loop.reasons(state, stopping).numpy() == expected


def test_frozen_row_stays_frozen_bit_for_bit_and_equals_the_row_alone():
    solver = solvers.adam(0.2, constrain=solvers.redraw)
    seeds = np.arange(8).reshape(4, 2)
    energy = lambda point: 1 + bowl(point)  # noqa: E731
    seen = states(energy, 2 * random_points(4), 80, solver, seeds, stopping=STOPPING)
    ends = seen[-1].steps
    assert ends.min() < ends.max() < 80
    for row, end in enumerate(ends):
        alone = states(
            energy, 2 * random_points(4)[[row]], 80, solver, seeds[[row]], stopping=STOPPING
        )
        for step, state in enumerate(seen):
            for part, frozen, own in zip(
                *map(tf.nest.flatten, (state, seen[end - 1], alone[step])), strict=True
            ):
                if part.ndim:
                    np.testing.assert_array_equal(part[row], own[0])
                    if step >= end:
                        np.testing.assert_array_equal(part[row], frozen[row])


def test_row_without_an_energy_stops_and_says_so():
    def energy(point):
        return tf.where(point[:, 0] > 5, np.nan, 1 + bowl(point))

    start = np.concatenate([random_points(2), [[9.0, 0.0, 0.0]]])
    state = states(energy, start, 200, stopping=STOPPING)[-1]
    reasons = loop.reasons(tf.nest.map_structure(tf.constant, state), STOPPING).numpy().tolist()
    assert reasons == [loop.Reason.CONVERGED, loop.Reason.CONVERGED, loop.Reason.NO_ENERGY]
    assert state.steps[2] == STOPPING.patience
    assert all(reason.sentence.endswith(".") for reason in loop.Reason)
    assert len({reason.sentence for reason in loop.Reason}) == len(loop.Reason)


def test_without_stopping_a_row_takes_every_step():
    state = states(bowl, TARGET[None], 40)[-1]
    assert state.steps == 40 and loop.reasons(state, None).numpy() == loop.Reason.CAP


def test_last_is_the_last_point_looked_at_and_best_the_lowest():
    best, last = (states(distance, random_points(4), 31, keep=keep) for keep in ("best", "last"))
    np.testing.assert_array_equal(best[-1].point, last[-1].point)
    np.testing.assert_array_equal(last[-1].best_point, last[-2].point)
    np.testing.assert_array_equal(last[-1].best_energy, distance(last[-2].point))
    assert (best[-1].best_energy <= last[-1].best_energy).all()
    assert (best[-1].best_energy < last[-1].best_energy).any()


def test_memory_is_refreshed_every_few_steps_and_in_between_kept():
    refresh = lambda point: (2 * point, point[:, 0])  # noqa: E731
    solver = solvers.adam(0.1)
    energy = lambda point, memory: bowl(point) + memory[1]  # noqa: E731
    step = tf.function(
        lambda state: loop.search_loop(energy, solver, state, 1, refresh=refresh, refresh_every=3)
    )
    state = loop.initial_state(
        solver, tf.constant(random_points(4)), memory=refresh(tf.zeros([4, 3]))
    )
    points, memories = [], []
    for _ in range(8):
        points.append(state.point.numpy())
        state = step(state)
        memories.append([part.numpy() for part in state.memory])
    for taken, (double, first) in enumerate(memories):
        np.testing.assert_array_equal(double, 2 * points[taken // 3 * 3])
        np.testing.assert_array_equal(first, points[taken // 3 * 3][:, 0])
    assert (points[3] != points[0]).all()


# --- seeds


def test_steps_numbers_are_a_row_s_own():
    # Most entries leave at every step: the path is made of random numbers.
    solver = solvers.adam(1.5, constrain=solvers.redraw)
    seeds = np.random.default_rng(0).integers(0, 2**62, (9, 2))
    together = states(distance, random_points(9), 12, solver, seeds)[-1]
    order = np.random.default_rng(1).permutation(9)
    for chosen in ([8], [5, 0], order):
        some = states(distance, random_points(9)[chosen], 12, solver, seeds[chosen])[-1]
        np.testing.assert_array_equal(some.point, together.point[chosen])
        np.testing.assert_array_equal(some.best_energy, together.best_energy[chosen])
    other = states(distance, random_points(9), 12, solver, seeds + [0, 1])[-1]
    assert (other.point != together.point).any(axis=1).all()


def test_every_step_has_its_own_numbers():
    noise = solvers.Solver(
        lambda point: (), lambda f, point, state, seeds: (f(point), solvers.normal(seeds, 3), state)
    )
    points = np.array(
        [state.point for state in states(distance, random_points(2), 50, noise, [[0, 0], [0, 1]])]
    )
    assert len(np.unique(points)) == points.size


# --- what is not finite


def test_non_finite_gradient_is_rejected():
    def energy(point):  # |x|^1/2 has an infinite slope at 0, where its energy is finite
        return tf.reduce_sum(tf.sqrt(tf.abs(point)) * tf.sign(point - 2), axis=1)

    last = states(energy, [[0.0, 0.5, 0.5], [0.4, 0.5, 0.6]], 5)[-1]
    assert all(np.isfinite(part).all() for part in tf.nest.flatten(last))
    np.testing.assert_array_equal(last.best_point[0], np.float32([0.0, 0.5, 0.5]))
    assert last.best_energy[1] < energy(tf.constant([[0.4, 0.5, 0.6]]))[0]


def test_start_picks_the_lowest_in_order():
    candidates = random_points(5 * 7).reshape(5, 7, 3)
    picked = starting_points.lowest_candidates(distance, tf.constant(candidates), 3).numpy()
    for row, expected in zip(picked, candidates, strict=True):
        order = np.abs(expected - TARGET).sum(axis=1).argsort()[:3]
        np.testing.assert_array_equal(row, expected[order])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_start_never_picks_a_candidate_without_energy(bad):
    def energy(point):
        return tf.where(point[:, 0] > 0, bad, distance(point))

    candidates = random_points(6 * 8, seed=1).reshape(6, 8, 3)
    candidates[:, 2:4, 0] = -np.abs(candidates[:, 2:4, 0])  # so that each row has two
    assert (candidates[..., 0] > 0).any(axis=1).all()
    picked = starting_points.lowest_candidates(energy, tf.constant(candidates), 2).numpy()
    assert (picked[..., 0] <= 0).all()


def test_draw_depends_on_a_rows_own_seed_only():
    seeds = [[0, 5], [1, 2**32 - 1], [0, 6], [1, 5]]
    together = starting_points.random_candidates(tf.constant(seeds, tf.int64), 4, 3).numpy()
    for row, seed in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(
            starting_points.random_candidates(tf.constant([seed], tf.int64), 4, 3)[0], row
        )
        # More draws begin with the same ones: more restarts can only add to fewer.
        np.testing.assert_array_equal(
            starting_points.random_candidates(tf.constant([seed], tf.int64), 9, 3)[0, :4], row
        )
    assert len(np.unique(together)) == together.size


def test_draw_is_uniform():
    values = starting_points.random_candidates(
        tf.constant([[3, 1], [3, 2]], tf.int64), 500, 4
    ).numpy()
    assert values.min() >= -1 and values.max() < 1
    assert stats.kstest(values.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    # Rows, draws and entries are unrelated.
    assert np.abs(np.corrcoef(values.transpose(0, 2, 1).reshape(8, 500)) - np.eye(8)).max() < 0.2


def new_search():
    def energy(point, offset):
        return tf.reduce_sum(tf.abs(tf.sin(3 * point) - offset), axis=1)

    return loop.Search(
        energy, solvers.adam(0.05, constrain=solvers.redraw), 4, 3, loop.Stopping(0.01, 9)
    )


def flat(search):
    return [value.numpy() for value in tf.nest.flatten(search.state)]


def assert_same(first, second):
    for one, other in zip(flat(first), flat(second), strict=True):
        np.testing.assert_array_equal(one, other)


CONDITIONS = (tf.constant(random_points(4, seed=2)),)
SEEDS = tf.constant([[1, 2], [3, 4], [1, 5], [9, 9]], tf.int64)


def test_search_may_stop_and_go_on():
    whole, halves = new_search(), new_search()
    for search in (whole, halves):
        search.restart(tf.constant(random_points(4)), SEEDS)
    whole.advance(CONDITIONS, tf.constant(20))
    halves.advance(CONDITIONS, tf.constant(10))
    halfway = flat(halves)
    halves.advance(CONDITIONS, tf.constant(10))
    assert_same(whole, halves)
    assert any((one != other).any() for one, other in zip(halfway, flat(halves), strict=True))


def test_search_saved_and_restored_goes_on_bit_for_bit(tmp_path):
    whole, restored = new_search(), new_search()
    whole.restart(tf.constant(random_points(4)), SEEDS)
    whole.advance(CONDITIONS, tf.constant(7))
    path = tf.train.Checkpoint(search=whole).save(tmp_path / "search")
    tf.train.Checkpoint(search=restored).restore(path).assert_consumed()
    assert_same(whole, restored)
    whole.advance(CONDITIONS, tf.constant(8))
    restored.advance(CONDITIONS, tf.constant(8))
    assert_same(whole, restored)
    assert whole.state.solver.count.numpy() == 15


def test_restart_forgets():
    search, fresh = new_search(), new_search()
    search.advance(CONDITIONS, tf.constant(5))
    for one in (search, fresh):
        one.restart(tf.constant(random_points(4)), SEEDS)
    assert_same(search, fresh)


def test_z_is_the_trainable_variable():
    search = new_search()
    assert [variable.name for variable in search.trainable_variables] == ["z:0"]
    assert len(search.variables) == len(flat(search))
