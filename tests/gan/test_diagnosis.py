"""The diagnosis of trainings that fail, and no diagnosis of good trainings."""

import math

import pytest

from tf_inpaint.gan.diagnosis import MIN_ROWS, WARM_UP_STEPS, diagnosis

GOOD = {
    "discriminator_loss": 0.7,
    "generator_loss": 1.8,
    "real_accuracy": 0.9,
    "fake_accuracy": 0.9,
    "diversity": 0.35,
}


def rows(count=MIN_ROWS, first=WARM_UP_STEPS + 50, **changes):
    return [GOOD | {"step": first + 50 * index} | changes for index in range(count)]


def test_good_training_has_no_diagnosis():
    assert diagnosis([], 0.4) == ""
    assert diagnosis(rows(), 0.4) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"diversity": 0.05}, "has collapsed: its samples differ 12%"),
        ({"real_accuracy": 1.0, "fake_accuracy": 1.0}, "tells all images apart"),
    ],
)
def test_lasting_problem_is_named(changes, message):
    assert message in diagnosis(rows(**changes), 0.4)
    # A short problem is not named, nor is a problem of the first steps.
    assert diagnosis(rows() + rows(MIN_ROWS - 1, first=2000, **changes), 0.4) == ""
    assert diagnosis(rows(first=0, **changes), 0.4) == ""
    assert message in diagnosis(rows() + rows(first=2000, **changes), 0.4)
    assert diagnosis(rows(first=2000, **changes) + rows(1, first=9000), 0.4) == ""


@pytest.mark.parametrize("name", ["discriminator_loss", "generator_loss"])
def test_failed_training_is_named_and_a_skipped_step_is_not(name):
    failed, good = rows(2, first=50, **{name: math.nan}), rows(1)
    assert "no longer a number" in diagnosis(failed, 0.4)
    assert diagnosis([*good, failed[0]], 0.4) == "" == diagnosis([failed[0], *good], 0.4)


def test_unknown_diversity_of_the_data_is_no_collapse():
    assert diagnosis(rows(diversity=0.0), math.nan) == ""


def test_accuracy_of_a_critic_means_nothing():
    told_apart = {"real_accuracy": 1.0, "fake_accuracy": 1.0}
    assert diagnosis(rows(**told_apart), 0.4, "wasserstein") == ""
    assert "tells all images apart" in diagnosis(rows(**told_apart), 0.4, "hinge")
    assert "has collapsed" in diagnosis(rows(**told_apart, diversity=0.05), 0.4, "wasserstein")


def test_one_accuracy_alone_is_not_enough():
    assert diagnosis(rows(fake_accuracy=1.0), 0.4) == ""
