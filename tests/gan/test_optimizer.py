"""The fused Adam makes the same steps as Keras' Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import new_gan

from tf_inpaint.gan.optimizer import Adam


def test_fused_adam_is_keras_adam():
    random = np.random.default_rng(0)
    start = random.normal(size=(3, 2)).astype(np.float32)
    variables, optimizers = [], [Adam(0.01, beta_1=0.5), keras.optimizers.Adam(0.01, beta_1=0.5)]
    for optimizer in optimizers:
        variables.append([keras.Variable(start), keras.Variable(start[0])])
        optimizer.build(variables[-1])
    for step in range(5):
        gradients = [
            random.normal(size=shape).astype(np.float32) * 10.0**-step for shape in ((3, 2), (2,))
        ]
        for optimizer, trained in zip(optimizers, variables, strict=True):
            optimizer.apply([tf.constant(gradient) for gradient in gradients], trained)
        if step == 0:
            # By hand: from zero moments, a step of the learning rate against the sign.
            np.testing.assert_allclose(
                variables[0][0].numpy(), start - 0.01 * np.sign(gradients[0]), atol=1e-5
            )
    states = [optimizer.variables for optimizer in optimizers]
    for fused, expected in (*zip(*states, strict=True), *zip(*variables, strict=True)):
        np.testing.assert_allclose(fused.numpy(), expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("loss_scale", [False, True])
@pytest.mark.parametrize("schedule", [None, "PolynomialDecay", "CosineDecay"])
def test_fused_adam_compiled_by_xla_is_the_same(loss_scale, schedule):
    """With a schedule and a loss scale too, of which one step overflows."""
    random = np.random.default_rng(0)
    start = random.normal(size=(3, 2)).astype(np.float32)
    gradients = random.normal(size=(6, 3, 2)).astype(np.float32)
    if loss_scale:
        gradients[2, 0, 0] = np.inf

    def stepped(jit_compile):
        rate = getattr(keras.optimizers.schedules, schedule)(0.01, 10) if schedule else 0.01
        optimizer, variable = Adam(rate, beta_1=0.5), keras.Variable(start)
        if loss_scale:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)
        optimizer.build([variable])
        apply = tf.function(
            lambda gradient: optimizer.apply([gradient], [variable]), jit_compile=jit_compile
        )
        for gradient in gradients:
            apply(tf.constant(gradient))
        return [state.numpy() for state in (variable, *optimizer.variables)]

    results = stepped(False), stepped(True)
    for plain, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-7)
    assert np.abs(results[0][0] - start).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_no_loss_scale_outside_float16(dtype):
    gan = new_gan(dtype=dtype)
    assert type(gan.generator_optimizer) is type(gan.discriminator_optimizer) is Adam
    assert gan.loss_scale == gan.discriminator_loss_scale == 1
