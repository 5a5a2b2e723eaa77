"""The training step in other precisions and compiled by XLA: loss scales, overflow, equal steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import BATCH, LATENT, equal, new_gan, random_images, values, with_sgd

from tf_inpaint.gan import training_loop
from tf_inpaint.gan.encoder import Encoder, EncoderTraining
from tf_inpaint.gan.networks import fold_normalization


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "mixed_float16"},
        {"dtype": "mixed_bfloat16"},
        {"augment": ("color", "translation", "cutout")},
        {"loss": "wasserstein", "normalization": "layer", "gradient_penalty": 1.0},
        {"loss": "hinge", "normalization": "spectral", "generator_steps": 2},
        {"loss": "minimax", "normalization": "none", "r1": 1.0, "feature_matching": 1.0},
        {"architecture": "resnet"},
        {"reuse_generated": True, "label_smoothing": 0.1, "discriminator_steps": 2},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_steps_compiled_by_xla_are_the_same_steps(settings):
    """Compares the weights and the losses after 30 steps, with the same random numbers."""
    count = 30 * settings.get("discriminator_steps", 1)
    images, results = random_images(count=count * BATCH), []
    for jit_compile in (False, True):
        gan = new_gan(**settings)
        gan.compile(jit_compile=jit_compile)
        assert gan.jit_compile is jit_compile
        with_sgd(gan, learning_rate=1e-5)
        start = values(gan.generator.variables + gan.discriminator.variables)
        data = tf.data.Dataset.from_tensor_slices(images).batch(len(images) // 30)
        training_loop.train(gan, data, 30)
        assert gan.step == 30
        losses = [float(mean.result()) for mean in gan.means.values()]
        results.append((values(gan.generator.variables + gan.discriminator.variables), losses))
    (plain, plain_losses), (compiled, compiled_losses) = results
    shares = {"float32": 1e-3, "mixed_float16": 0.1, "mixed_bfloat16": 0.5}
    share = shares[settings.get("dtype", "float32")]
    for before, expected, weights in zip(start, plain, compiled, strict=True):
        tolerance = share * np.abs(expected - before).max() + 1e-7
        np.testing.assert_allclose(weights, expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(compiled_losses, plain_losses, atol=share / 10, rtol=share / 10)


@pytest.mark.slow
def test_encoder_steps_compiled_by_xla_are_the_same_steps():
    images, results = random_images(count=30 * 3).reshape(30, 3, 28, 28, 1), []
    known = np.random.default_rng(0).integers(0, 2, (30, BATCH, 28, 28, 1)).astype(np.float32)
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        generator = fold_normalization(new_gan().generator)
        encoder = Encoder(28, 1, width=2, latent_size=LATENT, hidden_size=8)
        training = EncoderTraining(encoder, generator, 30, jit_compile=jit_compile)
        optimizer = keras.optimizers.SGD(1e-4)
        optimizer.build(encoder.trainable_variables)
        training.encoder_optimizer = optimizer
        start = values(encoder.trainable_variables)
        real = tf.data.Dataset.from_tensor_slices(images)
        logs = training.train(lambda step: known[step], real)
        results.append((values(encoder.trainable_variables), logs["loss"]))
    (plain, plain_loss), (compiled, compiled_loss) = results
    for before, expected, weights in zip(start, plain, compiled, strict=True):
        tolerance = 1e-3 * np.abs(expected - before).max() + 1e-7
        np.testing.assert_allclose(weights, expected, atol=tolerance, rtol=0)
    assert compiled_loss == pytest.approx(plain_loss, rel=1e-4)


def test_overflow_skips_both_updates_and_halves_the_scale():
    # The scales are so large that the gradients overflow.
    gan = new_gan(dtype="mixed_float16")
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(2.0**80)
    assert gan.loss_scale == gan.discriminator_loss_scale == 2.0**80
    gan.discriminator_optimizer.dynamic_scale.assign(2.0**79)
    assert (gan.loss_scale, gan.discriminator_loss_scale) == (2.0**80, 2.0**79)
    gan.discriminator_optimizer.dynamic_scale.assign(2.0**80)
    variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
    before = values(variables)
    gan.train_step(tf.constant(random_images()))
    assert all(equal(before, values(variables)))
    for optimizer in optimizers:
        assert float(optimizer.dynamic_scale) == 2.0**79
        assert int(optimizer.inner_optimizer.iterations) == 0
        optimizer.dynamic_scale.assign(2.0**10)
    assert gan.step == 1

    # With smaller scales, the next step is made.
    gan.train_step(tf.constant(random_images()))
    assert not any(equal(before, values(variables)))
    for optimizer in optimizers:
        assert float(optimizer.dynamic_scale) == 2.0**10
        assert int(optimizer.inner_optimizer.iterations) == 1
    assert gan.step == 2
    assert all(np.isfinite(value).all() for value in values(gan.variables))


@pytest.mark.parametrize("place", ["images", "generator"])
def test_overflow_of_the_layers_leaves_no_trace(place):
    gan, images = new_gan(dtype="mixed_float16"), random_images()
    if place == "images":
        images *= 1e6
    else:
        gan.generator.stack[0].kernel.assign(gan.generator.stack[0].kernel * 1e8)
    skipped = gan.discriminator.trainable_variables
    if place == "generator":
        skipped = skipped + gan.generator.trainable_variables
    before = values(skipped)
    gan.train_step(tf.constant(images))
    assert all(equal(before, values(skipped)))
    assert int(gan.discriminator_optimizer.inner_optimizer.iterations) == 0
    for network in (gan.generator, gan.discriminator, gan.ema_generator):
        for variable in network.variables:
            assert np.isfinite(variable.numpy()).all(), variable.path


@pytest.mark.parametrize(
    "settings", [{}, {"normalization": "none", "loss": "wasserstein", "gradient_penalty": 10.0}]
)
def test_loss_scale_does_not_change_the_step(settings):
    changes = []
    for gan, scale in (
        (new_gan(dtype="mixed_float16", **settings), 2.0**6),
        (new_gan(**settings), None),
    ):
        with_sgd(gan, learning_rate=0.01)
        if scale:
            for name in ("generator_optimizer", "discriminator_optimizer"):
                wrapped = keras.optimizers.LossScaleOptimizer(
                    getattr(gan, name), initial_scale=scale
                )
                setattr(gan, name, wrapped)
        variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
        before = values(variables)
        gan.train_step(tf.constant(random_images()))
        after = values(variables)
        changes.append([new - old for new, old in zip(after, before, strict=True)])
    for scaled, plain in zip(*changes, strict=True):
        np.testing.assert_allclose(scaled, plain, atol=0.1 * np.abs(plain).max())
