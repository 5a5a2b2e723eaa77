"""The search that a command's settings ask for, through the networks of a run."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.config import SearchConfig
from tf_inpaint.gan.networks import folded, frozen
from tf_inpaint.inpainting import curvature, posterior, solvers
from tf_inpaint.inpainting.inpaint import Inpainter
from tf_inpaint.runs import Run

SAMPLES = 8
"""Answers drawn where the estimate needs some and no number was given."""


class Networks(NamedTuple):
    """A run's networks as functions of their inputs alone."""

    generator: Callable[[tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor], tf.Tensor]
    encoder: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None


def networks(run: Run) -> Networks:
    return Networks(folded(run.generator), folded(run.discriminator), run.encoder and frozen(run.encoder))


def new_inpainter(
    config: SearchConfig, run: Run, low_resolution_factor: int | None = None, shared: Networks | None = None
) -> Inpainter:
    """What completes images by these settings.

    Args:
        shared: `networks(run)`, where several inpainters are to have the same; None: its own.
        low_resolution_factor: see `Inpainter`.

    Raises:
        ValueError: `start="encoder"` without an encoder, or for low-resolution images.
    """
    generator, discriminator, encoder = shared or networks(run)
    latent_size = run.config.latent_size
    constrain = solvers.CONSTRAINTS[config.latent_constraint]
    samples = config.samples or (0 if config.estimate == "best" else SAMPLES)
    solver, sampling = solvers.adam(config.learning_rate, constrain=constrain), None
    if samples or config.solver == "preconditioned":
        matrix = curvature.curvature(generator, latent_size)
        directions = curvature.directions(matrix)

        def preconditioned(steps):
            return solvers.adam(config.learning_rate, 0.7, 0.99, 1e-8, constrain, directions, steps)

        if config.solver == "preconditioned":
            solver = preconditioned(config.steps)
        if samples:
            sampling = posterior.Sampling(samples, preconditioned(posterior.FALL), matrix)
    if config.start == "random" or low_resolution_factor:
        encoder = None
    if config.start == "encoder" and encoder is None:
        raise ValueError(
            f"--start=encoder must have an encoder and known pixels; {run.directory} has none, or the mask is "
            f"lowres; train with --encoder_steps, or pass --start=best."
        )
    draws = {"best": config.start_draws, "random": config.restarts, "encoder": config.restarts - 1}
    own_prior = "critic" if run.config.loss in ("hinge", "wasserstein") else "saturating"
    return Inpainter(
        generator,
        discriminator,
        latent_size,
        steps=config.steps,
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
