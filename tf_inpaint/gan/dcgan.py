"""The layers of the DCGAN generator and discriminator (Radford, Metz & Chintala 2016).

There is no pooling: D has strided convolutions, G has transposed convolutions. Both networks have
normalization, except for the output of G and the input of D. There is no fully connected hidden
layer. G has ReLU and tanh, D has LeakyReLU with slope 0.2. Weights are drawn from N(0, 0.02).

There are two departures from the paper. Kernels are 4 x 4, not 5 x 5, because a kernel whose size
is a multiple of the stride covers every output pixel equally often (Odena, Dumoulin & Olah 2016).
Channels double toward the coarse end up to eight times `width`, so `width=128` at 64 pixels is the
paper's figure 1.

Source: https://arxiv.org/abs/1511.06434
"""

import math

import keras

from tf_inpaint.gan.layers import ConvolutionFromImage, ConvolutionToImage, Dense, LeakyReLU


def initializer() -> keras.Initializer:
    """Draws weights from N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=0.02)


def convolution(network, layer_class, filters: int, **kwargs) -> keras.Layer:
    """A convolution with 4 x 4 kernels and stride 2, transposed or not, by `layer_class`."""
    settings = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": network.dtype_policy}
    return network.kernel_layer(
        layer_class, filters, kernel_initializer=initializer(), **settings, **kwargs
    )


def generator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a generator.

    Args:
        network: a `networks.Generator`, whose settings the layers get.
        channels: the channels of each feature map, from `networks.stage_channels`.
    """

    def activation(size):
        relu = keras.layers.ReLU(dtype=network.dtype_policy, name=f"relu_{size}x{size}")
        return [*network.normalization_layers(f"norm_{size}x{size}"), relu]

    # From z to the coarsest feature map.
    use_bias = network.normalization == "none"
    size = network.image_size >> len(channels)
    shape = (size, size, channels[-1])
    settings = {"kernel_initializer": initializer(), "dtype": network.dtype_policy}
    layers = [
        Dense(math.prod(shape), use_bias=use_bias, name="project", **settings),
        keras.layers.Reshape(shape, dtype=network.dtype_policy, name="reshape"),
        *activation(size),
    ]

    # Double the size, up to that of the image.
    for filters in channels[-2::-1]:
        size *= 2
        name = f"conv_{size}x{size}"
        layer_class = keras.layers.Conv2DTranspose
        layers.append(convolution(network, layer_class, filters, use_bias=use_bias, name=name))
        layers += activation(size)
    return [
        *layers,
        convolution(network, ConvolutionToImage, network.channels, name="images"),
        keras.layers.Activation("tanh", dtype="float32", name="tanh"),
    ]


def discriminator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a discriminator. The inputs of the last layer are the features.

    Args:
        network: a `networks.Discriminator`, whose settings the layers get.
        channels: the channels of each feature map, from `networks.stage_channels`.
    """
    size, layers = network.image_size, []
    for stage, filters in enumerate(channels):
        size //= 2
        normalization = network.normalization_layers(f"norm_{size}x{size}") if stage else []
        name = f"conv_{size}x{size}"
        layer_class = keras.layers.Conv2D if stage else ConvolutionFromImage
        conv = convolution(network, layer_class, filters, use_bias=not normalization, name=name)
        relu = LeakyReLU(0.2, dtype=network.dtype_policy, name=f"leaky_relu_{size}x{size}")
        layers += [conv, *normalization, relu]
    settings = {"kernel_initializer": initializer(), "dtype": "float32", "name": "logits"}
    return [
        *layers,
        keras.layers.Flatten(dtype=network.dtype_policy, name="flatten"),
        network.kernel_layer(Dense, 1, **settings),
    ]
