"""The layers against the arithmetic of Keras and of the papers."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from rounding import kernel_tolerance
from tiny_networks import (
    PRECISIONS,
    assert_close,
    inputs_for,
    leaves,
    new_network,
    randomize,
    with_gradients,
)

from tf_inpaint.gan.layers import (
    BatchNormalization,
    ConvolutionFromImage,
    ConvolutionToImage,
    SpectralNormalization,
)
from tf_inpaint.gan.networks import ARCHITECTURES, Discriminator, Generator

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path[:0] = ["tests/gan", "tests/support"]
import test_layers
test_layers.train_on_replicas(sys.argv[1])
"""

# --- convolutions


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("layer_class", "keras_class", "kernel_size", "input_shape"),
    [
        (ConvolutionFromImage, keras.layers.Conv2D, 4, lambda channels: (3, 12, 8, channels)),
        (ConvolutionFromImage, keras.layers.Conv2D, 3, lambda channels: (3, 11, 8, channels)),
        (ConvolutionToImage, keras.layers.Conv2DTranspose, 4, lambda channels: (3, 6, 4, 5)),
    ],
)
def test_convolutions_equal_those_of_keras(
    layer_class, keras_class, kernel_size, input_shape, channels, dtype
):
    random = np.random.default_rng(0)
    inputs = random.normal(size=input_shape(channels)).astype(np.float32)
    filters = 5 if layer_class is ConvolutionFromImage else channels
    strides = 2 if kernel_size == 4 else 1
    layers = [
        kind(filters, kernel_size, strides, padding="same", dtype=dtype)
        for kind in (layer_class, keras_class)
    ]
    for layer in layers:
        layer.build(inputs.shape)
        randomize(layer)
    output_gradient = random.normal(size=layers[1](inputs).shape).astype(np.float32)
    results, expected = (with_gradients(layer, inputs, output_gradient) for layer in layers)
    assert results[0].dtype == expected[0].dtype
    assert_close(results, expected, dtype)
    if dtype == "float32":
        assert_close(*(penalty_gradients(layer, inputs) for layer in layers), dtype)


def penalty_gradients(layer, inputs):
    """The gradients of a gradient penalty: those of the inputs and of the kernel."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        with tf.GradientTape() as slope_tape:
            slope_tape.watch(inputs)
            outputs = tf.square(layer(inputs))
        penalty = tf.reduce_sum(tf.square(slope_tape.gradient(outputs, inputs)))
    return tape.gradient(penalty, [inputs, layer.kernel.value])


# --- batch normalization


def batch_normalization_pair(inputs, dtype="float32"):
    """The package's layer and that of Keras, with the same weights."""
    keras_layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype)
    layers = BatchNormalization(dtype=dtype), keras_layer
    for layer in layers:
        layer.build(inputs.shape)
        randomize(layer)
    return layers


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_equals_that_of_keras(training, dtype):
    random = np.random.default_rng(0)
    inputs = random.normal(0.5, 2, (3, 4, 5, 6)).astype(np.float32)
    output_gradient = random.normal(size=inputs.shape).astype(np.float32)
    results, expected = (
        with_gradients(layer, inputs, output_gradient, training=training)
        for layer in batch_normalization_pair(inputs, dtype)
    )
    assert results[0].dtype == expected[0].dtype
    assert_close(results, expected, dtype)


def test_moving_statistics_equal_those_of_keras_up_to_bessels_correction():
    inputs = np.random.default_rng(0).normal(0.5, 2, (2, 3, 2, 6)).astype(np.float32)
    layer, keras_layer = batch_normalization_pair(inputs)
    before = layer.moving_variance.numpy()
    for normalization in (layer, keras_layer):
        normalization(inputs, training=False)
        np.testing.assert_array_equal(normalization.moving_variance.numpy(), before)
        normalization(inputs, training=True)
    np.testing.assert_allclose(
        layer.moving_mean.numpy(), keras_layer.moving_mean.numpy(), rtol=1e-5
    )
    count = 2 * 3 * 2
    change = keras_layer.moving_variance.numpy() - 0.9 * before
    expected = 0.9 * before + change * count / (count - 1)
    np.testing.assert_allclose(layer.moving_variance.numpy(), expected, rtol=1e-5)


def test_synchronized_statistics_of_one_replica_are_those_of_its_batch():
    random = np.random.default_rng(0)
    inputs = random.normal(0.5, 2, (3, 4, 5, 6)).astype(np.float32)
    output_gradient = random.normal(size=inputs.shape).astype(np.float32)
    plain, synchronized = BatchNormalization(), BatchNormalization(synchronized=True)
    context = tf.distribute.get_replica_context()
    synchronized.call = lambda inputs, training: synchronized.call_synchronized(inputs, context)
    for layer in (plain, synchronized):
        layer.build(inputs.shape)
        randomize(layer)
    results, expected_results = (
        with_gradients(layer, inputs, output_gradient, training=True)
        for layer in (synchronized, plain)
    )
    pairs = zip(tf.nest.flatten(results), tf.nest.flatten(expected_results), strict=True)
    for result, expected in pairs:
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    for variable, expected in zip(synchronized.variables, plain.variables, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected.numpy(), rtol=kernel_tolerance(1e-5))


def test_synchronized_variance_is_exact_for_small_deviations_from_a_large_mean():
    inputs = np.random.default_rng(0).normal(300, 0.01, (8, 4, 4, 3)).astype(np.float32)
    layer = BatchNormalization(synchronized=True)
    layer.build(inputs.shape)
    outputs = layer.call_synchronized(tf.constant(inputs), tf.distribute.get_replica_context())
    exact = inputs.astype(np.float64)
    expected = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(outputs, expected, atol=0.02)


def test_batch_statistics_are_float32_in_half_precision():
    layer = new_network(Generator, dtype="mixed_float16").stack[2]
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    inputs = np.random.default_rng(0).normal(300, 1, (8, 7, 7, layer.gamma.shape[0]))
    layer(tf.constant(inputs, tf.float16), training=True)
    # The sum of 392 such values, 117,600, is beyond float16.
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * 300, rtol=0.01)


def test_batch_statistics_are_used_in_training_only():
    network = new_network(Discriminator)
    randomize(network)
    inputs = inputs_for(network, 4)
    expected = network(inputs).numpy()
    assert np.abs(network(inputs, training=True) - expected).max() > 0.01


def test_layer_normalization_is_over_all_axes_of_an_image():
    layer = new_network(Discriminator, 16, 3, normalization="layer").stack[3]
    assert layer.name == "norm_4x4"
    images = np.random.default_rng(0).normal(0.5, 2, (3, 4, 4, 4)).astype(np.float32)
    axes = (1, 2, 3)
    expected = (images - images.mean(axes, keepdims=True)) / np.sqrt(
        images.var(axes, keepdims=True) + 1e-5
    )
    gain, bias = np.arange(1.0, 5), np.arange(4.0)
    layer.set_weights([gain, bias])
    np.testing.assert_allclose(layer(images), gain * expected + bias, atol=1e-4)


# --- spectral normalization


def largest_singular_value(kernel):
    matrix = np.reshape(kernel, [-1, kernel.shape[-1]])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def spectral_layer(layer_class=keras.layers.Conv2D, dtype="float32"):
    """The layer, and inputs for it."""
    random = np.random.default_rng(0)
    dense = layer_class is keras.layers.Dense
    settings = {"dtype": dtype} if dense else {"kernel_size": 3, "padding": "same", "dtype": dtype}
    layer = SpectralNormalization(layer_class(5, **settings))
    shape = (3, 7) if dense else (3, 6, 6, 2)
    layer.build(shape)
    # This kernel is not the kernel for which the first u was computed.
    layer.set_weights([layer.u, random.normal(size=layer.kernel.shape), np.arange(5.0)])
    return layer, random.normal(size=shape).astype(np.float32)


SPECTRAL_CLASSES = [keras.layers.Conv2D, ConvolutionFromImage, keras.layers.Dense]


@pytest.mark.parametrize("layer_class", SPECTRAL_CLASSES)
def test_largest_singular_value_becomes_one(layer_class):
    layer, inputs = spectral_layer(layer_class)
    assert largest_singular_value(layer.kernel) > 1.05
    for _ in range(150):
        layer(inputs, training=True)
    assert largest_singular_value(layer.kernel) == pytest.approx(1, abs=1e-3)
    assert np.linalg.norm(layer.u) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_is_normalized_from_the_start(architecture):
    network = new_network(
        Discriminator, 32, 3, normalization="spectral", architecture=architecture, width=16
    )
    names = [variable.name for variable in network.variables]
    assert names.count("u") == names.count("kernel") == (4 if architecture == "dcgan" else 10)
    for layer in leaves(network):
        if hasattr(layer, "kernel"):
            assert 1 - 1e-5 < largest_singular_value(layer.kernel) < 1.05, layer.path


@pytest.mark.parametrize("layer_class", SPECTRAL_CLASSES)
def test_outputs_are_those_of_the_divided_kernel_in_training_and_inference(layer_class):
    # A call in training makes one power iteration.
    layer, inputs = spectral_layer(layer_class)
    before = layer.u.numpy()
    outputs = layer(inputs, training=True).numpy()
    u, kernel, bias = layer.u.numpy(), layer.layer.kernel.numpy(), layer.bias.numpy()
    assert np.abs(u - before).max() > 0.01
    matrix = kernel.reshape([-1, 5])
    step = matrix.T @ (matrix @ before)
    np.testing.assert_allclose(u, step / np.linalg.norm(step), atol=kernel_tolerance(1e-5))
    np.testing.assert_allclose(layer(inputs), outputs, atol=kernel_tolerance(1e-6))
    np.testing.assert_array_equal(layer.u, u)

    # A plain layer with the divided kernel has the same outputs.
    plain = layer_class.from_config(layer.layer.get_config())
    plain.build(inputs.shape)
    plain.set_weights([kernel / np.linalg.norm(matrix @ u), bias])
    np.testing.assert_allclose(plain(inputs), outputs, atol=kernel_tolerance(1e-5))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer_class", SPECTRAL_CLASSES)
def test_gradient_passes_through_sigma(layer_class, training):
    """The gradient of W is `(g - <g, W / sigma> v u^T) / sigma`, with g the gradient of W / sigma.

    Source: Miyato et al. 2018, equation 12.
    """
    # The gradient of W, and that of W / sigma in a plain layer.
    layer, inputs = spectral_layer(layer_class)
    output_gradient = np.random.default_rng(0).normal(size=layer(inputs).shape).astype(np.float32)
    _, (_, received, _) = with_gradients(layer, inputs, output_gradient, training=training)
    u, kernel = layer.u.numpy(), layer.layer.kernel.numpy()
    plain = layer_class.from_config(layer.layer.get_config())
    plain.build(inputs.shape)
    plain.set_weights([layer.kernel, layer.bias])
    _, (_, gradient, _) = with_gradients(plain, inputs, output_gradient)

    # The equation.
    products = kernel.reshape([-1, 5]) @ u
    sigma = np.linalg.norm(products)
    slope = np.outer(products / sigma, u).reshape(kernel.shape)
    expected = (gradient - np.sum(gradient * kernel / sigma) * slope) / sigma
    np.testing.assert_allclose(received, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected - gradient / sigma).max() > 0.01 * np.abs(expected).max()
    # W / sigma does not change with the length of W.
    length = np.linalg.norm(expected) * np.linalg.norm(kernel)
    assert np.abs(np.sum(expected * kernel)) < 1e-2 * length


def test_spectral_statistics_are_float32_in_half_precision():
    # A layer alone.
    half, inputs = spectral_layer(dtype="mixed_float16")
    full, _ = spectral_layer()
    half.set_weights(full.get_weights())
    outputs, expected = half(inputs, training=True), full(inputs, training=True)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float32), expected, atol=5e-3 * np.abs(expected).max()
    )

    # A layer in a network, which reads its variables in float16.
    network = new_network(Discriminator, dtype="mixed_float16", normalization="spectral")
    twin = new_network(Discriminator, normalization="spectral")
    for discriminator in (network, twin):
        discriminator(inputs_for(network, 2), training=True)
    for variable, twin_variable in zip(network.variables, twin.variables, strict=True):
        assert variable.dtype == "float32"
        np.testing.assert_allclose(
            variable.numpy(), twin_variable.numpy(), atol=kernel_tolerance(1e-6)
        )


def train_on_replicas(path):
    """Writes each replica's copy of all variables after two steps; must run in a new process.

    The replicas see different images.
    """
    # Make a network on two devices.
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [device, device]
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        network = new_network(Discriminator, 16, 3, normalization="spectral", architecture="resnet")
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(network.trainable_variables)
    start = [variable.numpy() for variable in network.variables]
    images = tf.data.Dataset.from_tensor_slices(inputs_for(network, 8)).batch(4)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(batch, training=True))
        gradients = tape.gradient(
            loss, [variable.value for variable in network.trainable_variables]
        )
        optimizer.apply(gradients, network.trainable_variables)

    # Train it, and write the copies.
    for batch in strategy.experimental_distribute_dataset(images):
        strategy.run(step, [batch])
    copies = [[copy.numpy() for copy in variable.value.values] for variable in network.variables]
    arrays = {f"{place}/start": value for place, value in enumerate(start)}
    for place, values in enumerate(copies):
        arrays |= {f"{place}/{replica}": value for replica, value in enumerate(values)}
    np.savez(path, **arrays)


@pytest.mark.slow
def test_replicas_keep_one_u(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "arrays.npz"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    network = new_network(Discriminator, 16, 3, normalization="spectral", architecture="resnet")
    with np.load(tmp_path / "arrays.npz") as arrays:
        count = len(arrays.files) // 3
        assert count == len(network.variables)
        for place in range(count):
            start, first, second = (arrays[f"{place}/{part}"] for part in ("start", 0, 1))
            np.testing.assert_array_equal(first, second)
            assert np.any(first != start) or first.shape == (1,)  # the u of a single output is 1
