"""From a run to an `Inpainter`."""

import os
from collections.abc import Callable

from tf_inpaint.gan.networks import fold_normalization, fold_parts, freeze
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.runs import mean_estimates, run_directory
from tf_inpaint.settings.search_settings import SearchSettings

MIN_FRAMES = 12
"""Minimum number of frames of a search's film, if the search has so many steps."""


def frozen_networks(
    run: run_directory.Run, wrap: Callable[[Callable], Callable] | None = None
) -> FrozenNetworks:
    """The networks of a run as plain functions, batch normalization folded into the weights.

    Args:
        run: a trained run.
        wrap: applied to each function, such as `tf.function`.
    """
    # With other algorithms of cuDNN, the last bits of an answer would differ from run to run. The
    # variable acts until the first convolution of the process.
    os.environ.setdefault("TF_CUDNN_DETERMINISTIC", "1")
    wrap = wrap or (lambda function: function)

    def load_mean_estimate():
        mean_estimate = mean_estimates.load(run)
        return wrap(mean_estimate) if mean_estimate else None

    features, picture = map(wrap, fold_parts(run.generator))
    return FrozenNetworks(
        lambda z: picture(features(z)),
        wrap(fold_normalization(run.discriminator)),
        run.config.latent_size,
        wrap(freeze(run.encoder)) if run.encoder else None,
        "critic" if run.config.loss in ("hinge", "wasserstein") else "saturating",
        load_mean_estimate,
        (features, picture),
    )


def load(run_dir: str | os.PathLike, settings: SearchSettings | None = None) -> Inpainter:
    """An inpainter with the networks of a run directory.

        inpainter = tf_inpaint.load("runs/digits")
        completions = inpainter.complete(images, known, seeds)

    Args:
        run_dir: directory that `python -m tf_inpaint.train` wrote.
        settings: settings of the search. Default: those of `python -m tf_inpaint.complete`.

    Raises:
        FileNotFoundError: there is no run, or the run has no readable checkpoint.
        ValueError: the settings ask for an encoder and the run has none.
    """
    run = run_directory.load(run_dir)
    return Inpainter(frozen_networks(run), settings or SearchSettings())


def steps_per_frame(inpainter: Inpainter) -> int:
    """Number of search steps from one frame of a search's film to the next."""
    return max(1, inpainter.steps // MIN_FRAMES)
