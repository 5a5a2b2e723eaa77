"""Known pixels come back bit for bit, and hidden pixels are never read."""

import numpy as np
import pytest
import tensorflow as tf
from small_inpainters import (
    LATENT,
    SIZE,
    assert_same,
    digits,
    new_inpainter,
    search_through,
)

from tf_inpaint.compositing import masks
from tf_inpaint.latent_search import objective


@pytest.mark.parametrize("blend", ["paste", "poisson"])
def test_known_pixels_come_back_bit_for_bit(blend):
    images, known, seeds = digits(4)
    found = new_inpainter(blend=blend).complete(images, known, seeds)
    given = known > 0
    np.testing.assert_array_equal(found.images[given], images[given])
    assert np.abs(found.images).max() <= 1
    if blend == "paste":
        np.testing.assert_array_equal(found.images[~given], found.generated[~given])
    else:
        assert (found.images[~given] != found.generated[~given]).mean() > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"contextual": "l1", "blend": "poisson"},
        {"contextual": "weighted_l1"},
        {"contextual": "weighted_l1", "blend": "poisson", "restarts": 2, "prior": "non_saturating"},
    ],
    ids=["l1", "weighted_l1", "restarts"],
)
def test_hidden_pixels_are_never_read(settings):
    images, known, seeds = digits(4)
    inpainter = new_inpainter(encoded=True, **settings)
    clean = inpainter.complete(images, known, seeds)
    for scrambled in (np.random.default_rng(1).uniform(-1, 1, images.shape), np.nan, np.inf):
        hidden = np.where(known > 0, images, scrambled)
        assert not np.array_equal(hidden, images)
        assert_same(inpainter.complete(hidden, known, seeds), clean)
    # Were one known pixel changed instead, the answer would too.
    changed = images + np.where(known > 0, np.float32(0.3), 0)
    assert (inpainter.complete(changed, known, seeds).z != clean.z).any()


def test_low_resolution_reads_the_box_averages_only():
    images, _, seeds = digits(3)
    random = np.random.default_rng(0)
    # In eighths, so that sums are exact: moving pixels about within a box keeps its average to the
    # bit.
    images = random.integers(-8, 9, images.shape).astype(np.float32) / 8
    boxes = images.reshape(3, 7, 4, 7, 4).transpose(0, 1, 3, 2, 4).reshape(3, 7, 7, 16)
    moved = random.permuted(boxes, axis=3).reshape(3, 7, 7, 4, 4).transpose(0, 1, 3, 2, 4)
    moved = moved.reshape(images.shape)
    assert not np.array_equal(images, moved)
    np.testing.assert_array_equal(
        objective.low_resolution(images, 4), objective.low_resolution(moved, 4)
    )
    known = np.zeros_like(images)
    inpainter = new_inpainter(low_resolution_factor=4)
    found = inpainter.complete(images, known, seeds)
    assert_same(inpainter.complete(moved, known, seeds), found)
    np.testing.assert_array_equal(found.images, found.generated)
    distance = objective.contextual_low_resolution(found.generated, images, 4)
    np.testing.assert_allclose(found.contextual, distance, rtol=1e-5)


@pytest.mark.parametrize("blend", ["paste", "poisson"])
@pytest.mark.parametrize("contextual", ["l1", "weighted_l1"])
def test_all_known_gives_the_image_and_all_hole_a_sample(blend, contextual):
    images, _, seeds = digits(2)
    known = np.stack([masks.make(name, SIZE, SIZE, 0) for name in ("full", "empty")])
    inpainter = new_inpainter(blend=blend, contextual=contextual)
    found = inpainter.complete(np.where(known > 0, images, np.nan), known, seeds)
    np.testing.assert_array_equal(found.images[0], images[0])
    np.testing.assert_array_equal(found.images[1], found.generated[1])
    assert found.contextual[1] == 0
    assert np.isfinite(found.generated).all() and found.energy[1] < 0


def test_a_generator_gone_wrong_touches_no_known_pixel():
    images, known, seeds = digits(2)
    inpainter = search_through(
        lambda z: tf.reshape(z[:, :1] * np.nan, [-1, 1, 1, 1]) * tf.ones([SIZE, SIZE, 1]),
        lambda generated: tf.reduce_mean(generated, axis=[2, 3]),
        LATENT,
        2,
    )
    found = inpainter.complete(images, known, seeds)
    assert np.isnan(found.generated).all()
    np.testing.assert_array_equal(found.images[known > 0], images[known > 0])
