"""The encoder E, which maps a masked image to a z near the result of the search, and its training.

E learns from samples of the generator, for which z is known too, and from the training images of
the GAN:

    x = G(z), z ~ U[-1, 1]^Z,  or  x from the training images
    E(known * x, known) = z_hat,   which minimizes `encoder_loss(x, G(z_hat), ...)`

E needs one pass, and the search then starts at z_hat instead of at a random z. If E learned from
samples alone, E would never see what this generator cannot generate, and such images are to be
completed. On MNIST, the hole of a center mask is then 0.7 dB worse (3,000 steps). Held-out images
are never read.

Source: Zhu, Shen, Zhao and Zhou 2020, In-domain GAN inversion for real image editing,
https://arxiv.org/abs/2004.00049: an encoder that is trained on real images through the fixed
generator.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_inpaint.gan import training_loop
from tf_inpaint.gan.layers import Dense, LeakyReLU, apply_layers, check_keras_settings
from tf_inpaint.gan.networks import stage_channels
from tf_inpaint.gan.optimizer import new_optimizer
from tf_inpaint.gan.random_numbers import draw_latents

LOGS = ("loss", "known_error", "image_error", "latent_error")
"""Names of the results of `encoder_loss`."""
REAL_SHARE = 7 / 8
"""Share of the rows of a batch that are training images.

The PSNR of the hole rises with this share. The value was found by trial.
"""


def real_rows(batch_size: int) -> int:
    """The number of rows of a batch that are training images: `REAL_SHARE`, but not all rows."""
    return min(batch_size - 1, round(REAL_SHARE * batch_size))


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Encoder(keras.Model):
    """E: images `[B, H, W, C]` and known `[B, H, W, 1]` to z `[B, Z]`, float32 in [-1, 1].

    The layers are the strided convolutions of a discriminator, one dense layer, and tanh. There is
    no normalization, because the z of an image does not depend on the other images. Hidden pixels
    are never read, and may be NaN.

    Args:
        image_size: height and width of the images in pixels: 16, 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        width: channels of the feature map next to the image. The channels double at each stage, up
            to eight times `width`.
        latent_size: Z, the number of entries of z.
        hidden_size: units of the dense layer. Without this layer, the energy at the start of the
            search is a tenth higher.
        dtype: a Keras dtype policy such as "mixed_float16". z is float32 with every policy.
    """

    def __init__(self, image_size, channels, width=32, latent_size=100, hidden_size=512, **kwargs):
        check_keras_settings()
        super().__init__(**kwargs)
        self.image_size = image_size
        self.channels = channels
        self.width = width
        self.latent_size = latent_size
        self.hidden_size = hidden_size

        # Make the layers.
        settings = {"kernel_initializer": "he_normal", "dtype": self.dtype_policy}
        self.stack = []
        for stage, filters in enumerate(stage_channels(image_size, width)):
            conv = keras.layers.Conv2D(
                filters, 4, strides=2, padding="same", name=f"conv_{stage}", **settings
            )
            self.stack += [conv, self.activation(f"leaky_relu_{stage}")]
        self.stack += [
            keras.layers.Flatten(dtype=self.dtype_policy, name="flatten"),
            Dense(hidden_size, name="hidden", **settings),
            self.activation("leaky_relu"),
            # The first z are near 0, because a saturated tanh does not recover.
            Dense(
                latent_size,
                activation="tanh",
                kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
                dtype="float32",
                name="z",
            ),
        ]

        # Symbolic inputs give all layers their shapes. After `build()`, summary() would show "?".
        shape = (image_size, image_size)
        self.call(keras.Input((*shape, channels)), keras.Input((*shape, 1)))
        self.built = True

    def activation(self, name: str) -> keras.Layer:
        """A LeakyReLU with slope 0.2."""
        return LeakyReLU(0.2, dtype=self.dtype_policy, name=name)

    def call(self, images, known, training=False):
        known = keras.ops.cast(known > 0, images.dtype)
        # The product `known * images` would be NaN where a hidden pixel is NaN.
        inputs = keras.ops.concatenate([keras.ops.where(known > 0, images, 0), known], axis=-1)
        return apply_layers(self.stack, inputs, training)

    def get_config(self):
        fields = ("image_size", "channels", "width", "latent_size", "hidden_size")
        return super().get_config() | {field: getattr(self, field) for field in fields}


def encoder_loss(
    images: tf.Tensor,
    known: tf.Tensor,
    z: tf.Tensor,
    generated: tf.Tensor,
    encoded: tf.Tensor,
    image_weight: float = 1.0,
    latent_weight: float = 0.1,
) -> dict[str, tf.Tensor]:
    """The distances of the encoder's results from the known pixels, the image, and z.

        loss = mean over known pixels |x - G(z_hat)| + image_weight mean |x - G(z_hat)|
               + latent_weight mean (z - z_hat)^2

    The first term is the contextual energy at the start of the search. The second term makes the
    hole likely. Only samples have the third term. Without this term, an encoder that learns from
    samples alone drives all entries of z_hat to -1 or 1, where tanh is flat.

    Args:
        images: x, `[B, H, W, C]` in [-1, 1].
        known: `[B, H, W, 1]`, 1 = known to the encoder, 0 = hole.
        z: `[N, Z]` with G(z) = x for the first N rows, the samples. The z of the other rows are
            unknown.
        generated: G(z_hat), `[B, H, W, C]`.
        encoded: z_hat, `[B, Z]`.
        image_weight, latent_weight: weights of the second and the third term.

    Returns:
        The loss and the three means by the names of `LOGS`: float32 scalars.
    """
    difference = tf.abs(images - generated)
    known_values = tf.reduce_sum(known) * images.shape[-1]
    known_error = tf.math.divide_no_nan(tf.reduce_sum(known * difference), known_values)
    image_error = tf.reduce_mean(difference)
    squares = tf.reduce_sum(tf.square(z - encoded[: tf.shape(z)[0]]))
    latent_error = tf.math.divide_no_nan(squares, tf.cast(tf.size(z), tf.float32))
    loss = known_error + image_weight * image_error + latent_weight * latent_error
    return dict(zip(LOGS, (loss, known_error, image_error, latent_error), strict=True))


class EncoderTraining(keras.Model):
    """The training of an encoder with a fixed generator: an optimizer and the training step.

    The random numbers of a step are a function of (`seed`, `step`). The learning rate rises from 0
    over the first tenth of the steps; without this rise, tanh saturates for good at 64 pixels. Then
    the learning rate falls to 0 along a cosine. `state` holds everything that a checkpoint needs: a
    training that is restored from a checkpoint continues exactly as if it had never stopped. The
    training runs on one device.

    Args:
        encoder: the encoder to train.
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1], in inference:
            `networks.fold_normalization(G)`, or `partial(G, training=False)`. The weights of the
            generator are never changed.
        steps: number of steps of the whole training.
        learning_rate: the highest learning rate of Adam.
        image_weight, latent_weight: see `encoder_loss`.
        seed: the seed of all z.
        jit_compile: compile the step with XLA.

    Raises:
        ValueError: `steps` is below 1.
    """

    def __init__(
        self,
        encoder: Encoder,
        generator: Callable[[tf.Tensor], tf.Tensor],
        steps: int,
        learning_rate: float = 2e-3,
        image_weight: float = 1.0,
        latent_weight: float = 0.1,
        seed: int = 0,
        jit_compile: bool = False,
    ):
        super().__init__()
        if steps < 1:
            raise ValueError(
                f"The steps of an encoder must be at least 1; received {steps}; "
                "train no encoder, or pass for example 2000."
            )
        self.encoder = encoder
        self.generator = generator
        self.steps = steps
        self.weights_of_loss = {"image_weight": image_weight, "latent_weight": latent_weight}
        self.seed = seed
        self.counter = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step"
        )
        self.built = True
        super().compile(optimizer=None, jit_compile=jit_compile)

        # Make the optimizer and its learning rate.
        warmup = max(1, steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), warmup_target=learning_rate, warmup_steps=warmup
        )
        self.encoder_optimizer = new_optimizer(encoder, schedule)

    @property
    def step(self) -> int:
        """Number of training steps so far."""
        return int(tf.convert_to_tensor(self.counter))

    @property
    def metrics(self):
        """No metric, because the logs are those of a single step."""
        return []

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """All variables of the training, by part: what a checkpoint must hold."""
        parts = {
            "encoder": self.encoder.variables,
            "encoder_optimizer": self.encoder_optimizer.variables,
        }
        parts["encoder_step"] = [self.counter]
        return {name: [variable.value for variable in part] for name, part in parts.items()}

    def call(self, images, known, training=False):
        return self.encoder(images, known)

    def train_step(self, data):
        """Makes one training step, on B - R samples and R training images.

        Args:
            data: `(known, real)`: masks `[B, H, W, 1]` and training images `[R, H, W, C]`.

        Returns:
            The `LOGS` of this step.
        """
        # Make the batch of samples and training images.
        known, real = data
        known = tf.cast(known, tf.float32)
        # The second integer is negative, because the training of the GAN uses those from 0.
        seed = tf.stack([tf.constant(self.seed, tf.int64), -1 - tf.convert_to_tensor(self.counter)])
        samples = tf.shape(known)[0] - tf.shape(real)[0]
        z = draw_latents(samples, self.encoder.latent_size, seed)
        images = tf.concat([self.generator(z), real], axis=0)

        # Take a step down the loss.
        variables = self.encoder.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            encoded = self.encoder(images, known, training=True)
            logs = encoder_loss(
                images, known, z, self.generator(encoded), encoded, **self.weights_of_loss
            )
            scaled = self.encoder_optimizer.scale_loss(logs["loss"])
        self.encoder_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.counter.assign_add(1)
        return logs

    def train(
        self,
        sample_masks: Callable[[int], np.ndarray],
        real: tf.data.Dataset,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        images_of: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> dict[str, float]:
        """Trains from the present `step` to the last one.

        Args:
            sample_masks: `sample_masks(step)` gives the `known` of a step, `[B, H, W, 1]`, always
                the same for one step. B is the batch size.
            real: one element per remaining step: training images `[R, H, W, C]` in [-1, 1], with R
                below B, or what `images_of` maps to them.
            callbacks: see `training_loop.train`.
            images_of: a graph function.

        Returns:
            The `LOGS` of the last step; empty if no step was left.
        """
        steps = range(self.step, self.steps)
        size = self.encoder.image_size
        masks = tf.data.Dataset.from_generator(
            lambda: map(sample_masks, steps), output_signature=tf.TensorSpec([None, size, size, 1])
        )
        logs = training_loop.train(
            self,
            tf.data.Dataset.zip(masks, real).prefetch(2),
            self.steps,
            callbacks,
            lambda data: (data[0], images_of(data[1])),
        )
        return {name: float(value) for name, value in logs.items()}
