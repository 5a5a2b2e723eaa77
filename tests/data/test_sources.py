"""Tests of `data.sources`: caching, unreadable pictures, labels, and bad settings."""

import numpy as np
import pytest
from source_contents import levels, names, numbered

from tf_inpaint.data import sources
from tf_inpaint.data.sources import Source, open_source


def test_memory_budget_is_plausible():
    assert 2**26 < sources.memory_budget() < 2**45


@pytest.mark.parametrize("budget, times", [(None, 1), (80, 1), (79, 2)])
def test_a_picture_is_loaded_once_if_all_fit_in_memory(budget, times):
    source, loaded = numbered(20, budget=budget)
    for _ in range(2):
        assert levels(source.read(np.array([7, 3, 7, 19]))) == [7, 3, 7, 19]
    assert sorted(loaded) == sorted([3, 7, 19] * times)


@pytest.mark.parametrize("budget", [None, 0])
def test_the_next_readable_picture_replaces_an_unreadable_one(budget):
    unreadable = {2, 3, 4, 8, 9}
    replacements = [0, 1, 5, 5, 5, 5, 6, 7, 0, 0]
    source, _ = numbered(10, unreadable, budget)
    assert levels(source.read(np.arange(10))) == replacements
    assert source.unreadable == {
        f"n/{index}": f"picture {index} is broken" for index in sorted(unreadable)
    }
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(10), (20, 1)), axis=1):
        source, loaded = numbered(10, unreadable, budget)
        for index in order:
            assert levels(source.read(np.array([index, index]))) == [replacements[index]] * 2
        assert all(loaded.count(index) == 1 for index in unreadable)


@pytest.mark.parametrize("indices", [[0], [5, 1, 1999], range(2000)])
def test_a_source_without_readable_pictures(indices):
    source, loaded = numbered(2000, range(2000))
    for _ in range(2):
        with pytest.raises(ValueError, match="all 2000 are unreadable; .* picture .* is broken"):
            source.read(np.array(indices))
    assert sorted(loaded) == list(range(2000))


def test_a_long_unreadable_stretch_is_walked_once():
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


def test_labels_are_read_at_the_first_access_and_once():
    calls = []

    def read_labels():
        calls.append(None)
        return np.arange(3)

    source = Source(
        ["a", "b", "c"], lambda index: np.zeros((2, 2, 1), np.uint8), (2, 2, 1), labels=read_labels
    )
    source.read(np.arange(3))
    assert not calls
    assert source.labels is source.labels and len(calls) == 1


def test_limit_spreads_over_the_split():
    limited, full = open_source("digits", 28, 1, limit=500), open_source("digits", 28, 1)
    assert names(limited) == names(full)[::9]
    np.testing.assert_array_equal(limited.read(np.array([3])), full.read(np.array([27])))
    assert open_source("digits", 28, 1, limit=9999).size == full.size


@pytest.mark.parametrize("dataset", ["", "mnist", "folder:", "npz", "digits:5", "s3:bucket"])
def test_unknown_data_set(dataset):
    with pytest.raises(ValueError, match="digits, tfds:NAME, folder:DIR or npz:FILE; received"):
        open_source(dataset, 28, 1)


def test_unknown_split():
    with pytest.raises(ValueError, match="received 'test'"):
        open_source("digits", 28, 1, split="test")
