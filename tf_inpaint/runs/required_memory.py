"""The memory that settings take at least, and the refusal of settings that cannot fit.

All numbers are lower bounds: the kernels of the networks and what belongs to them, and the largest
arrays, each once. So no setting is refused that could run, and one that is not refused may still
take more than there is. On a machine with a GPU only the arrays on the host count, for the memory
of the GPU is not known.
"""

import itertools
from collections.abc import Mapping

from tf_inpaint.config import TrainConfig
from tf_inpaint.files.machine import machine_memory
from tf_inpaint.gan.networks import stage_channels
from tf_inpaint.inpainting.search_parts import number_of_draws
from tf_inpaint.settings.device_defaults import has_gpu
from tf_inpaint.settings.search_settings import SearchSettings

FLOAT = 4
"""Bytes of a float32."""
WEIGHTS = "the weights of the networks (--width, --latent_size, --image_size)"
"""Name of a part of the memory, with the settings that decide its size."""


def check_training(config: TrainConfig) -> None:
    """Checks that a training can fit.

    Raises:
        ValueError: the training takes more memory than the machine has.
    """
    if not has_gpu():
        check(training_parts(config))


def check_search(settings: SearchSettings, trained: TrainConfig) -> None:
    """Checks that a block of searches can fit.

    Args:
        settings: settings of the search.
        trained: settings of the run.

    Raises:
        ValueError: the search takes more memory than the machine has.
    """
    device = {} if has_gpu() else weights_part(trained) | search_parts(settings, trained)
    check(device | samples_part(settings, trained))


def check(parts: Mapping[str, int]) -> None:
    """Checks that the parts of the memory fit into this machine together.

    Args:
        parts: bytes by the name of the part, which names the settings that decide its size.

    Raises:
        ValueError: they do not fit.
    """
    memory, total = machine_memory(), sum(parts.values())
    if total > memory:
        raise ValueError(
            "The settings must fit into the memory of this machine, "
            f"{memory / 1e9:,.1f} GB; received settings that take at least {total / 1e9:,.1f} GB, "
            f"most of it for {max(parts, key=parts.__getitem__)}; lower these settings."
        )


def kernel_sizes(config: TrainConfig) -> tuple[int, int]:
    """The number of weights in the kernels of the generator and of the discriminator.

    The biases and the normalization add next to nothing.
    """
    channels = stage_channels(config.image_size, config.width)
    coarsest = (config.image_size >> len(channels)) ** 2 * channels[-1]
    project = config.latent_size * coarsest
    pairs = list(itertools.pairwise(channels))
    if config.architecture == "dcgan":
        products = [a * b for a, b in [(config.channels, channels[0]), *pairs]]
        convolutions = 4 * 4 * sum(products)
        return project + convolutions, convolutions + coarsest
    # A block has two 3 x 3 convolutions and a 1 x 1 convolution beside them.
    up = [
        (9 + 1) * a * b + 9 * b * b
        for a, b in itertools.pairwise([channels[-1], *reversed(channels)])
    ]
    first = (9 + 1) * config.channels * channels[0] + 9 * channels[0] ** 2
    down = [9 * a * a + (9 + 1) * a * b for a, b in pairs]
    return project + sum(up) + 9 * channels[0] * config.channels, first + sum(down) + channels[-1]


def feature_maps(config: TrainConfig) -> list[int]:
    """The numbers of values in the feature maps between the stages of either network, an image."""
    channels = stage_channels(config.image_size, config.width)
    return [
        (config.image_size >> stage) ** 2 * filters for stage, filters in enumerate(channels, 1)
    ]


def weights_part(trained: TrainConfig) -> dict[str, int]:
    """The weights of a trained run."""
    return {WEIGHTS: FLOAT * sum(kernel_sizes(trained))}


def training_parts(config: TrainConfig) -> dict[str, int]:
    """The parts of the memory of a training on the host."""
    generator, discriminator = kernel_sizes(config)
    # The weights and the two moments of Adam; the generator has an average too.
    parts = {WEIGHTS: FLOAT * (4 * generator + 3 * discriminator)}
    if config.strategy == "multi_worker":  # which divides a batch among machines
        return parts
    # A gradient needs the feature maps of both networks.
    size = FLOAT if config.mixed_precision == "float32" else FLOAT // 2
    maps = 2 * size * config.batch_size * sum(feature_maps(config))
    image = config.image_size**2 * config.channels
    inputs = FLOAT * config.batch_size * config.discriminator_steps * (image + config.latent_size)
    return parts | {
        "the feature maps of a batch (--batch_size, --width)": maps,
        "the images and z of a step (--batch_size, --discriminator_steps, --latent_size)": inputs,
    }


def search_parts(settings: SearchSettings, trained: TrainConfig) -> dict[str, int]:
    """The parts of the memory of a block of searches, without the networks and the samples."""
    rows = settings.block_size or 1
    parts = {
        "a feature map of a block (--block_size)": FLOAT * rows * max(feature_maps(trained)),
    }
    if settings.estimate == "best":
        draws = number_of_draws(settings, trained.encoder_steps > 0)
        z = FLOAT * rows * draws * trained.latent_size
        parts["the z to choose the starts from (--block_size, --start_draws, --restarts)"] = z
    return parts


def samples_part(settings: SearchSettings, trained: TrainConfig) -> dict[str, int]:
    """The samples of a block, which are on the host."""
    image = trained.image_size**2 * trained.channels
    count = (settings.block_size or 1) * settings.samples
    return {"the samples of a block (--block_size, --samples)": FLOAT * count * image}
