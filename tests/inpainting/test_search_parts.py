"""The parts of a search are those that its settings ask for."""

import pytest
import tensorflow as tf

from tf_inpaint.inpainting import search_parts
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.latent_search import objective
from tf_inpaint.settings.search_settings import MIN_PATIENCE, SearchSettings


def linear_networks(**settings):
    """A generator whose picture is 3 z, and a discriminator that prefers bright pictures."""
    return FrozenNetworks(
        lambda z: 3.0 * tf.reshape(z, [-1, 2, 2, 1]),
        lambda images: tf.reduce_mean(images, axis=[1, 2]),
        4,
        **settings,
    )


@pytest.mark.parametrize(
    ("prior", "own_prior", "expected"),
    [
        ("auto", "saturating", objective.saturating),
        ("auto", "critic", objective.critic),
        ("non_saturating", "critic", objective.non_saturating),
    ],
)
def test_auto_is_the_prior_of_the_networks(prior, own_prior, expected):
    networks = linear_networks(prior=own_prior)
    assert search_parts.new_energy(SearchSettings(prior=prior), networks).prior is expected


@pytest.mark.parametrize(
    ("patience", "steps", "expected"),
    [(0.25, 400, 100), (0.25, 40, MIN_PATIENCE), (0.3, 101, 31)],
)
def test_patience_is_a_share_of_the_steps(patience, steps, expected):
    stopping = search_parts.new_stopping(SearchSettings(patience=patience), steps)
    assert stopping.patience == expected and stopping.tolerance == SearchSettings().tolerance


def test_patience_1_never_stops_early():
    assert search_parts.new_stopping(SearchSettings(patience=1.0), 400) is None


def test_few_steps_never_stop_early():
    assert search_parts.new_stopping(SearchSettings(), MIN_PATIENCE) is None
    assert search_parts.new_stopping(SearchSettings(), MIN_PATIENCE + 1)


@pytest.mark.parametrize(
    ("samples", "estimate", "expected"),
    [(0, "best", None), (3, "best", 3), (0, "mean", search_parts.DEFAULT_SAMPLES), (5, "mean", 5)],
)
def test_samples_are_drawn_when_asked_for_or_needed(samples, estimate, expected):
    settings = SearchSettings(samples=samples, estimate=estimate)
    sampling = search_parts.new_sampling(settings, linear_networks(), estimate == "best")
    assert (sampling and sampling.samples) == expected


def test_steps_and_draws_follow_the_start():
    for has_encoder, deeper_steps, steps in [
        (True, 0, search_parts.STEPS_FROM_ENCODER),
        (True, 1, search_parts.STEPS_BEFORE_DEEPER_STEPS),
        (False, 0, search_parts.STEPS),
        (False, 1, search_parts.STEPS),
    ]:
        assert search_parts.number_of_steps(SearchSettings(), has_encoder, deeper_steps) == steps
        assert search_parts.number_of_steps(SearchSettings(steps=7), has_encoder, deeper_steps) == 7
    draws = {
        start: search_parts.number_of_draws(
            SearchSettings(start=start, restarts=3, start_draws=9), True
        )
        for start in ("best", "random", "encoder")
    }
    assert draws == {"best": 9, "random": 3, "encoder": 2}


def test_only_a_generator_in_two_parts_takes_deeper_steps():
    whole = linear_networks()
    split = linear_networks(parts=(lambda z: 3.0 * z, lambda maps: maps))
    for networks, asked, steps in [
        (whole, None, 0),
        (whole, 0, 0),
        (split, None, search_parts.DEEPER_STEPS),
        (split, 0, 0),
        (split, 4, 4),
    ]:
        settings = SearchSettings(deeper_steps=asked)
        assert search_parts.number_of_deeper_steps(settings, networks) == steps
    with pytest.raises(ValueError, match="--deeper_steps must have a generator in two parts"):
        search_parts.number_of_deeper_steps(SearchSettings(deeper_steps=1), whole)


@pytest.mark.parametrize(("restarts", "draws"), [(1, 64), (3, 64), (99, 99)])
def test_default_draws_only_what_the_encoder_does_not_give(restarts, draws):
    settings = SearchSettings(restarts=restarts)
    assert search_parts.number_of_draws(settings, False) == draws
    assert search_parts.number_of_draws(settings, True) == restarts - 1
    assert search_parts.number_of_chain_draws(settings) == draws


@pytest.mark.parametrize(
    ("samples", "block_size", "batch"), [(0, 8, 0), (1, 8, 8), (3, 8, 2), (8, 8, 1), (9, 8, 1)]
)
def test_chains_of_a_batch_fit_into_a_block(samples, block_size, batch):
    sampling = search_parts.new_sampling(
        SearchSettings(samples=samples), linear_networks(), has_search=True
    )
    assert search_parts.sampling_batch(sampling, block_size) == batch
