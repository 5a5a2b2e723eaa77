"""The GAN, its learning rates and the strategy that the settings of a run describe."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from small_training import CONFIG

from tf_inpaint.config import TrainConfig
from tf_inpaint.gan import losses
from tf_inpaint.runs import from_config

# --- the GAN


def test_new_gan_has_the_settings_of_the_config():
    # Make a GAN with settings that are no defaults.
    settings = {"width": 3, "latent_size": 6, "image_size": 32, "channels": 3, "loss": "minimax"}
    numbers = {
        "discriminator_steps": 2,
        "gradient_penalty": 3.0,
        "r1": 4.0,
        "feature_matching": 5.0,
        "seed": 4,
    }
    optimizer = {
        "learning_rate": 0.25,
        "beta_1": 0.75,
        "beta_2": 0.5,
        "discriminator_norm": "layer",
    }
    augment = {"augment": ("cutout", "color"), "label_smoothing": 0.125, "ema_decay": 0.5}
    config = TrainConfig(**settings, **numbers, **optimizer, **augment, reuse_generated=True)
    gan = from_config.new_gan(config)

    # The training step.
    assert {name: getattr(gan, name) for name in numbers} == numbers
    assert (gan.generator_steps, gan.reuse_generated, gan.ema_decay) == (1, True, 0.5)
    assert gan.generator_loss is losses.minimax
    assert gan.discriminator_loss.func is losses.cross_entropy
    assert gan.discriminator_loss.keywords["label_smoothing"] == 0.125
    assert gan.policy == ("cutout", "color")

    # The networks and the optimizers.
    assert (gan.generator.normalization, gan.discriminator.normalization) == ("batch", "layer")
    for network in (gan.generator, gan.discriminator, gan.ema_generator):
        assert (network.width, network.latent_size) == (3, 6)
        assert (network.image_size, network.channels) == (32, 3)
    for adam in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert (float(adam.learning_rate), adam.beta_1, adam.beta_2) == (0.25, 0.75, 0.5)
    half = from_config.new_gan(dataclasses.replace(config, mixed_precision="mixed_float16"))
    assert half.loss_scale > 1


@pytest.mark.parametrize(
    ("settings", "gan", "later"),
    [
        ({}, True, True),
        ({"jit_compile": "false"}, False, False),
        ({"deterministic": True}, False, False),
        ({"strategy": "mirrored"}, False, True),  # The encoder is trained on one device.
    ],
)
def test_xla_compiles_the_steps_on_a_gpu_by_default(settings, gan, later, monkeypatch):
    """Where XLA cannot compile, "auto" leaves it out. On a CPU, it compiles nothing by default."""
    config = TrainConfig(width=2, latent_size=4, **settings)
    for gpus in ([], ["GPU:0"]):
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind, gpus=gpus: gpus)
        assert from_config.new_gan(config).jit_compile is (gan and bool(gpus))
        assert from_config.compiles_steps(config) is (later and bool(gpus))


def test_learning_rates_fall_over_the_updates_of_each_network():
    settings = {
        "learning_rate": 0.5,
        "discriminator_learning_rate": 0.25,
        "discriminator_steps": 3,
        "steps": 10,
    }
    for schedule, halfway, last in (("constant", 1, 1), ("linear", 0.5, 0), ("cosine", 0.5, 0)):
        gan = from_config.new_gan(
            dataclasses.replace(CONFIG, learning_rate_schedule=schedule, **settings)
        )
        for optimizer, start, updates in (
            (gan.generator_optimizer, 0.5, 10),
            (gan.discriminator_optimizer, 0.25, 30),
        ):
            for share, expected in ((0, 1), (0.5, halfway), (1, last)):
                optimizer.iterations.assign(int(share * updates))
                assert float(optimizer.learning_rate) == pytest.approx(start * expected, abs=1e-6)


def test_architecture_is_that_of_the_run():
    gan = from_config.new_gan(
        dataclasses.replace(CONFIG, architecture="resnet", discriminator_norm="spectral")
    )
    for network in (gan.generator, gan.discriminator, gan.ema_generator):
        assert network.architecture == "resnet"
    assert gan.discriminator.normalization == "spectral"


def test_seed_fixes_the_first_weights():
    first, repeated, other = (
        from_config.new_gan(dataclasses.replace(CONFIG, seed=seed)).get_weights()
        for seed in (3, 3, 4)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, repeated, strict=True))
    assert not np.array_equal(first[1], other[1])


# --- several machines


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": ["a:1"], "task": 0}',
    ],
)
def test_malformed_addresses_are_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError) as refusal:
        from_config.strategy(dataclasses.replace(CONFIG, strategy="multi_worker"))
    assert f"TF_CONFIG; it is {text}; set it" in str(refusal.value)
