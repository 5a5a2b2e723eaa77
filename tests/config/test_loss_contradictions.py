"""Settings of losses and penalties that contradict each other are refused, and no others."""

from types import SimpleNamespace

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config.loss_contradictions import check_losses

DEFAULTS = {
    "loss": "non_saturating",
    "discriminator_norm": "batch",
    "gradient_penalty": 0.0,
    "r1": 0.0,
    "label_smoothing": 0.0,
}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"r1": 1.0}, ["--r1=1.0", "--discriminator_norm"]),
        ({"gradient_penalty": 10.0}, ["--gradient_penalty=10.0", "--discriminator_norm"]),
        ({"loss": "wasserstein", "discriminator_norm": "layer"}, ["--loss=wasserstein", "layer"]),
        ({"loss": "hinge", "label_smoothing": 0.1}, ["--label_smoothing", "--loss=hinge"]),
    ],
)
def test_contradiction_is_one_sentence(settings, words):
    with pytest.raises(ValueError) as error:
        check_losses(SimpleNamespace(**DEFAULTS | settings))
    assert_one_sentence(error.value, words)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"r1": 1.0, "discriminator_norm": "none"},
        {"loss": "wasserstein", "discriminator_norm": "spectral"},
        {"loss": "wasserstein", "discriminator_norm": "layer", "gradient_penalty": 10.0},
        {"loss": "minimax", "label_smoothing": 0.1},
    ],
)
def test_other_settings_are_allowed(settings):
    check_losses(SimpleNamespace(**DEFAULTS | settings))
