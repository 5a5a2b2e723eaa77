"""The parts of a search from its settings: energy, solver, stopping rule and sampling."""

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.latent_search import curvature, feature_search, lbfgs, loop, posterior, solvers
from tf_inpaint.latent_search.energy import DISTANCES, PRIORS, Energy
from tf_inpaint.settings.device_defaults import compiles
from tf_inpaint.settings.search_settings import SearchSettings

STEPS_FROM_ENCODER, STEPS = 25, 100
"""Default number of steps with and without an encoder.

Starting from the encoder's z, further steps fit the known pixels better and the hole worse: on
MNIST (center, left) and on faces, PSNR and SSIM of the hole are lower after 100 steps than after
25.
"""
DEEPER_STEPS, STEPS_BEFORE_DEEPER_STEPS = 15, 10
"""Default number of deeper steps, and of the steps from an encoder's z before them.

The deeper steps fit the known pixels better than the last steps of z do, and the hole too.
"""

START_DRAWS = 64
"""Default number of random z for each image, from which the start of a search is chosen."""

DEFAULT_SAMPLES = 8
"""Number of answers to draw if the estimate needs answers and no number is given."""


def new_energy(
    settings: SearchSettings, networks: FrozenNetworks, low_resolution_factor: int | None = None
) -> Energy:
    """The energy that the search lowers.

    Args:
        settings: distance, prior and its weight.
        networks: generator and discriminator.
        low_resolution_factor: side of the boxes whose averages are known, in pixels.

    Raises:
        ValueError: low-resolution images are given with another distance than L1.
    """
    if low_resolution_factor and settings.contextual == "l2":
        raise ValueError(
            "The distance of low-resolution images must be L1; "
            f"received contextual {settings.contextual!r}; choose l1."
        )
    return Energy(
        networks.generator,
        networks.discriminator,
        DISTANCES[settings.contextual],
        PRIORS[networks.prior if settings.prior == "auto" else settings.prior],
        settings.prior_weight,
        low_resolution_factor,
    )


def number_of_steps(settings: SearchSettings, has_encoder: bool, deeper_steps: int) -> int:
    """Maximum number of steps of a search, before its deeper steps."""
    from_encoder = STEPS_BEFORE_DEEPER_STEPS if deeper_steps else STEPS_FROM_ENCODER
    return settings.steps or (from_encoder if has_encoder else STEPS)


def number_of_deeper_steps(settings: SearchSettings, networks: FrozenNetworks) -> int:
    """Number of steps that correct a feature map of the generator.

    Raises:
        ValueError: the settings ask for such steps, and the generator is in one piece.
    """
    if settings.deeper_steps and not networks.parts:
        raise ValueError(
            "--deeper_steps must have a generator in two parts; received one in one piece; pass "
            "`parts` to FrozenNetworks, or --deeper_steps=0."
        )
    if settings.deeper_steps is None:
        return DEEPER_STEPS if networks.parts else 0
    return settings.deeper_steps


def new_pictures(
    networks: FrozenNetworks, energy: Energy, deeper_steps: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """The pictures of z for images and weights: G(z), corrected by the deeper steps."""
    if not deeper_steps:
        return lambda z, images, weights: networks.generator(z)
    features, picture = networks.parts
    scale, solver = networks.feature_scale, solvers.adam(feature_search.LEARNING_RATE)

    def pictures(z, images, weights):
        def contextual(generated):
            return energy.contextual(generated, images, weights)

        return feature_search.corrected_pictures(
            features(z), picture, scale, contextual, solver, deeper_steps
        )

    return pictures


def number_of_draws(settings: SearchSettings, has_encoder: bool) -> int:
    """Number of random z for each image, from which the starts of its restarts are chosen.

    Beside the z of an encoder no further z are drawn. Random z win only where few pixels are known,
    and then they fit these pixels better and the hole worse; 64 of them take as long as 25 steps
    (`tests/benchmarks/economies.py`).
    """
    if settings.start == "best" and settings.start_draws is None and has_encoder:
        return settings.restarts - 1
    return number_of_chain_draws(settings)


def number_of_chain_draws(settings: SearchSettings) -> int:
    """Number of random z for each image, from which the starts of its chains are chosen."""
    draws = {
        "best": settings.start_draws or max(START_DRAWS, settings.restarts),
        "random": settings.restarts,
        "encoder": settings.restarts - 1,
    }
    return draws[settings.start]


def new_solver(settings: SearchSettings, networks: FrozenNetworks, steps: int) -> solvers.Solver:
    """The solver that moves z.

    Args:
        settings: solver, learning rate and constraint.
        networks: the networks, for the curvature of the generator.
        steps: number of steps over which the step size of the preconditioned solver falls.
    """
    constrain = solvers.CONSTRAINTS[settings.latent_constraint]
    if settings.solver == "preconditioned":
        return preconditioned_adam(settings, networks, steps)
    if settings.solver == "lbfgs":
        metric = curvature.metric(networks.curvature)
        return lbfgs.lbfgs(settings.learning_rate, metric, constrain)
    return solvers.adam(settings.learning_rate, constrain=constrain)


def preconditioned_adam(
    settings: SearchSettings, networks: FrozenNetworks, steps: int
) -> solvers.Solver:
    """Adam in the eigenbasis of the generator's curvature; step sizes fall over `steps`."""
    return solvers.adam(
        settings.learning_rate,
        beta_1=0.7,
        beta_2=0.99,
        epsilon=1e-8,
        constrain=solvers.CONSTRAINTS[settings.latent_constraint],
        directions=curvature.directions(networks.curvature),
        decay_steps=steps,
    )


def new_stopping(settings: SearchSettings, steps: int) -> loop.Stopping | None:
    """The rule by which a row has converged. None: every row takes all steps."""
    patience = max(math.ceil(settings.patience * steps), settings.min_patience)
    # The first step always counts as progress, so no row can be without progress in all steps.
    return loop.Stopping(settings.tolerance, patience) if patience < steps else None


def searches(
    settings: SearchSettings, networks: FrozenNetworks, low_resolution_factor: int | None
) -> bool:
    """Whether the picture of an image is that of the lowest energy, and not a drawn one.

    A mean estimate is learned from single known pixels. Low-resolution images have none.
    """
    if settings.estimate == "mean" and not low_resolution_factor:
        return networks.mean_estimate is not None
    return settings.estimate == "best"


def restart_seeds(seeds: tf.Tensor, restarts: int) -> tf.Tensor:
    """A seed for each restart of each image, `[B, restarts, 2]`."""
    return tf.stack([solvers.fold_in(seeds, number) for number in range(restarts)], axis=1)


def new_sampling(
    settings: SearchSettings, networks: FrozenNetworks, has_search: bool
) -> posterior.Sampling | None:
    """How to draw several answers. None: no answers are drawn."""
    samples = settings.samples or (0 if has_search else DEFAULT_SAMPLES)
    if not samples:
        return None
    cooling_solver = preconditioned_adam(settings, networks, posterior.COOLING_STEPS)
    return posterior.Sampling(samples, cooling_solver, networks.curvature)


def new_graph(settings: SearchSettings) -> Callable[[Callable], Callable]:
    """What turns a function into a graph: `tf.function`, with XLA where the settings ask for it.

    With XLA, a graph is one program. Without XLA, a graph does not mention it, so an exported graph
    runs where there is no XLA.
    """
    jit_compile = compiles(settings.jit_compile) or None
    return functools.partial(tf.function, autograph=False, jit_compile=jit_compile)


def sampling_batch(sampling: posterior.Sampling | None, block_size: int) -> int:
    """How many images to sample at once; 0 without sampling.

    The largest divisor of the block size whose chains still fit into one block, so that a single
    image need not wait for a full block.
    """
    if not sampling:
        return 0
    divisors = [number for number in range(1, block_size + 1) if block_size % number == 0]
    fitting = [number for number in divisors if number * sampling.samples <= block_size]
    return max(fitting, default=1)


def new_search(
    settings: SearchSettings, networks: FrozenNetworks, energy: Energy, steps: int
) -> loop.Search:
    """The search for z by these settings, with D's linear approximation where they ask for it.

    Args:
        settings: solver, stopping rule, prior, and a number as block size.
        networks: the networks.
        energy: what the search lowers.
        steps: maximum number of steps.
    """
    search = functools.partial(
        loop.Search,
        solver=new_solver(settings, networks, steps),
        block_size=settings.block_size,
        latent_size=networks.latent_size,
        stopping=new_stopping(settings, steps),
        keep=settings.keep,
        graph=new_graph(settings),
    )
    if settings.prior_weight == 0 or settings.prior_every == 1:
        return search(energy)
    return search(
        energy.with_linearized_prior,
        refresh=energy.linearize_prior,
        refresh_every=settings.prior_every,
        render=networks.generator,
    )
