"""The settings of a search: what they allow, and what they refuse."""

import dataclasses

import pytest
from sentences import assert_one_sentence

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
