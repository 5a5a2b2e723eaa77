"""Random numbers are functions of seed and step, and z is uniform."""

import numpy as np
from tiny_gan import BATCH, LATENT, new_gan

from tf_inpaint.gan.random_numbers import draw_latents, fixed_latents


def test_z_is_a_function_of_seed_and_step():
    gan = new_gan(seed=7)
    first = gan.latents(2, BATCH).numpy()
    assert first.shape == (2, BATCH, LATENT)
    np.testing.assert_array_equal(gan.latents(2, BATCH), first)
    np.testing.assert_array_equal(new_gan(weights_seed=1, seed=7).latents(2, BATCH), first)
    distinct = {first.tobytes(), new_gan(seed=8).latents(2, BATCH).numpy().tobytes()}
    for _ in range(2):
        gan.counter.assign_add(1)
        distinct.add(gan.latents(2, BATCH).numpy().tobytes())
    assert len(distinct) == 4


def test_z_is_uniform_and_without_repetition():
    z = draw_latents(20000, 2, (0, 5)).numpy()
    assert z.dtype == np.float32
    assert np.abs(z).max() <= 1
    assert len(np.unique(z[:, 0] * 2 + z[:, 1])) > 19900
    # Moments of the uniform distribution, within five standard errors.
    np.testing.assert_allclose(z.mean(0), 0, atol=5 * (1 / 3 / 20000) ** 0.5)
    np.testing.assert_allclose((z**2).mean(0), 1 / 3, atol=5 * (4 / 45 / 20000) ** 0.5)
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(2), atol=5 / 20000**0.5)


def test_fixed_latents_depend_on_the_seed_and_not_on_a_step():
    z = fixed_latents(36, 5, 3).numpy()
    assert z.shape == (36, 5)
    np.testing.assert_array_equal(fixed_latents(36, 5, 3), z)
    assert not np.array_equal(fixed_latents(36, 5, 4), z)
