"""A GAN so small that a training step takes a fraction of a second, and what its tests share."""

import keras
import numpy as np

from tf_inpaint.gan.model import GAN
from tf_inpaint.gan.networks import Discriminator, Generator

BATCH, LATENT = 4, 5


def new_gan(
    weights_seed=0,
    dtype="float32",
    normalization="batch",
    synchronized=False,
    architecture="dcgan",
    **kwargs,
):
    """A tiny GAN whose weights are ten times the paper's: its gradients are well above rounding."""
    keras.utils.set_random_seed(weights_seed)
    settings = {"width": 2, "latent_size": LATENT, "dtype": dtype, "architecture": architecture}
    settings["synchronized"] = synchronized
    generator = {"normalization": normalization} if normalization == "none" else {}
    networks = (
        Generator(28, 1, **settings, **generator),
        Discriminator(28, 1, **settings, normalization=normalization),
    )
    for network in networks:
        for variable in network.trainable_variables:
            if variable.name == "kernel":
                variable.assign(variable * 10)
    gan = GAN(*networks, **kwargs)
    gan.compile()
    return gan


def with_sgd(gan, learning_rate=0.1):
    """Replaces Adam, whose steps do not depend on the size of the gradient."""
    for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        optimizer = keras.optimizers.SGD(learning_rate)
        optimizer.build(network.trainable_variables)
        setattr(gan, f"{name}_optimizer", optimizer)
    return gan


def random_images(seed=0, count=BATCH):
    """`[count, 28, 28, 1]` float32, uniform in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 28, 28, 1)).astype(np.float32)


def values(variables):
    """Copies of the values of variables."""
    return [variable.numpy().copy() for variable in variables]


def equal(arrays, other_arrays):
    """For each pair of arrays, whether all their entries are equal."""
    return [np.array_equal(*pair) for pair in zip(arrays, other_arrays, strict=True)]
