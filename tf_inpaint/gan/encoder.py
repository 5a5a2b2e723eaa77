"""The encoder: from a masked picture to a z near the search's answer, and its training.

E learns from the generator's own samples, of which z is known too, and from the pictures the GAN learnt from:

    x = G(z), z ~ U[-1, 1]^Z,  or  x from the training images
    E(known * x, known) = z_hat,   lowering `encoder_loss(x, G(z_hat), ...)`

It answers in one pass; the search then starts there instead of at a random z. On samples alone E never sees what this
generator cannot draw, and that is what it will be asked to complete: on MNIST the hole behind a centre mask is then
0.7 dB worse (3,000 steps). No image that was held out is ever read.

Source: Zhu, Shen, Zhao and Zhou 2020, In-domain GAN inversion for real image editing: an encoder trained on real images
through the fixed generator.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_inpaint.gan.layers import Dense, run
from tf_inpaint.gan.networks import stage_channels
from tf_inpaint.gan.optimizer import Adam

LOGS = ("loss", "known_error", "image_error", "latent_error")
REAL_SHARE = 7 / 8
"""Of a batch's rows, those that are training images. Hole PSNR rises with it; found by trial."""


def real_rows(batch_size: int) -> int:
    """How many rows of a batch are training images: `REAL_SHARE` of them; one row at least is a sample."""
    return min(batch_size - 1, round(REAL_SHARE * batch_size))


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Encoder(keras.Model):
    """E: images `[B, H, W, C]` in [-1, 1] and known `[B, H, W, 1]` to z `[B, Z]` float32 in [-1, 1].

    The discriminator's strided convolutions, one dense layer, and tanh. No normalisation: an image's z has
    nothing to do with its neighbours. Hidden pixels are never read, and may be NaN.

    Args:
        image_size: height and width of the images in pixels: 16, 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        width: channels of the feature map next to the image; they double stage by stage up to eight times.
        latent_size: Z.
        hidden_size: of the dense layer. Convolutions alone start the search a tenth higher.
        dtype: a Keras dtype policy such as "mixed_float16"; z is float32 in all.
    """

    def __init__(self, image_size, channels, width=32, latent_size=100, hidden_size=512, **kwargs):
        super().__init__(**kwargs)
        self.image_size = image_size
        self.channels = channels
        self.width = width
        self.latent_size = latent_size
        self.hidden_size = hidden_size
        fixed = {"kernel_initializer": "he_normal", "dtype": self.dtype_policy}
        self.stack = []
        for stage, filters in enumerate(stage_channels(image_size, width)):
            conv = keras.layers.Conv2D(
                filters, 4, strides=2, padding="same", name=f"conv_{stage}", **fixed
            )
            self.stack += [conv, self.activation(f"leaky_relu_{stage}")]
        self.stack += [
            keras.layers.Flatten(dtype=self.dtype_policy, name="flatten"),
            Dense(hidden_size, name="hidden", **fixed),
            self.activation("leaky_relu"),
            # It begins with z near 0: tanh, once saturated, does not come back.
            Dense(
                latent_size,
                activation="tanh",
                kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
                dtype="float32",
                name="z",
            ),
        ]
        # Each layer learns its shapes from a symbolic input; `build()` would leave summary() at "?".
        shape = (image_size, image_size)
        self.call(keras.Input((*shape, channels)), keras.Input((*shape, 1)))
        self.built = True

    def activation(self, name: str) -> keras.Layer:
        return keras.layers.LeakyReLU(0.2, dtype=self.dtype_policy, name=name)

    def call(self, images, known, training=False):
        # A product would let a NaN in the hole through.
        known = keras.ops.cast(known > 0, images.dtype)
        return run(
            self.stack,
            keras.ops.concatenate([keras.ops.where(known > 0, images, 0), known], axis=-1),
            training,
        )

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
    """How far the encoder's answers are from what it saw, from the whole image, and from its z.

        loss = mean over known pixels |x - G(z_hat)| + image_weight mean |x - G(z_hat)|
               + latent_weight mean (z - z_hat)^2

    The first term is the contextual energy, where the search will start; the second makes the hole a
    likely one; without the third, which only samples have, an encoder of samples alone drives every entry to -1 or
    1, where tanh is flat.

    Args:
        images: x, `[B, H, W, C]` in [-1, 1].
        known: `[B, H, W, 1]`, 1 = what the encoder saw, 0 = hole.
        z: `[N, Z]` with G(z) = x for the first N rows, the samples; the others have none.
        generated: G(z_hat), `[B, H, W, C]`.
        encoded: z_hat, `[B, Z]`.
        image_weight, latent_weight: of the second and the third term.

    Returns:
        `LOGS` by name, the loss and the three means: float32 scalars.
    """
    difference = tf.abs(images - generated)
    seen = tf.reduce_sum(known) * images.shape[-1]
    known_error = tf.math.divide_no_nan(tf.reduce_sum(known * difference), seen)
    image_error = tf.reduce_mean(difference)
    of_z = tf.reduce_sum(tf.square(z - encoded[: tf.shape(z)[0]]))
    latent_error = tf.math.divide_no_nan(of_z, tf.cast(tf.size(z), tf.float32))
    loss = known_error + image_weight * image_error + latent_weight * latent_error
    return dict(zip(LOGS, (loss, known_error, image_error, latent_error), strict=True))


class EncoderTraining(keras.Model):
    """The training of an encoder against a fixed generator: an optimizer and one training step.

    The random numbers of a step are a function of (`seed`, `step`). The learning rate rises from 0 over the
    first tenth of the steps, without which tanh saturates for good at 64 px, and falls to 0 along a cosine.
    `state` holds all that a checkpoint needs: a training restored from one goes on exactly as if it had never
    stopped. It runs on one device.

    Args:
        encoder: what is trained.
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1], as in inference: `networks.folded(G)`, or
            `partial(G, training=False)`. Its weights are never touched.
        steps: of the whole training.
        learning_rate: Adam's highest.
        image_weight, latent_weight: see `encoder_loss`.
        seed: of every z.

    Raises:
        ValueError: `steps` below 1.
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
    ):
        super().__init__()
        if steps < 1:
            raise ValueError(
                f"An encoder's steps must be at least 1; received {steps}; train none, or take e.g. 2000."
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
        super().compile(optimizer=None, jit_compile=False)
        warmup = max(1, steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), warmup_target=learning_rate, warmup_steps=warmup
        )
        optimizer = Adam(schedule)
        if encoder.dtype_policy.compute_dtype == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(encoder.trainable_variables)
        self.encoder_optimizer = optimizer

    @property
    def step(self) -> int:
        """Training steps so far."""
        return int(tf.convert_to_tensor(self.counter))

    @property
    def metrics(self):
        """None: a step's logs are its own."""
        return []

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """Every variable of the training, by part: what a checkpoint must hold."""
        parts = {
            "encoder": self.encoder.variables,
            "encoder_optimizer": self.encoder_optimizer.variables,
        }
        parts["encoder_step"] = [self.counter]
        return {name: [variable.value for variable in part] for name, part in parts.items()}

    def call(self, images, known, training=False):
        return self.encoder(images, known)

    def train_step(self, data):
        """One step under the masks `[B, H, W, 1]`, on B - R samples and R images `[R, H, W, C]`; returns its `LOGS`."""
        known, real = data
        known = tf.cast(known, tf.float32)
        # Keys below 0 are none that the GAN was trained with.
        seed = tf.stack([tf.constant(self.seed, tf.int64), -1 - tf.convert_to_tensor(self.counter)])
        samples = tf.shape(known)[0] - tf.shape(real)[0]
        z = tf.random.stateless_uniform([samples, self.encoder.latent_size], seed=seed, minval=-1.0)
        images = tf.concat([self.generator(z), real], axis=0)
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
    ) -> dict[str, float]:
        """Trains from `step` to the last of `steps`.

        Args:
            sample_masks: `sample_masks(step)` gives a step's `known`, `[B, H, W, 1]`, always the same; B is
                the batch size.
            real: training images `[R, H, W, C]` in [-1, 1], R below B, an element for each step from `step` on.
            callbacks: Keras', told of every step.

        Returns:
            The last step's `LOGS`; empty where nothing was left to do.
        """

        steps = range(self.step, self.steps)
        if not steps:
            return {}
        size = self.encoder.image_size
        data = tf.data.Dataset.from_generator(
            lambda: map(sample_masks, steps), output_signature=tf.TensorSpec([None, size, size, 1])
        )
        data = (
            tf.data.Dataset.zip(data, real)
            .apply(tf.data.experimental.assert_cardinality(len(steps)))
            .prefetch(2)
        )
        history = self.fit(data, shuffle=False, verbose=0, callbacks=list(callbacks))
        return {name: values[-1] for name, values in history.history.items()}
