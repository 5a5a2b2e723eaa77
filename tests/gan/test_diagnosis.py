"""What is said of trainings that go nowhere, and that nothing is said of good ones."""

import math

import pytest

from tf_inpaint.gan.diagnosis import PATIENCE, START, diagnosis

GOOD = {
    "discriminator_loss": 0.7,
    "generator_loss": 1.8,
    "real_accuracy": 0.9,
    "fake_accuracy": 0.9,
    "diversity": 0.35,
}


def rows(count=PATIENCE, first=START + 50, **changes):
    return [GOOD | {"step": first + 50 * index} | changes for index in range(count)]


def test_nothing_to_say():
    assert diagnosis([], 0.4) == ""
    assert diagnosis(rows(), 0.4) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"diversity": 0.05}, "has collapsed: its samples differ 12%"),
        ({"real_accuracy": 1.0, "fake_accuracy": 1.0}, "tells all images apart"),
    ],
)
def test_what_lasts_is_said(changes, words):
    assert words in diagnosis(rows(**changes), 0.4)
    # Not of a passing state, nor of a network that has hardly begun.
    assert diagnosis(rows() + rows(PATIENCE - 1, first=2000, **changes), 0.4) == ""
    assert diagnosis(rows(first=0, **changes), 0.4) == ""
    assert words in diagnosis(rows() + rows(first=2000, **changes), 0.4)
    assert diagnosis(rows(first=2000, **changes) + rows(1, first=9000), 0.4) == ""


@pytest.mark.parametrize("name", ["discriminator_loss", "generator_loss"])
def test_a_lost_training_is_said_and_a_skipped_step_is_none(name):
    lost, fine = rows(2, first=50, **{name: math.nan}), rows(1)
    assert "no longer a number" in diagnosis(lost, 0.4)
    assert diagnosis([*fine, lost[0]], 0.4) == "" == diagnosis([lost[0], *fine], 0.4)


def test_diversity_of_unknown_data_is_no_collapse():
    assert diagnosis(rows(diversity=0.0), math.nan) == ""


def test_a_critic_s_sign_tells_nothing():
    told_apart = {"real_accuracy": 1.0, "fake_accuracy": 1.0}
    assert diagnosis(rows(**told_apart), 0.4, "wasserstein") == ""
    assert "tells all images apart" in diagnosis(rows(**told_apart), 0.4, "hinge")
    assert "has collapsed" in diagnosis(rows(**told_apart, diversity=0.05), 0.4, "wasserstein")


def test_one_accuracy_alone_is_not_enough():
    assert diagnosis(rows(fake_accuracy=1.0), 0.4) == ""
