"""The settings of a search: what they allow, and what they refuse."""

import dataclasses

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config.flags import describe, parse, to_flags
from tf_inpaint.settings import search_settings
from tf_inpaint.settings.search_settings import SearchSettings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"solver": "lbfgs", "latent_constraint": "stochastic"},
            ["--solver=lbfgs", "--latent_constraint=stochastic", "clip"],
        ),
        ({"restarts": 9, "start_draws": 8}, ["--start_draws", "8 and 9", "--start_draws=9"]),
        ({"steps": 0}, ["--steps", "at least 1"]),
        ({"patience": 0.0}, ["--patience", "above 0"]),
        ({"block_size": 0}, ["--block_size", "at least 1", "leave it out for auto"]),
        ({"block_size": "many"}, ["--block_size", "a whole number", "'many'"]),
        ({"jit_compile": "yes"}, ["--jit_compile", "auto, true, false", "'yes'"]),
        ({"blend": "glue"}, ["--blend", "poisson, feather, paste", "'glue'"]),
    ],
)
def test_wrong_settings_are_refused_by_name(changes, words):
    with pytest.raises(ValueError) as refusal:
        SearchSettings(**changes)
    assert_one_sentence(refusal.value, words)


def test_draws_are_only_needed_to_choose_the_best():
    assert SearchSettings(restarts=9, start_draws=8, start="random").restarts == 9


def test_every_setting_has_a_help_text():
    for field in dataclasses.fields(SearchSettings):
        assert field.metadata["help"]


def test_equal_settings_can_be_keys():
    assert len({SearchSettings(), SearchSettings(), SearchSettings(samples=2)}) == 2


def test_open_block_size_is_written_as_auto():
    assert SearchSettings(block_size="auto") == SearchSettings()
    assert parse(SearchSettings, ["--block_size=auto"]) == SearchSettings()
    assert parse(SearchSettings, ["--block_size=3"]).block_size == 3
    assert "--block_size=auto\n" in to_flags(SearchSettings())
    assert "--block_size=auto\n" in describe(SearchSettings, None)


@pytest.mark.parametrize(
    ("given", "recorded", "size"),
    [
        (None, None, 5),
        (None, {}, 5),
        (None, {"block_size": None}, 5),
        (None, {"block_size": 8}, 8),
        (None, {"block_size": "damaged"}, 5),
        (3, {"block_size": 8}, 3),
    ],
)
def test_open_block_size_is_that_of_the_record_or_of_the_device(monkeypatch, given, recorded, size):
    monkeypatch.setattr(search_settings, "default_block_size", lambda has_gpu: 5)
    settings = SearchSettings(steps=7, block_size=given).with_block_size(recorded)
    assert settings == SearchSettings(steps=7, block_size=size)
