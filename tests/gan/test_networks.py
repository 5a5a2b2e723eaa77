"""One conformance suite for both networks, in all sizes and precisions, and the folding."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from rounding import kernel_tolerance
from tiny_networks import (
    NETWORKS,
    PRECISIONS,
    inputs_for,
    new_network,
    randomize,
    with_gradients,
)

from tf_inpaint.gan.networks import (
    ARCHITECTURES,
    MIN_FEATURE_SIZE,
    STAGES,
    Discriminator,
    Generator,
    fold_normalization,
    fold_parts,
)


def pairwise(*axes):
    """Rows of the product of the axes that contain every pair of values of two axes.

    The rows are chosen greedily.
    """

    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))

    rows = list(itertools.product(*axes))
    missing = set().union(*map(pairs, rows))
    while missing:
        row = max(rows, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(row)
        yield row


CASES = [
    (network_class, *row)
    for network_class in NETWORKS
    for row in pairwise(STAGES, (1, 3), PRECISIONS, network_class.NORMALIZATIONS, ARCHITECTURES)
]


@pytest.fixture(scope="module")
def network(request):
    """A network that is built once for all tests. Each test first sets every variable."""
    return new_network(*request.param)


def parametrize_network(cases):
    """A decorator: the test gets the network of each case."""

    def name(case):
        return "-".join([case[0].__name__, *map(str, case[1:])])

    return pytest.mark.parametrize("network", cases, indirect=True, ids=name)


conformance = parametrize_network(CASES)
generators = parametrize_network([case for case in CASES if case[0] is Generator])
discriminators = parametrize_network([case for case in CASES if case[0] is Discriminator])
differentiable_twice = parametrize_network(
    [case for case in CASES if case[0] is Discriminator and case[4] != "batch"]
)


# --- conformance


@conformance
def test_outputs(network):
    randomize(network)
    outputs = network(inputs_for(network, 3))
    images = (network.image_size, network.image_size, network.channels)
    assert outputs.shape == (3, *(images if isinstance(network, Generator) else (1,)))
    assert outputs.dtype == tf.float32
    assert np.std(outputs, axis=0).mean() > 0.01
    if isinstance(network, Generator):
        assert np.abs(outputs).max() <= 1


@conformance
def test_row_does_not_depend_on_its_place_in_the_batch(network):
    """The outputs and the gradient of an energy are equal to the last bit."""
    randomize(network)
    function = fold_normalization(network)

    @tf.function
    def outputs_and_gradient(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
            total = tf.reduce_sum(tf.abs(outputs - 0.3))
        return outputs, tape.gradient(total, inputs)

    inputs = inputs_for(network, 8)
    expected_arrays = outputs_and_gradient(tf.constant(inputs))
    for shift in range(1, 8):
        arrays = outputs_and_gradient(tf.constant(np.roll(inputs, shift, axis=0)))
        for array, expected in zip(arrays, expected_arrays, strict=True):
            np.testing.assert_array_equal(np.roll(array, -shift, axis=0), expected)


@conformance
def test_any_batch_size_in_one_trace(network):
    randomize(network)
    signature = [tf.TensorSpec([None, *network.input_size])]
    traced = tf.function(network, input_signature=signature)
    inputs = inputs_for(network, 3)
    alone = tf.concat([traced(inputs[index : index + 1]) for index in range(3)], 0)
    tolerance = PRECISIONS[network.dtype_policy.name] * np.abs(alone).max()
    np.testing.assert_allclose(traced(inputs), alone, atol=tolerance)
    assert traced.experimental_get_tracing_count() == 1


@conformance
def test_every_trainable_variable_has_a_gradient(network):
    randomize(network)
    _, (_, *gradients) = with_gradients(network, inputs_for(network, 4), 1.0, training=True)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert variable.dtype == "float32"
        assert gradient is not None, variable.path
        assert gradient.shape == variable.shape
        assert np.isfinite(gradient).all()
        assert np.any(gradient), variable.path


@conformance
def test_config_restores_the_network(network):
    randomize(network)
    copy = type(network).from_config(network.get_config())
    assert copy.get_config() == network.get_config()
    assert [layer.get_config() for layer in copy.stack] == [
        layer.get_config() for layer in network.stack
    ]
    copy.set_weights(network.get_weights())
    inputs = inputs_for(network, 2)
    np.testing.assert_array_equal(copy(inputs), network(inputs))


@conformance
def test_folded_network_equals_the_float32_network_in_inference(network):
    randomize(network)
    twin = type(network).from_config(network.get_config() | {"dtype": "float32"})
    twin.set_weights(network.get_weights())
    inputs = inputs_for(network, 4)
    expected = twin(inputs).numpy()
    function = fold_normalization(network)
    for variable in network.variables:
        variable.assign(tf.zeros(variable.shape))
    outputs = function(inputs)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(
        outputs, expected, atol=kernel_tolerance(1e-5) * np.abs(expected).max()
    )


@generators
def test_parts_make_the_folded_generator(network):
    """The feature map between them is the first one of at least 7 pixels."""
    randomize(network)
    features, picture = fold_parts(network)
    inputs = inputs_for(network, 4)
    size = features(inputs).shape[1]
    assert MIN_FEATURE_SIZE <= size < 2 * MIN_FEATURE_SIZE
    np.testing.assert_allclose(
        picture(features(inputs)), fold_normalization(network)(inputs), atol=kernel_tolerance(1e-6)
    )


@discriminators
def test_features_are_the_inputs_of_the_last_layer(network):
    randomize(network)
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
def test_gradient_has_a_gradient(network):
    randomize(network)
    images = tf.constant(inputs_for(network, 3))
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = network(images, training=True)
        penalty = tf.reduce_sum(inner.gradient(logits, images) ** 2)
    gradients = tape.gradient(penalty, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        # The slope depends on a bias only if a later layer normalizes.
        assert gradient is not None or variable.name in ("bias", "beta"), variable.path
        assert gradient is None or np.isfinite(gradient).all(), variable.path
        assert variable.name != "kernel" or np.any(gradient), variable.path


# --- files


SAVED = [
    (Generator, 32, 3, "float32", "batch", "dcgan"),
    (Generator, 16, 1, "mixed_float16", "batch", "resnet"),
    (Discriminator, 32, 3, "mixed_float16", "batch", "dcgan"),
    (Discriminator, 32, 3, "float32", "spectral", "dcgan"),
    (Discriminator, 28, 1, "mixed_bfloat16", "spectral", "resnet"),
    (Discriminator, 16, 3, "float32", "layer", "resnet"),
]


@parametrize_network(SAVED)
def test_saved_and_loaded(network, tmp_path):
    randomize(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert type(loaded) is type(network)
    assert loaded.dtype_policy.name == network.dtype_policy.name
    for variable, saved in zip(loaded.variables, network.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), saved.numpy())
    inputs = inputs_for(network, 3)
    np.testing.assert_array_equal(loaded(inputs), network(inputs))


@parametrize_network(SAVED)
def test_exported_and_run(network, tmp_path):
    randomize(network)
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


def test_config_without_an_architecture_is_a_dcgan():
    """Configs from before there were architectures lack the name."""
    config = new_network(Discriminator).get_config()
    assert config.pop("architecture") == "dcgan"
    assert Discriminator.from_config(config).architecture == "dcgan"


# --- settings


@pytest.mark.parametrize("network_class", NETWORKS)
def test_unknown_settings_are_refused(network_class):
    with pytest.raises(
        ValueError, match=r"image_size must be one of \[16, 28, 32, 64, 128\]; received 48;"
    ):
        new_network(network_class, 48)
    with pytest.raises(
        ValueError, match=r"normalization must be one of \['batch', .*'none'\]; received instance;"
    ):
        new_network(network_class, normalization="instance")
    with pytest.raises(
        ValueError, match=r"architecture must be one of \['dcgan', 'resnet'\]; received vgg;"
    ):
        new_network(network_class, architecture="vgg")


def test_generator_has_no_spectral_normalization():
    with pytest.raises(
        ValueError, match=r"Generator's normalization must be one of .*; received spectral; choose"
    ):
        new_network(Generator, normalization="spectral")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("normalization", "independent"), [("batch", False), ("layer", True), ("spectral", True)]
)
def test_only_batch_normalization_makes_logits_depend_on_other_images(
    normalization, independent, architecture
):
    network = new_network(
        Discriminator, 16, 3, normalization=normalization, architecture=architecture
    )
    randomize(network)
    images = inputs_for(network, 3)
    weights = network.get_weights()
    together = network(images, training=True).numpy()
    network.set_weights(weights)
    alone = network(images[:1], training=True).numpy()
    assert np.allclose(alone, together[:1], rtol=1e-4, atol=1e-4) == independent


# --- folding


@pytest.mark.parametrize("network_class", NETWORKS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folded_network_in_a_graph_holds_constants_and_has_the_gradient(
    network_class, architecture
):
    network = new_network(network_class, architecture=architecture)
    randomize(network)
    inputs = tf.constant(inputs_for(network, 2))

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.reduce_sum(function(inputs) ** 2)
        return tape.gradient(outputs, inputs)

    graph = tf.function(fold_normalization(network)).get_concrete_function(inputs)
    assert not graph.variables
    expected = gradient(network).numpy()
    np.testing.assert_allclose(gradient(graph), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("normalization", ["batch", "spectral"])
def test_folded_dcgan_has_no_operation_of_the_normalization(normalization):
    network = new_network(Discriminator, 16, normalization=normalization)
    inputs = tf.constant(inputs_for(network, 2))
    graph = tf.function(fold_normalization(network)).get_concrete_function(inputs).graph
    types = {operation.type for operation in graph.get_operations()}
    assert "Conv2D" in types
    assert not types & {"FusedBatchNorm", "FusedBatchNormV3", "Rsqrt", "RealDiv", "L2Loss", "Mul"}
