"""The generator and the discriminator, and their folding for inference.

Both networks are stacks of layers, of one of two architectures.
"""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tf_inpaint.gan import dcgan, resnet
from tf_inpaint.gan.layers import (
    BatchNormalization,
    SpectralNormalization,
    apply_layers,
    check_keras_settings,
)

ARCHITECTURES = {"dcgan": dcgan, "resnet": resnet}
"""Module of each architecture, by name. The names are those of `--architecture`."""

STAGES = {16: 2, 28: 2, 32: 3, 64: 4, 128: 5}
"""Number of halvings from an image of this size to the coarsest feature map (7 x 7 or 4 x 4)."""


MIN_FEATURE_SIZE = 7
"""Minimum size in pixels of the feature map between the two parts of a generator. On faces of 64
px, corrections of the 8 x 8 map serve a search more than those of the 4 x 4 or the 16 x 16 map."""


def stage_channels(image_size: int, width: int) -> list[int]:
    """The channels of the feature map after each halving, from the finest map to the coarsest."""
    return [width * min(2**stage, 8) for stage in range(STAGES[image_size])]


def check_choice(name: str, value, choices):
    """Returns the value if it is one of the choices.

    Raises:
        ValueError: the value is not one of the choices.
    """
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {list(choices)}; received {value}; choose one of these."
        )
    return value


class Network(keras.Model):
    """A stack of layers and its settings: the superclass of the generator and the discriminator.

    Args:
        image_size: height and width of the images in pixels: 16, 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        width: channels of the feature map next to the image. The channels double at each stage, up
            to eight times `width`.
        latent_size: Z, the number of entries of z. D does not use this number; with it, the same
            settings make both networks.
        normalization: one of `NORMALIZATIONS` of the class. "batch" is batch normalization.
            "spectral" is spectral normalization of every layer with a kernel. "layer" is layer
            normalization over H, W and C with a gain and a bias per channel. "none" is no
            normalization; G has none if its weights already contain the normalization (see
            `fold_normalization`).
        architecture: "dcgan" or "resnet", see the modules of these names.
        synchronized: batch normalization over the batches of all replicas.
        dtype: a Keras dtype policy such as "mixed_float16". G's images and D's logits are float32
            with every policy.

    Raises:
        ValueError: unknown image size, normalization or architecture, or settings of Keras that
            the networks cannot have.
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
        check_keras_settings()
        super().__init__(**kwargs)
        self.image_size = check_choice("image_size", image_size, STAGES)
        self.channels = channels
        self.width = width
        self.latent_size = latent_size
        self.normalization = check_choice(
            f"{type(self).__name__}'s normalization", normalization, self.NORMALIZATIONS
        )
        self.architecture = check_choice("architecture", architecture, ARCHITECTURES)
        self.synchronized = synchronized
        self.stack = self.new_layers(ARCHITECTURES[architecture], stage_channels(image_size, width))
        # A symbolic input gives all layers their shapes. After `build()`, summary() would show "?".
        self.call(keras.Input(self.input_size))
        self.built = True

    def call(self, inputs, training=False):
        return apply_layers(self.stack, inputs, training)

    def kernel_layer(self, layer_class, *args, **kwargs) -> keras.Layer:
        """The layer `layer_class(*args, **kwargs)`, with spectral normalization if that is set."""
        layer = layer_class(*args, **kwargs)
        return SpectralNormalization(layer) if self.normalization == "spectral" else layer

    def normalization_layers(self, name: str) -> list[keras.Layer]:
        """The normalization of a feature map: a list with one layer or with no layer."""
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
    """G: z `[B, Z]` to images `[B, H, W, C]` float32 in [-1, 1]. See `Network`.

    z is uniform in [-1, 1].
    """

    NORMALIZATIONS = ("batch", "none")

    @property
    def input_size(self):
        """The shape of an input without the batch axis: `(Z,)`."""
        return (self.latent_size,)

    def new_layers(self, architecture, channels):
        """The layers that the module of an architecture makes."""
        return architecture.generator(self, channels)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Discriminator(Network):
    """D: images `[B, H, W, C]` in [-1, 1] to logits `[B, 1]` float32. See `Network`.

    `D(x) = sigmoid(logits)`.
    """

    NORMALIZATIONS = ("batch", "spectral", "layer", "none")

    @property
    def input_size(self):
        """The shape of an input without the batch axis: `(H, W, C)`."""
        return (self.image_size, self.image_size, self.channels)

    def new_layers(self, architecture, channels):
        """The layers that the module of an architecture makes."""
        return architecture.discriminator(self, channels)

    def features(self, images, training=False):
        """`[B, F]`: the inputs of the last layer, for feature matching (Salimans et al. 2016).

        The resnet's features are float32. The DCGAN's features have the dtype in which D computes.
        """
        return apply_layers(self.stack[:-1], images, training)

    def logits_and_features(self, images, training=False):
        """`(D(images), D.features(images))` in one pass."""
        features = self.features(images, training)
        return self.stack[-1](features, training=training), features


def fold_normalization(network: Network) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the network for inference, as a function; see `folded`.

    Returns:
        A float32 function whose outputs equal `network(inputs, training=False)` to rounding.
    """
    return freeze(folded(network))


def fold_parts(generator: Generator) -> tuple[Callable, Callable]:
    """Returns the generator for inference, as two functions: G(z) = picture(features(z)).

    The feature map between the two is the first one of at least `MIN_FEATURE_SIZE` pixels, before
    its activation. See `folded`.

    Returns:
        Float32 functions from z to feature maps, and from feature maps to images.
    """
    stack = folded(generator).stack
    maps = [layer.output.shape for layer in stack]
    end = next(
        i for i, shape in enumerate(maps) if len(shape) == 4 and shape[1] >= MIN_FEATURE_SIZE
    )
    parts = (stack[: end + 1], generator.input_size), (stack[end + 1 :], maps[end][1:])
    features, picture = (keras.Sequential([keras.Input(size), *part]) for part, size in parts)
    return freeze(features), freeze(picture)


def folded(network: Network) -> Network:
    """Returns a network for inference whose weights contain the normalization.

    A convolution followed by `scale * x + offset` is a convolution with weights `scale * w` and
    bias `offset`. A search through the network need not compute these weights in every step. The
    weights are constants: TensorFlow converts the layout of a constant once, and the layout of a
    variable in every step.

    Two normalizations stay layers: the resnet's batch normalization, which comes after a sum and
    before a ReLU, and layer normalization, whose scale depends on the image.

    Args:
        network: a generator or discriminator. Later training does not change the result.

    Returns:
        A float32 network whose outputs equal `network(inputs, training=False)` to rounding.
    """
    # Make a network without the normalization.
    stays = network.normalization == "layer" or (network.normalization, network.architecture) == (
        "batch",
        "resnet",
    )
    normalization = network.normalization if stays else "none"
    config = network.get_config() | {"normalization": normalization, "dtype": "float32"}
    result = type(network).from_config(config)

    # Set its weights, layer by layer.
    sources = list(layers_with_weights(network.stack))
    for target in layers_with_weights(result.stack):
        source = sources.pop(0)
        if not hasattr(target, "kernel"):
            target.set_weights(source.get_weights())
            continue
        kernel, bias = tf.convert_to_tensor(source.kernel), source.bias
        if not stays and sources and isinstance(sources[0], BatchNormalization):
            scale, bias = sources.pop(0).scale_and_offset()
            bias += source.bias * scale if source.use_bias else 0.0
            if isinstance(source, keras.layers.Conv2DTranspose):
                # The output channels are on the last axis but one.
                kernel *= scale[:, None]
            else:
                # The outputs of the projection are a feature map, whose last axis is the channels.
                repeats = kernel.shape[-1] // scale.shape[0]
                scale, bias = tf.tile(scale, [repeats]), tf.tile(bias, [repeats])
                kernel *= scale
        target.set_weights([kernel, bias] if target.use_bias else [kernel])
    return result


def freeze(network: keras.Model) -> Callable[..., tf.Tensor]:
    """Returns the network for inference, as a function whose weights are constants."""
    parts = [
        [variable.numpy() for variable in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    ]

    def function(*inputs):
        constants = [[tf.constant(weight) for weight in part] for part in parts]
        return network.stateless_call(*constants, *inputs, training=False)[0]

    return function


def layers_with_weights(layers: list[keras.Layer]) -> Iterator[keras.Layer]:
    """Yields the layers that have weights; the layers inside a residual block one by one."""
    for layer in layers:
        if isinstance(layer, resnet.Residual):
            yield from layers_with_weights(layer.residual + layer.shortcut)
        elif layer.weights:
            yield layer
