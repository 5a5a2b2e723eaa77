"""Each augmentation by hand, its randomness, and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan import augment

POLICY = ("color", "translation", "cutout")


def images(count=5, side=8, channels=3, seed=0):
    return (
        np.random.default_rng(seed).uniform(-1, 1, (count, side, side, channels)).astype(np.float32)
    )


def draws(count, numbers, seed=1):
    return np.random.default_rng(seed).random((count, numbers)).astype(np.float32)


def test_no_policy_changes_nothing():
    assert augment.numbers_per_image(()) == 0
    np.testing.assert_array_equal(augment.augment(images(), draws(5, 0), ()), images())


def test_color_by_hand():
    pixel = np.array([[[[0.0, 0.2, 0.4]], [[0.2, 0.4, 0.6]]]], np.float32)
    # Brightness + 0.1; grays 0.3 and 0.5 with twice the color; then half the distance to 0.4.
    by_hand = 0.4 + 0.5 * (np.array([[[[-0.1, 0.3, 0.7]], [[0.1, 0.5, 0.9]]]]) - 0.4)
    np.testing.assert_allclose(
        augment.color(pixel, np.array([[0.6, 1.0, 0.0]], np.float32)), by_hand, atol=1e-6
    )


def test_color_can_leave_an_image_as_it_is():
    np.testing.assert_allclose(
        augment.color(images(), np.full((5, 3), 0.5, np.float32)), images(), atol=1e-6
    )


@pytest.mark.parametrize(
    ("u", "down", "right"), [((0.0, 0.0), 1, 1), ((0.5, 0.5), 0, 0), ((0.99, 0.0), -1, 1)]
)
def test_translation_by_hand(u, down, right):
    moved = augment.translation(images(1), np.array([u], np.float32))[0]
    expected = np.zeros((8, 8, 3), np.float32)
    for row in range(8):
        for column in range(8):
            if 0 <= row - down < 8 and 0 <= column - right < 8:
                expected[row, column] = images(1)[0, row - down, column - right]
    np.testing.assert_array_equal(moved, expected)


def test_every_shift_is_drawn_equally_often():
    picture = np.zeros((3000, 8, 8, 1), np.float32)
    picture[:, 4, 4] = 1
    moved = augment.translation(picture, draws(3000, 2)).numpy()[..., 0]
    counts = moved.sum(0)
    assert counts[3:6, 3:6].sum() == 3000
    np.testing.assert_allclose(counts[3:6, 3:6], 3000 / 9, rtol=0.2)


def test_cutout_by_hand():
    cut = augment.cutout(
        np.ones((2, 8, 8, 1), np.float32), np.array([[0.5, 0.5], [0.0, 0.99]], np.float32)
    ).numpy()
    middle, corner = np.ones((8, 8)), np.ones((8, 8))
    middle[2:6, 2:6] = 0
    corner[:2, 6:] = 0
    np.testing.assert_array_equal(cut[0, ..., 0], middle)
    np.testing.assert_array_equal(cut[1, ..., 0], corner)


def test_each_image_has_its_own_random_numbers():
    pictures = np.repeat(images(1), 6, axis=0)
    changed = augment.augment(pictures, draws(6, augment.numbers_per_image(POLICY)), POLICY).numpy()
    assert len({picture.tobytes() for picture in changed}) == 6
    alone = augment.augment(pictures[2:3], draws(6, augment.numbers_per_image(POLICY))[2:3], POLICY)
    np.testing.assert_allclose(alone[0], changed[2], atol=1e-6)


def test_gradients_pass_through():
    pictures, u = tf.constant(images()), draws(5, augment.numbers_per_image(POLICY))
    weights = np.random.default_rng(3).normal(size=pictures.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        total = tf.reduce_sum(weights * augment.augment(pictures, u, POLICY))
    gradient = tape.gradient(total, pictures).numpy()
    direction = np.random.default_rng(4).normal(size=pictures.shape).astype(np.float32)
    # All changes are linear in the image except for an offset: one finite difference is exact.
    above, below = (
        tf.reduce_sum(weights * augment.augment(pictures + sign * direction, u, POLICY))
        for sign in (0.5, -0.5)
    )
    assert float(above - below) == pytest.approx(float((gradient * direction).sum()), rel=1e-4)
