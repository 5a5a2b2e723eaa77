"""Encoded images inside a graph: decoded as Pillow does, framed and restored as by large_images."""

import io

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from tf_inpaint.compositing import blending, encoded_images, large_images, masks
from tf_inpaint.files import images


@pytest.mark.parametrize("crop", [0, 20, 99])
@pytest.mark.parametrize("shape", [(37, 60), (60, 37), (30, 31)])
def test_what_the_network_does_not_see_is_what_lies_outside_of_the_square(shape, crop):
    (seen,) = large_images.squares(np.zeros((*shape, 1)), 28, crop=crop)
    known = np.ones((*shape, 1), np.float32)
    seen.of(known)[...] = 0
    assert encoded_images.hole_error(tf.constant(known), crop) == b""
    for row, column in ((seen.top - 1, seen.left), (seen.top, seen.left + seen.side)):
        if 0 <= row < shape[0] and column < shape[1]:
            outside = known.copy()
            outside[row, column] = 0
            words = f"outside, in rows {row} to {row} and columns {column} to {column};"
            assert words in encoded_images.hole_error(tf.constant(outside), crop).numpy().decode()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_png_reads_as_pillow_does(mode):
    random = np.random.default_rng(0).integers(0, 256, (9, 11, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(random, "RGBA").convert(mode).save(file, "PNG")
    levels, error = encoded_images.decode(tf.constant(file.getvalue()), "image_bytes", 1000)
    assert error == b""
    wanted = images.read(io.BytesIO(file.getvalue()))
    # Pillow rounds a blend over white in two steps.
    assert np.abs(levels.numpy() - wanted).max() <= (1 if "A" in mode else 0)


@pytest.mark.parametrize("quality", [60, 95])
def test_jpeg_reads_as_pillow_does(quality):
    file = io.BytesIO()
    Image.fromarray(tiny.picture(0, 48, 3)).save(file, "JPEG", quality=quality)
    levels, error = encoded_images.decode(tf.constant(file.getvalue()), "image_bytes", 10_000)
    assert error == b"" and np.array_equal(levels, images.read(io.BytesIO(file.getvalue())))


def meaning_error(picture):
    """The error of an image that is its own mask."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    content = tf.constant(file.getvalue())
    return encoded_images.decode_pair(content, content, 1, 1000)[2].numpy().decode()


def test_a_mask_that_means_nothing_is_an_error():
    hole = Image.fromarray(np.eye(20, dtype=np.uint8) * 255)
    shape = Image.new("RGBA", hole.size, "white")
    for picture in (hole, hole.convert("1"), shape):
        assert meaning_error(picture) == ""
    shape.putalpha(hole)
    assert meaning_error(shape) == masks.HOLE_IN_ALPHA.format("mask_bytes")
    assert meaning_error(shape.convert("LA")) == masks.HOLE_IN_ALPHA.format("mask_bytes")
    shape.putpixel((0, 0), (0, 0, 0, 255))
    assert meaning_error(shape) == ""
    gray = Image.new("L", hole.size, 128)
    assert meaning_error(gray) == masks.TOO_GRAY.format("mask_bytes")
    gray.paste(hole.crop((0, 0, 20, 18)))
    assert meaning_error(gray) == masks.TOO_GRAY.format("mask_bytes")
    gray.paste(hole.crop((0, 0, 20, 19)))
    assert meaning_error(gray) == ""
    ones = Image.fromarray(np.eye(20, dtype=np.uint8))
    assert meaning_error(ones) == masks.ONE_FOR_WHITE.format("mask_bytes")


@pytest.mark.parametrize("shape", [(28, 28), (50, 80), (130, 61)])
def test_framing_and_restoring_are_those_of_large_images(shape):
    random = np.random.default_rng(2)
    levels = random.integers(0, 256, (*shape, 3)).astype(np.int32)
    known = np.ones((*shape, 1), np.float32)
    known[4:20, 9:26] = 0
    generated = random.uniform(-1, 1, (28, 28, 3)).astype(np.float32)
    image = images.to_float(levels.astype(np.uint8))
    chosen = large_images.squares(known, 28)
    wanted, shown = large_images.crops(image, known, chosen, 28)
    small, given = encoded_images.framed(tf.constant(levels), tf.constant(known), 28, 0)
    assert np.array_equal(given, shown[0])
    np.testing.assert_allclose(small, wanted[0], atol=1e-5)
    whole = encoded_images.restored(
        tf.constant(levels), tf.constant(known), tf.constant(generated), 0, blending.poisson
    )
    wanted = images.to_uint8(large_images.restore(image, known, chosen, generated[None]))
    assert np.abs(whole.numpy() - wanted).max() <= 1
    assert np.array_equal(whole.numpy()[known[..., 0] > 0], levels[known[..., 0] > 0])


def test_restoring_without_a_hole_changes_nothing():
    levels = tiny.picture(3, 40).astype(np.int32)
    known = np.ones((40, 40, 1), np.float32)
    whole = encoded_images.restored(
        tf.constant(levels), tf.constant(known), tf.zeros([28, 28, 1]), 0, blending.poisson
    )
    assert np.array_equal(whole, levels)


@pytest.mark.parametrize("blend", [blending.poisson, blending.feather])
def test_blending_of_free_size_is_that_of_a_fixed_one(blend):
    random = np.random.default_rng(1)
    given, generated = random.uniform(-1, 1, (2, 2, 33, 21, 3)).astype(np.float32)
    known = (random.random((2, 33, 21, 1)) > 0.5).astype(np.float32)
    free = tf.function(
        blend, input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)] * 3
    )
    np.testing.assert_allclose(
        free(given, known, generated), blend(given, known, generated), atol=3e-3
    )
