"""Tests of `exploration.nearest_training_images`: exact neighbors from chunks, and the verdict."""

import numpy as np
import pytest

from tf_inpaint.exploration import nearest_training_images


@pytest.mark.parametrize("size", [3, 7, 40])
def test_nearest_equals_an_exhaustive_search(size):
    random = np.random.default_rng(0)
    queries, others = (random.integers(0, 256, (n, 4, 5, 3), dtype=np.uint8) for n in (6, 40))
    queries[2] = others[31]
    chunks = (others[first : first + size] for first in range(0, 40, size))
    distances, neighbors = nearest_training_images.nearest(queries, chunks, 5)
    expected = np.sqrt(((queries[:, None] / 255 - others[None] / 255) ** 2).sum((2, 3, 4)))
    order = expected.argsort(1)[:, :5]
    np.testing.assert_allclose(distances, np.take_along_axis(expected, order, 1), rtol=1e-5)
    np.testing.assert_array_equal(neighbors, others[order])
    assert distances[2, 0] == 0


def test_verdict():
    held_out = np.array([4.0, 5, 9])
    ratio, sentence = nearest_training_images.verdict(held_out, held_out)
    assert ratio == 1 and "1.00 times" in sentence and "no sign" in sentence
    ratio, sentence = nearest_training_images.verdict(held_out / 10, held_out)
    assert ratio == pytest.approx(0.1) and "may be copying" in sentence
