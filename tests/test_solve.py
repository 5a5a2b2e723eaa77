"""solve: what the loop owns: the best so far, the non-finite guard, starts and draws, and stopping and going on."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_inpaint.inpainting import solve, solvers

TARGET = np.array([0.5, -0.25, 0.75], np.float32)


def distance(point):
    return tf.reduce_sum(tf.abs(point - TARGET), axis=1)


def states(energy_fn, point, steps, solver=None):
    """The state after each of `steps` steps, as arrays."""
    solver = solver or solvers.adam(0.3)
    advance = tf.function(lambda state: solve.search_loop(energy_fn, solver, state, 1))
    state = solve.initial_state(solver, tf.constant(point, tf.float32))
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


def test_non_finite_gradient_is_rejected():
    def energy(point):  # |x|^1/2 has an infinite slope at 0, where its energy is finite
        return tf.reduce_sum(tf.sqrt(tf.abs(point)) * tf.sign(point - 2), axis=1)

    last = states(energy, [[0.0, 0.5, 0.5], [0.4, 0.5, 0.6]], 5)[-1]
    assert all(np.isfinite(part).all() for part in tf.nest.flatten(last))
    np.testing.assert_array_equal(last.best_point[0], np.float32([0.0, 0.5, 0.5]))
    assert last.best_energy[1] < energy(tf.constant([[0.4, 0.5, 0.6]]))[0]


def test_start_picks_the_lowest_in_order():
    candidates = random_points(5 * 7).reshape(5, 7, 3)
    picked = solve.start(distance, tf.constant(candidates), 3).numpy()
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
    picked = solve.start(energy, tf.constant(candidates), 2).numpy()
    assert (picked[..., 0] <= 0).all()


def test_draw_depends_on_a_rows_own_seed_only():
    seeds = [[0, 5], [1, 2**32 - 1], [0, 6], [1, 5]]
    together = solve.draw(tf.constant(seeds, tf.int64), 4, 3).numpy()
    for row, seed in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(solve.draw(tf.constant([seed], tf.int64), 4, 3)[0], row)
        # More draws begin with the same ones: more restarts can only add to fewer.
        np.testing.assert_array_equal(solve.draw(tf.constant([seed], tf.int64), 9, 3)[0, :4], row)
    assert len(np.unique(together)) == together.size


def test_draw_is_uniform():
    values = solve.draw(tf.constant([[3, 1], [3, 2]], tf.int64), 500, 4).numpy()
    assert values.min() >= -1 and values.max() < 1
    assert stats.kstest(values.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    # Rows, draws and entries are unrelated.
    assert np.abs(np.corrcoef(values.transpose(0, 2, 1).reshape(8, 500)) - np.eye(8)).max() < 0.2


def new_search():
    def energy(point, offset):
        return tf.reduce_sum(tf.abs(tf.sin(3 * point) - offset), axis=1)

    return solve.Search(energy, solvers.adam(0.05, constrain=solvers.clip), 4, 3)


def flat(search):
    return [value.numpy() for value in tf.nest.flatten(search.state)]


def assert_same(first, second):
    for one, other in zip(flat(first), flat(second), strict=True):
        np.testing.assert_array_equal(one, other)


CONDITIONS = (tf.constant(random_points(4, seed=2)),)


def test_search_may_stop_and_go_on():
    whole, halves = new_search(), new_search()
    for search in (whole, halves):
        search.restart(tf.constant(random_points(4)))
    whole.advance(CONDITIONS, tf.constant(20))
    halves.advance(CONDITIONS, tf.constant(10))
    halfway = flat(halves)
    halves.advance(CONDITIONS, tf.constant(10))
    assert_same(whole, halves)
    assert any((one != other).any() for one, other in zip(halfway, flat(halves), strict=True))


def test_search_saved_and_restored_goes_on_bit_for_bit(tmp_path):
    whole, restored = new_search(), new_search()
    whole.restart(tf.constant(random_points(4)))
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
        one.restart(tf.constant(random_points(4)))
    assert_same(search, fresh)


def test_z_is_the_trainable_variable():
    search = new_search()
    assert [variable.name for variable in search.trainable_variables] == ["z:0"]
    assert len(search.variables) == len(flat(search))
