"""Networks so small that a test builds many of them, and helpers for layers and networks."""

import re

import keras
import numpy as np
import tensorflow as tf
from rounding import kernel_tolerance

from tf_inpaint.gan.networks import Discriminator, Generator
from tf_inpaint.gan.resnet import Residual

NETWORKS = [Generator, Discriminator]
PRECISIONS = {"float32": kernel_tolerance(1e-5), "mixed_float16": 5e-3, "mixed_bfloat16": 5e-2}
"""Relative tolerance by dtype policy."""


def new_network(
    network_class,
    image_size=28,
    channels=1,
    dtype="float32",
    normalization="batch",
    architecture="dcgan",
    width=2,
):
    """A network with few channels, always with the same weights."""
    keras.utils.set_random_seed(1)
    settings = {
        "width": width,
        "latent_size": 5,
        "normalization": normalization,
        "architecture": architecture,
    }
    return network_class(image_size, channels, **settings, dtype=dtype)


def inputs_for(network, count):
    """Random inputs `[count, ...]` of a network, float32 in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, (count, *network.input_size)).astype(np.float32)


def randomize(layer):
    """Gives each variable values that no initializer gives: scales are not 1, offsets are not 0."""
    random = np.random.default_rng(1)
    for variable in layer.variables:
        if variable.name in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 2, variable.shape)
        elif variable.name == "kernel":
            # So large that signals survive in deep networks, and in float16.
            value = random.normal(0, (2 / np.prod(variable.shape[:-1])) ** 0.5, variable.shape)
        else:
            value = random.normal(0, 0.2, variable.shape)
        variable.assign(value / np.linalg.norm(value) if variable.name == "u" else value)


def with_gradients(layer, inputs, output_gradient, **kwargs):
    """The outputs of a layer, and the gradients of `sum(outputs * output_gradient)`.

    Returns:
        `(outputs, [gradient of the inputs, gradient of each trainable variable, ...])`.
    """
    inputs = tf.constant(inputs)
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **kwargs)
        product = tf.reduce_sum(tf.cast(outputs, tf.float32) * output_gradient)
    return outputs, tape.gradient(product, [inputs, *variables])


def assert_close(results, expected_results, dtype):
    """Compares nested tensors, with the tolerance of the precision."""
    pairs = zip(tf.nest.flatten(results), tf.nest.flatten(expected_results), strict=True)
    for result, expected in pairs:
        result, expected = tf.cast(result, tf.float32), tf.cast(expected, tf.float32)
        tolerance = PRECISIONS[dtype] * np.abs(expected).max()
        np.testing.assert_allclose(result, expected, atol=tolerance)


def leaves(network):
    """Yields the layers of a network, those inside blocks one by one."""
    for layer in network.stack:
        yield from layer.residual + layer.shortcut if isinstance(layer, Residual) else [layer]


def type_names(layers):
    """The class names of layers."""
    return [type(layer).__name__ for layer in layers]


def summary_of(network):
    """The text of `summary()`, and its rows as `{name of the layer: output shape}`."""
    lines = []
    network.summary(print_fn=lines.append)
    text = "\n".join(lines)
    rows = re.findall(r"(\w+) \(\w+\) *│ \(None, ([0-9, ]+)\) *│ *[0-9,]+ *│", text)
    return text, {name: tuple(map(int, shape.split(", "))) for name, shape in rows}
