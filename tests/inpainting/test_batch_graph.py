"""Completion of a batch as a graph: its blocks, and the errors of its rows."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tf_inpaint.inpainting import batch_graph
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.runs import inpainters, run_directory
from tf_inpaint.settings.search_settings import SearchSettings


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


def test_the_expected_pixels_are_those_of_the_inpainter(tmp_path):
    """The graph of a whole batch gives the mean estimate that `Inpainter.complete` gives."""
    run = run_directory.load(tiny.new_run(tmp_path / "run", encoder_steps=0))
    tiny.write_mean_estimate(run)
    settings = SearchSettings(estimate="mean", steps=3, start_draws=2, block_size=4)
    inpainter = Inpainter(inpainters.frozen_networks(run), settings)
    inputs = tiny.rows(6)
    images, known = inputs["images"], inputs["masks"]
    seeds = np.stack([np.zeros(6, int), inputs["seeds"].view(np.uint32)], axis=1)
    expected = inpainter.complete(images, known, seeds)
    answers = tf.function(batch_graph.complete, autograph=False)(
        inpainter, *map(tf.constant, inputs.values())
    )
    np.testing.assert_allclose(answers.images, expected.images, atol=1e-4)
    np.testing.assert_allclose(answers.uncertainties, expected.uncertainty, atol=1e-4)
    np.testing.assert_array_equal(
        answers.images.numpy()[known[..., 0] > 0], images[known[..., 0] > 0]
    )
    drawn = Inpainter(inpainters.frozen_networks(run), SearchSettings(steps=3, start_draws=2))
    assert np.abs(expected.images - drawn.complete(images, known, seeds).images).max() > 0.1
