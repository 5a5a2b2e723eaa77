"""inpaint: the answer in closed form, one image's answer is its own, and nothing hidden is ever read."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.encoder import Encoder
from tf_inpaint.gan.networks import Discriminator, Generator, folded
from tf_inpaint.inpainting import masks
from tf_inpaint.inpainting.inpainter import Completions, Inpainter
from tf_inpaint.latent_search import curvature, loop, objective, posterior, solvers
from tf_inpaint.latent_search.lbfgs import lbfgs

SIZE, LATENT = 28, 5


@functools.cache
def networks():
    """A real pair, folded, whose weights are large enough for G(z) to depend on z."""
    keras.utils.set_random_seed(0)
    settings = {"image_size": SIZE, "channels": 1, "width": 3, "latent_size": LATENT}
    result = []
    for network in (Generator(**settings), Discriminator(**settings)):
        for variable in network.trainable_variables:
            if "kernel" in variable.name:
                variable.assign(15 * variable)
        result.append(folded(network))
    return result


@functools.cache  # for tracing one takes longer than these searches
def new_inpainter(**settings):
    return Inpainter(
        *networks(), LATENT, **{"steps": 12, "start_draws": 6, "block_size": 4} | settings
    )


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


@functools.cache
def encoder():
    keras.utils.set_random_seed(1)
    result = Encoder(SIZE, 1, width=2, latent_size=LATENT, hidden_size=8)
    for variable in result.trainable_variables:
        variable.assign(variable * 30)  # the last layer begins near 0
    return result


@functools.cache
def preconditioned():
    directions = curvature.directions(curvature.curvature(networks()[0], LATENT))
    return solvers.adam(0.1, constrain=solvers.clip, directions=directions, decay_steps=12)


# --- the answer


def linear(latent_size, shape, seed=0):
    matrix = (
        np.random.default_rng(seed)
        .normal(size=(latent_size, int(np.prod(shape))))
        .astype(np.float32)
    )
    return matrix, lambda z: tf.reshape(z @ matrix, [-1, *shape])


@pytest.mark.parametrize("contextual", ["l1", "weighted_l1", "l2"])
def test_linear_generator_gives_the_closed_form_answer(contextual):
    matrix, generator = linear(3, (8, 8, 2))
    truth = np.array([[0.5, -0.2, 0.8], [-0.9, 0.1, 0.3]], np.float32)
    images = generator(truth).numpy()
    known = np.stack([masks.make(name, 8, 8, 0) for name in ("left", "random")])
    # Noise-free, and more known pixels than entries of z: least squares over them gives z, and so does any norm.
    for image, given, z in zip(images, known, truth, strict=True):
        pixels = np.broadcast_to(given > 0, image.shape).ravel()
        solved = np.linalg.lstsq(matrix[:, pixels].T, image.ravel()[pixels])[0]
        np.testing.assert_allclose(solved, z, atol=1e-5)
    inpainter = Inpainter(
        generator,
        lambda generated: tf.zeros([tf.shape(generated)[0], 1]),
        3,
        steps=800,
        solver=solvers.adam(0.01, constrain=solvers.clip),
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
        inpainter = Inpainter(
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
        inpainter = Inpainter(
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

    found = Inpainter(generator, forbidden, 3, 2, prior_weight=0.0).complete(
        np.zeros((1, 8, 8, 1)), masks.make("top", 8, 8, 0)[None], [[1, 1]]
    )
    assert found.perceptual == [0]
    np.testing.assert_array_equal(found.energy, found.contextual)
    with pytest.raises(AssertionError, match="D was called"):
        Inpainter(generator, forbidden, 3, 2).complete(
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


def test_encoder_s_z_is_one_of_the_starts():
    images, known, seeds = digits(4)
    z = encoder()(images, known).numpy()
    assert np.ptp(z, axis=0).max() > 0.1
    alone = new_inpainter(encoder=encoder(), start_draws=0)
    np.testing.assert_allclose(alone.start(images, known, known, seeds)[:, 0], z, rtol=1e-5)
    # The best of it and of others: never worse than the others alone.
    both, drawn = new_inpainter(encoder=encoder()), new_inpainter()
    starts = [inpainter.start(images, known, known, seeds)[:, 0] for inpainter in (both, drawn)]
    first, second = (both.energy(start, images, known).numpy() for start in starts)
    assert (first <= second).all()
    with pytest.raises(ValueError, match="received 1 for 2 restarts"):
        new_inpainter(encoder=encoder(), start_draws=0, restarts=2)


# --- one image's answer is its own


@pytest.mark.parametrize(("block_size", "encoded"), [(4, False), (8, True), (9, False)])
def test_answer_does_not_depend_on_the_neighbours(block_size, encoded):
    *inputs, _ = many()
    best = {"encoder": encoder(), "start_draws": 0, "solver": preconditioned()} if encoded else {}
    inpainter = new_inpainter(block_size=block_size, **best)
    together = inpainter.complete(*inputs)
    # Alone, first and last of the 17; among 3; all of them in another order, so in other slots of other blocks.
    for chosen in ([0], [16], [5, 16, 2], np.random.default_rng(1).permutation(17)):
        some = inpainter.complete(*(part[chosen] for part in inputs))
        assert_same(some, rows(together, chosen))


def test_restarts_do_not_depend_on_the_neighbours():
    # 3 restarts in blocks of 4: an image's restarts lie in two blocks, and in others when it comes alone.
    inputs = digits(5)
    inpainter = new_inpainter(restarts=3, steps=6)
    together = inpainter.complete(*inputs)
    for chosen in ([3], [4, 1]):
        assert_same(inpainter.complete(*(part[chosen] for part in inputs)), rows(together, chosen))


# Converges in between, draws entries of z anew at most steps, and asks D in some steps only.
RESTLESS = {
    "steps": 60,
    "solver": solvers.adam(0.4, constrain=solvers.redraw),
    "patience": 0.0,
    "tolerance": 0.03,
    "prior_weight": 1.0,
    "prior_every": 4,
}


def quasi_newton():
    return lbfgs(0.1, curvature.metric(curvature.curvature(networks()[0], LATENT)), solvers.clip)


@pytest.mark.parametrize(("restarts", "block_size"), [(1, 4), (3, 5)])
@pytest.mark.parametrize("solver", [None, quasi_newton], ids=["adam", "lbfgs"])
def test_converged_rows_and_random_numbers_do_not_depend_on_the_neighbours(
    solver, restarts, block_size
):
    inputs = digits(9)
    settings = RESTLESS | ({"solver": solver()} if solver else {})
    inpainter = new_inpainter(**settings, restarts=restarts, block_size=block_size)
    together = inpainter.complete(*inputs)
    assert len(set(together.steps.tolist())) > 2
    for chosen in ([8], [2, 0], np.random.default_rng(1).permutation(9)):
        assert_same(inpainter.complete(*(part[chosen] for part in inputs)), rows(together, chosen))
    assert_same(inpainter.complete(*inputs, watch=lambda *_: None, watch_every=7), together)


def test_seed_chooses_the_answer():
    images, known, seeds, together = many()
    other = new_inpainter().complete(images[:4], known[:4], seeds[:4] + [1, 0])
    assert (other.z != together.z[:4]).any(axis=1).all()


def test_watching_changes_nothing():
    *inputs, together = many()
    first = [part[:6] for part in inputs]
    watched = new_inpainter().complete(*first, watch=lambda *seen: seen[3](), watch_every=5)
    assert_same(watched, rows(together, slice(6)))


def test_watch_tells_shares_rows_and_pictures():
    inputs, seen = digits(5), []

    def watch(share, turn, rows, generated):
        seen.append((share, turn, rows.tolist(), generated()))

    inpainter = new_inpainter(restarts=2)
    found = inpainter.complete(*inputs, watch=watch, watch_every=5)
    shares = [share for share, *_ in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert np.allclose(shares[:4], [0, 5 / 36, 10 / 36, 12 / 36])
    # 10 rows in blocks of 4; padding is not shown.
    blocks = {turn: rows for _, turn, rows, _ in seen}
    assert blocks == {0: [0, 0, 1, 1], 1: [2, 2, 3, 3], 2: [4, 4]}
    assert len(seen) == 3 * 4
    for _, turn, _, pictures in seen:
        assert pictures.shape == (len(blocks[turn]), SIZE, SIZE, 1)
    last = seen[-1][3]
    assert min(np.abs(last - found.generated[4]).max(axis=(1, 2, 3))) < 1e-5


# --- when a search is over


def test_converged_image_says_how_many_steps_it_took_and_why():
    inputs = digits(6)
    solver = solvers.adam(0.02, constrain=solvers.clip)
    found = new_inpainter(steps=400, solver=solver, start_draws=64).complete(*inputs)
    converged = found.reason == loop.Reason.CONVERGED
    assert converged.any()
    assert (found.steps[converged] < 400).all() and (found.steps[converged] >= 100).all()
    assert (found.steps[~converged] == 400).all()
    patient = new_inpainter(steps=400, solver=solver, start_draws=64, patience=1.0).complete(
        *inputs
    )
    assert (patient.steps == 400).all() and (patient.reason == loop.Reason.CAP).all()
    assert (patient.energy <= found.energy).all()
    np.testing.assert_array_equal(patient.z[~converged], found.z[~converged])


def test_short_searches_are_given_time_to_settle():
    # A quarter of 24 steps is 6, but no search is over before its 25th.
    found = new_inpainter(steps=24, solver=solvers.adam(0.5, constrain=solvers.clip)).complete(
        *digits(4)
    )
    assert (found.steps == 24).all()


def test_last_keeps_the_last_z():
    inputs = digits(4)
    solver = solvers.adam(0.6, constrain=solvers.clip)  # overshoots
    settings = {"steps": 30, "solver": solver, "patience": 1.0, "prior_every": 1}
    best, last = (
        new_inpainter(keep=keep, **settings).complete(*inputs) for keep in ("best", "last")
    )
    assert (best.energy <= last.energy).all() and (best.energy < last.energy).any()
    assert (last.steps == 30).all()


# --- the prior between the steps that compute it


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
        }
        solver = solvers.adam(0.02, constrain=solvers.clip)
        inpainter = Inpainter(
            generator, discriminator, 3, 20, solver, prior_every=every, **settings
        )
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
    np.testing.assert_allclose(found.energy, exact, rtol=1e-5)


def test_no_image_and_low_resolution_by_squares_are_refused():
    with pytest.raises(ValueError, match="At least one image is required; received none;"):
        new_inpainter().complete(*(part[:0] for part in digits(1)))
    with pytest.raises(ValueError, match="must be L1; received contextual 'l2';"):
        new_inpainter(contextual="l2", low_resolution_factor=4)


def test_what_lies_in_memory_does_not_grow_with_the_images():
    shapes = []
    inpainter = new_inpainter(restarts=3)

    class Watched(np.ndarray):
        """Tells every array made out of it."""

        def __array_finalize__(self, origin):
            shapes.append(self.shape)

    inputs = digits(17)
    inpainter.complete(inputs[0].view(Watched), *inputs[1:])
    assert max(shape[0] for shape in shapes[1:]) <= 12 < 17


# --- known pixels, hidden pixels


@pytest.mark.parametrize("blend", ["paste", "poisson"])
def test_known_pixels_come_back_bit_for_bit(blend):
    images, known, seeds = digits(4)
    found = new_inpainter(blend=blend).complete(images, known, seeds)
    given = known > 0
    np.testing.assert_array_equal(found.images[given], images[given])
    assert np.abs(found.images).max() <= 1
    if blend == "paste":
        np.testing.assert_array_equal(found.images[~given], found.generated[~given])
    else:
        assert (found.images[~given] != found.generated[~given]).mean() > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"contextual": "l1", "blend": "poisson"},
        {"contextual": "weighted_l1"},
        {"contextual": "weighted_l1", "blend": "poisson", "restarts": 2, "prior": "non_saturating"},
    ],
    ids=["l1", "weighted_l1", "restarts"],
)
def test_hidden_pixels_are_never_read(settings):
    images, known, seeds = digits(4)
    inpainter = new_inpainter(encoder=encoder(), **settings)
    clean = inpainter.complete(images, known, seeds)
    for scrambled in (np.random.default_rng(1).uniform(-1, 1, images.shape), np.nan, np.inf):
        hidden = np.where(known > 0, images, scrambled)
        assert not np.array_equal(hidden, images)
        assert_same(inpainter.complete(hidden, known, seeds), clean)
    # Were one known pixel changed instead, the answer would too.
    changed = images + np.where(known > 0, np.float32(0.3), 0)
    assert (inpainter.complete(changed, known, seeds).z != clean.z).any()


def test_low_resolution_reads_the_box_averages_only():
    images, _, seeds = digits(3)
    random = np.random.default_rng(0)
    # In eighths, so that sums are exact: moving pixels about within a box keeps its average to the bit.
    images = random.integers(-8, 9, images.shape).astype(np.float32) / 8
    boxes = images.reshape(3, 7, 4, 7, 4).transpose(0, 1, 3, 2, 4).reshape(3, 7, 7, 16)
    moved = random.permuted(boxes, axis=3).reshape(3, 7, 7, 4, 4).transpose(0, 1, 3, 2, 4)
    moved = moved.reshape(images.shape)
    assert not np.array_equal(images, moved)
    np.testing.assert_array_equal(
        objective.low_resolution(images, 4), objective.low_resolution(moved, 4)
    )
    known = np.zeros_like(images)
    inpainter = new_inpainter(low_resolution_factor=4)
    found = inpainter.complete(images, known, seeds)
    assert_same(inpainter.complete(moved, known, seeds), found)
    np.testing.assert_array_equal(found.images, found.generated)
    distance = objective.contextual_low_resolution(found.generated, images, 4)
    np.testing.assert_allclose(found.contextual, distance, rtol=1e-5)


@pytest.mark.parametrize("blend", ["paste", "poisson"])
@pytest.mark.parametrize("contextual", ["l1", "weighted_l1"])
def test_all_known_gives_the_image_and_all_hole_a_sample(blend, contextual):
    images, _, seeds = digits(2)
    known = np.stack([masks.make(name, SIZE, SIZE, 0) for name in ("full", "empty")])
    inpainter = new_inpainter(blend=blend, contextual=contextual)
    found = inpainter.complete(np.where(known > 0, images, np.nan), known, seeds)
    np.testing.assert_array_equal(found.images[0], images[0])
    np.testing.assert_array_equal(found.images[1], found.generated[1])
    assert found.contextual[1] == 0
    assert np.isfinite(found.generated).all() and found.energy[1] < 0


def test_a_generator_gone_wrong_touches_no_known_pixel():
    images, known, seeds = digits(2)
    inpainter = Inpainter(
        lambda z: tf.reshape(z[:, :1] * np.nan, [-1, 1, 1, 1]) * tf.ones([SIZE, SIZE, 1]),
        lambda generated: tf.reduce_mean(generated, axis=[2, 3]),
        LATENT,
        2,
    )
    found = inpainter.complete(images, known, seeds)
    assert np.isnan(found.generated).all()
    np.testing.assert_array_equal(found.images[known > 0], images[known > 0])


# --- several answers


@functools.cache
def several(estimate="mean", encoded=False, **settings):
    matrix = curvature.curvature(networks()[0], LATENT)
    fall = solvers.adam(
        0.1, constrain=solvers.clip, directions=curvature.directions(matrix), decay_steps=6
    )
    sampling = posterior.Sampling(3, fall, matrix, cooling_steps=6)
    found = encoder() if encoded else None
    return new_inpainter.__wrapped__(
        sampling=sampling, estimate=estimate, encoder=found, blend="paste", **settings
    )


@pytest.mark.parametrize("encoded", [False, True])
def test_estimates_are_made_of_the_same_answers(encoded):
    images, known, seeds = digits(5)
    best, sample, mean = (
        several(name, encoded).complete(images, known, seeds) for name in ("best", "sample", "mean")
    )
    for other in (best, sample):
        np.testing.assert_array_equal(other.samples, mean.samples)
    assert mean.samples.shape == (5, 3, SIZE, SIZE, 1)
    np.testing.assert_array_equal(sample.images, sample.samples[:, 0])
    np.testing.assert_array_equal(sample.generated, networks()[0](sample.z))
    np.testing.assert_array_equal(mean.images, np.where(known > 0, images, mean.generated))
    assert np.ptp(sample.samples, axis=1).max() > 1e-3, "the answers differ"
    plain = new_inpainter(encoder=encoder() if encoded else None, blend="paste").complete(
        images, known, seeds
    )
    np.testing.assert_array_equal(best.images, plain.images)
    assert np.isnan(plain.uncertainty).all() and plain.samples.shape[1] == 0
    expected = np.sum(known * np.abs(mean.generated - images), axis=(1, 2, 3))
    np.testing.assert_allclose(mean.contextual, expected, rtol=1e-4)


def test_uncertainty_is_how_far_the_answers_differ_in_the_hole():
    images, known, seeds = digits(5)
    found = several().complete(images, known, seeds)
    assert (found.uncertainty[known > 0] == 0).all() and (found.uncertainty >= 0).all()
    # Of more pictures than the samples, but of the same chains.
    spread = found.samples.std(axis=1)
    assert np.corrcoef(spread[known == 0], found.uncertainty[known == 0])[0, 1] > 0.6


@pytest.mark.parametrize("encoded", [False, True])
def test_several_answers_do_not_depend_on_the_neighbours(encoded):
    images, known, seeds = digits(6)
    together = several(encoded=encoded).complete(images, known, seeds)
    turned = several(encoded=encoded).complete(*(part[::-1] for part in (images, known, seeds)))
    assert_same(together, [part[::-1] for part in turned])
    alone = several(encoded=encoded).complete(*(part[4:5] for part in (images, known, seeds)))
    assert_same(rows(together, slice(4, 5)), alone)


def test_chains_move_whatever_is_known():
    images, known, seeds = digits(4)
    for factor, given in ((4, np.zeros_like(known)), (None, known)):
        found = several(low_resolution_factor=factor).complete(images, given, seeds)
        assert found.acceptance.shape == (4, 3)
        assert 0.2 < found.acceptance.mean() <= 1
        assert (found.reason == loop.Reason.DRAWN).all()


def test_several_answers_read_no_hidden_pixel():
    images, known, seeds = digits(4)
    scrambled = np.where(known > 0, images, np.nan)
    assert_same(
        several().complete(images, known, seeds), several().complete(scrambled, known, seeds)
    )
