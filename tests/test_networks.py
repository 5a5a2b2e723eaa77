"""One conformance suite over both networks; their layers, and the folding, against Keras' own arithmetic."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.networks import (
    BatchNormalization,
    ConvolutionFromImage,
    ConvolutionToImage,
    Discriminator,
    Generator,
    folded,
)

NETWORKS = [Generator, Discriminator]
VARIANTS = [
    (28, 1, "float32", "batch"),
    (28, 3, "mixed_float16", "none"),
    (28, 3, "mixed_bfloat16", "batch"),
    (32, 1, "mixed_bfloat16", "none"),
    (32, 3, "float32", "none"),
    (64, 1, "mixed_float16", "batch"),
    (64, 3, "float32", "batch"),
    (128, 1, "float32", "none"),
    (128, 3, "mixed_bfloat16", "batch"),
]
PRECISIONS = {"float32": 1e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 5e-2}


def make(kind, image_size=28, channels=1, dtype="float32", normalization="batch", width=2):
    keras.utils.set_random_seed(1)
    settings = {"width": width, "latent_size": 5, "normalization": normalization, "dtype": dtype}
    return kind(image_size, channels, **settings)


@pytest.fixture(scope="module")
def network(request):
    """Built once for all tests, each of which sets every variable first."""
    return make(*request.param)


conformance = pytest.mark.parametrize(
    "network",
    [(kind, *variant) for variant in VARIANTS for kind in NETWORKS],
    indirect=True,
    ids=lambda case: "-".join([case[0].__name__, *map(str, case[1:])]),
)


def inputs_for(network, count):
    return np.random.default_rng(0).uniform(-1, 1, (count, *network.input_size)).astype(np.float32)


def randomise(layer):
    """Gives every variable a value that no initialiser gives: scales off 1, offsets and means off 0."""
    random = np.random.default_rng(1)
    for variable in layer.variables:
        positive = variable.name in ("gamma", "moving_variance")
        variable.assign(random.uniform(0.5, 2, variable.shape) if positive else random.normal(0, 0.2, variable.shape))


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
    assert [layer.get_config() for layer in again.stack] == [layer.get_config() for layer in network.stack]
    again.set_weights(network.get_weights())
    inputs = inputs_for(network, 2)
    np.testing.assert_array_equal(again(inputs), network(inputs))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_saved_and_loaded(kind, dtype, tmp_path):
    network = make(kind, 32, 3, dtype)
    randomise(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert type(loaded) is kind
    assert loaded.dtype_policy.name == dtype
    inputs = inputs_for(network, 3)
    np.testing.assert_array_equal(loaded(inputs), network(inputs))


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
def test_unknown_size_is_refused(kind):
    with pytest.raises(ValueError, match=r"image_size must be one of \[28, 32, 64, 128\]; received 48;"):
        make(kind, 48)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "theirs", "input_shape"),
    [
        (ConvolutionFromImage, keras.layers.Conv2D, lambda channels: (3, 12, 8, channels)),
        (ConvolutionToImage, keras.layers.Conv2DTranspose, lambda channels: (3, 6, 4, 5)),
    ],
)
def test_convolutions_equal_keras(ours, theirs, input_shape, channels, dtype):
    random = np.random.default_rng(0)
    inputs = random.normal(size=input_shape(channels)).astype(np.float32)
    filters = 5 if ours is ConvolutionFromImage else channels
    layers = [kind(filters, 4, strides=2, padding="same", dtype=dtype) for kind in (ours, theirs)]
    for layer in layers:
        layer.build(inputs.shape)
        randomise(layer)
    output_gradient = random.normal(size=layers[1](inputs).shape).astype(np.float32)
    received, expected = (with_gradients(layer, inputs, output_gradient) for layer in layers)
    assert received[0].dtype == expected[0].dtype
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        tolerance = PRECISIONS[dtype] * np.abs(tf.cast(other, tf.float32)).max()
        np.testing.assert_allclose(tf.cast(one, tf.float32), tf.cast(other, tf.float32), atol=tolerance)


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
        np.testing.assert_allclose(tf.cast(one, tf.float32), tf.cast(other, tf.float32), atol=tolerance)


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


def test_statistics_are_float32_in_half_precision():
    network = make(Generator, dtype="mixed_float16")
    layer = network.stack[2]
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    inputs = np.random.default_rng(0).normal(300, 1, (8, 7, 7, layer.gamma.shape[0]))
    layer(tf.constant(inputs, tf.float16), training=True)
    # The sum of 392 such values, 117,600, is beyond float16.
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * 300, rtol=0.01)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    ("image_size", "channels", "normalization"), [(28, 1, "batch"), (64, 3, "batch"), (32, 3, "none")]
)
def test_folded_is_the_network_when_not_training(kind, image_size, channels, normalization):
    network = make(kind, image_size, channels, normalization=normalization)
    randomise(network)
    inputs = inputs_for(network, 4)
    expected = network(inputs).numpy()
    function = folded(network)
    np.testing.assert_allclose(function(inputs), expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(network(inputs, training=True) - expected).max() > 0.01 or normalization == "none"
    for variable in network.variables:
        variable.assign(tf.zeros(variable.shape))
    np.testing.assert_allclose(function(inputs), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", NETWORKS)
def test_folded_computes_in_float32(kind):
    network = make(kind, dtype="mixed_float16")
    randomise(network)
    twin = make(kind)
    twin.set_weights(network.get_weights())
    inputs = inputs_for(network, 4)
    expected = twin(inputs).numpy()
    np.testing.assert_allclose(folded(network)(inputs), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", NETWORKS)
def test_folded_in_a_graph_holds_constants_and_has_the_gradient(kind):
    network = make(kind)
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
