"""Tests of the training images as the rows of a table."""

import numpy as np
import pytest
from random_images import random_images

from tf_inpaint.mean_estimate.training_table import TRAINING_BLOCK, training_blocks, training_table


def test_a_row_is_an_image_and_the_mean_is_that_of_the_rows():
    """Every image is a row of the table, and the mean is over the images."""
    training = random_images(1, 5)
    table, mean = training_table(training)
    np.testing.assert_array_equal(table, training.reshape(5, -1))
    np.testing.assert_allclose(mean, training.mean(0).ravel(), atol=1e-7)


def test_blocks_are_consecutive_rows():
    """The blocks hold all rows in order, and no block is too large."""
    table = np.arange(2 * TRAINING_BLOCK + 3)[:, None]
    blocks = list(training_blocks(table))
    assert max(map(len, blocks)) == TRAINING_BLOCK
    np.testing.assert_array_equal(np.concatenate(blocks), table)


def test_no_training_image_is_an_error():
    """A method that learns from nothing is refused."""
    with pytest.raises(ValueError, match="at least one; received"):
        training_table(np.empty([0, 4, 4, 1]))
