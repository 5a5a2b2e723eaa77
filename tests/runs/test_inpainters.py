"""From a run to an inpainter: the prior that fits to the loss of the run."""

import dataclasses

import pytest
from tiny import new_run

from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search import objective
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import frozen_networks
from tf_inpaint.settings.search_settings import SearchSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run."""
    return run_directory.load(new_run(tmp_path_factory.mktemp("inpainters") / "run"))


@pytest.mark.parametrize(
    ("loss", "prior"),
    [("minimax", "saturating"), ("non_saturating", "saturating"), ("hinge", "critic")],
)
def test_prior_goes_with_the_loss_that_trained_the_discriminator(run, loss, prior):
    """The prior "auto" depends on the loss, and any other prior does not."""
    networks = frozen_networks(run._replace(config=dataclasses.replace(run.config, loss=loss)))
    for setting, expected in (("auto", prior), ("non_saturating", "non_saturating")):
        inpainter = Inpainter(networks, SearchSettings(prior=setting, solver="adam"))
        assert inpainter.energy.prior is getattr(objective, expected)
