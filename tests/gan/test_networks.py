"""One conformance suite over both networks; their layers, and the folding, against Keras' own arithmetic."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.layers import (
    BatchNormalization,
    ConvolutionFromImage,
    ConvolutionToImage,
    SpectralNormalization,
    run,
)
from tf_inpaint.gan.networks import ARCHITECTURES, STAGES, Discriminator, Generator, folded
from tf_inpaint.gan.resnet import Residual

ROOT = Path(__file__).parents[2]
NETWORKS = [Generator, Discriminator]
PRECISIONS = {"float32": 1e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 5e-2}


def pairwise(*axes):
    """Rows of the product of the axes in which every two values of two axes meet, chosen greedily."""

    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))

    rows = list(itertools.product(*axes))
    missing = set().union(*map(pairs, rows))
    while missing:
        row = max(rows, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(row)
        yield row


CASES = [
    (kind, *row)
    for kind in NETWORKS
    for row in pairwise(STAGES, (1, 3), PRECISIONS, kind.NORMALIZATIONS, ARCHITECTURES)
]


def make(
    kind,
    image_size=28,
    channels=1,
    dtype="float32",
    normalization="batch",
    architecture="dcgan",
    width=2,
):
    keras.utils.set_random_seed(1)
    settings = {
        "width": width,
        "latent_size": 5,
        "normalization": normalization,
        "architecture": architecture,
    }
    return kind(image_size, channels, **settings, dtype=dtype)


@pytest.fixture(scope="module")
def network(request):
    """Built once for all tests, each of which sets every variable first."""
    return make(*request.param)


def over(cases):
    def name(case):
        return "-".join([case[0].__name__, *map(str, case[1:])])

    return pytest.mark.parametrize("network", cases, indirect=True, ids=name)


conformance = over(CASES)
discriminators = over([case for case in CASES if case[0] is Discriminator])
differentiable_twice = over(
    [case for case in CASES if case[0] is Discriminator and case[4] != "batch"]
)


def inputs_for(network, count):
    return np.random.default_rng(0).uniform(-1, 1, (count, *network.input_size)).astype(np.float32)


def randomise(layer):
    """Gives every variable a value that no initialiser gives: scales off 1, offsets and means off 0."""
    random = np.random.default_rng(1)
    for variable in layer.variables:
        if variable.name in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 2, variable.shape)
        elif (
            variable.name == "kernel"
        ):  # as large as keeps signals alive in deep networks and float16
            value = random.normal(0, (2 / np.prod(variable.shape[:-1])) ** 0.5, variable.shape)
        else:
            value = random.normal(0, 0.2, variable.shape)
        variable.assign(value / np.linalg.norm(value) if variable.name == "u" else value)


def with_gradients(layer, inputs, output_gradient, **kwargs):
    """The layer's outputs, and the gradients of their product with `output_gradient`: of inputs and weights."""
    inputs = tf.constant(inputs)
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **kwargs)
        product = tf.reduce_sum(tf.cast(outputs, tf.float32) * output_gradient)
    return outputs, tape.gradient(product, [inputs, *variables])


@conformance
def test_outputs(network):
    randomise(network)
    outputs = network(inputs_for(network, 3))
    images = (network.image_size, network.image_size, network.channels)
    assert outputs.shape == (3, *(images if isinstance(network, Generator) else (1,)))
    assert outputs.dtype == tf.float32
    assert np.std(outputs, axis=0).mean() > 0.01
    if isinstance(network, Generator):
        assert np.abs(outputs).max() <= 1


@conformance
def test_a_row_is_the_same_to_the_bit_wherever_it_stands(network):
    """The outputs, and the gradient of what a search lowers."""
    randomise(network)
    function = folded(network)

    @tf.function
    def both(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
            total = tf.reduce_sum(tf.abs(outputs - 0.3))
        return outputs, tape.gradient(total, inputs)

    inputs = inputs_for(network, 8)
    expected = both(tf.constant(inputs))
    for shift in range(1, 8):
        for found, there in zip(
            both(tf.constant(np.roll(inputs, shift, axis=0))), expected, strict=True
        ):
            np.testing.assert_array_equal(np.roll(found, -shift, axis=0), there)


@conformance
def test_any_batch_size_in_one_trace(network):
    randomise(network)
    signature = [tf.TensorSpec([None, *network.input_size])]
    traced = tf.function(network, input_signature=signature)
    inputs = inputs_for(network, 3)
    alone = tf.concat([traced(inputs[index : index + 1]) for index in range(3)], 0)
    tolerance = PRECISIONS[network.dtype_policy.name] * np.abs(alone).max()
    np.testing.assert_allclose(traced(inputs), alone, atol=tolerance)
    assert traced.experimental_get_tracing_count() == 1


@conformance
def test_every_trainable_variable_has_a_gradient(network):
    randomise(network)
    _, (_, *gradients) = with_gradients(network, inputs_for(network, 4), 1.0, training=True)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert variable.dtype == "float32"
        assert gradient is not None, variable.path
        assert gradient.shape == variable.shape
        assert np.isfinite(gradient).all()
        assert np.any(gradient), variable.path


@conformance
def test_config_gives_the_network_back(network):
    randomise(network)
    again = type(network).from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert [layer.get_config() for layer in again.stack] == [
        layer.get_config() for layer in network.stack
    ]
    again.set_weights(network.get_weights())
    inputs = inputs_for(network, 2)
    np.testing.assert_array_equal(again(inputs), network(inputs))


@conformance
def test_folded_is_the_float32_network_when_not_training(network):
    randomise(network)
    twin = type(network).from_config(network.get_config() | {"dtype": "float32"})
    twin.set_weights(network.get_weights())
    inputs = inputs_for(network, 4)
    expected = twin(inputs).numpy()
    function = folded(network)
    for variable in network.variables:
        variable.assign(tf.zeros(variable.shape))
    received = function(inputs)
    assert received.dtype == tf.float32
    np.testing.assert_allclose(received, expected, atol=1e-5 * np.abs(expected).max())


@discriminators
def test_features_are_what_the_logits_are_made_of(network):
    randomise(network)
    images = inputs_for(network, 3)
    logits, features = network.logits_and_features(images)
    np.testing.assert_array_equal(logits, network(images))
    np.testing.assert_array_equal(features, network.features(images))
    assert features.shape == (3, network.stack[-1].kernel.shape[0])
    expected = (
        tf.cast(features, tf.float32) @ tf.convert_to_tensor(network.stack[-1].kernel)
        + network.stack[-1].bias
    )
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)


@differentiable_twice
def test_the_gradient_has_a_gradient(network):
    randomise(network)
    images = tf.constant(inputs_for(network, 3))
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = network(images, training=True)
        penalty = tf.reduce_sum(inner.gradient(logits, images) ** 2)
    gradients = tape.gradient(penalty, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        # The slope depends on a bias only where something behind it normalises.
        assert gradient is not None or variable.name in ("bias", "beta"), variable.path
        assert gradient is None or np.isfinite(gradient).all(), variable.path
        assert variable.name != "kernel" or np.any(gradient), variable.path


SAVED = [
    (Generator, 32, 3, "float32", "batch", "dcgan"),
    (Generator, 16, 1, "mixed_float16", "batch", "resnet"),
    (Discriminator, 32, 3, "mixed_float16", "batch", "dcgan"),
    (Discriminator, 32, 3, "float32", "spectral", "dcgan"),
    (Discriminator, 28, 1, "mixed_bfloat16", "spectral", "resnet"),
    (Discriminator, 16, 3, "float32", "layer", "resnet"),
]


@over(SAVED)
def test_saved_and_loaded(network, tmp_path):
    randomise(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert type(loaded) is type(network)
    assert loaded.dtype_policy.name == network.dtype_policy.name
    for variable, saved in zip(loaded.variables, network.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), saved.numpy())
    inputs = inputs_for(network, 3)
    np.testing.assert_array_equal(loaded(inputs), network(inputs))


@over(SAVED)
def test_exported_and_run(network, tmp_path):
    randomise(network)
    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = [tf.TensorSpec([None, *network.input_size], name="inputs")]
    archive.add_endpoint(
        "serve", lambda inputs: {"outputs": network(inputs)}, input_signature=signature
    )
    archive.write_out(tmp_path / "network", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "network").signatures["serve"]
    inputs = inputs_for(network, 3)
    tolerance = PRECISIONS[network.dtype_policy.name]
    np.testing.assert_allclose(
        loaded(inputs=tf.constant(inputs))["outputs"], network(inputs), atol=tolerance
    )


def test_a_config_from_before_there_were_architectures():
    config = make(Discriminator).get_config()
    assert config.pop("architecture") == "dcgan"
    assert Discriminator.from_config(config).architecture == "dcgan"


def summary_of(network):
    """The text of `summary()`, and its rows as {layer's name: output shape}."""
    lines = []
    network.summary(print_fn=lines.append)
    text = "\n".join(lines)
    rows = re.findall(r"(\w+) \(\w+\) *│ \(None, ([0-9, ]+)\) *│ *[0-9,]+ *│", text)
    return text, {name: tuple(map(int, shape.split(", "))) for name, shape in rows}


def test_summary_reads_like_the_papers_figure(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    figure = [(4, 4, 1024), (8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
    kernels = 4 * 4 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)

    generator = Generator(64, 3, width=128, latent_size=100)
    text, rows = summary_of(generator)
    names = ["reshape", "conv_8x8", "conv_16x16", "conv_32x32", "images"]
    assert [rows[name] for name in names] == figure
    assert f"{100 * 4 * 4 * 1024 + kernels + 3 + 4 * (1024 + 512 + 256 + 128):,}" in text
    assert len(rows) == len(generator.stack)
    assert "?" not in text

    discriminator = Discriminator(64, 3, width=128, latent_size=100)
    text, rows = summary_of(discriminator)
    names = ["conv_4x4", "conv_8x8", "conv_16x16", "conv_32x32"]
    assert [rows[name] for name in names] == figure[:-1]
    assert rows["logits"] == (1,)
    assert f"{kernels + 128 + 4 * (1024 + 512 + 256) + 4 * 4 * 1024 + 1:,}" in text
    assert len(rows) == len(discriminator.stack)
    assert "?" not in text


def test_summary_of_the_resnet_names_blocks_by_their_size(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    generator = Generator(64, 3, width=4, architecture="resnet")
    text, rows = summary_of(generator)
    assert rows["reshape"] == (4, 4, 32)
    names = ["up_8x8", "up_16x16", "up_32x32", "up_64x64"]
    assert [rows[name] for name in names] == [(8, 8, 32), (16, 16, 16), (32, 32, 8), (64, 64, 4)]
    assert rows["images"] == (64, 64, 3)
    assert len(rows) == len(generator.stack)
    assert "?" not in text

    discriminator = Discriminator(64, 3, width=4, normalization="spectral", architecture="resnet")
    text, rows = summary_of(discriminator)
    names = ["down_32x32", "down_16x16", "down_8x8", "down_4x4"]
    assert [rows[name] for name in names] == [(32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32)]
    assert rows["global_sum"] == (32,)
    assert rows["logits"] == (1,)
    assert len(rows) == len(discriminator.stack)
    assert "?" not in text


def test_layers_are_the_papers():
    generator, discriminator = (make(kind, 64, 3) for kind in NETWORKS)
    block = ["Conv2DTranspose", "BatchNormalization", "ReLU"]
    ends = ["ConvolutionToImage", "Activation"]
    assert type_names(generator.stack) == ["Dense", "Reshape", *block[1:], *3 * block, *ends]
    assert generator.stack[-1].activation is keras.activations.tanh
    block = ["Conv2D", "BatchNormalization", "LeakyReLU"]
    start = ["ConvolutionFromImage", "LeakyReLU"]
    assert type_names(discriminator.stack) == [*start, *3 * block, "Flatten", "Dense"]
    for layer in discriminator.stack[1::3]:
        assert layer.negative_slope == pytest.approx(0.2)
    for layer in generator.stack + discriminator.stack:
        if isinstance(layer, BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
        if hasattr(layer, "kernel"):
            assert layer.activation is keras.activations.linear


def test_layers_are_the_papers_in_the_resnet():
    generator, discriminator = (make(kind, 32, 3, architecture="resnet") for kind in NETWORKS)
    ends = ["BatchNormalization", "ReLU", "Conv2D", "Activation"]
    assert type_names(generator.stack) == ["Dense", "Reshape", *3 * ["Residual"], *ends]
    half = ["BatchNormalization", "ReLU", "Conv2D"]
    for block in generator.stack[2:5]:
        assert type_names(block.residual) == [*half[:2], "UpSampling2D", "Conv2D", *half]
        assert type_names(block.shortcut) == ["Conv2D", "UpSampling2D"]
        assert block.residual[2].interpolation == "nearest"
    assert type_names(discriminator.stack) == [*3 * ["Residual"], "ReLU", "GlobalSum", "Dense"]
    first, *others = discriminator.stack[:3]
    assert type_names(first.residual) == [
        "ConvolutionFromImage",
        "ReLU",
        "Conv2D",
        "AveragePooling2D",
    ]
    for block in others:
        assert type_names(block.residual) == [*2 * half, "AveragePooling2D"]
        assert type_names(block.shortcut) == ["AveragePooling2D", "Conv2D"]
    kernels = [
        layer
        for network in (generator, discriminator)
        for layer in leaves(network)
        if hasattr(layer, "kernel")
    ]
    for layer in kernels:
        assert layer.activation is keras.activations.linear
        if layer.name.startswith("conv"):
            assert layer.kernel_size == ((1, 1) if layer.name == "conv_shortcut" else (3, 3))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_shortcut_may_convolve_at_either_size(kind):
    """The authors' convolve at the larger."""
    block = make(kind, 32, 3, architecture="resnet").stack[2]
    randomise(block)
    channels = next(layer.kernel.shape[2] for layer in block.shortcut if hasattr(layer, "kernel"))
    inputs = np.random.default_rng(0).normal(size=(2, 8, 8, channels)).astype(np.float32)
    expected = run(block.residual, inputs, False) + run(block.shortcut[::-1], inputs, False)
    np.testing.assert_allclose(block(inputs), expected, rtol=1e-4, atol=1e-4)


def test_a_block_is_made_from_its_config():
    block = make(Generator, 16, architecture="resnet").stack[2]
    randomise(block)
    again = Residual.from_config(block.get_config())
    inputs = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    again.build(inputs.shape)
    again.set_weights(block.get_weights())
    np.testing.assert_array_equal(again(inputs), block(inputs))


def leaves(network):
    """The layers of a network, those inside blocks one by one."""
    for layer in network.stack:
        yield from layer.residual + layer.shortcut if isinstance(layer, Residual) else [layer]


def type_names(layers):
    return [type(layer).__name__ for layer in layers]


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_are_drawn_from_the_papers_distribution(kind):
    network = make(kind, 32, 3, width=8)
    kernels = [layer.kernel.numpy().ravel() for layer in network.stack if hasattr(layer, "kernel")]
    assert len(kernels) == 4
    for kernel in kernels:
        # Five standard errors.
        assert kernel.mean() == pytest.approx(0, abs=5 * 0.02 / kernel.size**0.5)
        assert kernel.std() == pytest.approx(0.02, rel=5 / (2 * kernel.size) ** 0.5)
    assert len({kernel[0] for kernel in kernels}) == 4
    for variable in network.variables:
        if variable.name != "kernel":
            expected = float(variable.name in ("gamma", "moving_variance"))
            np.testing.assert_array_equal(variable.numpy(), expected)


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_of_the_resnet_are_glorots(kind):
    network = make(kind, 32, 3, width=16, architecture="resnet")
    for layer in leaves(network):
        if hasattr(layer, "kernel"):
            kernel = layer.kernel.numpy()
            inputs, outputs = (np.prod(kernel.shape[:-2]) * side for side in kernel.shape[-2:])
            variance = (2 if layer.name in ("conv_1", "conv_2") else 1) * 2 / (inputs + outputs)
            assert np.abs(kernel).max() <= (3 * variance) ** 0.5
            # The square of a uniform variable has 0.8 times its mean squared as variance; five standard errors.
            assert (kernel**2).mean() == pytest.approx(variance, rel=5 * (0.8 / kernel.size) ** 0.5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_there_is_not_is_refused(kind):
    with pytest.raises(
        ValueError, match=r"image_size must be one of \[16, 28, 32, 64, 128\]; received 48;"
    ):
        make(kind, 48)
    with pytest.raises(
        ValueError, match=r"normalization must be one of \['batch', .*'none'\]; received instance;"
    ):
        make(kind, normalization="instance")
    with pytest.raises(
        ValueError, match=r"architecture must be one of \['dcgan', 'resnet'\]; received vgg;"
    ):
        make(kind, architecture="vgg")


def test_a_generator_has_batch_normalisation():
    with pytest.raises(
        ValueError, match=r"Generator's normalization must be one of .*; received spectral; choose"
    ):
        make(Generator, normalization="spectral")


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "theirs", "kernel_size", "input_shape"),
    [
        (ConvolutionFromImage, keras.layers.Conv2D, 4, lambda channels: (3, 12, 8, channels)),
        (ConvolutionFromImage, keras.layers.Conv2D, 3, lambda channels: (3, 11, 8, channels)),
        (ConvolutionToImage, keras.layers.Conv2DTranspose, 4, lambda channels: (3, 6, 4, 5)),
    ],
)
def test_convolutions_equal_keras(ours, theirs, kernel_size, input_shape, channels, dtype):
    random = np.random.default_rng(0)
    inputs = random.normal(size=input_shape(channels)).astype(np.float32)
    filters = 5 if ours is ConvolutionFromImage else channels
    strides = 2 if kernel_size == 4 else 1
    layers = [
        kind(filters, kernel_size, strides, padding="same", dtype=dtype) for kind in (ours, theirs)
    ]
    for layer in layers:
        layer.build(inputs.shape)
        randomise(layer)
    output_gradient = random.normal(size=layers[1](inputs).shape).astype(np.float32)
    received, expected = (with_gradients(layer, inputs, output_gradient) for layer in layers)
    assert received[0].dtype == expected[0].dtype
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        tolerance = PRECISIONS[dtype] * np.abs(tf.cast(other, tf.float32)).max()
        np.testing.assert_allclose(
            tf.cast(one, tf.float32), tf.cast(other, tf.float32), atol=tolerance
        )


def both_normalizations(inputs, dtype="float32"):
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype)
    layers = BatchNormalization(dtype=dtype), theirs
    for layer in layers:
        layer.build(inputs.shape)
        randomise(layer)
    return layers


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_equals_keras(training, dtype):
    random = np.random.default_rng(0)
    inputs = random.normal(0.5, 2, (3, 4, 5, 6)).astype(np.float32)
    output_gradient = random.normal(size=inputs.shape).astype(np.float32)
    received, expected = (
        with_gradients(layer, inputs, output_gradient, training=training)
        for layer in both_normalizations(inputs, dtype)
    )
    assert received[0].dtype == expected[0].dtype
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        tolerance = PRECISIONS[dtype] * np.abs(tf.cast(other, tf.float32)).max()
        np.testing.assert_allclose(
            tf.cast(one, tf.float32), tf.cast(other, tf.float32), atol=tolerance
        )


def test_moving_statistics_equal_keras_up_to_bessels_correction():
    inputs = np.random.default_rng(0).normal(0.5, 2, (2, 3, 2, 6)).astype(np.float32)
    ours, theirs = both_normalizations(inputs)
    before = ours.moving_variance.numpy()
    for layer in (ours, theirs):
        layer(inputs, training=False)
        np.testing.assert_array_equal(layer.moving_variance.numpy(), before)
        layer(inputs, training=True)
    np.testing.assert_allclose(ours.moving_mean.numpy(), theirs.moving_mean.numpy(), rtol=1e-5)
    count = 2 * 3 * 2
    expected = 0.9 * before + (theirs.moving_variance.numpy() - 0.9 * before) * count / (count - 1)
    np.testing.assert_allclose(ours.moving_variance.numpy(), expected, rtol=1e-5)


def test_synchronized_statistics_of_one_replica_are_its_own():
    random = np.random.default_rng(0)
    inputs = random.normal(0.5, 2, (3, 4, 5, 6)).astype(np.float32)
    output_gradient = random.normal(size=inputs.shape).astype(np.float32)
    plain, synchronized = BatchNormalization(), BatchNormalization(synchronized=True)
    context = tf.distribute.get_replica_context()
    synchronized.call = lambda inputs, training: synchronized.call_synchronized(inputs, context)
    for layer in (plain, synchronized):
        layer.build(inputs.shape)
        randomise(layer)
    expected = with_gradients(plain, inputs, output_gradient, training=True)
    received = with_gradients(synchronized, inputs, output_gradient, training=True)
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for one, other in zip(synchronized.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)


def test_synchronized_variance_of_a_small_deviation_about_a_large_mean():
    inputs = np.random.default_rng(0).normal(300, 0.01, (8, 4, 4, 3)).astype(np.float32)
    layer = BatchNormalization(synchronized=True)
    layer.build(inputs.shape)
    outputs = layer.call_synchronized(tf.constant(inputs), tf.distribute.get_replica_context())
    exact = inputs.astype(np.float64)
    expected = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(outputs, expected, atol=0.02)


def test_statistics_are_float32_in_half_precision():
    network = make(Generator, dtype="mixed_float16")
    layer = network.stack[2]
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    inputs = np.random.default_rng(0).normal(300, 1, (8, 7, 7, layer.gamma.shape[0]))
    layer(tf.constant(inputs, tf.float16), training=True)
    # The sum of 392 such values, 117,600, is beyond float16.
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * 300, rtol=0.01)


def test_batch_statistics_are_the_batchs_in_training_only():
    network = make(Discriminator)
    randomise(network)
    inputs = inputs_for(network, 4)
    expected = network(inputs).numpy()
    assert np.abs(network(inputs, training=True) - expected).max() > 0.01


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("normalization", "own"), [("batch", False), ("layer", True), ("spectral", True)]
)
def test_logits_of_an_image_and_its_neighbours(normalization, own, architecture):
    network = make(Discriminator, 16, 3, normalization=normalization, architecture=architecture)
    randomise(network)
    images = inputs_for(network, 3)
    weights = network.get_weights()
    together = network(images, training=True).numpy()
    network.set_weights(weights)
    alone = network(images[:1], training=True).numpy()
    assert np.allclose(alone, together[:1], rtol=1e-4, atol=1e-4) == own


def test_layer_normalisation_is_over_all_but_the_images():
    layer = make(Discriminator, 16, 3, normalization="layer").stack[3]
    assert layer.name == "norm_4x4"
    images = np.random.default_rng(0).normal(0.5, 2, (3, 4, 4, 4)).astype(np.float32)
    axes = (1, 2, 3)
    expected = (images - images.mean(axes, keepdims=True)) / np.sqrt(
        images.var(axes, keepdims=True) + 1e-5
    )
    gain, bias = np.arange(1.0, 5), np.arange(4.0)
    layer.set_weights([gain, bias])
    np.testing.assert_allclose(layer(images), gain * expected + bias, atol=1e-4)


# --- spectral normalisation


def largest_singular_value(kernel):
    matrix = np.reshape(kernel, [-1, kernel.shape[-1]])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def spectral_layer(kind=keras.layers.Conv2D, dtype="float32"):
    """The layer, and inputs."""
    random = np.random.default_rng(0)
    dense = kind is keras.layers.Dense
    layer = SpectralNormalization(
        kind(5, dtype=dtype) if dense else kind(5, 3, padding="same", dtype=dtype)
    )
    shape = (3, 7) if dense else (3, 6, 6, 2)
    layer.build(shape)
    # A kernel unlike the one that u started at.
    layer.set_weights([layer.u, random.normal(size=layer.kernel.shape), np.arange(5.0)])
    return layer, random.normal(size=shape).astype(np.float32)


SPECTRAL_KINDS = [keras.layers.Conv2D, ConvolutionFromImage, keras.layers.Dense]


@pytest.mark.parametrize("kind", SPECTRAL_KINDS)
def test_kernels_largest_singular_value_becomes_one(kind):
    layer, inputs = spectral_layer(kind)
    assert largest_singular_value(layer.kernel) > 1.05
    for _ in range(150):
        layer(inputs, training=True)
    assert largest_singular_value(layer.kernel) == pytest.approx(1, abs=1e-3)
    assert np.linalg.norm(layer.u) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_is_normalised_from_the_start(architecture):
    network = make(
        Discriminator, 32, 3, normalization="spectral", architecture=architecture, width=16
    )
    names = [variable.name for variable in network.variables]
    assert names.count("u") == names.count("kernel") == (4 if architecture == "dcgan" else 10)
    for layer in leaves(network):
        if hasattr(layer, "kernel"):
            assert 1 - 1e-5 < largest_singular_value(layer.kernel) < 1.05, layer.path


@pytest.mark.parametrize("kind", SPECTRAL_KINDS)
def test_outputs_are_those_of_the_divided_kernel_and_inference_agrees_with_training(kind):
    layer, inputs = spectral_layer(kind)
    before = layer.u.numpy()
    trained = layer(inputs, training=True).numpy()
    u, kernel, bias = layer.u.numpy(), layer.layer.kernel.numpy(), layer.bias.numpy()
    assert np.abs(u - before).max() > 0.01
    matrix = kernel.reshape([-1, 5])
    step = matrix.T @ (matrix @ before)
    np.testing.assert_allclose(u, step / np.linalg.norm(step), atol=1e-5)
    np.testing.assert_allclose(layer(inputs), trained, atol=1e-6)
    np.testing.assert_array_equal(layer.u, u)

    plain = kind.from_config(layer.layer.get_config())
    plain.build(inputs.shape)
    plain.set_weights([kernel / np.linalg.norm(matrix @ u), bias])
    np.testing.assert_allclose(plain(inputs), trained, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", SPECTRAL_KINDS)
def test_gradient_passes_through_sigma(kind, training):
    """Of W: `(g - <g, W / sigma> v u^T) / sigma`, g being the gradient of W / sigma (Miyato et al., equation 12)."""
    layer, inputs = spectral_layer(kind)
    output_gradient = np.random.default_rng(0).normal(size=layer(inputs).shape).astype(np.float32)
    _, (_, received, _) = with_gradients(layer, inputs, output_gradient, training=training)
    u, kernel = layer.u.numpy(), layer.layer.kernel.numpy()
    plain = kind.from_config(layer.layer.get_config())
    plain.build(inputs.shape)
    plain.set_weights([layer.kernel, layer.bias])
    _, (_, gradient, _) = with_gradients(plain, inputs, output_gradient)

    products = kernel.reshape([-1, 5]) @ u
    sigma = np.linalg.norm(products)
    slope = np.outer(products / sigma, u).reshape(kernel.shape)
    expected = (gradient - np.sum(gradient * kernel / sigma) * slope) / sigma
    np.testing.assert_allclose(received, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected - gradient / sigma).max() > 0.01 * np.abs(expected).max()
    # W / sigma does not change with W's length.
    assert np.abs(np.sum(expected * kernel)) < 1e-2 * np.linalg.norm(expected) * np.linalg.norm(
        kernel
    )


def test_spectral_statistics_are_float32_in_half_precision():
    half, inputs = spectral_layer(dtype="mixed_float16")
    full, _ = spectral_layer()
    half.set_weights(full.get_weights())
    received, expected = half(inputs, training=True), full(inputs, training=True)
    assert received.dtype == tf.float16
    np.testing.assert_allclose(
        tf.cast(received, tf.float32), expected, atol=5e-3 * np.abs(expected).max()
    )
    # The network around it has its variables read in float16.
    network = make(Discriminator, dtype="mixed_float16", normalization="spectral")
    twin = make(Discriminator, normalization="spectral")
    for each in (network, twin):
        each(inputs_for(network, 2), training=True)
    for one, other in zip(network.variables, twin.variables, strict=True):
        assert one.dtype == "float32"
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


def train_on_replicas(path):
    """Writes every replica's copy of each variable after two steps on other images; runs in a process of its own."""
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [device, device]
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        network = make(Discriminator, 16, 3, normalization="spectral", architecture="resnet")
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(network.trainable_variables)
    started = [variable.numpy() for variable in network.variables]
    images = tf.data.Dataset.from_tensor_slices(inputs_for(network, 8)).batch(4)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(batch, training=True))
        gradients = tape.gradient(
            loss, [variable.value for variable in network.trainable_variables]
        )
        optimizer.apply(gradients, network.trainable_variables)

    for batch in strategy.experimental_distribute_dataset(images):
        strategy.run(step, [batch])
    copies = [[copy.numpy() for copy in variable.value.values] for variable in network.variables]
    arrays = {f"{place}/start": value for place, value in enumerate(started)}
    for place, values in enumerate(copies):
        arrays |= {f"{place}/{replica}": value for replica, value in enumerate(values)}
    np.savez(path, **arrays)


@pytest.mark.slow
def test_replicas_keep_one_u(tmp_path):
    code = "import sys; sys.path.insert(0, 'tests/gan'); import test_networks; test_networks.train_on_replicas(sys.argv[1])"
    command = [sys.executable, "-c", code, tmp_path / "arrays.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "arrays.npz") as arrays:
        count = len(arrays.files) // 3
        assert count == len(
            make(Discriminator, 16, 3, normalization="spectral", architecture="resnet").variables
        )
        for place in range(count):
            start, first, second = (arrays[f"{place}/{part}"] for part in ("start", 0, 1))
            np.testing.assert_array_equal(first, second)
            assert np.any(first != start) or first.shape == (1,)  # a single output's u is 1


# --- folded


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folded_in_a_graph_holds_constants_and_has_the_gradient(kind, architecture):
    network = make(kind, architecture=architecture)
    randomise(network)
    inputs = tf.constant(inputs_for(network, 2))

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.reduce_sum(function(inputs) ** 2)
        return tape.gradient(outputs, inputs)

    graph = tf.function(folded(network)).get_concrete_function(inputs)
    assert not graph.variables
    expected = gradient(network).numpy()
    np.testing.assert_allclose(gradient(graph), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("normalization", ["batch", "spectral"])
def test_nothing_of_the_normalisation_is_left_in_a_folded_dcgan(normalization):
    network = make(Discriminator, 16, normalization=normalization)
    graph = (
        tf.function(folded(network))
        .get_concrete_function(tf.constant(inputs_for(network, 2)))
        .graph
    )
    kinds = {operation.type for operation in graph.get_operations()}
    assert "Conv2D" in kinds
    assert not kinds & {"FusedBatchNorm", "FusedBatchNormV3", "Rsqrt", "RealDiv", "L2Loss", "Mul"}
