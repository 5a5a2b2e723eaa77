"""The layers of the residual generator and discriminator of SNGAN (Miyato et al. 2018, appendix B).

A block of G normalizes, activates and doubles the size. A block of D activates and halves the size.
Parallel to the two 3 x 3 convolutions of a block there is a shortcut with one 1 x 1 convolution.
Weights are drawn as in the authors' code: from Glorot's uniform distribution, times sqrt(2) for a
convolution before or after a ReLU.

There are three departures from the paper. Channels double toward the coarse end up to eight times
`width`, as in the DCGAN; the authors go up to sixteen times. D ends with its coarsest block; the
authors add a block that keeps the size. The convolution of a shortcut is computed at the smaller of
the two sizes, which is a quarter of the work. The outputs are the same, because the convolution
commutes with averages and with nearest neighbors.

Source: https://arxiv.org/abs/1802.05957 and https://github.com/pfnet-research/sngan_projection
"""

import math

import keras
import tensorflow as tf

from tf_inpaint.gan.layers import ConvolutionFromImage, Dense, apply_layers


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Residual(keras.layers.Layer):
    """The sum of two stacks of layers with the same inputs: `residual(x) + shortcut(x)`."""

    def __init__(self, residual: list[keras.Layer], shortcut: list[keras.Layer], **kwargs):
        super().__init__(**kwargs)
        self.residual = residual
        self.shortcut = shortcut

    def build(self, input_shape):
        for layers in (self.residual, self.shortcut):
            shape = input_shape
            for layer in layers:
                if not layer.built:
                    layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, inputs, training=False):
        residual = apply_layers(self.residual, inputs, training)
        return residual + apply_layers(self.shortcut, inputs, training)

    def get_config(self):
        stacks = {"residual": self.residual, "shortcut": self.shortcut}
        return super().get_config() | keras.saving.serialize_keras_object(stacks)

    @classmethod
    def from_config(cls, config):
        stacks = {name: config[name] for name in ("residual", "shortcut")}
        return cls(**config | keras.saving.deserialize_keras_object(stacks))


@keras.saving.register_keras_serializable(package="tf_inpaint")
class GlobalSum(keras.layers.Layer):
    """`[B, H, W, C]` to the sums over the pixels, `[B, C]`."""

    def call(self, inputs):
        return tf.reduce_sum(inputs, [1, 2])


def glorot(scale: float = 1.0) -> keras.Initializer:
    """Draws weights from a uniform distribution with variance `2 * scale / (inputs + outputs)`."""
    return keras.initializers.VarianceScaling(scale, mode="fan_avg", distribution="uniform")


def convolution(
    network, filters: int, name: str, layer_class=keras.layers.Conv2D, **kwargs
) -> keras.Layer:
    """A 3 x 3 convolution of a block."""
    settings = {
        "padding": "same",
        "kernel_initializer": glorot(2.0),
        "dtype": network.dtype_policy,
        "name": name,
    }
    return network.kernel_layer(layer_class, filters, 3, **settings, **kwargs)


def shortcut(network, filters: int) -> keras.Layer:
    """A 1 x 1 convolution without bias, because the residual has a bias."""
    settings = {
        "kernel_initializer": glorot(),
        "dtype": network.dtype_policy,
        "name": "conv_shortcut",
    }
    return network.kernel_layer(keras.layers.Conv2D, filters, 1, use_bias=False, **settings)


def up(network, filters: int, size: int) -> Residual:
    """A block of G whose outputs have `filters` channels and `size` x `size` pixels."""
    settings = {"dtype": network.dtype_policy}
    # Batch normalization removes all biases: that of the first convolution in this block, and that
    # of the second one after the last block, because all shortcuts pass it on.
    use_bias = network.normalization == "none"
    residual = [
        *network.normalization_layers("norm_1"),
        keras.layers.ReLU(name="relu_1", **settings),
        keras.layers.UpSampling2D(name="upsample", **settings),
        convolution(network, filters, "conv_1", use_bias=use_bias),
        *network.normalization_layers("norm_2"),
        keras.layers.ReLU(name="relu_2", **settings),
        convolution(network, filters, "conv_2", use_bias=use_bias),
    ]
    shortcut_layers = [
        shortcut(network, filters),
        keras.layers.UpSampling2D(name="upsample_shortcut", **settings),
    ]
    return Residual(residual, shortcut_layers, name=f"up_{size}x{size}", **settings)


def down(network, filters: int, hidden: int, size: int) -> Residual:
    """A block of D whose outputs have `filters` channels and `size` x `size` pixels.

    `hidden` is the number of channels between its two convolutions. The first block, at the image,
    starts with a convolution and not with an activation.
    """
    settings = {"dtype": network.dtype_policy}
    # The first convolution, and what comes before it.
    if 2 * size == network.image_size:
        start, norm = [convolution(network, hidden, "conv_1", ConvolutionFromImage)], []
    else:
        norm = network.normalization_layers("norm_2")
        relu = keras.layers.ReLU(name="relu_1", **settings)
        start = [
            *network.normalization_layers("norm_1"),
            relu,
            convolution(network, hidden, "conv_1", use_bias=not norm),
        ]

    # The second convolution, and the shortcut.
    residual = [
        *start,
        *norm,
        keras.layers.ReLU(name="relu_2", **settings),
        convolution(network, filters, "conv_2"),
        keras.layers.AveragePooling2D(2, name="pool", **settings),
    ]
    shortcut_layers = [
        keras.layers.AveragePooling2D(2, name="pool_shortcut", **settings),
        shortcut(network, filters),
    ]
    return Residual(residual, shortcut_layers, name=f"down_{size}x{size}", **settings)


def generator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a generator.

    Args:
        network: a `networks.Generator`, whose settings the layers get.
        channels: the channels of each feature map, from `networks.stage_channels`.
    """
    # From z to the coarsest feature map.
    settings = {"dtype": network.dtype_policy}
    size = network.image_size >> len(channels)
    shape = (size, size, channels[-1])
    layers = [
        Dense(math.prod(shape), kernel_initializer=glorot(), name="project", **settings),
        keras.layers.Reshape(shape, name="reshape", **settings),
    ]

    # Double the size, up to that of the image.
    for filters in reversed(channels):
        size *= 2
        layers.append(up(network, filters, size))
    return [
        *layers,
        *network.normalization_layers(f"norm_{size}x{size}"),
        keras.layers.ReLU(name=f"relu_{size}x{size}", **settings),
        keras.layers.Conv2D(
            network.channels,
            3,
            padding="same",
            kernel_initializer=glorot(),
            name="images",
            **settings,
        ),
        keras.layers.Activation("tanh", dtype="float32", name="tanh"),
    ]


def discriminator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a discriminator. The inputs of the last layer are the features.

    Args:
        network: a `networks.Discriminator`, whose settings the layers get.
        channels: the channels of each feature map, from `networks.stage_channels`.
    """
    size, hidden, layers = network.image_size, channels[0], []
    for filters in channels:
        size //= 2
        layers.append(down(network, filters, hidden, size))
        hidden = filters
    settings = {"kernel_initializer": glorot(), "dtype": "float32", "name": "logits"}
    return [
        *layers,
        keras.layers.ReLU(dtype=network.dtype_policy, name=f"relu_{size}x{size}"),
        GlobalSum(dtype="float32", name="global_sum"),
        network.kernel_layer(Dense, 1, **settings),
    ]
