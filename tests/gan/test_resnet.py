"""The residual networks have the blocks and the weights of SNGAN."""

import keras
import numpy as np
import pytest
from tiny_networks import NETWORKS, leaves, new_network, randomize, summary_of, type_names

from tf_inpaint.gan.layers import apply_layers
from tf_inpaint.gan.networks import Discriminator, Generator
from tf_inpaint.gan.resnet import Residual


def test_summary_names_blocks_by_their_size(monkeypatch):
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


def test_layers_are_those_of_the_paper():
    generator, discriminator = (
        new_network(network_class, 32, 3, architecture="resnet") for network_class in NETWORKS
    )

    # The generator.
    ends = ["BatchNormalization", "ReLU", "Conv2D", "Activation"]
    assert type_names(generator.stack) == ["Dense", "Reshape", *3 * ["Residual"], *ends]
    half = ["BatchNormalization", "ReLU", "Conv2D"]
    for block in generator.stack[2:5]:
        assert type_names(block.residual) == [*half[:2], "UpSampling2D", "Conv2D", *half]
        assert type_names(block.shortcut) == ["Conv2D", "UpSampling2D"]
        assert block.residual[2].interpolation == "nearest"

    # The discriminator.
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

    # The kernels.
    kernel_layers = [
        layer
        for network in (generator, discriminator)
        for layer in leaves(network)
        if hasattr(layer, "kernel")
    ]
    for layer in kernel_layers:
        assert layer.activation is keras.activations.linear
        if layer.name.startswith("conv"):
            assert layer.kernel_size == ((1, 1) if layer.name == "conv_shortcut" else (3, 3))


@pytest.mark.parametrize("network_class", NETWORKS)
def test_shortcut_may_convolve_at_the_larger_size(network_class):
    """The authors' shortcuts convolve at the larger size, and the outputs are the same."""
    block = new_network(network_class, 32, 3, architecture="resnet").stack[2]
    randomize(block)
    channels = next(layer.kernel.shape[2] for layer in block.shortcut if hasattr(layer, "kernel"))
    inputs = np.random.default_rng(0).normal(size=(2, 8, 8, channels)).astype(np.float32)
    residual = apply_layers(block.residual, inputs, False)
    expected = residual + apply_layers(block.shortcut[::-1], inputs, False)
    np.testing.assert_allclose(block(inputs), expected, rtol=1e-4, atol=1e-4)


def test_config_restores_a_block():
    block = new_network(Generator, 16, architecture="resnet").stack[2]
    randomize(block)
    copy = Residual.from_config(block.get_config())
    inputs = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    copy.build(inputs.shape)
    copy.set_weights(block.get_weights())
    np.testing.assert_array_equal(copy(inputs), block(inputs))


@pytest.mark.parametrize("network_class", NETWORKS)
def test_weights_have_glorots_distribution(network_class):
    network = new_network(network_class, 32, 3, width=16, architecture="resnet")
    for layer in leaves(network):
        if hasattr(layer, "kernel"):
            kernel = layer.kernel.numpy()
            inputs, outputs = (np.prod(kernel.shape[:-2]) * side for side in kernel.shape[-2:])
            variance = (2 if layer.name in ("conv_1", "conv_2") else 1) * 2 / (inputs + outputs)
            assert np.abs(kernel).max() <= (3 * variance) ** 0.5
            # The variance of the square of a uniform variable is 0.8 times its squared mean.
            # Five standard errors.
            assert (kernel**2).mean() == pytest.approx(variance, rel=5 * (0.8 / kernel.size) ** 0.5)
