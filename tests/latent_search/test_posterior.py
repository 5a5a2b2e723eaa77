"""posterior: a linear generator, of which mean and deviation are known in closed form; chains keep to their image."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.latent_search import posterior, samplers, solvers, starting_points

IMAGES, CHAINS, SIZE, SIDE = 6, 4, 3, 3
RANDOM = np.random.default_rng(0)
MAP = RANDOM.normal(size=(SIZE, SIDE * SIDE)).astype(np.float32)
GIVEN = RANDOM.normal(size=(IMAGES, SIDE * SIDE)).astype(np.float32)
KNOWN = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0], np.float32)
STARTS = RANDOM.uniform(-0.9, 0.9, (IMAGES, CHAINS, SIZE)).astype(np.float32)
SEEDS = np.stack([np.arange(IMAGES), np.full(IMAGES, 7)], axis=1)
SEARCH = solvers.adam(0.1, constrain=solvers.clip)
CURVATURE = (MAP @ MAP.T).astype(np.float64)


def linear(z):
    """A generator that is linear in u."""
    return tf.reshape(samplers.to_normal(z) @ MAP, [-1, SIDE, SIDE, 1])


def misfit(z, given, generator=linear):
    """Half the squared distance on the known pixels."""
    away = tf.reshape(generator(z), [-1, SIDE * SIDE]) - tf.repeat(
        given, tf.shape(z)[0] // tf.shape(given)[0], axis=0
    )
    return 0.5 * tf.reduce_sum(KNOWN * tf.square(away), axis=1)


def sampled(given=GIVEN, starts=STARTS, seeds=SEEDS, generator=linear, **settings):
    settings = {"cooling_steps": 5, "adapt_steps": 5, "steps": 8, "temperature": 0.5} | settings

    @tf.function
    def run(given, starts, seeds):
        return posterior.sample(
            lambda z: misfit(z, given, generator),
            *(generator, starts, seeds),
            tf.fill(tf.shape(starts)[:1], float(KNOWN.mean())),
            posterior.Sampling(starts.shape[1], SEARCH, CURVATURE, **settings),
        )

    return tf.nest.map_structure(
        lambda value: value.numpy(), run(*map(tf.constant, (given, starts, seeds)))
    )


def exact(temperature):
    """`(mean, deviation)` of the pictures, for u ~ N(0, I) under `misfit`."""
    covariance = np.linalg.inv(np.eye(SIZE) + (MAP * KNOWN) @ MAP.T / temperature)
    mean = (KNOWN * GIVEN) @ MAP.T / temperature @ covariance @ MAP
    return mean.reshape(-1, SIDE, SIDE, 1), np.sqrt(np.diag(MAP.T @ covariance @ MAP)).reshape(
        SIDE, SIDE, 1
    )


@pytest.mark.parametrize(("leapfrog_steps", "temperature"), [(1, 2.0), (4, 0.1)])
def test_mean_and_deviation_of_a_linear_generator(leapfrog_steps, temperature):
    starts = np.random.default_rng(1).uniform(-0.9, 0.9, (IMAGES, 200, SIZE)).astype(np.float32)
    found = sampled(
        starts=starts,
        leapfrog_steps=leapfrog_steps,
        temperature=temperature,
        adapt_steps=40,
        steps=60,
        cooling_steps=10,
    )
    mean, deviation = exact(temperature)
    np.testing.assert_allclose(found.mean, mean, atol=0.1 * deviation.max())
    np.testing.assert_allclose(
        found.standard_deviation,
        np.broadcast_to(deviation, found.standard_deviation.shape),
        rtol=0.07,
    )
    # The ends alone say the same, less surely.
    ends = linear(found.z.reshape(-1, SIZE)).numpy().reshape(IMAGES, 200, SIDE, SIDE, 1)
    np.testing.assert_allclose(ends.mean(1), mean, atol=0.35 * deviation.max())
    np.testing.assert_allclose(ends.std(1) / deviation, 1, atol=0.25)
    assert 0.4 < found.acceptance_rate.mean() < 0.9


def test_energy_is_that_of_the_samples():
    found = sampled()
    assert found.z.shape == (IMAGES, CHAINS, SIZE) and np.abs(found.z).max() < 1
    energy = misfit(tf.constant(found.z.reshape(-1, SIZE)), GIVEN).numpy()
    np.testing.assert_allclose(found.energy.ravel(), energy, rtol=1e-3, atol=1e-4)


def test_an_images_answer_is_its_own():
    found = sampled()
    order = np.array([4, 2, 0, 5, 1, 3])
    permuted = sampled(GIVEN[order], STARTS[order], SEEDS[order])
    for value, expected in zip(permuted, found, strict=True):
        np.testing.assert_array_equal(value, expected[order])
    others = GIVEN.copy()
    others[1:] = 3.0
    for value, expected in zip(sampled(others), found, strict=True):
        np.testing.assert_array_equal(value[0], expected[0])


def test_seeds_and_chains_draw_differently():
    same = np.broadcast_to(STARTS[:1, :1], STARTS.shape)
    found = sampled(np.broadcast_to(GIVEN[:1], GIVEN.shape), same)
    assert len(np.unique(found.z.reshape(-1, SIZE), axis=0)) == IMAGES * CHAINS
    np.testing.assert_array_equal(found.z, sampled(np.broadcast_to(GIVEN[:1], GIVEN.shape), same).z)


def test_a_chain_that_is_lost_harms_no_other():
    # Nothing is there where z_0 is below -0.5: a chain that starts there finds a way out or counts for nothing.
    def torn(z):
        return tf.where(z[:, :1, None, None] < -0.5, np.nan, linear(z))

    starts = np.abs(STARTS)
    lost = starts.copy()
    lost[0, 1], lost[1] = [-0.999, 0.3, 0.3], np.nan
    found = sampled(starts=lost, generator=torn, cooling_steps=3)
    expected = sampled(starts=starts, generator=torn, cooling_steps=3)
    for value in (found.mean, found.standard_deviation):
        assert np.isfinite(value).all()
    for value, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value[2:], other[2:])
        assert np.isfinite(value[2:]).all()
    np.testing.assert_array_equal(found.z[0, [0, 2, 3]], expected.z[0, [0, 2, 3]])
    assert np.isinf(found.energy[1]).all() and (found.standard_deviation[1] == 0).all()


def test_a_chain_that_is_lost_counts_for_nothing():
    lost = STARTS.copy()
    lost[:, -1] = np.nan
    found, expected = sampled(starts=lost), sampled(starts=STARTS[:, :-1])
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-3)
    np.testing.assert_allclose(found.standard_deviation, expected.standard_deviation, atol=1e-3)
    assert (found.acceptance_rate[:, -1] == 0).all() and np.isinf(found.energy[:, -1]).all()


def test_deviation_is_exact_where_it_is_small():
    # A picture of -1 that hardly moves: the difference of two mean squares would be rounded to nothing.
    found = sampled(generator=lambda z: 1e-4 * linear(z) - 1)
    shifted = sampled(generator=lambda z: 1e-4 * linear(z) - 1, temperature=1e6)
    ends = samplers.to_normal(shifted.z.reshape(-1, SIZE)) @ MAP
    assert np.abs(found.mean + 1).max() < 1e-3
    np.testing.assert_allclose(
        shifted.standard_deviation.mean() / (1e-4 * np.std(ends)), 1, atol=0.3
    )


def test_temperature_follows_the_misfit():
    energy = np.array([[2.0, 5.0], [np.inf, 7.0], [np.nan, np.inf], [-3.0, 1.0]], np.float32)
    found = posterior.temperature_of(tf.constant(energy), share=0.1)
    np.testing.assert_allclose(found, [0.2, 0.7, 0.1, 1e-4], rtol=1e-5)
    chosen = sampled(temperature=None, cooling_steps=20)
    assert (chosen.temperature > 0).all() and len(np.unique(chosen.temperature)) > 1


def test_scales_go_from_the_priors_to_the_misfits():
    found = posterior.scales(
        np.array([0.0, 1e-6, 1e6]), tf.constant([1.0, 2.0]), tf.constant([1.0, 0.25])
    ).numpy()
    np.testing.assert_allclose(found[:, :2], 1, rtol=1e-5)
    slope = np.mean((2 / np.pi) * np.exp(-(np.random.default_rng(0).normal(size=200_000) ** 2)))
    np.testing.assert_allclose(
        found[:, 2], 1e-3 / np.sqrt(slope * np.array([1, 1 / 16])), rtol=0.01
    )


def test_starts_lie_around_a_z_the_farther_the_less_is_known():
    random = np.random.default_rng(3)
    z = random.uniform(-1, 1, (4000, SIZE)).astype(np.float32)
    seeds = np.stack([np.zeros(len(z), np.int64), np.arange(len(z))], axis=1)

    def starts(share, z=z):
        return starting_points.around(
            tf.constant(z), tf.fill([len(z)], share), seeds, 3, 0.1, 0.6, doubt=0.02
        ).numpy()

    for share in (1.0, 0.5, 0.0):
        found = samplers.to_normal(starts(share)).numpy()
        # Draws of the prior, as z is.
        np.testing.assert_allclose(found.mean((0, 2)), 0, atol=0.03)
        np.testing.assert_allclose(found.std((0, 2)), 1, atol=0.03)
        if share:
            near = [
                np.corrcoef(samplers.to_normal(z).numpy().ravel(), found[:, k].ravel())[0, 1]
                for k in range(3)
            ]
            wide = np.array([0.1, 0.35, 0.6]) ** 2 + 0.02 * (1 - share) / share
            np.testing.assert_allclose(near, 1 / np.sqrt(1 + wide), atol=0.02)
    np.testing.assert_array_equal(starts(0.0), starts(0.0, -z))
    assert np.abs(starts(1.0) - starts(1.0, -z)).max() > 1


def test_one_chain_in_eight_begins_at_the_lowest_drawn_point():
    z = RANDOM.uniform(-1, 1, (IMAGES, SIZE)).astype(np.float32)
    energy_fn = functools.partial(misfit, given=GIVEN)

    def found(z, count, draws=20):
        return starting_points.chain_starts(
            z, energy_fn, SEEDS, tf.fill([IMAGES], 0.5), count, draws, SIZE
        ).numpy()

    points = starting_points.random_candidates(SEEDS, 20, SIZE).numpy()
    ranked = np.argsort([energy_fn(tf.constant(points[:, k])) for k in range(20)], axis=0)
    several = found(z, 16)
    np.testing.assert_array_equal(
        several[:, :14], starting_points.around(z, tf.fill([IMAGES], 0.5), SEEDS, 14)
    )
    for place in range(2):
        np.testing.assert_array_equal(
            several[:, 14 + place], points[np.arange(IMAGES), ranked[place]]
        )
    np.testing.assert_array_equal(found(None, 2), several[:, 14:])
    # No point is drawn: all begin around z. And more chains than draws have one each.
    np.testing.assert_array_equal(
        found(z, 16, draws=0), starting_points.around(z, tf.fill([IMAGES], 0.5), SEEDS, 16)
    )
    assert found(None, 3, draws=1).shape == (IMAGES, 3, SIZE)


def test_uncertainty_by_hand():
    standard_deviation = np.array([3.0, 0.0], np.float32).reshape(1, 1, 1, 2)
    np.testing.assert_allclose(
        posterior.uncertainty(standard_deviation), [[[[3 / np.sqrt(2)]]]], rtol=1e-6
    )


@pytest.mark.parametrize("settings", [{"steps": 5}, {"steps": 0}])
def test_steps_make_whole_pictures(settings):
    with pytest.raises(ValueError, match="multiple of picture_every"):
        sampled(**settings)


def test_it_can_be_exported_with_a_free_number_of_images(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, *shape], kind) for shape, kind in [
        ((SIDE * SIDE,), tf.float32), ((CHAINS, SIZE), tf.float32), ((2,), tf.int64)
    ]])  # fmt: skip
    def serve(given, starts, seeds):
        share = tf.fill(tf.shape(starts)[:1], float(KNOWN.mean()))
        return posterior.sample(
            lambda z: misfit(z, given),
            linear,
            starts,
            seeds,
            share,
            posterior.Sampling(CHAINS, SEARCH, CURVATURE, cooling_steps=5),
        )._asdict()

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    for count in (IMAGES, 1):
        batch = [tf.constant(values[:count]) for values in (GIVEN, STARTS, SEEDS)]
        found = served(**dict(zip(["given", "starts", "seeds"], batch, strict=True)))
        for name, value in serve(*batch).items():
            np.testing.assert_array_equal(found[name], value)
