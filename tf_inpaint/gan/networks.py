"""The generator and the discriminator, each a stack of layers of one of two architectures, and its folding."""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tf_inpaint.gan import dcgan, resnet
from tf_inpaint.gan.layers import BatchNormalization, SpectralNormalization, run

ARCHITECTURES = {"dcgan": dcgan, "resnet": resnet}

STAGES = {16: 2, 28: 2, 32: 3, 64: 4, 128: 5}
"""Halvings between an image of that many pixels and the coarsest feature map (7 x 7 or 4 x 4)."""


def stage_channels(image_size: int, width: int) -> list[int]:
    """Channels of each feature map after a halving, from the finest to the coarsest."""
    return [width * min(2**stage, 8) for stage in range(STAGES[image_size])]


def one_of(name: str, value, choices):
    """The value.

    Raises:
        ValueError: it is none of the choices.
    """
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {list(choices)}; received {value}; choose one of these."
        )
    return value


class Network(keras.Model):
    """A stack of layers that remembers how it was made: what generator and discriminator share.

    Args:
        image_size: height and width of the images in pixels: 16, 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        width: channels of the feature map next to the image; they double stage by stage up to eight times.
        latent_size: Z, the number of entries of z. (D keeps it only so that one configuration makes both.)
        normalization: what `NORMALIZATIONS` of the class lists: "batch"; in D, "spectral" of every layer with a
            kernel, or "layer" over H, W and C with a gain and bias per channel; "none" in D, or in G where the
            weights already hold it (see `folded`).
        architecture: "dcgan" or "resnet", see these modules.
        synchronized: batch normalisation over the batches of all replicas.
        dtype: a Keras dtype policy such as "mixed_float16"; G's images and D's logits are float32 in all.

    Raises:
        ValueError: a size, normalisation or architecture that there is not.
    """

    def __init__(
        self,
        image_size,
        channels,
        width=64,
        latent_size=100,
        normalization="batch",
        architecture="dcgan",
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_size = one_of("image_size", image_size, STAGES)
        self.channels = channels
        self.width = width
        self.latent_size = latent_size
        self.normalization = one_of(
            f"{type(self).__name__}'s normalization", normalization, self.NORMALIZATIONS
        )
        self.architecture = one_of("architecture", architecture, ARCHITECTURES)
        self.synchronized = synchronized
        self.stack = self.layers_of(ARCHITECTURES[architecture], stage_channels(image_size, width))
        # Not `build()`, which leaves summary() at "?": each layer learns its shapes from a symbolic input.
        self.call(keras.Input(self.input_size))
        self.built = True

    def call(self, inputs, training=False):
        return run(self.stack, inputs, training)

    def with_kernel(self, layer, *args, **kwargs) -> keras.Layer:
        """`layer(*args, **kwargs)`, normalised where the normalisation is one of kernels."""
        layer = layer(*args, **kwargs)
        return SpectralNormalization(layer) if self.normalization == "spectral" else layer

    def normalized(self, name: str) -> list[keras.Layer]:
        """The normalisation of a feature map: a list of one layer or none."""
        if self.normalization == "batch":
            return [
                BatchNormalization(
                    synchronized=self.synchronized, dtype=self.dtype_policy, name=name
                )
            ]
        if self.normalization == "layer":
            return [
                keras.layers.GroupNormalization(1, epsilon=1e-5, dtype=self.dtype_policy, name=name)
            ]
        return []

    def get_config(self):
        fields = (
            "image_size",
            "channels",
            "width",
            "latent_size",
            "normalization",
            "architecture",
            "synchronized",
        )
        return super().get_config() | {field: getattr(self, field) for field in fields}


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Generator(Network):
    """G: z `[B, Z]`, uniform in [-1, 1], to images `[B, H, W, C]` float32 in [-1, 1]. See `Network`."""

    NORMALIZATIONS = ("batch", "none")

    @property
    def input_size(self):
        return (self.latent_size,)

    def layers_of(self, architecture, channels):
        return architecture.generator(self, channels)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Discriminator(Network):
    """D: images `[B, H, W, C]` in [-1, 1] to logits `[B, 1]` float32; `D(x) = sigmoid(logits)`. See `Network`."""

    NORMALIZATIONS = ("batch", "spectral", "layer", "none")

    @property
    def input_size(self):
        return (self.image_size, self.image_size, self.channels)

    def layers_of(self, architecture, channels):
        return architecture.discriminator(self, channels)

    def features(self, images, training=False):
        """`[B, F]`: what the last layer makes the logits of (for feature matching, Salimans et al. 2016).

        The resnet's are float32, the DCGAN's of the dtype that D computes in.
        """
        return run(self.stack[:-1], images, training)

    def logits_and_features(self, images, training=False):
        """`(D(images), D.features(images))`, for the price of one."""
        features = self.features(images, training)
        return self.stack[-1](features, training=training), features


def folded(network: Network) -> Callable[[tf.Tensor], tf.Tensor]:
    """The network for inference as a function of constants, its normalisation folded into the weights.

    A convolution followed by `scale * x + offset` is the convolution with weights `scale * w` and bias
    `offset`: a search through the network need not compute that anew in every step. And TensorFlow lays out
    a constant weight for its kernels once, a variable's in every step. What stands before a ReLU and behind
    a sum, the resnet's batch normalisation, stays a layer, and so does layer normalisation, whose scale
    depends on the image.

    Args:
        network: a generator or discriminator, as it is now; training it further changes nothing here.

    Returns:
        A float32 function whose outputs equal `network(inputs, training=False)` to rounding.
    """
    stays = network.normalization == "layer" or (network.normalization, network.architecture) == (
        "batch",
        "resnet",
    )
    normalization = network.normalization if stays else "none"
    config = network.get_config() | {"normalization": normalization, "dtype": "float32"}
    result = type(network).from_config(config)
    sources = list(with_weights(network.stack))
    for target in with_weights(result.stack):
        source = sources.pop(0)
        if not hasattr(target, "kernel"):
            target.set_weights(source.get_weights())
            continue
        kernel, bias = tf.convert_to_tensor(source.kernel), source.bias
        if not stays and sources and isinstance(sources[0], BatchNormalization):
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
        target.set_weights([kernel, bias] if target.use_bias else [kernel])
    return frozen(result)


def frozen(network: keras.Model) -> Callable[..., tf.Tensor]:
    """The network for inference as a function of its inputs and of nothing else: its weights are constants."""
    parts = [
        [variable.numpy() for variable in part]
        for part in (network.trainable_variables, network.non_trainable_variables)
    ]

    def function(*inputs):
        constants = [[tf.constant(weight) for weight in part] for part in parts]
        return network.stateless_call(*constants, *inputs, training=False)[0]

    return function


def with_weights(layers: list[keras.Layer]) -> Iterator[keras.Layer]:
    """Those of the layers that have weights, the ones inside residual blocks one by one."""
    for layer in layers:
        if isinstance(layer, resnet.Residual):
            yield from with_weights(layer.residual + layer.shortcut)
        elif layer.weights:
            yield layer
