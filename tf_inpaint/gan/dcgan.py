"""The DCGAN generator and discriminator (Radford, Metz & Chintala 2016).

No pooling, strided convolutions in D and fractionally-strided ones in G, normalisation in both (not on G's
output nor on D's input), no fully connected hidden layer, ReLU and tanh in G, LeakyReLU 0.2 in D, weights
drawn from N(0, 0.02). Two departures: kernels are 4 x 4, not 5 x 5, because a kernel that the stride
divides covers every output pixel equally often (Odena, Dumoulin & Olah 2016); and channels double towards
the coarse end up to eight times `width`, so `width=128` at 64 px is the paper's figure 1.
"""

import math

import keras

from tf_inpaint.gan.layers import ConvolutionFromImage, ConvolutionToImage, Dense


def initializer() -> keras.Initializer:
    """Weights from N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=0.02)


def convolution(network, layer, filters: int, **kwargs) -> keras.Layer:
    """A `layer`, transposed or not, of 4 x 4 kernels and stride 2."""
    fixed = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": network.dtype_policy}
    return network.with_kernel(layer, filters, kernel_initializer=initializer(), **fixed, **kwargs)


def generator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a `networks.Generator`, for the channels that `networks.stage_channels` gives."""

    def activated(size):
        relu = keras.layers.ReLU(dtype=network.dtype_policy, name=f"relu_{size}x{size}")
        return [*network.normalized(f"norm_{size}x{size}"), relu]

    biased = network.normalization == "none"
    size = network.image_size >> len(channels)
    shape = (size, size, channels[-1])
    fixed = {"kernel_initializer": initializer(), "dtype": network.dtype_policy}
    layers = [
        Dense(math.prod(shape), use_bias=biased, name="project", **fixed),
        keras.layers.Reshape(shape, dtype=network.dtype_policy, name="reshape"),
        *activated(size),
    ]
    for filters in channels[-2::-1]:
        size *= 2
        name = f"conv_{size}x{size}"
        layers.append(
            convolution(network, keras.layers.Conv2DTranspose, filters, use_bias=biased, name=name)
        )
        layers += activated(size)
    return [
        *layers,
        convolution(network, ConvolutionToImage, network.channels, name="images"),
        keras.layers.Activation("tanh", dtype="float32", name="tanh"),
    ]


def discriminator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a `networks.Discriminator`; the last one's inputs are the features."""
    size, layers = network.image_size, []
    for stage, filters in enumerate(channels):
        size //= 2
        normalization = network.normalized(f"norm_{size}x{size}") if stage else []
        name = f"conv_{size}x{size}"
        layer = keras.layers.Conv2D if stage else ConvolutionFromImage
        conv = convolution(network, layer, filters, use_bias=not normalization, name=name)
        relu = keras.layers.LeakyReLU(
            0.2, dtype=network.dtype_policy, name=f"leaky_relu_{size}x{size}"
        )
        layers += [conv, *normalization, relu]
    fixed = {"kernel_initializer": initializer(), "dtype": "float32", "name": "logits"}
    return [
        *layers,
        keras.layers.Flatten(dtype=network.dtype_policy, name="flatten"),
        network.with_kernel(Dense, 1, **fixed),
    ]
