"""Images with their masks: what the network is given, through which nothing hidden is seen."""

import numpy as np
import pytest
from photographs import (
    FRAMINGS,
    HOLES,
    SHAPES,
    example_under,
    known_of,
    new_item,
    noise,
    photograph,
    save_picture,
    to_gray,
)
from PIL import Image
from tiny import SIZE

from tf_inpaint.compositing import blending, large_images, masks
from tf_inpaint.files import images
from tf_inpaint.inpainting.completions import Completions
from tf_inpaint.inputs.mask_sources import new_mask_source
from tf_inpaint.inputs.masked_images import GRAY, ExampleMaker, scale_width
from tf_inpaint.inputs.named_images import files


def new_example(mask, item, channels=1, size=SIZE, **settings):
    """Returns an image under a mask, as a name or the path of a file."""
    source = new_mask_source(str(mask), 0)
    return ExampleMaker(size, channels, **settings).example(item, source.known_of)


# --- At the network's size.


def test_masked_is_the_original_with_gray_in_the_hole():
    """Known pixels are those of the image."""
    example = new_example("left", new_item(noise()))
    np.testing.assert_array_equal(example.original, noise())
    np.testing.assert_array_equal(example.masked[:, 14:], noise()[:, 14:])
    assert (example.masked[:, :14] == GRAY).all()
    assert example.known.shape == (28, 28, 1) and example.known.dtype == np.float32


def test_mask_of_another_size_is_refused(tmp_path):
    """A mask has the image's size or the network's."""
    path = save_picture(tmp_path / "mask.png", masks.make("left", 20, 30, 0) * 2 - 1)
    sentence = "28 x 28; a/b.png is 40 x 40 and its mask 30 x 20; resize the mask"
    with pytest.raises(ValueError, match=sentence):
        new_example(path, new_item(noise(40, 40)))


def test_mask_of_the_network_s_size_goes_with_any_image(tmp_path):
    """The image is then fitted to the network."""
    path = save_picture(tmp_path / "mask.png", masks.make("left", 28, 28, 0) * 2 - 1)
    for height, width in ((40, 60), (28, 40), (20, 20), (28, 28)):
        example = new_example(path, new_item(noise(height, width)))
        assert example.squares is None and not example.in_place
        np.testing.assert_array_equal(example.original, images.fit(noise(height, width), 28, 1))
        np.testing.assert_array_equal(example.known, masks.make("left", 28, 28, 0))
        assert [part.shape for part in example.rows] == [(1, 28, 28, 1)] * 2
    assert example.seeds(3) == [example.input.seeds(3)]


def test_resized_mask_is_known_far_from_its_hole(tmp_path):
    """A square hole of 20 in 112 pixels is one of 5 in 28.

    The filter reaches two pixels further on each side.
    """
    known = np.ones((112, 112, 1), np.float32)
    known[40:60, 40:60] = 0
    path = save_picture(tmp_path / "mask.png", known * 2 - 1)
    example = new_example(path, new_item(noise(112, 112)), resize_masks=True)
    hole = np.argwhere(example.known[..., 0] == 0)
    assert hole.min(axis=0).tolist() == [8, 8] and hole.max(axis=0).tolist() == [16, 16]


def test_lowres_gives_box_averages():
    """With a low-resolution factor, the averages of boxes are given instead of pixels."""
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[0, :4, 0] = [10, 20, 30, 41]  # The mean of the box of 16 is 6.3.
    example = new_example("lowres", new_item(picture), low_resolution_factor=4)
    expected = np.zeros((28, 28, 1), np.uint8)
    expected[:4, :4] = 6
    np.testing.assert_array_equal(example.masked, expected)
    assert not example.known.any()
    with pytest.raises(ValueError, match="boxes of 5 for 28 pixels"):
        ExampleMaker(28, 1, low_resolution_factor=5)


def test_another_size_or_color_is_logged_once(logged):
    """An image that fits is not mentioned."""
    maker, source = ExampleMaker(SIZE, 1), new_mask_source("center", 0)
    maker.example(new_item(noise()), source.known_of)
    assert not logged.messages
    maker.example(new_item(noise(40, 60, 3), "big.png"), source.known_of)
    maker.example(new_item(noise(50, 50, 1), "other.png"), source.known_of)
    (message,) = logged.messages
    assert "28 x 28 gray" in message and "big.png is 60 x 40 RGB" in message


def test_orientation_of_a_photograph_is_applied(tmp_path):
    """The EXIF orientation of a file turns the image."""
    turned = Image.fromarray(noise()[..., 0])
    exif = turned.getexif()
    exif[0x0112] = 6  # To be turned by 90 degrees clockwise.
    turned.save(tmp_path / "a.png", exif=exif)
    (item,) = files([str(tmp_path / "a.png")], leave_out=tmp_path / "out")
    original = new_example("center", item).original
    np.testing.assert_array_equal(original, np.rot90(noise(), -1))


# --- In place.


@pytest.mark.parametrize(
    ("height", "width", "channels", "crop", "size"),
    [
        (28, 28, 3, 0, 28),
        (56, 56, 1, 0, 28),
        (67, 45, 3, 0, 28),
        (20, 23, 3, 0, 28),
        (90, 80, 3, 50, 32),
    ],
)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_nothing_hidden_is_seen_through_a_mask_of_the_image_s_size(
    tmp_path, height, width, channels, crop, size, framing
):
    """Nothing that the network is given depends on hidden pixels."""
    random = np.random.default_rng(height)
    known = masks.make("strokes", height, width, 1, 0.3)
    path = save_picture(tmp_path / "mask.png", known * 2 - 1)
    maker, source = ExampleMaker(size, channels, crop, framing), new_mask_source(str(path), 0)
    picture = noise(height, width, channels)
    example = maker.example(new_item(picture), source.known_of)
    assert 0.1 < masks.hole_share(example.known) < 0.95
    is_known = example.known[..., 0] > 0
    assert (example.masked[~is_known] == GRAY).all()
    np.testing.assert_array_equal(example.masked[is_known], example.original[is_known])
    masked_rows, known_rows = example.rows
    assert (masked_rows[known_rows[..., 0] == 0] == GRAY).all()
    assert masked_rows.shape[1:] == (size, size, channels)
    for hidden in (random.integers(0, 256, picture.shape, dtype=np.uint8), 0, 255):
        scrambled = np.where(known > 0, picture, hidden).astype(np.uint8)
        other = maker.example(new_item(scrambled), source.known_of)
        assert (other.original != example.original).any()
        np.testing.assert_array_equal(other.masked, example.masked)
        np.testing.assert_array_equal(other.known, example.known)
        for other_rows, rows in zip(other.rows, example.rows, strict=True):
            np.testing.assert_array_equal(other_rows, rows)


def test_first_square_keeps_the_image_s_seeds_and_others_have_other_seeds(tmp_path):
    """No two squares have the same seeds."""
    for framing, count in (("image", 1), ("hole", 2)):
        example = example_under(
            tmp_path / "mask.png", photograph("broad", 1), known_of("broad"), framing=framing
        )
        seeds = example.seeds(3)
        assert len(seeds) == len(set(seeds)) == count
        assert seeds[0] == example.input.seeds(3)


def test_crop_frames_the_middle_square(tmp_path):
    """The crop of the run is the side of the square that the network sees."""
    known = known_of("broad")[:, :90]
    example = example_under(tmp_path / "mask.png", noise(60, 90), known, crop=50)
    assert example.squares == [large_images.Square(5, 20, 50)]
    assert example.rows[0].shape == (1, SIZE, SIZE, 1)


def test_colors_become_those_of_the_network(tmp_path, logged):
    """Only the colors of an image in place change, and the log says so."""
    path = tmp_path / "mask.png"
    for channels, pixels in ((1, noise(75, 61, 3)), (3, noise(75, 61, 1))):
        example = example_under(path, pixels, known_of("tall"), channels)
        expected = to_gray(pixels) if channels == 1 else pixels.repeat(3, axis=2)
        np.testing.assert_array_equal(example.original, expected)
        assert "Images are made" in logged.text and "resized" not in logged.text
        logged.clear()
    example_under(path, noise(75, 61, 3), known_of("tall"), 3)
    assert not logged.messages


def test_a_square_without_a_known_pixel_is_warned_of_once(tmp_path, logged):
    """At the network's size, a pixel is known only if nothing hidden went into it."""
    known = np.ones((4 * SIZE, 4 * SIZE, 1), np.float32)
    known[np.random.default_rng(0).random(known.shape) < 0.8] = 0
    path = save_picture(tmp_path / "mask.png", known * 2 - 1)
    for framing, expected in (("image", 1), ("hole", 0)):
        maker, source = ExampleMaker(SIZE, 1, framing=framing), new_mask_source(str(path), 0)
        for key in ("a.png", "b.png"):
            example = maker.example(new_item(noise(*known.shape[:2]), key), source.known_of)
        warnings = [message for message in logged.messages if "no known pixel is left" in message]
        assert len(warnings) == expected
        assert (example.rows[1].max() > 0) == (framing == "hole")
        logged.clear()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_hole_beyond_the_middle_square_is_warned_of(tmp_path, logged, framing):
    """With the framing "image", the network does not see the hole outside the middle square."""
    path, known = tmp_path / "mask.png", np.ones((40, 90, 1), np.float32)
    known[10:20, 20:40] = 0
    example = example_under(path, noise(40, 90), known, framing=framing)
    warned = "a.png reaches beyond the middle square" in logged.text
    assert warned == (framing == "image")
    assert (example.squares[0].of(example.known) == 0).any()
    logged.clear()
    known[:, :25] = 1
    example_under(path, noise(40, 90), known, framing=framing)
    assert "reaches beyond" not in logged.text


# --- The answers put back.


def test_uncertainty_is_of_every_square_at_the_image_s_size(tmp_path):
    """The uncertainty of a square lies in the hole that the square covers."""
    example = example_under(
        tmp_path / "mask.png", photograph("broad"), known_of("broad"), channels=3, framing="hole"
    )
    count, values = len(example.squares), (0.2, 0.7)
    fields = np.reshape(values, (2, 1, 1, 1)) * np.ones((2, SIZE, SIZE, 1), np.float32)
    parts = dict.fromkeys(Completions._fields, np.zeros(count, np.float32))
    uncertainty = example.uncertainty(Completions(**parts | {"uncertainty": fields}))
    expected = np.zeros(SHAPES["broad"])
    for (top, left, bottom, right), value in zip(HOLES["broad"], values, strict=True):
        expected[top:bottom, left:right] = value
    np.testing.assert_allclose(uncertainty, expected, atol=1e-6)
    assert uncertainty.shape == expected.shape


def test_an_image_without_rows_is_complete(tmp_path):
    """An image whose pixels are all known is its own completion, without samples."""
    example = example_under(tmp_path / "mask.png", photograph("known", 1), known_of("known"))
    assert len(example.rows[0]) == 0 and example.in_place
    completion = images.to_uint8(example.completion(None, blending.poisson))
    np.testing.assert_array_equal(completion, photograph("known", 1))
    np.testing.assert_array_equal(example.pasted(None), photograph("known", 1))
    assert example.sample_count(None) == 0 and list(example.samples(None, None)) == []


def test_only_a_feather_s_width_grows():
    """The width of a feather is in pixels of the network's size."""
    assert scale_width(blending.paste, 3) is blending.paste
    assert scale_width(blending.poisson, 3) is blending.poisson
    known = np.ones((1, 9, 240, 1), np.float32)
    known[:, :, 40:] = 0
    fields = np.full_like(known, 0.5), known, np.zeros_like(known)
    # The correction falls to 1 / e within 8 pixels, or 24.
    for scale in (1, 3):
        correction = scale_width(blending.feather, scale)(*fields).numpy()[0, 4, 40:, 0]
        assert correction[8 * scale - 1] == pytest.approx(0.5 / np.e, abs=0.03)
