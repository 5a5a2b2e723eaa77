"""Tests of the mean estimate of a run."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tf_inpaint import train
from tf_inpaint.compositing import masks
from tf_inpaint.data import sources
from tf_inpaint.files.paths import to_path
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.mean_estimate import low_rank_gaussian
from tf_inpaint.mean_estimate.conditional_mean import ConditionalMean
from tf_inpaint.mean_estimate.estimate import Coefficients
from tf_inpaint.mean_estimate.hole_distance import KNOTS
from tf_inpaint.runs import inpainters, mean_estimates, run_directory
from tf_inpaint.settings.search_settings import SearchSettings

COUNT = 48
SETTINGS = SearchSettings(estimate="mean", steps=2, start_draws=2, block_size=4)


def picture(number):
    """A picture with three degrees of freedom, which a Gaussian can learn."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[: tiny.SIZE, : tiny.SIZE] / tiny.SIZE
    waves = np.stack([np.sin(9 * rows), np.cos(7 * columns), rows - columns])
    levels = 128 + 40 * np.tensordot(random.uniform(-1, 1, 3), waves, 1)
    return levels[..., None].astype(np.uint8)


def source(count=COUNT):
    """Pictures that a Gaussian can learn."""
    names = [str(number) for number in range(count)]
    return sources.Source(names, picture, (tiny.SIZE, tiny.SIZE, 1))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with its estimate."""
    run_dir = tiny.new_run(tmp_path_factory.mktemp("mean") / "run", encoder_steps=0, mean_images=40)
    run = run_directory.load(run_dir)
    train.fit_mean_estimate(run.config, run, source())
    return run


def examples():
    """Images and masks that the fit did not see."""
    pictures = np.stack([picture(100 + number) for number in range(6)])
    known = np.stack(
        [masks.make("strokes", tiny.SIZE, tiny.SIZE, (0, number)) for number in range(6)]
    )
    return pictures.astype(np.float32) / 127.5 - 1, known.astype(np.float32)


def test_the_mean_is_better_than_the_completion_alone(run):
    """On images that the fit did not see, the mean has a lower squared error."""
    pictures, known = examples()
    seeds = np.stack([np.zeros(6, int), np.arange(6)], axis=1)
    networks = inpainters.frozen_networks(run)
    errors = []
    for estimate in ("best", "mean"):
        settings = dataclasses.replace(SETTINGS, estimate=estimate)
        completions = Inpainter(networks, settings).complete(pictures, known, seeds)
        errors.append(np.square(completions.images - pictures).mean())
        np.testing.assert_array_equal(
            np.where(known > 0, completions.images, 0), np.where(known > 0, pictures, 0)
        )
    assert errors[1] < 0.1 * errors[0]
    assert not completions.samples.size and np.isfinite(completions.uncertainty).all()


def test_it_is_fitted_once(run, monkeypatch):
    """A second call does nothing, and does not read the run again."""
    monkeypatch.setattr(mean_estimates, "fit", None)
    monkeypatch.setattr(run_directory, "load", None)
    train.fit_mean_estimate(run.config, run, source())


@pytest.mark.parametrize("deterministic", [False, True])
def test_xla_compiles_its_searches_as_it_compiles_the_training(
    deterministic, run, tmp_path, monkeypatch
):
    """So it compiles none of a deterministic training."""
    searches = []

    def fit(run, inpainter, *arguments):
        searches.append(inpainter.settings)
        return True

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(mean_estimates, "fit", fit)
    config = dataclasses.replace(run.config, deterministic=deterministic)
    train.fit_mean_estimate(config, run._replace(directory=tmp_path), source())
    assert [search.jit_compile for search in searches] == ["false" if deterministic else "true"]


def test_the_linear_prediction_has_no_seam():
    """A conditional mean that is wrong by a constant at the known pixels is right in the hole."""
    pictures, known = examples()
    predict = mean_estimates.linear_prediction(lambda images, known: images - 0.1)
    np.testing.assert_allclose(predict(pictures, known), pictures, atol=2e-3)


def test_the_factors_survive_half_precision(run, tmp_path):
    """The prediction that is read again is that of the fit, to an eighth of a level."""
    pictures, known = examples()
    gaussian = low_rank_gaussian.fit(source().read_float(np.arange(COUNT)), 3)
    other = run._replace(directory=tmp_path)
    zeros = Coefficients(np.zeros(len(KNOTS)), np.zeros((3, len(KNOTS))))
    mean_estimates.write(other, gaussian, zeros)
    means, _ = mean_estimates.load(other)(pictures, known, pictures)
    expected = mean_estimates.linear_prediction(ConditionalMean(*gaussian))(pictures, known)
    np.testing.assert_allclose(means, expected, atol=1e-3)


def test_with_too_few_images_the_mean_is_that_of_answers(tmp_path, caplog):
    """A run of few images has no estimate, and draws answers."""
    run = run_directory.load(tiny.new_run(tmp_path / "run", encoder_steps=0))
    train.fit_mean_estimate(run.config, run, source(8))
    assert "too few training images" in caplog.text
    assert mean_estimates.load(run) is None
    inpainter = Inpainter(inpainters.frozen_networks(run), SETTINGS)
    assert inpainter.sampling and not inpainter.searches


def test_a_damaged_file_is_an_error_where_it_is_needed(run, tmp_path):
    """A file that cannot be read is named, and other searches do not read it."""
    other = run._replace(directory=tmp_path)
    other.mean_estimate_file.parent.mkdir()
    other.mean_estimate_file.write_bytes(run.mean_estimate_file.read_bytes()[:1000])
    networks = inpainters.frozen_networks(other)
    Inpainter(networks, SearchSettings(steps=2, samples=2))
    with pytest.raises(ValueError, match="must be an npz file"):
        Inpainter(networks, SETTINGS)


def test_it_is_read_once(run, monkeypatch):
    """All inpainters of the same networks share the estimate."""
    networks = inpainters.frozen_networks(run)
    estimate = networks.mean_estimate
    monkeypatch.setattr(mean_estimates, "load", None)
    assert estimate is not None and networks.mean_estimate is estimate


def test_a_run_at_a_url_is_the_same(run, tmp_path):
    """Its networks, and its estimate."""
    url = to_path(f"memory:/{tmp_path}/run")
    url.fs.put(str(run.directory), url.path, recursive=True)
    stored = run_directory.load(str(url))
    assert stored.directory == url and stored.config == run.config
    assert stored.identity == run.identity and not stored.identity.endswith("no mean estimate")
    z = tf.constant(np.random.default_rng(0).normal(size=(2, run.config.latent_size)), tf.float32)
    np.testing.assert_array_equal(stored.generator(z), run.generator(z))
    pictures, known = examples()
    here, there = (mean_estimates.load(one).predict(pictures, known) for one in (run, stored))
    np.testing.assert_array_equal(here, there)
