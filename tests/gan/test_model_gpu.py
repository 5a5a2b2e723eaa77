"""A training on a GPU: compiled steps are the plain steps, and equal trainings have equal bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import equal, values, with_sgd

from tf_inpaint.gan import training_loop
from tf_inpaint.gan.model import GAN
from tf_inpaint.gan.networks import Discriminator, Generator

SIZE, CHANNELS, WIDTH, BATCH = 64, 3, 16, 32


def trained(jit_compile=False, steps=5):
    """The variables of a GAN of a usual size before and after its steps, and its losses."""
    keras.utils.set_random_seed(0)
    gan = GAN(Generator(SIZE, CHANNELS, WIDTH), Discriminator(SIZE, CHANNELS, WIDTH))
    gan.compile(jit_compile=jit_compile)
    with_sgd(gan, learning_rate=1e-5)
    start = values(gan.variables)
    images = np.random.default_rng(0).uniform(-1, 1, (steps * BATCH, SIZE, SIZE, CHANNELS))
    data = tf.data.Dataset.from_tensor_slices(images.astype(np.float32)).batch(BATCH)
    training_loop.train(gan, data, steps)
    losses = [float(mean.result()) for mean in gan.means.values()]
    return start, values(gan.variables), losses


@pytest.mark.gpu
def test_compiled_steps_are_the_plain_steps():
    (start, plain, plain_losses), (_, compiled, losses) = (
        trained(jit_compile) for jit_compile in (False, True)
    )
    for before, expected, weights in zip(start, plain, compiled, strict=True):
        tolerance = 0.01 * np.abs(expected - before).max() + 1e-7
        np.testing.assert_allclose(weights, expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.usefixtures("deterministic_kernels")
def test_equal_trainings_have_equal_bits():
    """Keras compiles no step while TensorFlow is deterministic, so the plain steps are tested."""
    first, second = (trained()[1] for _ in range(2))
    assert all(equal(first, second))
