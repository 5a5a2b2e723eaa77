"""Tests of `data.pipeline`: the order and the content of the training batches."""

import threading

import numpy as np
import pytest
from source_contents import levels, numbered

from tf_inpaint.data import pipeline
from tf_inpaint.data.pipeline import epoch_order, spread, train_batches
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.files import images


def batches(source, *arguments):
    """Returns the levels of the pictures of all batches."""
    return [levels(images.to_uint8(batch)) for batch in train_batches(source, *arguments)]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_epoch_orders_are_different_permutations(size):
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
    # A run that continues after an update must have the same order.
    # With another order, training would see some images twice and others never.
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
    uninterrupted = batches(numbered(10)[0], 4, 5, 0, 12)
    for step in (1, 5, 11):
        assert batches(numbered(10)[0], 4, 5, step, 12) == uninterrupted[step:]
    assert batches(numbered(10)[0], 4, 5, 12, 12) == []
    assert batches(numbered(10)[0], 4, 6, 0, 12) != uninterrupted


def test_unreadable_pictures_do_not_change_a_continued_run():
    uninterrupted = batches(numbered(10, {3, 4})[0], 4, 5, 0, 12)
    assert not {3, 4} & set(sum(uninterrupted, []))
    assert batches(numbered(10, {3, 4}, budget=0)[0], 4, 5, 7, 12) == uninterrupted[7:]


def test_batches_have_the_shape_and_range_of_the_networks():
    source = open_source("digits", 28, 1)
    stream = train_batches(source, 16, 0, 10, 13)
    assert stream.element_spec.shape == (16, 28, 28, 1) and stream.element_spec.dtype == "float32"
    assert int(stream.cardinality()) == 3
    batch = next(iter(stream)).numpy()
    assert batch.min() == -1 and batch.max() == 1
    order = epoch_order(4500, 0, 0)[160:176]
    np.testing.assert_array_equal(images.to_uint8(batch), source.read(order))


@pytest.mark.parametrize(("replicas", "workers"), [(2, 1), (4, 2), (6, 6)])
def test_replicas_together_see_the_images_of_a_single_replica(replicas, workers):
    source, (seed, first, last, size) = numbered(50)[0], (5, 2, 7, 12)
    single = batches(source, size, seed, first, last, 3)
    local = replicas // workers
    shared = [
        batches(
            source,
            size,
            seed,
            first,
            last,
            3,
            replicas,
            range(worker * local, (worker + 1) * local),
        )
        for worker in range(workers)
    ]
    for step, expected in enumerate(single):
        rows = [element for part in shared for element in part[step * local : (step + 1) * local]]
        # Each replica has a part of each of the three batches of the step.
        parts = [np.reshape(row, (3, size // replicas)) for row in rows]
        assert np.concatenate(parts, axis=1).ravel().tolist() == expected


def test_spread_covers_the_source():
    pictures = images.to_uint8(spread(numbered(40)[0], 4))[:, 0, 0, 0]
    assert pictures.tolist() == [0, 10, 20, 30]
    assert images.to_uint8(spread(numbered(2)[0], 5))[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1]


def test_batches_need_a_readable_picture():
    with pytest.raises(ValueError, match="all 4 are unreadable; .* picture 0 is broken"):
        train_batches(numbered(4, range(4))[0], 2, 0, 0, 5)


def test_active_reads_are_finished_before_python_shuts_down(monkeypatch):
    monkeypatch.setattr(pipeline, "_exiting", threading.Event())
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
    assert pipeline._active_reads
    pipeline._finish_reads()
    assert not pipeline._active_reads
    reader.join()
    loaded = next(order)
    last = list(stream)[-1]
    assert next(order) == loaded + 1
    assert not last.numpy().any()
