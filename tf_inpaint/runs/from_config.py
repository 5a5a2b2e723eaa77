"""What the settings of a run describe: where it trains, its GAN, and its encoder."""

import keras
import tensorflow as tf

from tf_inpaint.config import TrainConfig
from tf_inpaint.gan.encoder import Encoder
from tf_inpaint.gan.model import GAN
from tf_inpaint.gan.networks import Discriminator, Generator
from tf_inpaint.runs.worker_cluster import connected_strategy
from tf_inpaint.settings.device_defaults import compiles


def strategy(config: TrainConfig) -> tf.distribute.Strategy:
    """The devices of the training, as a strategy.

    These are one device, all GPUs of this machine (all CPUs if there is no GPU), or the machines in
    `TF_CONFIG`. Must be called before anything else of TensorFlow is used.

    Raises:
        ValueError: the machines in `TF_CONFIG` cannot be connected, or the replicas cannot share a
            batch evenly.
    """
    if config.strategy == "none":
        return tf.distribute.get_strategy()
    if config.strategy == "multi_worker":
        result = connected_strategy()
    else:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        result = tf.distribute.MirroredStrategy([device.name for device in devices])
    replicas = result.num_replicas_in_sync
    if config.batch_size % replicas:
        raise ValueError(
            "--batch_size must be a multiple of the number of replicas; received "
            f"{config.batch_size} for {replicas}; "
            f"pass {-(-config.batch_size // replicas) * replicas}."
        )
    return result


def new_gan(config: TrainConfig) -> GAN:
    """The untrained, compiled GAN of these settings. A seed fixes its weights."""
    keras.utils.set_random_seed(config.seed)
    gan = GAN(
        *networks(config, config.mixed_precision),
        loss=config.loss,
        discriminator_steps=config.discriminator_steps,
        generator_steps=config.generator_steps,
        reuse_generated=config.reuse_generated,
        label_smoothing=config.label_smoothing,
        gradient_penalty=config.gradient_penalty,
        r1=config.r1,
        feature_matching=config.feature_matching,
        augment=config.augment,
        ema_decay=config.ema_decay,
        seed=config.seed,
    )
    discriminator_rate = config.discriminator_learning_rate or config.learning_rate
    gan.compile(
        learning_rate(config, config.learning_rate, config.generator_steps),
        config.beta_1,
        config.beta_2,
        learning_rate(config, discriminator_rate, config.discriminator_steps),
        jit_compile=config.strategy == "none" and compiles_steps(config),
    )
    return gan


def compiles_steps(config: TrainConfig) -> bool:
    """Whether XLA compiles the steps of a training on one device."""
    return not config.deterministic and compiles(config.jit_compile)


def learning_rate(config: TrainConfig, start: float, updates: int):
    """The learning rate of a network: a number, or a schedule over the updates of the network.

    Args:
        config: the schedule and the number of training steps.
        start: the first learning rate.
        updates: number of updates of the network in a training step.
    """
    if config.learning_rate_schedule == "linear":
        return keras.optimizers.schedules.PolynomialDecay(start, config.steps * updates, 0.0)
    if config.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(start, config.steps * updates)
    return start


def set_learning_rates(gan: GAN, config: TrainConfig) -> None:
    """Gives both optimizers the learning rates of the settings, unless a schedule gives them."""
    if config.learning_rate_schedule == "constant":
        gan.generator_optimizer.learning_rate = config.learning_rate
        gan.discriminator_optimizer.learning_rate = (
            config.discriminator_learning_rate or config.learning_rate
        )


def networks(config: TrainConfig, dtype: str) -> tuple[Generator, Discriminator]:
    """The untrained generator and discriminator.

    Args:
        config: their settings.
        dtype: Keras dtype policy, such as "float32" or "mixed_float16".
    """
    names = ("image_size", "channels", "width", "latent_size", "architecture")
    settings = {name: getattr(config, name) for name in names}
    settings |= {"synchronized": config.synchronized_batch_norm, "dtype": dtype}
    # In this order: the seed gives the first weights to the network that is made first.
    generator = Generator(**settings)
    return generator, Discriminator(normalization=config.discriminator_norm, **settings)


def new_encoder(config: TrainConfig) -> Encoder:
    """The untrained encoder."""
    return Encoder(config.image_size, config.channels, latent_size=config.latent_size)
