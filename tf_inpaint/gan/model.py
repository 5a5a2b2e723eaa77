"""The generative adversarial network `GAN`: two networks, two optimizers, and the training step."""

import functools

import keras
import tensorflow as tf

from tf_inpaint.gan import augment, losses
from tf_inpaint.gan.optimizer import current_loss_scale, new_optimizer
from tf_inpaint.gan.random_numbers import AUGMENTATION, INTERPOLATION, step_latents, step_uniform

LOGS = ("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy", "penalty")
"""Names of the means over a logging period.

The losses are without penalties and feature matching. `penalty` is the weighted penalty.
"""


def global_mean(features) -> tf.Tensor:
    """`[1, F]` float32: the mean of features `[B, F]` over the rows of all replicas."""
    mean = tf.reduce_mean(tf.cast(features, tf.float32), axis=0, keepdims=True)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, mean)


class GAN(keras.Model):
    """A generator G and a discriminator D that are trained against each other.

    One training step makes `discriminator_steps` updates of D, each with new images and new z, and
    then `generator_steps` updates of G. The quotient of the two numbers is the lecture's k.

    A third network, `ema_generator`, is the exponential moving average of G's weights *and* of G's
    moving statistics. Images are generated with this network (Yazici et al. 2019). Calling the GAN
    calls this network.

    All random numbers are functions of (`seed`, `step`), and the number of steps is a weight. A GAN
    that is restored from a checkpoint therefore continues as if the training had never stopped.
    Under `tf.distribute`, z is drawn for the global batch, and each replica takes its rows. Two
    replicas with 32 images each therefore see what one replica with 64 images sees.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        loss: name of the losses of both networks, from `losses.PAIRS`.
        discriminator_steps: updates of D per step, and batches of images per step.
        generator_steps: updates of G per step.
        reuse_generated: whether the first update of G uses the images that D has just learned from,
            instead of new images. If so, a step has one pass less through G, G's moving statistics
            are updated once less, and G's gradient depends on the last update of D.
        label_smoothing: the target of real images is `1 - label_smoothing`. Only for the
            cross-entropy losses.
        gradient_penalty: weight of `losses.gradient_penalty`. A weight of 0 leaves a term out.
        r1: weight of `losses.r1`.
        feature_matching: weight of `losses.feature_matching`, which is added to G's loss.
        augment: names of `augment.POLICIES`: changes of all images that D sees, in both updates.
        ema_decay: the decay of the average is `min(ema_decay, (1 + step) / (10 + step))`.
        seed: the seed of all random numbers.

    Raises:
        ValueError: the loss is unknown, or settings contradict each other.

    Source: Goodfellow et al. 2014, algorithm 1, https://arxiv.org/abs/1406.2661
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "non_saturating",
        discriminator_steps: int = 1,
        generator_steps: int = 1,
        reuse_generated: bool = False,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        r1: float = 0.0,
        feature_matching: float = 0.0,
        augment: tuple[str, ...] = (),
        ema_decay: float = 0.999,
        seed: int = 0,
    ):
        super().__init__()
        # Store the networks.
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = type(generator).from_config(
            generator.get_config() | {"name": "ema_generator"}
        )
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False

        # Choose the losses.
        self.discriminator_loss, self.generator_loss = losses.pair(loss, label_smoothing)
        if (gradient_penalty or r1) and getattr(discriminator, "normalization", "none") == "batch":
            raise ValueError(
                "gradient_penalty and r1 must go with a discriminator without batch normalization, "
                "where the slope of an image depends on the other images; received a discriminator "
                "with batch normalization; pass normalization='layer' to it."
            )

        # Store the settings.
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.reuse_generated = reuse_generated
        self.gradient_penalty = gradient_penalty
        self.r1 = r1
        self.feature_matching = feature_matching
        self.policy = tuple(augment)
        self.ema_decay = ema_decay
        self.seed = seed

        # Make the variables of the training.
        self.means = {name: keras.metrics.Mean(name) for name in LOGS}
        # The `iterations` of an optimizer stand still when loss scaling skips a step.
        self.counter = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="step",
        )
        self.built = True

    def compile(
        self,
        learning_rate=2e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.999,
        discriminator_learning_rate=None,
        jit_compile: bool = False,
        **kwargs,
    ):
        """Makes both optimizers, with dynamic loss scaling for networks that compute in float16.

        Keras itself knows one optimizer, `self.optimizer`, and scales the loss of no other.

        Args:
            learning_rate: G's learning rate: a number or a Keras schedule.
            beta_1, beta_2: Adam's decay rates.
            discriminator_learning_rate: D's learning rate: a number or a Keras schedule over D's
                updates. None: the learning rate of G.
            jit_compile: compile the step with XLA.
        """
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        if discriminator_learning_rate is None:
            discriminator_learning_rate = learning_rate
        self.generator_optimizer = new_optimizer(self.generator, learning_rate, beta_1, beta_2)
        self.discriminator_optimizer = new_optimizer(
            self.discriminator, discriminator_learning_rate, beta_1, beta_2
        )

    @property
    def metrics(self):
        """No metric that `fit` may reset.

        The `means` run over a logging period, and they survive a restart within a period.
        """
        return []

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """All variables of the training, by part: what a checkpoint must hold.

        The parts are listed here, because `tf.train.Checkpoint(gan)` silently leaves out the layers
        that a Keras model keeps in a list.
        """
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema_generator": self.ema_generator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **self.means,
        }
        variables = {
            name: [variable.value for variable in part.variables] for name, part in parts.items()
        }
        return variables | {"step": [self.counter.value]}

    @property
    def step(self) -> int:
        """Number of training steps so far."""
        # The conversion also reads a variable with a copy on each replica.
        return int(tf.convert_to_tensor(self.counter))

    @property
    def loss_scale(self) -> float:
        """The generator's current loss scale; 1 without loss scaling."""
        return current_loss_scale(self.generator_optimizer)

    @property
    def discriminator_loss_scale(self) -> float:
        """The discriminator's current loss scale; 1 without loss scaling."""
        return current_loss_scale(self.discriminator_optimizer)

    def call(self, z, training=False):
        return self.ema_generator(z, training=False)

    def train_step(self, images):
        """Makes one training step.

        Args:
            images: `[discriminator_steps * B, H, W, C]`.

        Returns:
            The means of `LOGS` since the last reset.
        """
        # Draw the random numbers of the step.
        batches = tf.split(images, self.discriminator_steps)
        size = tf.shape(batches[0])[0]
        updates = self.discriminator_steps + self.generator_steps
        # At the end of the data there are no images. Nothing may then be drawn, changed or counted.
        with tf.control_dependencies([images]):
            latents = iter(tf.unstack(self.latents(updates, size)))
            weights = iter(
                tf.unstack(self.uniform(INTERPOLATION, self.discriminator_steps, size, 1))
            )
            numbers = augment.numbers_per_image(self.policy)
            changes = iter(tf.unstack(self.uniform(AUGMENTATION, 2 * updates, size, numbers)))

        def augmented(batch):
            return augment.augment(batch, next(changes), self.policy)

        # Update the discriminator.
        for batch in batches:
            tape, generated = self.generate(next(latents))
            self.update_discriminator(
                augmented(batch), augmented(tf.stop_gradient(generated)), next(weights)
            )

        # Update the generator, its average and the counter.
        for index in range(self.generator_steps):
            if index > 0 or not self.reuse_generated:
                tape, generated = self.generate(next(latents))
            self.update_generator(tape, generated, batches[-1], augmented)
        self.update_average()
        self.counter.assign_add(1)

        # Keras concatenates the logs of several workers along an axis, and a scalar has no axis.
        shape = [1] if tf.distribute.get_strategy().num_replicas_in_sync > 1 else []
        return {name: tf.reshape(mean.result(), shape) for name, mean in self.means.items()}

    def latents(self, draws, size):
        """`[draws, size, Z]`, uniform in [-1, 1]: the z of this replica in this step."""
        return step_latents(self.step_seed, draws, size, self.generator.latent_size)

    def uniform(self, key, draws, size, count):
        """`[draws, size, count]`, uniform in [0, 1): the numbers of this replica in this step.

        Args:
            key: the purpose of the numbers, one of the keys of `random_numbers`.
            draws: number of batches.
            size: images of a batch on this replica.
            count: random numbers per image.
        """
        return step_uniform(self.step_seed, key, draws, size, count)

    @property
    def step_seed(self):
        """`[2]` int64: the seed of the run and the step."""
        return tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.counter)])

    def generate(self, z):
        """Returns `(tape, G(z))`. The tape continues to record when a caller enters it again."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.generator.trainable_variables])
            return tape, self.generator(z, training=True)

    def update_discriminator(self, images, generated, weights):
        """Makes one update of D.

        Args:
            images: real images `[B, H, W, C]`, augmented.
            generated: images of G `[B, H, W, C]`, augmented.
            weights: interpolation weights `[B, 1]` of the gradient penalty, in [0, 1).
        """
        # Take a step down the loss.
        variables = self.discriminator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            real_logits = self.discriminator(images, training=True)
            generated_logits = self.discriminator(generated, training=True)
            loss = self.discriminator_loss(real_logits, generated_logits)
            penalty = self.penalty(images, generated, weights)
            scaled = self.scaled_loss(loss + penalty, self.discriminator_optimizer)
        self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)

        # Update the logs.
        self.means["discriminator_loss"].update_state(loss)
        self.means["penalty"].update_state(penalty)
        self.means["real_accuracy"].update_state(tf.cast(real_logits > 0, tf.float32))
        self.means["fake_accuracy"].update_state(tf.cast(generated_logits <= 0, tf.float32))

    def penalty(self, images, generated, weights):
        """The weighted sum of D's regularizers, at the images that D sees: a float32 scalar."""
        discriminator = functools.partial(self.discriminator, training=True)
        scale = self.discriminator_optimizer.scale_loss(tf.constant(1.0))
        penalty = tf.constant(0.0)
        if self.gradient_penalty:
            slope = losses.gradient_penalty(discriminator, images, generated, weights, scale)
            penalty += self.gradient_penalty * slope
        if self.r1:
            penalty += self.r1 * losses.r1(discriminator, images, scale)
        return penalty

    def update_generator(self, tape, generated, images, augmented):
        """Makes one update of G.

        Args:
            tape, generated: results of `generate`.
            images: real images `[B, H, W, C]` for feature matching, not augmented.
            augmented: the augmentation of a batch of images.
        """
        variables = self.generator.trainable_variables
        with tape:
            logits, features = self.discriminator.logits_and_features(
                augmented(generated), training=True
            )
            loss = self.generator_loss(logits)
            matching = tf.constant(0.0)
            if self.feature_matching:
                with tape.stop_recording():
                    real_features = self.discriminator.features(augmented(images), training=True)
                    real_mean = global_mean(real_features)
                matching = self.feature_matching * losses.feature_matching(
                    real_mean, global_mean(features)
                )
            scaled = self.scaled_loss(loss + matching, self.generator_optimizer)
        self.generator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.means["generator_loss"].update_state(loss)

    def scaled_loss(self, loss, optimizer):
        """The loss to differentiate.

        The loss is divided by the number of replicas, because `apply` sums the gradients of all
        replicas. The loss is multiplied by the loss scale, because `apply` divides the gradients by
        the loss scale.
        """
        return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)

    def update_average(self):
        """Moves every variable of `ema_generator` toward the variable of the generator."""
        step = tf.cast(self.counter, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(
            self.ema_generator.variables, self.generator.variables, strict=True
        ):
            average.assign_sub((1.0 - decay) * (average - variable))
