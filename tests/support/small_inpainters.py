"""Inpainters of small untrained networks, and images for them."""

import functools

import keras
import numpy as np
import tensorflow as tf

from tf_inpaint.compositing import masks
from tf_inpaint.gan.encoder import Encoder
from tf_inpaint.gan.networks import Discriminator, Generator, fold_normalization, fold_parts
from tf_inpaint.inpainting.completions import Completions
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.settings.search_settings import SearchSettings

SIZE, LATENT = 28, 5


@functools.cache
def networks():
    """A real pair, folded, whose weights are large enough for G(z) to depend on z."""
    keras.utils.set_random_seed(0)
    settings = {"image_size": SIZE, "channels": 1, "width": 3, "latent_size": LATENT}
    generator, discriminator = Generator(**settings), Discriminator(**settings)
    for variable in generator.trainable_variables + discriminator.trainable_variables:
        if "kernel" in variable.name:
            variable.assign(15 * variable)
    return fold_parts(generator), fold_normalization(discriminator)


@functools.cache
def frozen_networks(encoded=False):
    (features, picture), discriminator = networks()
    return FrozenNetworks(
        lambda z: picture(features(z)),
        discriminator,
        LATENT,
        encoder() if encoded else None,
        parts=(features, picture),
    )


@functools.cache  # for tracing one takes longer than these searches
def new_inpainter(encoded=False, low_resolution_factor=None, **settings):
    defaults = {
        "steps": 12,
        "solver": "adam",
        "learning_rate": 0.1,
        "start_draws": 6,
        "deeper_steps": 0,
        "blend": "paste",
        "block_size": 4,
    }
    networks = frozen_networks(encoded)
    return Inpainter(networks, SearchSettings(**defaults | settings), low_resolution_factor)


def search_through(generator, discriminator, latent_size, steps, **settings):
    """An inpainter of any two functions, by plain Adam unless the settings say otherwise."""
    defaults = {"solver": "adam", "learning_rate": 0.1, "blend": "paste"}
    return Inpainter(
        FrozenNetworks(generator, discriminator, latent_size),
        SearchSettings(steps=steps, **defaults | settings),
    )


@functools.cache
def encoder():
    keras.utils.set_random_seed(1)
    result = Encoder(SIZE, 1, width=2, latent_size=LATENT, hidden_size=8)
    for variable in result.trainable_variables:
        variable.assign(variable * 30)  # the last layer begins near 0
    return result


def digits(count, seed=0):
    """Random smooth pictures, masks of several kinds and seeds."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, 7, 7, 1)).repeat(4, axis=1).repeat(4, axis=2)
    names = ["center", "left", "random", "strokes"]
    known = np.stack([masks.make(names[row % 4], SIZE, SIZE, row) for row in range(count)])
    return (
        coarse.astype(np.float32),
        known,
        np.stack([np.full(count, 9), np.arange(count) + 2**31], axis=1),
    )


def rows(completions, index):
    return Completions(*(part[index] for part in completions))


def assert_same(first, second):
    for name, one, other in zip(Completions._fields, first, second, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@functools.cache
def many():
    """17 images and their completions."""
    inputs = digits(17)
    return *inputs, new_inpainter().complete(*inputs)


def linear(latent_size, shape, seed=0):
    matrix = (
        np.random.default_rng(seed)
        .normal(size=(latent_size, int(np.prod(shape))))
        .astype(np.float32)
    )
    return matrix, lambda z: tf.reshape(z @ matrix, [-1, *shape])
