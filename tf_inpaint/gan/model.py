"""The generative adversarial network: two networks, two optimizers, one training step."""

import functools

import keras
import tensorflow as tf

from tf_inpaint.gan import augment, losses
from tf_inpaint.gan.networks import Discriminator, Generator, one_of
from tf_inpaint.gan.optimizer import Adam

LOGS = ("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy", "penalty")
"""Means over a logging period. Losses are without penalties and feature matching; `penalty` is the weighted one."""
SHARES, CHANGES = 1, 2
"""What random numbers other than z are for: folded into their seed."""


def draw_latents(count: int, latent_size: int, seed) -> tf.Tensor:
    """`[count, latent_size]` float32, uniform in [-1, 1]: always the same for one `seed`, a pair of integers."""
    return tf.random.stateless_uniform([count, latent_size], seed=seed, minval=-1.0)


def batch_mean(features) -> tf.Tensor:
    """`[1, F]` float32: the mean over the global batch of features `[B, F]`, of which each replica has its rows."""
    mean = tf.reduce_mean(tf.cast(features, tf.float32), axis=0, keepdims=True)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, mean)


def present_scale(optimizer) -> float:
    return float(tf.convert_to_tensor(getattr(optimizer, "dynamic_scale", 1.0)))


class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other (Goodfellow et al. 2014, algorithm 1).

    One training step makes `discriminator_steps` updates of D, each on its own images and its own z, then
    `generator_steps` updates of G: the lecture's k is the quotient of the two. A third network,
    `ema_generator`, follows G's weights *and* its moving statistics as an exponential average and is the one
    to sample from (Yazici et al. 2019); calling the GAN calls it.

    Every random number is a function of (`seed`, `step`), and the count of steps is a weight: a GAN restored from a
    checkpoint goes on exactly as if it had never stopped. Under `tf.distribute`, z is drawn for the global
    batch and each replica takes its rows, so that two replicas of 32 see what one of 64 sees.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        loss: a name of `losses.PAIRS`, both networks'.
        discriminator_steps: updates of D per step; the step takes that many batches at once.
        generator_steps: updates of G per step.
        reuse_generated: let the first update of G learn from the very images that D has just learnt from,
            instead of new ones. Saves one pass through G; G's batch statistics are then averaged once less
            per step, and its gradient is no longer independent of D's last update.
        label_smoothing: real labels become `1 - label_smoothing`; of the cross-entropy losses only.
        gradient_penalty: weight of `losses.gradient_penalty`; 0 leaves it out, and likewise the next two.
        r1: weight of `losses.r1`.
        feature_matching: weight of `losses.feature_matching`, beside G's loss.
        augment: names of `augment.POLICIES`: changes made to all that D sees, in both updates.
        ema_decay: the average's decay is `min(ema_decay, (1 + step) / (10 + step))`.
        seed: of every z.

    Raises:
        ValueError: the loss is unknown, or settings contradict each other.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
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
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = type(generator).from_config(
            generator.get_config() | {"name": "ema_generator"}
        )
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.discriminator_loss, self.generator_loss = losses.PAIRS[
            one_of("loss", loss, losses.PAIRS)
        ]
        if label_smoothing:
            if self.discriminator_loss is not losses.cross_entropy:
                raise ValueError(
                    f"label_smoothing must go with a loss that has labels; received {loss}; leave it out."
                )
            self.discriminator_loss = functools.partial(
                self.discriminator_loss, label_smoothing=label_smoothing
            )
        if (gradient_penalty or r1) and getattr(discriminator, "normalization", "none") == "batch":
            raise ValueError(
                "gradient_penalty and r1 must go with a discriminator without batch normalisation, in which an "
                "image's slope depends on its neighbours; received one with it; pass normalization='layer' to it."
            )
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.reuse_generated = reuse_generated
        self.gradient_penalty = gradient_penalty
        self.r1 = r1
        self.feature_matching = feature_matching
        self.policy = tuple(augment)
        self.ema_decay = ema_decay
        self.seed = seed
        self.means = {name: keras.metrics.Mean(name) for name in LOGS}
        # Not an optimizer's `iterations`: those stand still when loss scaling skips a step.
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
        """Makes both optimizers, with dynamic loss scaling where the networks compute in float16.

        Keras wraps only `self.optimizer`, and leaves its state out of a checkpoint made before the first step:
        both optimizers are therefore wrapped and built here.

        Args:
            learning_rate: a number or a Keras schedule, G's.
            beta_1, beta_2: Adam's decay rates.
            discriminator_learning_rate: a number or a schedule, over D's own updates; None: G's.
            jit_compile: compile the step with XLA.
        """
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)

        def optimizer(network, rate):
            result = Adam(rate, beta_1=beta_1, beta_2=beta_2)
            if network.dtype_policy.compute_dtype == "float16":
                result = keras.optimizers.LossScaleOptimizer(result)
            result.build(network.trainable_variables)
            return result

        self.generator_optimizer = optimizer(self.generator, learning_rate)
        rate = learning_rate if discriminator_learning_rate is None else discriminator_learning_rate
        self.discriminator_optimizer = optimizer(self.discriminator, rate)

    @property
    def metrics(self):
        """None that `fit` may reset: `means` run over a logging period, and survive a restart within one."""
        return []

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """Every variable of the training, by part: what a checkpoint must hold.

        Spelled out because `tf.train.Checkpoint(gan)` finds no layer that a Keras model keeps in a list, and
        says nothing.
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
        """Training steps so far."""
        return int(tf.convert_to_tensor(self.counter))  # which reads a replicated variable too

    @property
    def loss_scale(self) -> float:
        """The generator's present loss scale; 1 where none is needed."""
        return present_scale(self.generator_optimizer)

    @property
    def discriminator_loss_scale(self) -> float:
        return present_scale(self.discriminator_optimizer)

    def call(self, z, training=False):
        return self.ema_generator(z, training=False)

    def train_step(self, images):
        """One step on `images` `[discriminator_steps * B, H, W, C]`; returns the means of `LOGS` so far."""
        batches = tf.split(images, self.discriminator_steps)
        size = tf.shape(batches[0])[0]
        updates = self.discriminator_steps + self.generator_steps
        # Where the data have ended there are no images, and nothing may have been drawn, moved or counted.
        with tf.control_dependencies([images]):
            latents = iter(tf.unstack(self.latents(updates, size)))
            shares = iter(tf.unstack(self.uniform(SHARES, self.discriminator_steps, size, 1)))
            changes = iter(
                tf.unstack(self.uniform(CHANGES, 2 * updates, size, augment.numbers(self.policy)))
            )

        def shown(pictures):
            """What D sees of them."""
            return augment.augment(pictures, next(changes), self.policy)

        for batch in batches:
            tape, generated = self.generate(next(latents))
            self.update_discriminator(
                shown(batch), shown(tf.stop_gradient(generated)), next(shares)
            )
        for index in range(self.generator_steps):
            if index > 0 or not self.reuse_generated:
                tape, generated = self.generate(next(latents))
            self.update_generator(tape, generated, batches[-1], shown)
        self.update_average()
        self.counter.assign_add(1)
        # Keras reduces the logs of several workers along an axis, which a scalar does not have.
        shape = [1] if tf.distribute.get_strategy().num_replicas_in_sync > 1 else []
        return {name: tf.reshape(mean.result(), shape) for name, mean in self.means.items()}

    def latents(self, draws, size):
        """`[draws, size, Z]`, uniform in [-1, 1]."""
        return self.rows(draw_latents, draws, size, self.generator.latent_size, self.step_seed)

    def uniform(self, purpose, draws, size, count):
        """`[draws, size, count]`, uniform in [0, 1)."""

        def draw(rows, count, seed):
            return tf.random.stateless_uniform([rows, count], seed)

        seed = tf.random.experimental.stateless_fold_in(self.step_seed, purpose)
        return self.rows(draw, draws, size, count, seed)

    @property
    def step_seed(self):
        return tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.counter)])

    def rows(self, draw, draws, size, count, seed):
        """`[draws, size, count]`: this replica's rows of what is drawn for the global batch."""
        replica = tf.distribute.get_replica_context()
        index, replicas = replica.replica_id_in_sync_group, replica.num_replicas_in_sync
        return tf.reshape(
            draw(draws * replicas * size, count, seed), [draws, replicas, size, count]
        )[:, index]

    def generate(self, z):
        """`(tape, G(z))`: the tape goes on recording when entered again."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.generator.trainable_variables])
            return tape, self.generator(z, training=True)

    def update_discriminator(self, images, generated, shares):
        variables = self.discriminator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            real_logits = self.discriminator(images, training=True)
            generated_logits = self.discriminator(generated, training=True)
            loss = self.discriminator_loss(real_logits, generated_logits)
            penalty = self.penalty(images, generated, shares)
            scaled = self.scaled(loss + penalty, self.discriminator_optimizer)
        self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.means["discriminator_loss"].update_state(loss)
        self.means["penalty"].update_state(penalty)
        self.means["real_accuracy"].update_state(tf.cast(real_logits > 0, tf.float32))
        self.means["fake_accuracy"].update_state(tf.cast(generated_logits <= 0, tf.float32))

    def penalty(self, images, generated, shares):
        """The weighted regularisers of D, at the images it sees."""
        discriminator = functools.partial(self.discriminator, training=True)
        scale = self.discriminator_optimizer.scale_loss(tf.constant(1.0))
        penalty = tf.constant(0.0)
        if self.gradient_penalty:
            slope = losses.gradient_penalty(discriminator, images, generated, shares, scale)
            penalty += self.gradient_penalty * slope
        if self.r1:
            penalty += self.r1 * losses.r1(discriminator, images, scale)
        return penalty

    def update_generator(self, tape, generated, images, shown):
        variables = self.generator.trainable_variables
        with tape:
            logits, features = self.discriminator.logits_and_features(
                shown(generated), training=True
            )
            loss = self.generator_loss(logits)
            matching = tf.constant(0.0)
            if self.feature_matching:
                with tape.stop_recording():
                    real_features = self.discriminator.features(shown(images), training=True)
                    real_mean = batch_mean(real_features)
                matching = self.feature_matching * losses.feature_matching(
                    real_mean, batch_mean(features)
                )
            scaled = self.scaled(loss + matching, self.generator_optimizer)
        self.generator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.means["generator_loss"].update_state(loss)

    def scaled(self, loss, optimizer):
        """The loss to differentiate: `apply` sums gradients over replicas and undoes the loss scale."""
        return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)

    def update_average(self):
        step = tf.cast(self.counter, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(
            self.ema_generator.variables, self.generator.variables, strict=True
        ):
            average.assign_sub((1.0 - decay) * (average - variable))
