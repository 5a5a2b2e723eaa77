"""Each loss and penalty by hand, against an independent version, and at extreme values."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_inpaint.gan import losses

GENERATOR_LOSSES = {
    "minimax": losses.minimax,
    "non_saturating": losses.non_saturating,
    "critic": losses.critic,
}


def random_logits(seed, count=7):
    return np.random.default_rng(seed).normal(0, 3, (2, count, 1)).astype(np.float32)


def value_and_gradients(function, *points):
    points = [tf.constant(point, tf.float32) for point in points]
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = function(*points)
    return loss.numpy(), [gradient.numpy() for gradient in tape.gradient(loss, points)]


def test_cross_entropy_by_hand():
    # D(x) = 3/4 and 1/2, D(G(z)) = 1/4 and 1/2.
    real, generated = [[math.log(3)], [0.0]], [[-math.log(3)], [0.0]]
    sharp = (-math.log(3 / 4) - math.log(1 / 2)) / 2 * 2
    assert losses.cross_entropy(real, generated).numpy() == pytest.approx(sharp, rel=1e-6)
    # Labels of 0.8: -(0.8 log 3/4 + 0.2 log 1/4) and -log 1/2 for real images, the rest as before.
    smoothed = -(0.8 * math.log(3 / 4) + 0.2 * math.log(1 / 4) + math.log(1 / 2)) / 2 + sharp / 2
    assert losses.cross_entropy(real, generated, 0.2).numpy() == pytest.approx(smoothed, rel=1e-6)


def test_generator_losses_by_hand():
    logits = [[math.log(3)], [0.0]]
    assert losses.minimax(logits).numpy() == pytest.approx(math.log(1 / 4 * 1 / 2) / 2, rel=1e-6)
    assert losses.non_saturating(logits).numpy() == pytest.approx(
        -math.log(3 / 4 * 1 / 2) / 2, rel=1e-6
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_cross_entropy_and_gradients_agree_with_reference(smoothing):
    real, generated = random_logits(0)

    def expected(real, generated):
        return reference.discriminator_loss(real, generated, smoothing)

    loss, gradients = value_and_gradients(
        lambda real, generated: losses.cross_entropy(real, generated, smoothing), real, generated
    )
    assert loss == pytest.approx(expected(real, generated), rel=1e-5)
    slopes = [
        reference.slope(lambda point: expected(point, generated), real),
        reference.slope(lambda point: expected(real, point), generated),
    ]
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, atol=1e-6)


@pytest.mark.parametrize("name", GENERATOR_LOSSES)
def test_generator_loss_and_gradient_agree_with_reference(name):
    logits = random_logits(1)[0]
    loss, (gradient,) = value_and_gradients(GENERATOR_LOSSES[name], logits)
    assert loss == pytest.approx(reference.generator_loss(name, logits), rel=1e-5)
    slope = reference.slope(lambda point: reference.generator_loss(name, point), logits)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)


def test_minimax_is_the_generated_half_of_the_discriminators_loss():
    real, generated = random_logits(2)
    total = losses.cross_entropy(real, generated).numpy()
    real_half = reference.discriminator_loss(real, np.full((1, 1), -30.0))
    assert -losses.minimax(generated).numpy() == pytest.approx(total - real_half, rel=1e-5)


def test_minimax_is_flat_and_non_saturating_steep_where_the_discriminator_is_ahead():
    logits = np.full((1, 1), -20.0)
    assert value_and_gradients(losses.minimax, logits)[1][0] == pytest.approx(0, abs=1e-8)
    assert value_and_gradients(losses.non_saturating, logits)[1][0] == pytest.approx(-1)


def test_smoothing_is_one_sided():
    # The best logit of a real image is log((1 - s) / s), that of a generated image minus infinity.
    best = np.full((1, 1), math.log(0.9 / 0.1))
    _, (real, generated) = value_and_gradients(
        lambda real, generated: losses.cross_entropy(real, generated, 0.1), best, best
    )
    assert real == pytest.approx(0, abs=1e-6)
    assert generated == pytest.approx(0.9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_extreme_logits(smoothing):
    high, low = np.full((2, 1), 100.0), np.full((2, 1), -100.0)

    def loss_of(real, generated):
        return losses.cross_entropy(real, generated, smoothing)

    # Cross-entropy is linear at these logits: 100 for each wrong label, a share of it if smoothed.
    assert loss_of(high, low).numpy() == pytest.approx(100 * smoothing)
    assert loss_of(low, high).numpy() == pytest.approx(100 * (1 - smoothing) + 100)
    _, gradients = value_and_gradients(loss_of, low, high)
    np.testing.assert_allclose(
        gradients, [np.full((2, 1), smoothing / 2 - 0.5), np.full((2, 1), 0.5)]
    )
    for name, value in (("minimax", -100), ("non_saturating", 0)):
        loss, (gradient,) = value_and_gradients(GENERATOR_LOSSES[name], high)
        assert loss == pytest.approx(value)
        np.testing.assert_allclose(gradient, value / 100 / 2, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_computed_in_float32(dtype):
    real, generated = (tf.cast(logits, dtype) for logits in random_logits(3))
    rounded = [tf.cast(logits, tf.float32) for logits in (real, generated)]
    assert losses.cross_entropy(real, generated, 0.1).dtype == tf.float32
    assert losses.cross_entropy(real, generated, 0.1) == losses.cross_entropy(*rounded, 0.1)
    for loss in (losses.hinge, losses.wasserstein):
        assert loss(real, generated).dtype == tf.float32
        assert loss(real, generated) == loss(*rounded)
    for loss in GENERATOR_LOSSES.values():
        assert loss(real).dtype == tf.float32
        assert loss(real) == loss(rounded[0])


# --- margins and distances


def test_hinge_and_wasserstein_by_hand():
    real, generated = [[2.0], [0.5]], [[-3.0], [0.25]]
    # Real: 0 and 0.5; generated: 0 and 1.25. Means: -1.375 and 1.25.
    assert losses.hinge(real, generated).numpy() == pytest.approx(0.25 + 0.625)
    assert losses.wasserstein(real, generated).numpy() == pytest.approx(-1.375 - 1.25)
    assert losses.critic(generated).numpy() == pytest.approx(1.375)


def test_hinge_has_no_gradient_beyond_its_margin():
    _, (real, generated) = value_and_gradients(losses.hinge, [[1.5], [0.5]], [[-1.5], [-0.5]])
    np.testing.assert_allclose(real, [[0], [-0.5]])
    np.testing.assert_allclose(generated, [[0], [0.5]])


# --- regularizers


def linear(slope, size=4):
    """A critic with this slope everywhere, `slope * direction . x`, and images for it."""
    random = np.random.default_rng(0)
    direction = random.normal(size=(size, size, 1)).astype(np.float32)
    direction *= slope / np.linalg.norm(direction)
    pair = random.uniform(-1, 1, (2, 5, size, size, 1)).astype(np.float32)
    return lambda images: tf.reduce_sum(images * direction, axis=[1, 2, 3])[:, None] + 3.0, *pair


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_penalties_of_a_linear_critic(slope, scale):
    critic, real, generated = linear(slope)
    weights = np.random.default_rng(1).random(5).astype(np.float32)
    penalty = losses.gradient_penalty(critic, real, generated, weights, scale).numpy()
    assert penalty == pytest.approx((slope - 1) ** 2, abs=1e-5)
    assert losses.r1(critic, real, scale).numpy() == pytest.approx(slope**2 / 2, abs=1e-5)


def test_penalty_is_taken_between_the_two_images():
    # The slope of this quadratic critic is the image.
    def critic(images):
        return tf.reduce_sum(tf.square(images), axis=[1, 2, 3])[:, None] / 2

    _, real, generated = linear(1.0)
    weights = np.array([0, 0.25, 0.5, 0.75, 1], np.float32)
    between = weights[:, None, None, None] * real + (1 - weights[:, None, None, None]) * generated
    by_hand = np.mean((np.linalg.norm(between.reshape(5, -1), axis=1) - 1) ** 2)
    assert losses.gradient_penalty(critic, real, generated, weights).numpy() == pytest.approx(
        by_hand, rel=1e-5
    )
    by_hand = np.mean(np.square(real).sum((1, 2, 3))) / 2
    assert losses.r1(critic, real).numpy() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("slope", [0.0, 0.5, 3.0])
def test_gradient_of_the_penalty_in_the_weights_of_the_critic(slope):
    _, real, generated = linear(1.0)
    weights = np.full(5, 0.5, np.float32)
    weight = tf.constant(slope)
    with tf.GradientTape() as tape:
        tape.watch(weight)
        first = tf.one_hot(0, 16)  # the critic is slope * the first pixel
        penalty = losses.gradient_penalty(
            lambda images: weight * tf.reshape(images, [-1, 16]) @ first[:, None],
            real,
            generated,
            weights,
        )
    # The gradient is not NaN at slope 0, where the root has an infinite derivative.
    assert tape.gradient(penalty, weight).numpy() == pytest.approx(2 * (slope - 1) if slope else 0)


def test_feature_matching_by_hand():
    real, generated = [[1.0, 2.0], [3.0, 2.0]], [[0.0, 2.0], [1.0, 1.0]]
    loss, (_, gradient) = value_and_gradients(losses.feature_matching, real, generated)
    assert loss == pytest.approx(1.5**2 + 0.5**2)
    np.testing.assert_allclose(gradient, [[-1.5, -0.5], [-1.5, -0.5]])
