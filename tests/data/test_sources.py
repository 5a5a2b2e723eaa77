"""data: what stands in for a broken picture, and the order of the training batches."""

import threading

import numpy as np
import pytest

from tf_inpaint.data import pipeline, sources
from tf_inpaint.data.pipeline import epoch_order, spread, train_batches
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.files import images


def numbered(size, broken=(), budget=None):
    """A source whose picture i is filled with level i % 256; and the list of what was loaded."""
    loaded = []

    def load(index):
        loaded.append(index)
        if index in broken:
            raise ValueError(f"picture {index} is broken")
        return np.full((2, 2, 1), index % 256, np.uint8)

    return Source([f"n/{index}" for index in range(size)], load, (2, 2, 1), budget), loaded


def levels(pictures):
    return pictures[:, 0, 0, 0].tolist()


def batches(source, *arguments):
    return [levels(images.to_uint8(batch)) for batch in train_batches(source, *arguments)]


# --- what stands in for a broken picture


def test_memory_budget_is_a_share_of_the_memory():
    assert 2**26 < sources.memory_budget() < 2**45


@pytest.mark.parametrize("budget, times", [(None, 1), (80, 1), (79, 2)])
def test_a_picture_is_loaded_once_where_all_fit(budget, times):
    source, loaded = numbered(20, budget=budget)
    for _ in range(2):
        assert levels(source.read(np.array([7, 3, 7, 19]))) == [7, 3, 7, 19]
    assert sorted(loaded) == sorted([3, 7, 19] * times)


@pytest.mark.parametrize("budget", [None, 0])
def test_the_next_readable_picture_stands_in(budget):
    broken = {2, 3, 4, 8, 9}
    stand_ins = [0, 1, 5, 5, 5, 5, 6, 7, 0, 0]
    source, _ = numbered(10, broken, budget)
    assert levels(source.read(np.arange(10))) == stand_ins
    assert source.unreadable == {
        f"n/{index}": f"picture {index} is broken" for index in sorted(broken)
    }
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(10), (20, 1)), axis=1):
        source, loaded = numbered(10, broken, budget)
        for index in order:
            assert levels(source.read(np.array([index, index]))) == [stand_ins[index]] * 2
        assert all(loaded.count(index) == 1 for index in broken)


@pytest.mark.parametrize("indices", [[0], [5, 1, 1999], range(2000)])
def test_nothing_readable(indices):
    source, loaded = numbered(2000, range(2000))
    for _ in range(2):
        with pytest.raises(ValueError, match="of 2000 none is; the first: picture .* is broken"):
            source.read(np.array(indices))
    assert sorted(loaded) == list(range(2000))


def test_a_long_broken_stretch_is_walked_once():
    class Counting(dict):
        reads = 0

        def __getitem__(self, index):
            Counting.reads += 1
            return super().__getitem__(index)

    source, _ = numbered(1000, range(999))
    source._next = Counting()
    for index in range(1000):
        source.read(np.array([index]))
    assert Counting.reads < 5000


# --- the order of the training batches


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_epoch_order_is_a_permutation_of_its_own(size):
    orders = [epoch_order(size, seed, epoch) for seed in range(3) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(size))
    if size == 100:
        assert len({tuple(order) for order in orders}) == 9


def test_epoch_order_is_uniform():
    orders = np.array([epoch_order(5, 0, epoch) for epoch in range(5000)])
    counts = np.array(
        [[np.sum(orders[:, place] == index) for index in range(5)] for place in range(5)]
    )
    assert np.abs(counts - 1000).max() < 150  # five standard deviations
    assert len({tuple(order) for order in orders}) == 120


def test_epoch_order_is_the_same_on_every_machine():
    # Runs are continued by it: another order after an update would show images twice and others never.
    assert epoch_order(8, 3, 7).tolist() == [5, 0, 6, 7, 4, 2, 3, 1]


@pytest.mark.parametrize("size, batch_size", [(10, 5), (10, 4), (10, 10), (3, 8), (1, 4)])
def test_an_epoch_shows_each_image_once(size, batch_size):
    shown = sum(batches(numbered(size)[0], batch_size, 0, 0, 3 * size), [])
    epochs = np.array(shown).reshape(-1, size)
    assert len(epochs) == 3 * batch_size
    np.testing.assert_array_equal(
        np.sort(epochs, axis=1), np.tile(np.arange(size), (len(epochs), 1))
    )


def test_a_run_continues_at_any_step():
    whole = batches(numbered(10)[0], 4, 5, 0, 12)
    for step in (1, 5, 11):
        assert batches(numbered(10)[0], 4, 5, step, 12) == whole[step:]
    assert batches(numbered(10)[0], 4, 5, 12, 12) == []
    assert batches(numbered(10)[0], 4, 6, 0, 12) != whole


def test_broken_pictures_do_not_disturb_a_continued_run():
    whole = batches(numbered(10, {3, 4})[0], 4, 5, 0, 12)
    assert not {3, 4} & set(sum(whole, []))
    assert batches(numbered(10, {3, 4}, budget=0)[0], 4, 5, 7, 12) == whole[7:]


def test_batches_are_what_the_networks_expect():
    source = open_source("digits", 28, 1)
    stream = train_batches(source, 16, 0, 10, 13)
    assert stream.element_spec.shape == (16, 28, 28, 1) and stream.element_spec.dtype == "float32"
    assert int(stream.cardinality()) == 3
    batch = next(iter(stream)).numpy()
    assert batch.min() == -1 and batch.max() == 1
    order = epoch_order(4500, 0, 0)[160:176]
    np.testing.assert_array_equal(images.to_uint8(batch), source.read(order))


@pytest.mark.parametrize(("replicas", "workers"), [(2, 1), (4, 2), (6, 6)])
def test_replicas_share_what_one_alone_sees(replicas, workers):
    source, (seed, first, last, size) = numbered(50)[0], (5, 2, 7, 12)
    alone = batches(source, size, seed, first, last, 3)
    own = replicas // workers
    shared = [
        batches(
            source, size, seed, first, last, 3, replicas, range(worker * own, (worker + 1) * own)
        )
        for worker in range(workers)
    ]
    for step, expected in enumerate(alone):
        rows = [element for part in shared for element in part[step * own : (step + 1) * own]]
        # Each replica has its share of each of the step's three batches.
        parts = [np.reshape(row, (3, size // replicas)) for row in rows]
        assert np.concatenate(parts, axis=1).ravel().tolist() == expected


def test_spread_covers_the_source():
    pictures = images.to_uint8(spread(numbered(40)[0], 4))[:, 0, 0, 0]
    assert pictures.tolist() == [0, 10, 20, 30]
    assert images.to_uint8(spread(numbered(2)[0], 5))[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1]


def test_batches_need_a_readable_picture():
    with pytest.raises(ValueError, match="of 4 none is; the first: picture 0 is broken"):
        train_batches(numbered(4, range(4))[0], 2, 0, 0, 5)


def test_threads_are_answered_before_python_shuts_down(monkeypatch):
    monkeypatch.setattr(pipeline, "_leaving", threading.Event())
    release, started = threading.Event(), threading.Event()

    def load(index):
        if index:
            started.set()
            release.wait()
        return np.full((2, 2, 1), 9, np.uint8)

    order = iter(range(1000))
    source = Source(
        [str(index) for index in range(1000)], lambda _: load(next(order)), (2, 2, 1), budget=0
    )
    stream = iter(train_batches(source, 4, 0, 0, 200))
    reader = threading.Thread(target=lambda: next(stream))
    reader.start()
    started.wait()
    threading.Timer(0.3, release.set).start()
    assert pipeline._answering
    pipeline._leave()
    assert not pipeline._answering
    reader.join()
    loaded = next(order)
    last = list(stream)[-1]
    assert next(order) == loaded + 1
    assert not last.numpy().any()
