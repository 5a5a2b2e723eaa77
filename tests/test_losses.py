import math

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_inpaint.gan import losses

NAMES = list(losses.GENERATOR_LOSSES)


def random_logits(seed, count=7):
    return np.random.default_rng(seed).normal(0, 3, (2, count, 1)).astype(np.float32)


def value_and_gradients(function, *points):
    points = [tf.constant(point, tf.float32) for point in points]
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = function(*points)
    return loss.numpy(), [gradient.numpy() for gradient in tape.gradient(loss, points)]


def test_discriminator_loss_by_hand():
    # D(x) = 3/4 and 1/2, D(G(z)) = 1/4 and 1/2.
    real, generated = [[math.log(3)], [0.0]], [[-math.log(3)], [0.0]]
    sharp = (-math.log(3 / 4) - math.log(1 / 2)) / 2 * 2
    assert losses.discriminator_loss(real, generated).numpy() == pytest.approx(sharp, rel=1e-6)
    # Labels of 0.8: -(0.8 log 3/4 + 0.2 log 1/4) and -log 1/2 for the real ones, as before for the others.
    smoothed = -(0.8 * math.log(3 / 4) + 0.2 * math.log(1 / 4) + math.log(1 / 2)) / 2 + sharp / 2
    assert losses.discriminator_loss(real, generated, 0.2).numpy() == pytest.approx(smoothed, rel=1e-6)


def test_generator_losses_by_hand():
    logits = [[math.log(3)], [0.0]]
    assert losses.minimax(logits).numpy() == pytest.approx(math.log(1 / 4 * 1 / 2) / 2, rel=1e-6)
    assert losses.non_saturating(logits).numpy() == pytest.approx(-math.log(3 / 4 * 1 / 2) / 2, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_discriminator_loss_and_gradients_agree_with_reference(smoothing):
    real, generated = random_logits(0)

    def expected(real, generated):
        return reference.discriminator_loss(real, generated, smoothing)

    loss, gradients = value_and_gradients(
        lambda real, generated: losses.discriminator_loss(real, generated, smoothing), real, generated
    )
    assert loss == pytest.approx(expected(real, generated), rel=1e-5)
    slopes = [
        reference.slope(lambda point: expected(point, generated), real),
        reference.slope(lambda point: expected(real, point), generated),
    ]
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_generator_loss_and_gradient_agree_with_reference(name):
    logits = random_logits(1)[0]
    loss, (gradient,) = value_and_gradients(losses.GENERATOR_LOSSES[name], logits)
    assert loss == pytest.approx(reference.generator_loss(name, logits), rel=1e-5)
    slope = reference.slope(lambda point: reference.generator_loss(name, point), logits)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)


def test_minimax_is_the_generated_half_of_what_the_discriminator_lowers():
    real, generated = random_logits(2)
    both = losses.discriminator_loss(real, generated).numpy()
    real_only = reference.discriminator_loss(real, np.full((1, 1), -30.0))
    assert -losses.minimax(generated).numpy() == pytest.approx(both - real_only, rel=1e-5)


def test_where_the_discriminator_wins_minimax_is_flat_and_non_saturating_steep():
    logits = np.full((1, 1), -20.0)
    assert value_and_gradients(losses.minimax, logits)[1][0] == pytest.approx(0, abs=1e-8)
    assert value_and_gradients(losses.non_saturating, logits)[1][0] == pytest.approx(-1)


def test_smoothing_is_one_sided():
    # The best logit of a real image is then log((1 - s) / s); of a generated one it stays minus infinity.
    best = np.full((1, 1), math.log(0.9 / 0.1))
    _, (real, generated) = value_and_gradients(
        lambda real, generated: losses.discriminator_loss(real, generated, 0.1), best, best
    )
    assert real == pytest.approx(0, abs=1e-6)
    assert generated == pytest.approx(0.9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_extreme_logits(smoothing):
    high, low = np.full((2, 1), 100.0), np.full((2, 1), -100.0)

    def loss_of(real, generated):
        return losses.discriminator_loss(real, generated, smoothing)

    # Cross-entropy is linear out there: 100 for each label missed, of which smoothing makes a part.
    assert loss_of(high, low).numpy() == pytest.approx(100 * smoothing)
    assert loss_of(low, high).numpy() == pytest.approx(100 * (1 - smoothing) + 100)
    _, gradients = value_and_gradients(loss_of, low, high)
    np.testing.assert_allclose(gradients, [np.full((2, 1), smoothing / 2 - 0.5), np.full((2, 1), 0.5)])
    for name, value in (("minimax", -100), ("non_saturating", 0)):
        loss, (gradient,) = value_and_gradients(losses.GENERATOR_LOSSES[name], high)
        assert loss == pytest.approx(value)
        np.testing.assert_allclose(gradient, value / 100 / 2, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_computed_in_float32(dtype):
    real, generated = (tf.cast(logits, dtype) for logits in random_logits(3))
    same = [tf.cast(logits, tf.float32) for logits in (real, generated)]
    assert losses.discriminator_loss(real, generated, 0.1).dtype == tf.float32
    assert losses.discriminator_loss(real, generated, 0.1) == losses.discriminator_loss(*same, 0.1)
    for loss in losses.GENERATOR_LOSSES.values():
        assert loss(real).dtype == tf.float32
        assert loss(real) == loss(same[0])
