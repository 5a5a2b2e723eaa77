"""The generative adversarial network: two networks, two optimizers, one training step."""

import keras
import tensorflow as tf

from tf_inpaint.gan import losses
from tf_inpaint.gan.networks import Discriminator, Generator
from tf_inpaint.gan.optimizer import Adam

LOGS = ("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy")


def draw_latents(count: int, latent_size: int, seed) -> tf.Tensor:
    """`[count, latent_size]` float32, uniform in [-1, 1]: always the same for one `seed`, a pair of integers."""
    return tf.random.stateless_uniform([count, latent_size], seed=seed, minval=-1.0)


class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other (Goodfellow et al. 2014, algorithm 1).

    One training step makes `discriminator_steps` updates of D, each on its own images and its own z, then
    `generator_steps` updates of G: the lecture's k is the quotient of the two. A third network,
    `ema_generator`, follows G's weights *and* its moving statistics as an exponential average and is the one
    to sample from (Yazici et al. 2019); calling the GAN calls it.

    Every random number is a function of (`seed`, `step`), and `step` is a weight: a GAN restored from a
    checkpoint goes on exactly as if it had never stopped. Under `tf.distribute`, z is drawn for the global
    batch and each replica takes its rows, so that two replicas of 32 see what one of 64 sees.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        loss: "non_saturating" or "minimax", the generator's.
        discriminator_steps: updates of D per step; the step takes that many batches at once.
        generator_steps: updates of G per step.
        reuse_generated: let the first update of G learn from the very images that D has just learnt from,
            instead of new ones. Saves one pass through G; G's batch statistics are then averaged once less
            per step, and its gradient is no longer independent of D's last update.
        label_smoothing: real labels become `1 - label_smoothing`.
        ema_decay: the average's decay is `min(ema_decay, (1 + step) / (10 + step))`.
        seed: of every z.
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
        ema_decay: float = 0.999,
        seed: int = 0,
    ):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = type(generator).from_config(generator.get_config() | {"name": "ema_generator"})
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.generator_loss = losses.GENERATOR_LOSSES[loss]
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.reuse_generated = reuse_generated
        self.label_smoothing = label_smoothing
        self.ema_decay = ema_decay
        self.seed = seed
        self.means = {name: keras.metrics.Mean(name) for name in LOGS}
        # Not an optimizer's `iterations`: those stand still when loss scaling skips a step.
        self.step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="step",
        )
        self.built = True

    def compile(self, learning_rate: float = 2e-4, beta_1: float = 0.5, jit_compile: bool = False, **kwargs):
        """Makes both optimizers, with dynamic loss scaling where the networks compute in float16.

        Keras wraps only `self.optimizer`, and leaves its state out of a checkpoint made before the first step:
        both optimizers are therefore wrapped and built here.
        """
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)

        def optimizer(network):
            result = Adam(learning_rate, beta_1=beta_1)
            if network.dtype_policy.compute_dtype == "float16":
                result = keras.optimizers.LossScaleOptimizer(result)
            result.build(network.trainable_variables)
            return result

        self.generator_optimizer = optimizer(self.generator)
        self.discriminator_optimizer = optimizer(self.discriminator)

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
        variables = {name: [variable.value for variable in part.variables] for name, part in parts.items()}
        return variables | {"step": [self.step.value]}

    @property
    def loss_scale(self) -> float:
        """The generator's present loss scale; 1 where none is needed."""
        return float(getattr(self.generator_optimizer, "dynamic_scale", 1.0))

    def call(self, z, training=False):
        return self.ema_generator(z, training=False)

    def train_step(self, images):
        """One step on `images` `[discriminator_steps * B, H, W, C]`; returns the means of `LOGS` so far."""
        batches = tf.split(images, self.discriminator_steps)
        size = tf.shape(batches[0])[0]
        latents = iter(tf.unstack(self.latents(self.discriminator_steps + self.generator_steps, size)))
        for batch in batches:
            tape, generated = self.generate(next(latents))
            self.update_discriminator(batch, generated)
        for index in range(self.generator_steps):
            if index > 0 or not self.reuse_generated:
                tape, generated = self.generate(next(latents))
            self.update_generator(tape, generated)
        self.update_average()
        self.step.assign_add(1)
        return {name: mean.result() for name, mean in self.means.items()}

    def latents(self, draws, size):
        """`[draws, size, Z]`: this replica's rows of what is drawn for the global batch."""
        replica = tf.distribute.get_replica_context()
        index, replicas = replica.replica_id_in_sync_group, replica.num_replicas_in_sync
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.step)])
        z = draw_latents(draws * replicas * size, self.generator.latent_size, seed)
        return tf.reshape(z, [draws, replicas, size, self.generator.latent_size])[:, index]

    def generate(self, z):
        """`(tape, G(z))`: the tape goes on recording when entered again."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.generator.trainable_variables])
            return tape, self.generator(z, training=True)

    def update_discriminator(self, images, generated):
        variables = self.discriminator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            real_logits = self.discriminator(images, training=True)
            generated_logits = self.discriminator(tf.stop_gradient(generated), training=True)
            loss = losses.discriminator_loss(real_logits, generated_logits, self.label_smoothing)
            scaled = self.scaled(loss, self.discriminator_optimizer)
        self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.means["discriminator_loss"].update_state(loss)
        self.means["real_accuracy"].update_state(tf.cast(real_logits > 0, tf.float32))
        self.means["fake_accuracy"].update_state(tf.cast(generated_logits <= 0, tf.float32))

    def update_generator(self, tape, generated):
        variables = self.generator.trainable_variables
        with tape:
            loss = self.generator_loss(self.discriminator(generated, training=True))
            scaled = self.scaled(loss, self.generator_optimizer)
        self.generator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.means["generator_loss"].update_state(loss)

    def scaled(self, loss, optimizer):
        """The loss to differentiate: `apply` sums gradients over replicas and undoes the loss scale."""
        return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)

    def update_average(self):
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.ema_generator.variables, self.generator.variables, strict=True):
            average.assign_sub((1.0 - decay) * (average - variable))
