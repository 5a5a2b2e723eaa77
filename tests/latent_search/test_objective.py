"""Tests of objective: values by hand, NumPy versions of the equations, and gradients."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_inpaint.latent_search import objective


def random_batch(seed, shape=(3, 8, 12, 3)):
    random = np.random.default_rng(seed)
    generated, images = random.uniform(-1, 1, (2, *shape)).astype(np.float32)
    known = (random.uniform(size=(*shape[:3], 1)) < 0.5).astype(np.float32)
    return generated, images, known


def value_and_gradient(function, generated, *arguments):
    generated = tf.constant(generated)
    with tf.GradientTape() as tape:
        tape.watch(generated)
        energy = function(generated, *arguments)
    return energy.numpy(), tape.gradient(energy, generated).numpy()


def test_importance_by_hand():
    # One hidden pixel in the middle: it is 1 of 9 in the window of each pixel around it.
    known = np.ones((1, 5, 5, 1), np.float32)
    known[0, 2, 2] = 0
    ninths = np.array(
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    )
    np.testing.assert_allclose(objective.importance(known, 3)[0, :, :, 0], ninths / 9, rtol=1e-6)


def test_importance_mirrors_the_border():
    # The hidden pixel is in the corner, so its mirror image makes a hole of 2 x 2 pixels. The
    # neighbors along the edge have 2 of 9 hidden pixels in their windows.
    known = np.ones((1, 4, 4, 1), np.float32)
    known[0, 0, 0] = 0
    by_hand = np.array([[0, 2, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]) / 9
    np.testing.assert_allclose(objective.importance(known, 3)[0, :, :, 0], by_hand, rtol=1e-6)


@pytest.mark.parametrize("window", [1, 3, 7])
def test_importance_agrees_with_reference(window):
    known = random_batch(0)[2]
    expected = [reference.importance(mask[:, :, 0], window) for mask in known]
    np.testing.assert_allclose(objective.importance(known, window)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("window", [4, 0, -1])
def test_importance_refuses_a_window_without_a_middle(window):
    with pytest.raises(ValueError, match=f"window must be odd.*received {window};"):
        objective.importance(np.ones((1, 8, 8, 1)), window)


def test_contextual_l1_by_hand():
    generated = np.array([[[[0.5], [-0.5]], [[1.0], [0.0]]]], np.float32)
    images = np.array([[[[0.0], [0.5]], [[0.25], [9.0]]]], np.float32)
    weights = np.array([[[[1.0], [0.5]], [[2.0], [0.0]]]], np.float32)
    energy, gradient = value_and_gradient(objective.contextual_l1, generated, images, weights)
    np.testing.assert_array_equal(energy, [0.5 + 0.5 + 1.5])
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[1.0, -0.5], [2.0, 0.0]])


def test_contextual_l2_by_hand():
    generated = np.array([[[[0.5], [-0.5]], [[1.0], [0.0]]]], np.float32)
    images = np.array([[[[0.0], [0.5]], [[0.25], [9.0]]]], np.float32)
    weights = np.array([[[[1.0], [0.5]], [[2.0], [0.0]]]], np.float32)
    energy, gradient = value_and_gradient(objective.contextual_l2, generated, images, weights)
    np.testing.assert_array_equal(energy, [0.25 + 0.5 + 2 * 0.5625])
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[1.0, -1.0], [3.0, 0.0]])
    # An error of half the range costs the same as in L1.
    ones = np.ones_like(images)
    distances = [
        distance(ones, 0 * ones, weights)
        for distance in (objective.contextual_l1, objective.contextual_l2)
    ]
    np.testing.assert_array_equal(*distances)


def test_contextual_l1_is_the_norm_of_the_lecture():
    generated, images, known = random_batch(1)
    expected = np.abs(known * generated - known * images).sum((1, 2, 3))
    np.testing.assert_allclose(
        objective.contextual_l1(generated, images, known), expected, rtol=1e-5
    )


@pytest.mark.parametrize("hidden", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("distance", [objective.contextual_l1, objective.contextual_l2])
def test_contextual_terms_never_read_a_hidden_pixel(distance, hidden):
    generated, images, known = random_batch(2)
    scrambled = np.where(known > 0, images, np.float32(hidden))
    expected = value_and_gradient(distance, generated, images, known)
    received = value_and_gradient(distance, generated, scrambled, known)
    np.testing.assert_array_equal(received[0], expected[0])
    np.testing.assert_array_equal(received[1], expected[1])
    assert np.isfinite(received[1]).all()


def test_images_are_independent():
    generated, images, known = random_batch(3)
    images[1] = np.nan
    for energy in (
        objective.contextual_l1(generated, images, known),
        objective.contextual_l2(generated, images, known),
        objective.contextual_low_resolution(generated, images, 4),
    ):
        np.testing.assert_array_equal(np.isfinite(energy), [True, False, True])


def test_low_resolution_by_hand():
    images = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(
        objective.low_resolution(images, 2)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]]
    )


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_contextual_low_resolution_agrees_with_reference(factor):
    generated, images, _ = random_batch(4)
    expected = [
        reference.contextual_low_resolution(*pair, factor)
        for pair in zip(generated, images, strict=True)
    ]
    received = objective.contextual_low_resolution(generated, images, factor)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_an_offset_costs_the_same_at_every_factor(factor):
    images = random_batch(5)[1]
    energy, gradient = value_and_gradient(
        objective.contextual_low_resolution, images + np.float32(0.25), images, factor
    )
    np.testing.assert_allclose(energy, 0.25 * images[0].size, rtol=1e-5)
    np.testing.assert_array_equal(gradient, np.ones_like(images))


@pytest.mark.parametrize("factor", [0, 3, 8])
def test_factor_must_divide_the_size(factor):
    with pytest.raises(
        ValueError, match=f"factor must divide .*received factor {factor} for 8 x 12 pixels"
    ):
        objective.low_resolution(random_batch(6)[1], factor)


@pytest.mark.parametrize(
    ("function", "closed_form", "slope"),
    [
        (objective.saturating, lambda d: np.log(1 - d), lambda d: -d),
        (objective.non_saturating, lambda d: -np.log(d), lambda d: d - 1),
        (objective.critic, lambda d: np.log((1 - d) / d), lambda d: -np.ones_like(d)),
    ],
)
def test_perceptual_terms_and_their_slopes(function, closed_form, slope):
    logits = np.linspace(-6, 6, 25)[:, None]
    probability = 1 / (1 + np.exp(-logits[:, 0]))
    energy, gradient = value_and_gradient(function, logits.astype(np.float32))
    assert energy.shape == (25,)
    np.testing.assert_allclose(energy, closed_form(probability), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient[:, 0], slope(probability), rtol=1e-5)
    step = 1e-2
    difference = (function(logits + step) - function(logits - step)) / (2 * step)
    np.testing.assert_allclose(gradient[:, 0], difference, atol=1e-3)


def test_perceptual_terms_stay_finite_where_the_sigmoid_saturates():
    logits = np.array([[-200.0], [200.0]], np.float32)
    np.testing.assert_array_equal(objective.saturating(logits), [0.0, -200.0])
    np.testing.assert_array_equal(objective.non_saturating(logits), [200.0, 0.0])


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_energies_are_float32_for_networks_of_lower_precision(dtype):
    images = tf.ones((2, 8, 8, 3), dtype)
    known = tf.ones((2, 8, 8, 1))
    for energy in (
        objective.contextual_l1(-images, images, known),
        objective.contextual_l2(-images, images, known),
        objective.contextual_low_resolution(-images, images, 4),
        objective.saturating(images[:, 0, 0, :1]),
        objective.non_saturating(images[:, 0, 0, :1]),
        objective.critic(images[:, 0, 0, :1]),
    ):
        assert energy.dtype == tf.float32
        assert energy.shape == (2,)
