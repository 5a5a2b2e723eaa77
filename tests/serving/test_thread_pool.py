"""Calls in threads: results in order, few items taken ahead, and an end at the first failure."""

import threading

import pytest

from tf_inpaint.serving.thread_pool import map_in_threads


def test_few_items_are_taken_ahead():
    """While the first call waits, at most twice as many items are taken as there are workers."""
    taken, release = [], threading.Event()

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    def work(number):
        if number == 0:
            release.wait(10)
        return number

    results = map_in_threads(work, items(), 3)
    timer = threading.Timer(0.1, release.set)
    timer.start()
    assert next(results) == 0 and len(taken) <= 6
    assert list(results) == list(range(1, 100))


def test_first_failure_ends_all_calls():
    """Calls that have not begun are canceled."""
    begun, release = [], threading.Event()

    def work(number):
        begun.append(number)
        if number == 0:
            raise ValueError("no")
        release.wait(10)

    threading.Timer(0.2, release.set).start()
    with pytest.raises(ValueError, match="no"):
        list(map_in_threads(work, range(100), 2))
    assert sorted(begun) in ([0, 1], [0, 1, 2])
