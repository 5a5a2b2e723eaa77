"""The residual generator and discriminator of SNGAN (Miyato et al. 2018, appendix B).

A block of G normalises, activates and doubles the size, a block of D activates and halves it; beside the two
3 x 3 convolutions of either runs a shortcut of one 1 x 1 convolution. Weights are drawn as the authors' code
does: Glorot's uniform distribution, times sqrt(2) where a ReLU comes before or after.

Departures: channels double towards the coarse end up to eight times `width`, as in the DCGAN, where the
authors go to sixteen; D ends with its coarsest block, without their further one that keeps the size; and a
shortcut's convolution is done at the smaller of the two sizes, which commutes with averaging and with nearest
neighbours and is a quarter of the work.

Source: https://arxiv.org/abs/1802.05957 and https://github.com/pfnet-research/sngan_projection
"""

import math

import keras
import tensorflow as tf

from tf_inpaint.gan.layers import ConvolutionFromImage, Dense, run


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
        return run(self.residual, inputs, training) + run(self.shortcut, inputs, training)

    def get_config(self):
        stacks = {"residual": self.residual, "shortcut": self.shortcut}
        return super().get_config() | keras.saving.serialize_keras_object(stacks)

    @classmethod
    def from_config(cls, config):
        stacks = {name: config[name] for name in ("residual", "shortcut")}
        return cls(**config | keras.saving.deserialize_keras_object(stacks))


@keras.saving.register_keras_serializable(package="tf_inpaint")
class GlobalSum(keras.layers.Layer):
    """`[B, H, W, C]` to its sum over the pixels, `[B, C]`."""

    def call(self, inputs):
        return tf.reduce_sum(inputs, [1, 2])


def glorot(scale: float = 1.0) -> keras.Initializer:
    """Uniform weights of variance `2 * scale / (inputs + outputs)`."""
    return keras.initializers.VarianceScaling(scale, mode="fan_avg", distribution="uniform")


def convolution(
    network, filters: int, name: str, layer=keras.layers.Conv2D, **kwargs
) -> keras.Layer:
    """A 3 x 3 convolution of a block."""
    fixed = {
        "padding": "same",
        "kernel_initializer": glorot(2.0),
        "dtype": network.dtype_policy,
        "name": name,
    }
    return network.with_kernel(layer, filters, 3, **fixed, **kwargs)


def shortcut(network, filters: int) -> keras.Layer:
    """A 1 x 1 convolution; the residual's bias is added to its outputs."""
    fixed = {"kernel_initializer": glorot(), "dtype": network.dtype_policy, "name": "conv_shortcut"}
    return network.with_kernel(keras.layers.Conv2D, filters, 1, use_bias=False, **fixed)


def up(network, filters: int, size: int) -> Residual:
    """A block of G, to `filters` channels of `size` pixels."""
    fixed = {"dtype": network.dtype_policy}
    # Batch normalisation takes off any bias, here at once, or behind the last block what all shortcuts passed on.
    biased = network.normalization == "none"
    residual = [
        *network.normalized("norm_1"),
        keras.layers.ReLU(name="relu_1", **fixed),
        keras.layers.UpSampling2D(name="upsample", **fixed),
        convolution(network, filters, "conv_1", use_bias=biased),
        *network.normalized("norm_2"),
        keras.layers.ReLU(name="relu_2", **fixed),
        convolution(network, filters, "conv_2", use_bias=biased),
    ]
    beside = [
        shortcut(network, filters),
        keras.layers.UpSampling2D(name="upsample_shortcut", **fixed),
    ]
    return Residual(residual, beside, name=f"up_{size}x{size}", **fixed)


def down(network, filters: int, hidden: int, size: int) -> Residual:
    """A block of D, to `filters` channels of `size` pixels; the first one, at the image, starts with a convolution."""
    fixed = {"dtype": network.dtype_policy}
    if 2 * size == network.image_size:
        start, norm = [convolution(network, hidden, "conv_1", ConvolutionFromImage)], []
    else:
        norm = network.normalized("norm_2")
        relu = keras.layers.ReLU(name="relu_1", **fixed)
        start = [
            *network.normalized("norm_1"),
            relu,
            convolution(network, hidden, "conv_1", use_bias=not norm),
        ]
    residual = [
        *start,
        *norm,
        keras.layers.ReLU(name="relu_2", **fixed),
        convolution(network, filters, "conv_2"),
        keras.layers.AveragePooling2D(2, name="pool", **fixed),
    ]
    beside = [
        keras.layers.AveragePooling2D(2, name="pool_shortcut", **fixed),
        shortcut(network, filters),
    ]
    return Residual(residual, beside, name=f"down_{size}x{size}", **fixed)


def generator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a `networks.Generator`, for the channels that `networks.stage_channels` gives."""
    fixed = {"dtype": network.dtype_policy}
    size = network.image_size >> len(channels)
    shape = (size, size, channels[-1])
    layers = [
        Dense(math.prod(shape), kernel_initializer=glorot(), name="project", **fixed),
        keras.layers.Reshape(shape, name="reshape", **fixed),
    ]
    for filters in reversed(channels):
        size *= 2
        layers.append(up(network, filters, size))
    return [
        *layers,
        *network.normalized(f"norm_{size}x{size}"),
        keras.layers.ReLU(name=f"relu_{size}x{size}", **fixed),
        keras.layers.Conv2D(
            network.channels, 3, padding="same", kernel_initializer=glorot(), name="images", **fixed
        ),
        keras.layers.Activation("tanh", dtype="float32", name="tanh"),
    ]


def discriminator(network, channels: list[int]) -> list[keras.Layer]:
    """The layers of a `networks.Discriminator`; the last one's inputs are the features."""
    size, hidden, layers = network.image_size, channels[0], []
    for filters in channels:
        size //= 2
        layers.append(down(network, filters, hidden, size))
        hidden = filters
    fixed = {"kernel_initializer": glorot(), "dtype": "float32", "name": "logits"}
    return [
        *layers,
        keras.layers.ReLU(dtype=network.dtype_policy, name=f"relu_{size}x{size}"),
        GlobalSum(dtype="float32", name="global_sum"),
        network.with_kernel(Dense, 1, **fixed),
    ]
