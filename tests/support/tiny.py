"""A run and pictures so small that a command takes a second."""

import functools
import io

import numpy as np
from PIL import Image

from tf_inpaint.compositing import masks
from tf_inpaint.config import TrainConfig
from tf_inpaint.files import images
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.mean_estimate.estimate import Coefficients
from tf_inpaint.mean_estimate.hole_distance import KNOTS
from tf_inpaint.mean_estimate.low_rank_gaussian import Gaussian
from tf_inpaint.runs import from_config, mean_estimates, run_directory
from tf_inpaint.runs.inpainters import frozen_networks

SIZE = 28


def new_run(folder, **settings):
    """A run directory as training leaves it, with weights large enough for G(z) to depend on z."""
    config = TrainConfig(run_dir=str(folder), width=2, latent_size=4, **settings)
    gan = from_config.new_gan(config)
    for variable in [
        *gan.ema_generator.variables,
        *gan.discriminator.variables,
    ]:  # an average is not trainable
        if "kernel" in variable.name:
            variable.assign(15 * variable)
    run_directory.checkpoints(run_directory.create(config), gan.state, 1).save(checkpoint_number=1)
    return str(folder)


def write_mean_estimate(run):
    """Gives a run a mean estimate that nobody fitted."""
    size = run.config.image_size**2 * run.config.channels
    factors = np.linalg.qr(np.random.default_rng(0).normal(size=(size, 8)))[0]
    gaussian = Gaussian(np.full(size, 0.1), 3 * factors, 0.01)
    weights = np.linspace(0.7, 0.3, len(KNOTS))
    variances = np.full((3, len(KNOTS)), 0.1)
    mean_estimates.write(run, gaussian, Coefficients(weights, variances))


def picture(seed, side=SIZE, channels=1):
    coarse = np.random.default_rng(seed).integers(
        0, 256, (side // 4, side // 4, channels), dtype=np.uint8
    )
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


def rows(count, first=0, side=SIZE, channels=1):
    """Inputs of the signature `complete`."""
    pictures = np.stack([picture(first + number, side, channels) for number in range(count)])
    known = np.stack(
        [masks.make("strokes", side, side, (0, first + number)) for number in range(count)]
    )
    seeds = np.arange(first, first + count, dtype=np.int32) - 2
    return {"images": images.to_float(pictures), "masks": known.astype(np.float32), "seeds": seeds}


@functools.cache
def inpainter(config, preset):
    networks = frozen_networks(run_directory.load(config.run_dir))
    presets = config.presets(networks.encoder is not None, networks.mean_estimate is not None)
    return Inpainter(networks, presets[preset])


def completed(config, preset, inputs):
    """What the library makes of such `rows`, by a preset of an export."""
    seeds = inputs["seeds"].view(np.uint32).astype(np.int64)
    return inpainter(config, preset).complete(
        inputs["images"], inputs["masks"], np.stack([np.zeros_like(seeds), seeds], axis=1)
    )


def png(levels):
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG")
    return file.getvalue()


def select(inputs, rows):
    """Some rows of the inputs of a signature."""
    return {name: values[rows] for name, values in inputs.items()}
