"""The memory that settings take at least, and the refusal of settings that cannot fit."""

from pathlib import Path

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import CompleteConfig, TrainConfig
from tf_inpaint.config.evaluate_config import PUBLISHED_SEARCHES
from tf_inpaint.config.flags import parse
from tf_inpaint.runs import from_config, required_memory

FLAGFILES = sorted((Path(__file__).parents[2] / "configs").glob("*.flags"))
HUGE_RUN = TrainConfig(image_size=128, width=1024, latent_size=2**16)


@pytest.fixture
def eight_gigabytes(monkeypatch):
    monkeypatch.setattr(required_memory, "machine_memory", lambda: 8 * 10**9)
    monkeypatch.setattr(required_memory, "has_gpu", lambda: False)


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
@pytest.mark.parametrize(
    ("image_size", "channels", "width", "latent_size", "norm"),
    [
        (16, 1, 3, 7, "batch"),
        (28, 3, 2, 5, "spectral"),
        (64, 1, 3, 4, "layer"),
        (128, 3, 2, 9, "none"),
    ],
)
def test_kernels_are_counted_as_keras_counts_them(
    architecture, image_size, channels, width, latent_size, norm
):
    config = TrainConfig(
        image_size=image_size,
        channels=channels,
        width=width,
        latent_size=latent_size,
        architecture=architecture,
        discriminator_norm=norm,
    )
    networks = from_config.networks(config, "float32")
    for network, size in zip(networks, required_memory.kernel_sizes(config), strict=True):
        others = [weight for weight in network.weights if weight.path.split("/")[-1] != "kernel"]
        assert size == network.count_params() - sum(
            weight.value.shape.num_elements() for weight in others
        )


def test_the_parts_of_a_training_by_hand():
    config = TrainConfig(image_size=16, width=2, latent_size=5, batch_size=8, discriminator_steps=3)
    # Maps of 8 x 8 x 2 and 4 x 4 x 4.
    assert required_memory.feature_maps(config) == [128, 64]
    generator = 5 * 64 + 16 * (2 * 4 + 1 * 2)
    discriminator = 16 * (2 * 4 + 1 * 2) + 64
    weights, maps, inputs = required_memory.training_parts(config).values()
    assert weights == 4 * (4 * generator + 3 * discriminator)
    assert maps == 4 * 8 * 2 * (128 + 64)
    assert inputs == 4 * 8 * 3 * (16 * 16 + 5)


def test_the_parts_of_a_search_by_hand():
    trained = TrainConfig(image_size=16, width=2, latent_size=5)
    settings = CompleteConfig(block_size=3, start_draws=7, samples=2)
    parts = required_memory.search_parts(settings, trained)
    assert list(parts.values()) == [4 * 3 * 128, 4 * 3 * 7 * 5]
    assert list(required_memory.samples_part(settings, trained).values()) == [4 * 3 * 2 * 256]


@pytest.mark.parametrize("flagfile", FLAGFILES, ids=lambda path: path.stem)
def test_every_configuration_and_every_search_fits(flagfile, eight_gigabytes):
    config = parse(TrainConfig, [f"--flagfile={flagfile}"])
    required_memory.check_training(config)
    settings = [CompleteConfig(block_size=256, samples=16), *PUBLISHED_SEARCHES.values()]
    for setting in settings:
        required_memory.check_search(setting, config)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (TrainConfig(batch_size=2**16, width=1024), "the feature maps of a batch"),
        (TrainConfig(batch_size=2**16, discriminator_steps=1000), "the images and z of a step"),
        (HUGE_RUN, "the weights of the networks"),
    ],
    ids=["batch", "steps", "weights"],
)
def test_a_training_that_cannot_fit_is_refused(config, part, eight_gigabytes):
    with pytest.raises(ValueError, match=f"at least [0-9.,]+ GB.*{part}") as error:
        required_memory.check_training(config)
    assert_one_sentence(error.value, ["8.0 GB"])


@pytest.mark.parametrize(
    ("settings", "trained", "part"),
    [
        (CompleteConfig(block_size=4096, start_draws=10**6), TrainConfig(), "the z to choose"),
        (CompleteConfig(block_size=4096, samples=4096), TrainConfig(), "the samples of a block"),
        (CompleteConfig(), HUGE_RUN, "the weights of the networks"),
        (
            CompleteConfig(block_size=4096),
            TrainConfig(image_size=128, width=1024, latent_size=1),
            "a feature map of a block",
        ),
    ],
    ids=["starts", "samples", "weights", "maps"],
)
def test_a_search_that_cannot_fit_is_refused(settings, trained, part, eight_gigabytes):
    with pytest.raises(ValueError, match=f"most of it for {part}") as error:
        required_memory.check_search(settings, trained)
    assert_one_sentence(error.value, ["8.0 GB"])


def test_with_a_gpu_only_the_host_counts(eight_gigabytes, monkeypatch):
    monkeypatch.setattr(required_memory, "has_gpu", lambda: True)
    required_memory.check_training(HUGE_RUN)
    required_memory.check_search(CompleteConfig(block_size=4096, start_draws=10**6), HUGE_RUN)
    with pytest.raises(ValueError, match="the samples of a block"):
        required_memory.check_search(CompleteConfig(block_size=4096, samples=4096), HUGE_RUN)


def test_the_batch_of_several_machines_is_not_counted(eight_gigabytes):
    required_memory.check_training(
        TrainConfig(batch_size=2**16, discriminator_steps=1000, strategy="multi_worker")
    )
