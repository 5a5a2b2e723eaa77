"""The mean estimate of a run: fitted to its training images, written and read."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_inpaint.compositing import blending
from tf_inpaint.files import images, npz_arrays
from tf_inpaint.files.url_contents import local_copies
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.mean_estimate import fitting, low_rank_gaussian
from tf_inpaint.mean_estimate.conditional_mean import ConditionalMean, best_noise_scale
from tf_inpaint.mean_estimate.estimate import Coefficients, MeanEstimate
from tf_inpaint.runs.run_directory import Run

RANK = 512
"""Maximum number of factors of the Gaussian.

On faces of 64 px, 256 factors were worse by 0.1 dB to 0.6 dB; on digits, they were as good.
"""
MAX_FACTOR_VALUES = 2**23
"""Maximum number of values of the factors: 16 MB in the file, 32 MB in memory."""
MAX_TRAINING_VALUES = 2**28
"""Maximum number of values of the images to which the Gaussian is fitted: 1 GB."""
NOISE_IMAGES = 128
"""Number of images that choose the noise of the Gaussian."""
MIN_IMAGES = 32
"""Minimum number of training images for an estimate."""
CHUNK = 32
"""Number of images between two steps of the progress bar."""


def load(run: Run) -> MeanEstimate | None:
    """The mean estimate of a run; None: the run has none.

    Raises:
        ValueError: the file is damaged.
    """
    file = run.mean_estimate_file
    if not file.exists():
        return None
    names = ("mean", "factors", "noise", "weights", "variances")
    with local_copies(file.parent, file.name) as copies:
        mean, factors, noise, weights, variances = (
            npz_arrays.read(copies / file.name, name) for name in names
        )
    conditional_mean = ConditionalMean(mean, factors.astype(np.float32), float(noise))
    return MeanEstimate(linear_prediction(conditional_mean), Coefficients(weights, variances))


def linear_prediction(conditional_mean: ConditionalMean) -> Callable:
    """The function that fills holes with the conditional mean, without a seam.

    The part of an image that the factors do not explain is no white noise: near a known pixel it
    is similar to that of the known pixel. Poisson blending continues it into the hole.

    Returns:
        A function of images `[B, H, W, C]` and known `[B, H, W, 1]`. It leaves the known pixels
        unchanged.
    """
    return lambda images, known: blending.poisson(images, known, conditional_mean(images, known))


def write(run: Run, gaussian: low_rank_gaussian.Gaussian, coefficients: Coefficients) -> None:
    """Writes the estimate of a run, its factors in half precision."""
    file = run.mean_estimate_file
    file.parent.mkdir(exist_ok=True)
    with images.atomic(file) as temporary:
        np.savez(
            temporary,
            mean=gaussian.mean.astype(np.float32),
            factors=gaussian.factors.astype(np.float16),
            noise=np.float64(gaussian.noise),
            **coefficients._asdict(),
        )


def fit(run: Run, inpainter: Inpainter, source, sample_masks, count: int) -> bool:
    """Fits the estimate of a run, and writes it.

    The Gaussian, and the coefficients, are fitted to different training images: a Gaussian
    completes the images that it knows better than other images.

    Args:
        run: a trained run.
        inpainter: what completes images by a search.
        source: the training images, a `data.sources.Source`.
        sample_masks: `sample_masks(number)` gives the `known` of `CHUNK` images, of every kind.
        count: number of images that are completed.

    Returns:
        False if there are too few training images.
    """
    if source.size < MIN_IMAGES:
        return False
    count = min(count, source.size // 4)
    completed_rows = np.arange(count) * source.size // count
    other_rows = np.setdiff1d(np.arange(source.size), completed_rows)

    # Fit the Gaussian.
    size = int(np.prod(source.picture_shape))
    other_count = min(len(other_rows), max(1, MAX_TRAINING_VALUES // size))
    other_rows = other_rows[np.arange(other_count) * len(other_rows) // other_count]
    rank = min(RANK, max(1, MAX_FACTOR_VALUES // size), max(1, other_count // 4))
    gaussian = low_rank_gaussian.fit(source.read_float(other_rows), rank)

    # Complete other images, and choose the noise.
    originals = source.read_float(completed_rows)
    chunks = range(0, count, CHUNK)
    known = np.concatenate([sample_masks(number) for number in range(len(chunks))])[:count]
    seeds = np.stack([np.full(count, run.config.seed), np.arange(count)], axis=1)
    completions = []
    with tqdm(total=count, unit="image") as bar:
        for first in chunks:
            rows = slice(first, first + CHUNK)
            completions.append(inpainter.complete(originals[rows], known[rows], seeds[rows]).images)
            bar.update(len(completions[-1]))
    scale = best_noise_scale(*gaussian, originals[:NOISE_IMAGES], known[:NOISE_IMAGES])
    gaussian = gaussian._replace(noise=scale * gaussian.noise)

    # Fit the coefficients.
    predict = tf.function(linear_prediction(ConditionalMean(*gaussian)), autograph=False)
    linear = np.concatenate([predict(*block) for block in fitting.blocks(originals, known)])
    coefficients = fitting.fit(linear, originals, known, np.concatenate(completions))
    write(run, gaussian, coefficients)
    return True
