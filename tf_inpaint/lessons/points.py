"""Dense networks for points, and their training by the package's `GAN`.

A point is an image of one pixel. So the losses, penalties, updates and random numbers of a lesson
are those of every other training.
"""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_inpaint.gan.model import GAN

DATA_KEY = 3
"""Key of the random numbers of a batch, folded into the seed of the step. `GAN` uses other keys."""


class DenseNetwork(keras.Model):
    """A stack of dense layers: the common parts of the generator and the discriminator of points.

    Args:
        channels: number of coordinates of a point, C.
        latent_size: number of entries of z, Z. The discriminator has this setting only so that the
            same configuration makes both networks.
        width: number of units of a hidden layer.
        depth: number of hidden layers.
        gain: the weights and biases of the first layer are uniform in [-gain, gain]. A larger gain
            gives the function more bends where its inputs are, and it learns finer details.
        offset: first bias of the last layer. The points of G begin there, because the first weights
            of the last layer are near 0.
        seed: seed of the first weights.
    """

    FIELDS = ("channels", "latent_size", "width", "depth", "gain", "offset", "seed")
    """Names of the settings."""

    def __init__(
        self, channels, latent_size=1, width=32, depth=2, gain=1.0, offset=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        # Store the settings.
        values = (channels, latent_size, width, depth, gain, offset, seed)
        for name, value in zip(self.FIELDS, values, strict=True):
            setattr(self, name, value)
        random = np.random.default_rng([seed, self.SEED_KEY])

        def uniform(bound):
            return keras.initializers.RandomUniform(-bound, bound, seed=int(random.integers(2**31)))

        # Make the layers.
        first = keras.layers.Dense(
            width, "swish", kernel_initializer=uniform(gain), bias_initializer=uniform(gain)
        )
        # Glorot's bound, for as many inputs as outputs.
        bound = (3 / width) ** 0.5
        hidden = [
            keras.layers.Dense(width, "swish", kernel_initializer=uniform(bound))
            for _ in range(depth - 1)
        ]
        constant = keras.initializers.Constant(offset)
        last = keras.layers.Dense(
            self.outputs, kernel_initializer=uniform(0.05), bias_initializer=constant
        )
        self.stack = [first, *hidden, last]

        # Make the weights.
        self.call(keras.Input(self.input_size))
        self.built = True

    def get_config(self):
        return super().get_config() | {field: getattr(self, field) for field in self.FIELDS}


class Generator(DenseNetwork):
    """G: z `[B, Z]`, uniform in [-1, 1], to points `[B, 1, 1, C]`. See `DenseNetwork`."""

    SEED_KEY = 1

    @property
    def input_size(self):
        """Shape of z without the batch."""
        return (self.latent_size,)

    @property
    def outputs(self):
        """Number of outputs of the last layer."""
        return self.channels

    def call(self, z, training=False):
        for layer in self.stack:
            z = layer(z)
        return keras.ops.reshape(z, [-1, 1, 1, self.channels])


class Discriminator(DenseNetwork):
    """D: points `[B, 1, 1, C]` to logits `[B, 1]`; `D(x) = sigmoid(logits)`. See `DenseNetwork`."""

    SEED_KEY = 2
    outputs = 1

    @property
    def input_size(self):
        """Shape of a point without the batch."""
        return (1, 1, self.channels)

    def call(self, points, training=False):
        return self.logits_and_features(points)[0]

    def features(self, points, training=False):
        """The inputs of the last layer, `[B, width]`."""
        values = keras.ops.reshape(points, [-1, self.channels])
        for layer in self.stack[:-1]:
            values = layer(values)
        return values

    def logits_and_features(self, points, training=False):
        """The logits `[B, 1]`, and the features `[B, width]`."""
        features = self.features(points)
        return self.stack[-1](features), features


def frame_steps(steps: int, frames: int) -> list[int]:
    """The training steps that a film shows, from 0 to `steps`.

    The steps are closer together at the start, where the networks change most.

    >>> frame_steps(100, 6)
    [0, 4, 16, 36, 64, 100]
    """
    return [max(index, round(steps * (index / (frames - 1)) ** 2)) for index in range(frames)]


def train(
    gan: GAN,
    sample: Callable[[int, tf.Tensor], tf.Tensor],
    batch_size: int,
    stops: Sequence[int],
    learning_rates: tuple[float, float],
    betas: tuple[float, float],
) -> Iterator[int]:
    """Trains a GAN in place, and stops at some steps, so that the caller can measure it.

    Both learning rates fall to 0 at the last stop, along a cosine.

    Args:
        gan: a GAN of the two networks above, not compiled.
        sample: (B, seed) -> `[B, C]` points of the data. A graph function.
        batch_size: number of points of an update, B.
        stops: numbers of steps, in rising order.
        learning_rates: first learning rates of G and of D.
        betas: decay rates of both Adam optimizers.

    Yields:
        each of the stops, when the training is there.

    Raises:
        ValueError: the generator is not finite at a stop.
    """
    # Compile the GAN.
    updates = [stops[-1] * gan.generator_steps, stops[-1] * gan.discriminator_steps]
    rates = map(keras.optimizers.schedules.CosineDecay, learning_rates, updates)
    gan.compile(next(rates), *betas, discriminator_learning_rate=next(rates))

    @tf.function
    def advance(count):
        for _ in tf.range(count):
            seed = tf.random.experimental.stateless_fold_in(gan.step_seed, DATA_KEY, alg="philox")
            gan.train_step(sample(gan.discriminator_steps * batch_size, seed)[:, None, None, :])

    # Train to each stop.
    for stop in stops:
        advance(tf.constant(stop - gan.step))
        if not all(np.isfinite(weight).all() for weight in gan.generator.get_weights()):
            raise ValueError(
                f"Training must stay finite; the generator is not at step {stop}; lower the "
                "learning rate, or raise r1."
            )
        yield stop
