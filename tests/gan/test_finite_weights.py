"""Weights that are not finite are seen in memory and in a checkpoint."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.finite_weights import checkpoint_is_finite, state_is_finite


@pytest.mark.parametrize(
    ("part", "value", "finite"),
    [
        ("generator", 1.0, True),
        ("generator", np.nan, False),
        ("ema_generator", np.inf, False),
        ("discriminator", -np.inf, False),
        ("encoder", np.nan, False),
        ("generator_loss", np.nan, True),
    ],
)
def test_one_wrong_weight_is_enough(part, value, finite, tmp_path):
    state = {
        "generator": [tf.Variable(tf.ones([2, 3])), tf.Variable(3, dtype=tf.int64)],
        part: [tf.Variable(tf.ones([4])), tf.Variable([1.0, value])],
        "step": [tf.Variable(7, dtype=tf.int64)],
    }
    assert state_is_finite({name: part for name, part in state.items() if name != "step"}) is finite
    path = tf.train.Checkpoint(**state).save(str(tmp_path / "ckpt"))
    assert checkpoint_is_finite(path) is finite
