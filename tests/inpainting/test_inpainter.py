"""The answer of an inpainter: closed forms, starts, restarts, and when a search ends."""

import numpy as np
import pytest
import tensorflow as tf
from rounding import kernel_tolerance
from small_inpainters import (
    assert_same,
    digits,
    encoder,
    linear,
    new_inpainter,
    search_through,
)

from tf_inpaint.compositing import masks
from tf_inpaint.latent_search import loop


@pytest.mark.parametrize("contextual", ["l1", "weighted_l1", "l2"])
def test_linear_generator_gives_the_closed_form_answer(contextual):
    matrix, generator = linear(3, (8, 8, 2))
    truth = np.array([[0.5, -0.2, 0.8], [-0.9, 0.1, 0.3]], np.float32)
    images = generator(truth).numpy()
    known = np.stack([masks.make(name, 8, 8, 0) for name in ("left", "random")])
    # Noise-free, and more known pixels than entries of z: least squares over them gives z, and so
    # does any norm.
    for image, given, z in zip(images, known, truth, strict=True):
        pixels = np.broadcast_to(given > 0, image.shape).ravel()
        solved = np.linalg.lstsq(matrix[:, pixels].T, image.ravel()[pixels])[0]
        np.testing.assert_allclose(solved, z, atol=1e-5)
    inpainter = search_through(
        generator,
        lambda generated: tf.zeros([tf.shape(generated)[0], 1]),
        3,
        steps=800,
        learning_rate=0.01,
        contextual=contextual,
        prior_weight=0.0,
        patience=1.0,
    )
    found = inpainter.complete(
        np.where(known > 0, images, np.nan), known, np.array([[0, 1], [0, 2]])
    )
    np.testing.assert_allclose(found.z, truth, atol=0.02)
    np.testing.assert_allclose(found.images, images, atol=0.1)


def test_energy_is_contextual_plus_weighted_prior():
    _, generator = linear(3, (8, 8, 1))
    images, known, seeds = np.zeros((1, 8, 8, 1)), masks.make("top", 8, 8, 0)[None], [[1, 1]]
    for prior, logit, expected in [
        ("saturating", 2.0, -np.log1p(np.exp(2.0))),
        ("non_saturating", 2.0, np.log1p(np.exp(-2.0))),
        ("critic", 2.0, -2.0),
    ]:
        inpainter = search_through(
            generator,
            lambda g, logit=logit: tf.fill([tf.shape(g)[0], 1], logit),
            3,
            2,
            prior=prior,
            prior_weight=3.0,
        )
        found = inpainter.complete(images, known, seeds)
        np.testing.assert_allclose(found.generated, generator(found.z), rtol=1e-5, atol=1e-6)
        contextual = (known * np.abs(found.generated)).sum()
        np.testing.assert_allclose(found.contextual, [contextual], rtol=1e-5)
        np.testing.assert_allclose(found.perceptual, [expected], rtol=1e-5)
        np.testing.assert_allclose(found.energy, [contextual + 3 * expected], rtol=1e-5)


def test_prior_pulls_towards_what_the_discriminator_likes():
    # D likes bright pictures, the image is dark.
    generator = lambda z: tf.reshape(z, [-1, 1, 1, 1]) * tf.ones([1, 8, 8, 1])  # noqa: E731
    discriminator = lambda generated: 10 * tf.reduce_mean(generated, [1, 2])  # noqa: E731
    images, known = np.full((1, 8, 8, 1), -0.5), masks.make("grid", 8, 8, 0)[None]
    levels = {}
    for weight in (0.0, 100.0):
        inpainter = search_through(
            generator,
            discriminator,
            1,
            200,
            prior="non_saturating",
            prior_weight=weight,
            block_size=1,
        )
        levels[weight] = inpainter.complete(images, known, [[0, 0]]).generated.mean()
    assert levels[0.0] == pytest.approx(-0.5, abs=0.02)
    assert levels[100.0] > 0.2


def test_prior_weight_0_leaves_the_discriminator_uncalled():
    _, generator = linear(3, (8, 8, 1))

    def forbidden(generated):
        raise AssertionError("D was called")

    found = search_through(generator, forbidden, 3, 2, prior_weight=0.0).complete(
        np.zeros((1, 8, 8, 1)), masks.make("top", 8, 8, 0)[None], [[1, 1]]
    )
    assert found.perceptual == [0]
    np.testing.assert_array_equal(found.energy, found.contextual)
    with pytest.raises(AssertionError, match="D was called"):
        search_through(generator, forbidden, 3, 2).complete(
            np.zeros((1, 8, 8, 1)), masks.make("top", 8, 8, 0)[None], [[1, 1]]
        )


@pytest.mark.parametrize("start_draws", [6, 4])  # 4 restarts from the best of 6, and from any 4
def test_restarts_are_never_worse_than_one(start_draws):
    inputs = digits(5)
    one = new_inpainter(start_draws=1 if start_draws == 4 else start_draws).complete(*inputs)
    four = new_inpainter(start_draws=start_draws, restarts=4).complete(*inputs)
    assert (four.energy <= one.energy).all()
    assert (four.energy < one.energy).any()


def test_search_improves_on_its_start():
    inputs = digits(5)
    short, long = (new_inpainter(steps=steps).complete(*inputs) for steps in (1, 40))
    assert (long.energy < short.energy).all()
    assert np.abs(long.z).max() <= 1


def test_search_starts_at_the_last_z_if_its_energy_is_lower():
    images, known, seeds = digits(5)  # More than a block.
    inpainter = new_inpainter()
    alone = inpainter.complete(images, known, seeds)
    again = inpainter.complete(images, known, seeds, last_z=alone.z)
    assert again.from_last_z.all() and not alone.from_last_z.any()
    assert (again.energy <= alone.energy + 1e-3).all() and (again.energy < alone.energy).any()
    # A z of a higher energy than that of the start changes nothing, bit for bit.
    z = np.random.default_rng(0).uniform(-1, 1, (50, 5)).astype(np.float32)
    energies = np.stack([inpainter.energy(np.tile(row, (5, 1)), images, known) for row in z])
    assert_same(inpainter.complete(images, known, seeds, last_z=z[energies.argmax(0)]), alone)
    # With several restarts, the one whose answer is kept counts.
    several = new_inpainter(start_draws=6, restarts=4)
    answers = several.complete(images, known, seeds, last_z=alone.z)
    assert (answers.energy <= again.energy + 1e-3).all()


def test_encoder_s_z_is_one_of_the_starts():
    images, known, seeds = digits(4)
    z = encoder()(images, known).numpy()
    assert np.ptp(z, axis=0).max() > 0.1
    alone = new_inpainter(encoded=True, start="encoder")
    np.testing.assert_allclose(
        alone.starts(images, known, known, seeds)[:, 0], z, rtol=kernel_tolerance(1e-5)
    )
    # The best of it and of others: never worse than the others alone.
    both, drawn = new_inpainter(encoded=True), new_inpainter()
    starts = [inpainter.starts(images, known, known, seeds)[:, 0] for inpainter in (both, drawn)]
    first, second = (both.energy(start, images, known).numpy() for start in starts)
    assert (first <= second).all()
    with pytest.raises(ValueError, match="must have an encoder and known pixels"):
        new_inpainter(start="encoder")
    with pytest.raises(ValueError, match="must have an encoder and known pixels"):
        new_inpainter(encoded=True, start="encoder", low_resolution_factor=4)


def test_converged_image_says_how_many_steps_it_took_and_why():
    inputs = digits(6)
    settings = {"steps": 400, "learning_rate": 0.02, "start_draws": 64}
    found = new_inpainter(**settings).complete(*inputs)
    converged = found.reason == loop.Reason.CONVERGED
    assert converged.any()
    assert (found.steps[converged] < 400).all() and (found.steps[converged] >= 100).all()
    assert (found.steps[~converged] == 400).all()
    patient = new_inpainter(**settings, patience=1.0).complete(*inputs)
    assert (patient.steps == 400).all() and (patient.reason == loop.Reason.CAP).all()
    assert (patient.energy <= found.energy).all()
    np.testing.assert_array_equal(patient.z[~converged], found.z[~converged])


def test_short_searches_are_given_time_to_settle():
    # A quarter of 24 steps is 6, but no search is over before its 25th.
    found = new_inpainter(steps=24, learning_rate=0.5).complete(*digits(4))
    assert (found.steps == 24).all()


def test_last_keeps_the_last_z():
    inputs = digits(4)
    # So large a step overshoots.
    settings = {"steps": 30, "learning_rate": 0.6, "patience": 1.0, "prior_every": 1}
    best, last = (
        new_inpainter(keep=keep, **settings).complete(*inputs) for keep in ("best", "last")
    )
    assert (best.energy <= last.energy).all() and (best.energy < last.energy).any()
    assert (last.steps == 30).all()


def test_prior_s_tangent_serves_between():
    calls = []

    def discriminator(generated):
        tf.py_function(lambda: calls.append(1), [], [])
        return 3 * tf.reduce_mean(generated, axis=[2, 3])

    _, generator = linear(3, (8, 8, 1))
    images, known = np.full((1, 8, 8, 1), -0.5), masks.make("grid", 8, 8, 0)[None]
    found, counts = {}, {}
    for every in (1, 4):
        settings = {
            "start_draws": 1,
            "prior": "critic",
            "prior_weight": 40.0,
            "block_size": 1,
            "patience": 1.0,
            "learning_rate": 0.02,
        }
        inpainter = search_through(generator, discriminator, 3, 20, prior_every=every, **settings)
        calls.clear()
        found[every] = inpainter.complete(images, known, [[0, 0]])
        counts[every] = len(calls)
    # A linear prior is its own tangent. Besides the search, D sees the answer once.
    assert counts == {1: 20 + 1, 4: 20 // 4 + 1}
    np.testing.assert_allclose(found[4].z, found[1].z, atol=1e-4)
    np.testing.assert_allclose(found[4].energy, found[1].energy, rtol=1e-4)


def test_energy_reported_is_exact_whatever_the_search_went_by():
    inputs = digits(4)
    found = new_inpainter(prior_weight=2.0, prior_every=5).complete(*inputs)
    images, known = (tf.constant(part, tf.float32) for part in inputs[:2])
    exact = new_inpainter(prior_weight=2.0).energy(tf.constant(found.z), images, known)
    np.testing.assert_allclose(found.energy, exact, rtol=kernel_tolerance(1e-5))


def test_deeper_steps_keep_z_and_fit_the_known_pixels_better():
    """Without a known pixel they change nothing."""
    images, known, seeds = digits(4)
    for factor in (None, 4):
        plain, deeper = (
            new_inpainter(low_resolution_factor=factor, deeper_steps=steps).complete(
                images, known, seeds
            )
            for steps in (0, 9)
        )
        np.testing.assert_array_equal(deeper.z, plain.z)
        assert (deeper.contextual < 0.99 * plain.contextual).all()
    hidden = images, np.zeros_like(known), seeds
    plain, deeper = (
        new_inpainter(deeper_steps=steps).complete(*hidden).generated for steps in (0, 9)
    )
    np.testing.assert_array_equal(plain, deeper)


def test_no_image_and_low_resolution_by_squares_are_refused():
    with pytest.raises(ValueError, match="At least one image is required; received none;"):
        new_inpainter().complete(*(part[:0] for part in digits(1)))
    with pytest.raises(ValueError, match="must be L1; received contextual 'l2';"):
        new_inpainter(contextual="l2", low_resolution_factor=4)
