"""The DCGAN generator and discriminator (Radford, Metz & Chintala 2016).

No pooling, strided convolutions in D and fractionally-strided ones in G, batch normalisation in both (not on
G's output nor on D's input), no fully connected hidden layer, ReLU and tanh in G, LeakyReLU 0.2 in D, weights
drawn from N(0, 0.02). Two departures: kernels are 4 x 4, not 5 x 5, because a kernel that the stride
divides covers every output pixel equally often (Odena, Dumoulin & Olah 2016); and channels double towards
the coarse end up to eight times `width`, so `width=128` at 64 px is the paper's figure 1.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

STAGES = {28: 2, 32: 3, 64: 4, 128: 5}
"""Strided convolutions between an image of that many pixels and the coarsest feature map (7 x 7 or 4 x 4)."""


def initializer() -> keras.Initializer:
    """Weights from N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=0.02)


def stage_channels(image_size: int, width: int) -> list[int]:
    """Channels of each feature map between two convolutions, from the finest to the coarsest."""
    if image_size not in STAGES:
        raise ValueError(f"image_size must be one of {sorted(STAGES)}; received {image_size}; choose one of these.")
    return [width * min(2**stage, 8) for stage in range(STAGES[image_size])]


@keras.saving.register_keras_serializable(package="tf_inpaint")
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over all but the channel axis, by TensorFlow's fused kernel.

    `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, with the batch's statistics when `training` and
    their moving averages otherwise. Keras' own layer takes some ten separate operations forward and more
    backward; the fused kernel takes one each way. Statistics are float32 in every precision, and replicas
    average their moving statistics.

    Source: Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        def weight(name, value, trainable):
            return self.add_weight(
                shape=(input_shape[-1],),
                initializer=value,
                dtype="float32",
                autocast=False,
                trainable=trainable,
                aggregation="mean",
                name=name,
            )

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, inputs, training=False):
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.convert_to_tensor(self.moving_mean),
            variance=tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=bool(training),
            exponential_avg_factor=1 - self.momentum,
        )
        if training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def scale_and_offset(self):
        """`(scale, offset)`, each `[C]`, of the affine map that this layer is when not training."""
        scale = self.gamma * tf.math.rsqrt(tf.convert_to_tensor(self.moving_variance) + self.epsilon)
        return scale, self.beta - self.moving_mean * scale

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


# TensorFlow hands a convolution with "same" padding to oneDNN on a CPU, which is slow where one side has 1 or
# 3 channels. The same padding in numbers goes to Eigen: 1.6 times as fast at the two layers next to the image.
PADDING = [[0, 0], [1, 1], [1, 1], [0, 0]]


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionFromImage(keras.layers.Conv2D):
    """Keras' Conv2D, 4 x 4 with stride 2, for inputs of few channels and even size."""

    def convolution_op(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, PADDING)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionToImage(keras.layers.Conv2DTranspose):
    """Keras' Conv2DTranspose, 4 x 4 with stride 2, for outputs of few channels."""

    def call(self, inputs):
        batch, height, width = tf.unstack(tf.shape(inputs)[:3])
        shape = [batch, 2 * height, 2 * width, self.filters]
        outputs = tf.nn.conv2d_transpose(inputs, tf.convert_to_tensor(self.kernel), shape, self.strides, PADDING)
        outputs = tf.ensure_shape(outputs, [None, *(2 * side for side in inputs.shape[1:3]), self.filters])
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))


class Network(keras.Model):
    """A stack of layers that remembers how it was made: what generator and discriminator share.

    Args:
        image_size: height and width of the images in pixels: 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        width: channels of the feature map next to the image; they double stage by stage up to eight times.
        latent_size: Z, the number of entries of z. (D keeps it only so that one configuration makes both.)
        normalization: "batch", or "none" where the weights already hold it (see `folded`).
        dtype: a Keras dtype policy such as "mixed_float16"; G's images and D's logits are float32 in all.
    """

    def __init__(self, image_size, channels, width=64, latent_size=100, normalization="batch", **kwargs):
        super().__init__(**kwargs)
        self.image_size = image_size
        self.channels = channels
        self.width = width
        self.latent_size = latent_size
        self.normalization = normalization
        self.stack = self.layers_of(stage_channels(image_size, width))
        # Not `build()`, which leaves summary() at "?": each layer learns its shapes from a symbolic input.
        self.call(keras.Input(self.input_size))
        self.built = True

    def call(self, inputs, training=False):
        outputs = inputs
        for layer in self.stack:
            outputs = layer(outputs, training=training)
        return outputs

    def convolution(self, layer, filters: int, **kwargs) -> keras.Layer:
        """A `layer`, transposed or not, of 4 x 4 kernels and stride 2."""
        fixed = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": self.dtype_policy}
        return layer(filters, kernel_initializer=initializer(), **fixed, **kwargs)

    def normalized(self, size: int) -> list[keras.Layer]:
        """The normalisation of a feature map of `size` pixels: a list of one layer or none."""
        if self.normalization == "none":
            return []
        return [BatchNormalization(dtype=self.dtype_policy, name=f"norm_{size}x{size}")]

    def get_config(self):
        fields = ("image_size", "channels", "width", "latent_size", "normalization")
        return super().get_config() | {field: getattr(self, field) for field in fields}


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Generator(Network):
    """G: z `[B, Z]`, uniform in [-1, 1], to images `[B, H, W, C]` float32 in [-1, 1]. See `Network`."""

    @property
    def input_size(self):
        return (self.latent_size,)

    def layers_of(self, channels):
        biased = self.normalization == "none"
        size = self.image_size >> len(channels)
        shape = (size, size, channels[-1])
        fixed = {"kernel_initializer": initializer(), "dtype": self.dtype_policy}
        layers = [
            keras.layers.Dense(math.prod(shape), use_bias=biased, name="project", **fixed),
            keras.layers.Reshape(shape, dtype=self.dtype_policy, name="reshape"),
            *self.activated(size),
        ]
        for filters in channels[-2::-1]:
            size *= 2
            name = f"conv_{size}x{size}"
            layers.append(self.convolution(keras.layers.Conv2DTranspose, filters, use_bias=biased, name=name))
            layers += self.activated(size)
        return [
            *layers,
            self.convolution(ConvolutionToImage, self.channels, name="images"),
            keras.layers.Activation("tanh", dtype="float32", name="tanh"),
        ]

    def activated(self, size):
        relu = keras.layers.ReLU(dtype=self.dtype_policy, name=f"relu_{size}x{size}")
        return [*self.normalized(size), relu]


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Discriminator(Network):
    """D: images `[B, H, W, C]` in [-1, 1] to logits `[B, 1]` float32; `D(x) = sigmoid(logits)`. See `Network`."""

    @property
    def input_size(self):
        return (self.image_size, self.image_size, self.channels)

    def layers_of(self, channels):
        size, layers = self.image_size, []
        for stage, filters in enumerate(channels):
            size //= 2
            normalization = self.normalized(size) if stage else []
            name = f"conv_{size}x{size}"
            layer = keras.layers.Conv2D if stage else ConvolutionFromImage
            conv = self.convolution(layer, filters, use_bias=not normalization, name=name)
            relu = keras.layers.LeakyReLU(0.2, dtype=self.dtype_policy, name=f"leaky_relu_{size}x{size}")
            layers += [conv, *normalization, relu]
        return [
            *layers,
            keras.layers.Flatten(dtype=self.dtype_policy, name="flatten"),
            keras.layers.Dense(1, kernel_initializer=initializer(), dtype="float32", name="logits"),
        ]


def folded(network: Network) -> Callable[[tf.Tensor], tf.Tensor]:
    """The network for inference as a function of constants, its batch normalisation folded into the weights.

    A convolution followed by `scale * x + offset` is the convolution with weights `scale * w` and bias
    `offset`: a search through the network need not compute that anew in every step. And TensorFlow lays out
    a constant weight for its kernels once, a variable's in every step.

    Args:
        network: a generator or discriminator, as it is now; training it further changes nothing here.

    Returns:
        A float32 function whose outputs equal `network(inputs, training=False)` to rounding.
    """
    config = network.get_config() | {"normalization": "none", "dtype": "float32"}
    result = type(network).from_config(config)
    sources = [layer for layer in network.stack if layer.weights]
    targets = [layer for layer in result.stack if layer.weights]
    for target in targets:
        source = sources.pop(0)
        kernel = tf.convert_to_tensor(source.kernel)
        if sources and isinstance(sources[0], BatchNormalization):
            scale, bias = sources.pop(0).scale_and_offset()
            bias += source.bias * scale if source.use_bias else 0.0
            # A transposed convolution keeps its output channels on the last axis but one; the projection's
            # outputs are the whole feature map, whose channels run fastest.
            if isinstance(source, keras.layers.Conv2DTranspose):
                kernel *= scale[:, None]
            else:
                repeats = kernel.shape[-1] // scale.shape[0]
                scale, bias = tf.tile(scale, [repeats]), tf.tile(bias, [repeats])
                kernel *= scale
        else:
            bias = source.bias
        target.kernel.assign(kernel)
        target.bias.assign(bias)
    weights = [variable.numpy() for variable in result.variables]

    def function(inputs):
        return result.stateless_call([tf.constant(weight) for weight in weights], [], inputs, training=False)[0]

    return function
