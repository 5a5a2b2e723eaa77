"""Tests of posterior: exact mean and deviation of a linear generator, and independent images."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.latent_search import posterior, samplers, solvers

IMAGES, CHAINS, SIZE, SIDE = 6, 4, 3, 3
RANDOM = np.random.default_rng(0)
MAP = RANDOM.normal(size=(SIZE, SIDE * SIDE)).astype(np.float32)
DATA = RANDOM.normal(size=(IMAGES, SIDE * SIDE)).astype(np.float32)
KNOWN = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0], np.float32)
STARTS = RANDOM.uniform(-0.9, 0.9, (IMAGES, CHAINS, SIZE)).astype(np.float32)
SEEDS = np.stack([np.arange(IMAGES), np.full(IMAGES, 7)], axis=1)
COOLING_SOLVER = solvers.adam(0.1, constrain=solvers.clip)
CURVATURE = (MAP @ MAP.T).astype(np.float64)


def linear(z):
    """A generator that is linear in u."""
    return tf.reshape(samplers.to_normal(z) @ MAP, [-1, SIDE, SIDE, 1])


def misfit(z, data, generator=linear):
    """Half the squared distance on the known pixels."""
    pictures = tf.reshape(generator(z), [-1, SIDE * SIDE])
    differences = pictures - tf.repeat(data, tf.shape(z)[0] // tf.shape(data)[0], axis=0)
    return 0.5 * tf.reduce_sum(KNOWN * tf.square(differences), axis=1)


def sampled(data=DATA, starts=STARTS, seeds=SEEDS, generator=linear, **settings):
    """Returns samples for these data, as arrays."""
    settings = {"cooling_steps": 5, "adapt_steps": 5, "steps": 8, "temperature": 0.5} | settings

    @tf.function
    def run(data, starts, seeds):
        return posterior.sample(
            lambda z: misfit(z, data, generator),
            generator,
            starts,
            seeds,
            tf.fill(tf.shape(starts)[:1], float(KNOWN.mean())),
            posterior.Sampling(starts.shape[1], COOLING_SOLVER, CURVATURE, **settings),
        )

    samples = run(*map(tf.constant, (data, starts, seeds)))
    return tf.nest.map_structure(lambda value: value.numpy(), samples)


def exact(temperature):
    """Returns the exact mean and standard deviation of the pictures, for u ~ N(0, I)."""
    covariance = np.linalg.inv(np.eye(SIZE) + (MAP * KNOWN) @ MAP.T / temperature)
    mean = (KNOWN * DATA) @ MAP.T / temperature @ covariance @ MAP
    deviation = np.sqrt(np.diag(MAP.T @ covariance @ MAP))
    return mean.reshape(-1, SIDE, SIDE, 1), deviation.reshape(SIDE, SIDE, 1)


# --- Exact results


@pytest.mark.parametrize(("leapfrog_steps", "temperature"), [(1, 2.0), (4, 0.1)])
def test_mean_and_deviation_of_a_linear_generator(leapfrog_steps, temperature):
    starts = np.random.default_rng(1).uniform(-0.9, 0.9, (IMAGES, 200, SIZE)).astype(np.float32)
    samples = sampled(
        starts=starts,
        leapfrog_steps=leapfrog_steps,
        temperature=temperature,
        adapt_steps=40,
        steps=60,
        cooling_steps=10,
    )
    mean, deviation = exact(temperature)
    np.testing.assert_allclose(samples.mean, mean, atol=0.1 * deviation.max())
    np.testing.assert_allclose(
        samples.standard_deviation,
        np.broadcast_to(deviation, samples.standard_deviation.shape),
        rtol=0.07,
    )
    # The last points alone give the same result, less exactly.
    pictures = linear(samples.z.reshape(-1, SIZE)).numpy().reshape(IMAGES, 200, SIDE, SIDE, 1)
    np.testing.assert_allclose(pictures.mean(1), mean, atol=0.35 * deviation.max())
    np.testing.assert_allclose(pictures.std(1) / deviation, 1, atol=0.25)
    assert 0.4 < samples.acceptance_rate.mean() < 0.9


def test_small_deviation_is_exact():
    # The pictures are almost -1 everywhere. A difference of two mean squares would be rounded to 0.
    def almost_constant(z):
        return 1e-4 * linear(z) - 1

    samples = sampled(generator=almost_constant)
    assert np.abs(samples.mean + 1).max() < 1e-3
    hot = sampled(generator=almost_constant, temperature=1e6)
    pictures = samplers.to_normal(hot.z.reshape(-1, SIZE)) @ MAP
    expected = 1e-4 * np.std(pictures)
    np.testing.assert_allclose(hot.standard_deviation.mean() / expected, 1, atol=0.3)


def test_energy_belongs_to_the_samples():
    samples = sampled()
    assert samples.z.shape == (IMAGES, CHAINS, SIZE) and np.abs(samples.z).max() < 1
    energy = misfit(tf.constant(samples.z.reshape(-1, SIZE)), DATA).numpy()
    np.testing.assert_allclose(samples.energy.ravel(), energy, rtol=1e-3, atol=1e-4)


def test_default_temperature_is_a_share_of_the_lowest_energy():
    energy = np.array([[2.0, 5.0], [np.inf, 7.0], [np.nan, np.inf], [-3.0, 1.0]], np.float32)
    temperature = posterior.default_temperature(tf.constant(energy), share=0.1)
    np.testing.assert_allclose(temperature, [0.2, 0.7, 0.1, 1e-4], rtol=1e-5)
    samples = sampled(temperature=None, cooling_steps=20)
    assert (samples.temperature > 0).all() and len(np.unique(samples.temperature)) > 1


def test_posterior_widths_go_from_the_prior_to_the_misfit():
    widths = posterior.posterior_widths(
        np.array([0.0, 1e-6, 1e6]), tf.constant([1.0, 2.0]), tf.constant([1.0, 0.25])
    ).numpy()
    np.testing.assert_allclose(widths[:, :2], 1, rtol=1e-5)
    normal = np.random.default_rng(0).normal(size=200_000)
    slope = np.mean((2 / np.pi) * np.exp(-(normal**2)))
    expected = 1e-3 / np.sqrt(slope * np.array([1, 1 / 16]))
    np.testing.assert_allclose(widths[:, 2], expected, rtol=0.01)


def test_uncertainty_by_hand():
    standard_deviation = np.array([3.0, 0.0], np.float32).reshape(1, 1, 1, 2)
    uncertainty = posterior.uncertainty(standard_deviation)
    np.testing.assert_allclose(uncertainty, [[[[3 / np.sqrt(2)]]]], rtol=1e-6)


# --- Independent images and chains


def test_images_are_independent():
    samples = sampled()
    order = np.array([4, 2, 0, 5, 1, 3])
    permuted = sampled(DATA[order], STARTS[order], SEEDS[order])
    for value, expected in zip(permuted, samples, strict=True):
        np.testing.assert_array_equal(value, expected[order])
    other_data = DATA.copy()
    other_data[1:] = 3.0
    for value, expected in zip(sampled(other_data), samples, strict=True):
        np.testing.assert_array_equal(value[0], expected[0])


def test_each_seed_and_each_chain_gives_other_samples():
    same_data = np.broadcast_to(DATA[:1], DATA.shape)
    same_starts = np.broadcast_to(STARTS[:1, :1], STARTS.shape)
    samples = sampled(same_data, same_starts)
    assert len(np.unique(samples.z.reshape(-1, SIZE), axis=0)) == IMAGES * CHAINS
    np.testing.assert_array_equal(samples.z, sampled(same_data, same_starts).z)


def test_lost_chain_does_not_change_other_chains():
    # There is no picture where z_0 is below -0.5. A chain that starts there leaves or is lost.
    def torn(z):
        return tf.where(z[:, :1, None, None] < -0.5, np.nan, linear(z))

    starts = np.abs(STARTS)
    bad_starts = starts.copy()
    bad_starts[0, 1], bad_starts[1] = [-0.999, 0.3, 0.3], np.nan
    samples = sampled(starts=bad_starts, generator=torn, cooling_steps=3)
    expected = sampled(starts=starts, generator=torn, cooling_steps=3)
    for value in (samples.mean, samples.standard_deviation):
        assert np.isfinite(value).all()
    for value, other in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(value[2:], other[2:])
        assert np.isfinite(value[2:]).all()
    np.testing.assert_array_equal(samples.z[0, [0, 2, 3]], expected.z[0, [0, 2, 3]])
    assert np.isinf(samples.energy[1]).all() and (samples.standard_deviation[1] == 0).all()


def test_lost_chain_does_not_count():
    bad_starts = STARTS.copy()
    bad_starts[:, -1] = np.nan
    samples, expected = sampled(starts=bad_starts), sampled(starts=STARTS[:, :-1])
    np.testing.assert_allclose(samples.mean, expected.mean, atol=1e-3)
    np.testing.assert_allclose(samples.standard_deviation, expected.standard_deviation, atol=1e-3)
    assert (samples.acceptance_rate[:, -1] == 0).all()
    assert np.isinf(samples.energy[:, -1]).all()


# --- Settings and export


@pytest.mark.parametrize("settings", [{"steps": 5}, {"steps": 0}])
def test_steps_must_be_a_multiple_of_picture_every(settings):
    with pytest.raises(ValueError, match="multiple of picture_every"):
        sampled(**settings)


def test_sample_can_be_exported_for_any_number_of_images(tmp_path):
    module = tf.Module()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, SIDE * SIDE], tf.float32),
            tf.TensorSpec([None, CHAINS, SIZE], tf.float32),
            tf.TensorSpec([None, 2], tf.int64),
        ]
    )
    def serve(data, starts, seeds):
        share = tf.fill(tf.shape(starts)[:1], float(KNOWN.mean()))
        sampling = posterior.Sampling(CHAINS, COOLING_SOLVER, CURVATURE, cooling_steps=5)
        samples = posterior.sample(
            lambda z: misfit(z, data), linear, starts, seeds, share, sampling
        )
        return samples._asdict()

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    for count in (IMAGES, 1):
        data, starts, seeds = (tf.constant(array[:count]) for array in (DATA, STARTS, SEEDS))
        answer = served(data=data, starts=starts, seeds=seeds)
        for name, value in serve(data, starts, seeds).items():
            np.testing.assert_array_equal(answer[name], value)
