"""The DCGAN has the layers and the weights of the paper."""

import keras
import numpy as np
import pytest
from tiny_networks import NETWORKS, new_network, summary_of, type_names

from tf_inpaint.gan.layers import BatchNormalization
from tf_inpaint.gan.networks import Discriminator, Generator


def test_summary_shows_the_sizes_of_the_papers_figure(monkeypatch):
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


def test_layers_are_those_of_the_paper():
    # The order of the layers.
    generator, discriminator = (new_network(network_class, 64, 3) for network_class in NETWORKS)
    block = ["Conv2DTranspose", "BatchNormalization", "ReLU"]
    ends = ["ConvolutionToImage", "Activation"]
    assert type_names(generator.stack) == ["Dense", "Reshape", *block[1:], *3 * block, *ends]
    assert generator.stack[-1].activation is keras.activations.tanh
    block = ["Conv2D", "BatchNormalization", "LeakyReLU"]
    start = ["ConvolutionFromImage", "LeakyReLU"]
    assert type_names(discriminator.stack) == [*start, *3 * block, "Flatten", "Dense"]

    # Their settings.
    for layer in discriminator.stack[1::3]:
        assert layer.negative_slope == pytest.approx(0.2)
    for layer in generator.stack + discriminator.stack:
        if isinstance(layer, BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
        if hasattr(layer, "kernel"):
            assert layer.activation is keras.activations.linear


@pytest.mark.parametrize("network_class", NETWORKS)
def test_weights_have_the_papers_distribution(network_class):
    network = new_network(network_class, 32, 3, width=8)
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
