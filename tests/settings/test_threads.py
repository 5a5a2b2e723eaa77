"""The number of threads of TensorFlow."""

import os

import pytest
import tensorflow as tf

from tf_inpaint.settings.threads import default_threads, use_threads


@pytest.mark.parametrize(("variable", "number"), [("3", 3), ("0", None), ("many", None)])
def test_default_is_that_of_tensorflow(monkeypatch, variable, number):
    """The variable counts as TensorFlow counts it, else the processors of the process."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", variable)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5, 7}, raising=False)
    assert default_threads() == (number or 4)


def test_only_another_number_is_set(monkeypatch):
    """TensorFlow refuses to set any number once it has computed something."""
    numbers = []
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 5)
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", numbers.append)
    use_threads(5)
    use_threads(6)
    assert numbers == [6]
