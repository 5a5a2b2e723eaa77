"""The leaky ReLU: derivatives of Keras' layer, and a graph that TensorFlow can optimize."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.layers import LeakyReLU

PROGRAM = """
import tensorflow as tf
from tf_inpaint.gan.networks import Discriminator, freeze

network = Discriminator(28, 1, width=32, normalization="none")
for variable in network.trainable_variables:
    variable.assign(variable + 0.1)  # TensorFlow leaves a bias of 0 out.
discriminator = freeze(network)

@tf.function
def slope(images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images)
    return logits, tape.gradient(logits, images)

slope(tf.random.uniform([8, 28, 28, 1]))
"""


def derivatives(layer, inputs):
    """The outputs, the gradient of a function of the outputs, and the gradient of that gradient."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = layer(inputs)
            value = tf.reduce_sum(outputs**3)
        gradient = inner.gradient(value, inputs)
    second = outer.gradient(gradient, inputs)
    return [tensor.numpy() for tensor in (outputs, gradient, second)]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_derivatives_are_those_of_keras(dtype):
    inputs = np.random.default_rng(0).normal(size=(64, 5)).astype(dtype)
    inputs[0] = [0, -0.0, 1e-7, -1e-7, 2]
    pairs = [
        derivatives(layer(0.2, dtype=dtype), inputs)
        for layer in (LeakyReLU, keras.layers.LeakyReLU)
    ]
    for result, expected in zip(*pairs, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_graph_optimizer_accepts_convolution_bias_and_leaky_relu():
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_ENABLE_ONEDNN_OPTS": "1"}
    command = [sys.executable, "-c", PROGRAM]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "oneDNN" in result.stderr  # errors would be on stderr too
    assert "remapper failed" not in result.stderr
