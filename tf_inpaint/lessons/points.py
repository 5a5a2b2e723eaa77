"""Dense networks on points, trained by the package's own `GAN`: a point is an image of one pixel.

So a lesson's losses, penalties, updates and random numbers are those of every other training here.
"""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_inpaint.gan.model import GAN

DATA = 3
"""What the batch's random numbers are for: folded into the step's seed, beside the model's own purposes."""


class Dense(keras.Model):
    """A stack of dense layers, each hidden one as wide: what generator and discriminator of points share.

    Args:
        channels: C, coordinates of a point.
        latent_size: Z, entries of z. (D keeps it only so that one configuration makes both.)
        width: units of a hidden layer.
        depth: hidden layers.
        gain: the first layer's weights and biases are uniform in [-gain, gain]. The larger, the more bends the
            function has where its inputs are, and the finer the detail that it learns.
        offset: the last layer's first bias: where G's points begin, for its last weights begin near 0.
        seed: of the first weights.
    """

    FIELDS = ("channels", "latent_size", "width", "depth", "gain", "offset", "seed")

    def __init__(
        self, channels, latent_size=1, width=32, depth=2, gain=1.0, offset=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        for name, value in zip(
            self.FIELDS, (channels, latent_size, width, depth, gain, offset, seed), strict=True
        ):
            setattr(self, name, value)
        random = np.random.default_rng([seed, self.PART])

        def uniform(bound):
            return keras.initializers.RandomUniform(-bound, bound, seed=int(random.integers(2**31)))

        first = keras.layers.Dense(
            width, "swish", kernel_initializer=uniform(gain), bias_initializer=uniform(gain)
        )
        bound = (3 / width) ** 0.5  # Glorot's, of as many inputs as outputs
        hidden = [
            keras.layers.Dense(width, "swish", kernel_initializer=uniform(bound))
            for _ in range(depth - 1)
        ]
        constant = keras.initializers.Constant(offset)
        last = keras.layers.Dense(
            self.outputs, kernel_initializer=uniform(0.05), bias_initializer=constant
        )
        self.stack = [first, *hidden, last]
        self.call(keras.Input(self.input_size))
        self.built = True

    def get_config(self):
        return super().get_config() | {field: getattr(self, field) for field in self.FIELDS}


class Generator(Dense):
    """G: z `[B, Z]`, uniform in [-1, 1], to points `[B, 1, 1, C]`. See `Dense`."""

    PART = 1

    @property
    def input_size(self):
        return (self.latent_size,)

    @property
    def outputs(self):
        return self.channels

    def call(self, z, training=False):
        for layer in self.stack:
            z = layer(z)
        return keras.ops.reshape(z, [-1, 1, 1, self.channels])


class Discriminator(Dense):
    """D: points `[B, 1, 1, C]` to logits `[B, 1]`; `D(x) = sigmoid(logits)`. See `Dense`."""

    PART = 2
    outputs = 1

    @property
    def input_size(self):
        return (1, 1, self.channels)

    def call(self, points, training=False):
        return self.logits_and_features(points)[0]

    def features(self, points, training=False):
        """`[B, width]`: what the last layer makes the logits of."""
        values = keras.ops.reshape(points, [-1, self.channels])
        for layer in self.stack[:-1]:
            values = layer(values)
        return values

    def logits_and_features(self, points, training=False):
        features = self.features(points)
        return self.stack[-1](features), features


def frame_steps(steps: int, frames: int) -> list[int]:
    """The steps that a film shows: from 0 to `steps`, closer together at the start, where most happens.

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
    """Trains in place and stops to be looked at. Both step sizes fall to 0 at the last stop, by a cosine.

    Args:
        gan: of the two networks above; not compiled.
        sample: gives `[B, C]` points of the data for (B, seed); a graph function.
        batch_size: points of one update.
        stops: rising numbers of steps.
        learning_rates: G's and D's at first.
        betas: both Adams' decay rates.

    Yields:
        each of the stops, when there.

    Raises:
        ValueError: the generator is not finite at a stop.
    """
    updates = [stops[-1] * gan.generator_steps, stops[-1] * gan.discriminator_steps]
    rates = map(keras.optimizers.schedules.CosineDecay, learning_rates, updates)
    gan.compile(next(rates), *betas, discriminator_learning_rate=next(rates))

    @tf.function
    def advance(count):
        for _ in tf.range(count):
            seed = tf.random.experimental.stateless_fold_in(gan.step_seed, DATA)
            gan.train_step(sample(gan.discriminator_steps * batch_size, seed)[:, None, None, :])

    for stop in stops:
        advance(tf.constant(stop - gan.step))
        if not all(np.isfinite(weight).all() for weight in gan.generator.get_weights()):
            raise ValueError(
                f"Training must stay finite; the generator is not at step {stop}; lower the learning rate, or raise r1."
            )
        yield stop
