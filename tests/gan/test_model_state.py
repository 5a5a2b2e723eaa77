"""The state of a GAN: the averaged generator, and what a checkpoint holds."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import LATENT, equal, new_gan, random_images, values

from tf_inpaint.gan.random_numbers import draw_latents
from tf_inpaint.runs import run_directory

# --- the average


@pytest.mark.parametrize(("step", "decay"), [(0, 1 / 10), (98, 99 / 108), (10**6, 0.95)])
def test_average_contains_every_variable(step, decay):
    gan = new_gan(ema_decay=0.95)
    gan.counter.assign(step)
    random = np.random.default_rng(0)
    for variable in gan.ema_generator.variables:
        variable.assign(random.uniform(0.5, 2, variable.shape))
    old = values(gan.ema_generator.variables)
    gan.train_step(tf.constant(random_images()))
    names = {variable.name for variable in gan.ema_generator.variables}
    assert {"moving_mean", "moving_variance"} <= names
    for average, before, variable in zip(
        gan.ema_generator.variables, old, gan.generator.variables, strict=True
    ):
        assert average.path.split("/")[1:] == variable.path.split("/")[1:]
        expected = decay * before + (1 - decay) * variable.numpy()
        np.testing.assert_allclose(average.numpy(), expected, atol=1e-5, err_msg=average.path)


def test_calling_the_gan_calls_the_average():
    gan = new_gan()
    assert all(equal(values(gan.generator.variables), values(gan.ema_generator.variables)))
    z = draw_latents(3, LATENT, (0, 0))
    start = gan(z).numpy()
    for variable in gan.ema_generator.variables:
        variable.assign(variable * 1.5)
    np.testing.assert_array_equal(gan(z, training=True), gan.ema_generator(z, training=False))
    assert np.abs(gan(z) - start).max() > 0.01


# --- checkpoints


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_state_holds_every_variable_once(dtype):
    gan = new_gan(dtype=dtype)
    optimizers = [gan.generator_optimizer, gan.discriminator_optimizer]
    inner = [getattr(optimizer, "inner_optimizer", optimizer) for optimizer in optimizers]
    variables = gan.variables + [
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema_generator.variables,
        *(variable for optimizer in optimizers + inner for variable in optimizer.variables),
        *(moment for adam in inner for moment in adam._momentums + adam._velocities),
        *(variable for mean in gan.means.values() for variable in mean.variables),
        gan.counter,
    ]
    identities = [id(variable) for part in gan.state.values() for variable in part]
    assert len(identities) == len(set(identities))
    assert set(identities) == {id(variable.value) for variable in variables}


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_restored_gan_is_the_saved_gan(dtype, tmp_path):
    gan, fresh = new_gan(dtype=dtype), new_gan(weights_seed=1, dtype=dtype)
    for seed in range(2):
        gan.train_step(tf.constant(random_images(seed)))
    run_directory.checkpoints(tmp_path, gan.state).save(1)
    assert run_directory.restore(run_directory.checkpoints(tmp_path, fresh.state))
    assert fresh.state.keys() == gan.state.keys()
    for name, part in gan.state.items():
        assert all(equal(values(part), values(fresh.state[name]))), name
    assert fresh.step == 2
    assert fresh.loss_scale == gan.loss_scale
