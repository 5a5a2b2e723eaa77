"""Peak memory of the process."""

import numpy as np
import pytest

from tf_inpaint.evaluation import memory


@pytest.mark.skipif(memory.peak() is None, reason="the system does not tell the peak memory")
def test_peak_contains_a_large_array():
    """The peak rises by the size of an array, also after the array is deleted."""
    memory.reset_peak()
    before = memory.peak()
    array = np.ones(64 << 20, np.uint8)
    del array
    assert before + 48 < memory.peak() < before + 128


def test_peak_is_none_where_the_system_does_not_tell_it(tmp_path, monkeypatch):
    """Without the files of Linux nothing is measured, and nothing fails."""
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "none")
    memory.reset_peak()
    assert memory.peak() is None
