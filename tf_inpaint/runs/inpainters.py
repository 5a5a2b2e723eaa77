"""The search that a command's settings ask for, through the networks of a run."""

import functools
from collections.abc import Callable

import numpy as np

from tf_inpaint.config import SearchConfig
from tf_inpaint.gan.networks import folded, frozen
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search import curvature, posterior, solvers
from tf_inpaint.latent_search.lbfgs import lbfgs
from tf_inpaint.runs.run_directory import Run

STEPS_FROM_ENCODER, STEPS = 25, 100
"""Of a search whose number of steps was not given. From the encoder's z more of them match what is known still better,
and move off a likely hole: on MNIST (center, left) and on faces PSNR and SSIM of the hole are lower after 100."""
FRAMES = 12
"""Of a search's film, at least, where it has so many steps."""
SAMPLES = 8
"""Answers drawn where the estimate needs some and no number was given."""


class Networks:
    """A run's networks as functions of their inputs alone, and what all searches through them share.

    Args:
        run: trained networks.
        whole: what each function is wrapped in.
    """

    def __init__(self, run: Run, whole: Callable[[Callable], Callable] = lambda function: function):
        self.run = run
        self.generator = whole(folded(run.generator))
        self.discriminator = whole(folded(run.discriminator))
        self.encoder = whole(frozen(run.encoder)) if run.encoder else None

    @functools.cached_property
    def curvature(self) -> np.ndarray:
        """See `curvature.curvature`; a second or so, once."""
        return curvature.curvature(self.generator, self.run.config.latent_size)


def new_inpainter(
    config: SearchConfig, networks: Networks, low_resolution_factor: int | None = None
) -> Inpainter:
    """What completes images by these settings.

    Args:
        networks: of one run; several inpainters may have the same.
        low_resolution_factor: see `Inpainter`.

    Raises:
        ValueError: `start="encoder"` without an encoder, or for low-resolution images.
    """
    run, encoder = networks.run, networks.encoder
    constrain = solvers.CONSTRAINTS[config.latent_constraint]
    if config.start == "random" or low_resolution_factor:
        encoder = None
    if config.start == "encoder" and encoder is None:
        raise ValueError(
            f"--start=encoder must have an encoder and known pixels; {run.directory} has none, or the mask is "
            f"lowres; train with --encoder_steps, or pass --start=best."
        )
    steps = config.steps or (STEPS_FROM_ENCODER if encoder else STEPS)
    samples = config.samples or (0 if config.estimate == "best" else SAMPLES)
    solver, sampling = solvers.adam(config.learning_rate, constrain=constrain), None
    if config.solver == "lbfgs":
        solver = lbfgs(config.learning_rate, curvature.metric(networks.curvature), constrain)
    if samples or config.solver == "preconditioned":
        directions = curvature.directions(networks.curvature)

        def preconditioned(steps):
            return solvers.adam(config.learning_rate, 0.7, 0.99, 1e-8, constrain, directions, steps)

        if config.solver == "preconditioned":
            solver = preconditioned(steps)
        if samples:
            sampling = posterior.Sampling(
                samples, preconditioned(posterior.COOLING_STEPS), networks.curvature
            )
    draws = {"best": config.start_draws, "random": config.restarts, "encoder": config.restarts - 1}
    own_prior = "critic" if run.config.loss in ("hinge", "wasserstein") else "saturating"
    return Inpainter(
        networks.generator,
        networks.discriminator,
        run.config.latent_size,
        steps=steps,
        solver=solver,
        restarts=config.restarts,
        start_draws=draws[config.start],
        contextual=config.contextual,
        prior=own_prior if config.prior == "auto" else config.prior,
        prior_weight=config.prior_weight,
        blend=config.blend,
        low_resolution_factor=low_resolution_factor,
        block_size=config.block_size,
        encoder=encoder,
        tolerance=config.tolerance,
        patience=config.patience,
        prior_every=config.prior_every,
        keep=config.keep,
        sampling=sampling,
        estimate=config.estimate,
    )


def steps_a_frame(inpainter: Inpainter) -> int:
    """Steps of the search from one frame of its film to the next."""
    return max(1, inpainter.steps // FRAMES)
