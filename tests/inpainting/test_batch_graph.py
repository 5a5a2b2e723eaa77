"""Completion of a batch as a graph: its blocks, and the errors of its rows."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.inpainting import batch_graph


@pytest.mark.parametrize("value", [1.0001, 1.0000001, 255.0])
def test_a_value_that_is_refused_is_described_as_other_than_allowed(value):
    ones = np.ones([1, 4, 4, 1], np.float32)
    for pictures, known in ((ones * np.float32(value), ones), (ones, ones * np.float32(value))):
        (sentence,) = batch_graph.input_errors(tf.constant(pictures), tf.constant(known)).numpy()
        assert np.float32(sentence.decode().split(" of size ")[1].split(";")[0]) == np.float32(
            value
        )


@pytest.mark.parametrize("count", [1, 4, 7])
def test_blocks_are_filled_up_and_cut_again(count):
    seen = []

    def function(block):
        seen.append(block.shape[0])
        return block * 2, tf.reduce_sum(block, axis=1)

    values = np.arange(3.0 * count, dtype=np.float32).reshape(count, 3)
    doubled, sums = batch_graph.in_blocks(function, 4, [tf.constant(values)])
    assert set(seen) == {4}
    assert np.array_equal(doubled, 2 * values) and np.array_equal(sums, values.sum(1))
