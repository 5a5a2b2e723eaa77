"""The hole of a picture on the canvas, the name of its mask, and the sentences about masks."""

import re

import numpy as np
import pytest
from page_inputs import square_hole
from PIL import Image

from tf_inpaint.files import images
from tf_inpaint.inputs.mask_names import MaskNames
from tf_inpaint.inputs.mask_reading import MaskReader
from tf_inpaint.page import canvas, page_picture
from tf_inpaint.page.page_picture import Picture


def picture_with_hole(height, width, seed=0):
    """A picture with a hole of single pixels and of a rectangle."""
    hidden = np.random.default_rng(seed).random((height, width)) < 0.02
    hidden[height // 3 : height // 2, : width // 3] = True
    return Picture("a.png", np.zeros((height, width, 1), np.uint8)).with_hole(hidden)


def painted(picture, layer):
    """The pixels of a picture under a layer of paint."""
    return picture.painted_pixels(canvas.to_data_url(layer))


@pytest.mark.parametrize(
    ("height", "width"), [(28, 28), (200, 300), (512, 9), (513, 8), (700, 1000), (1600, 1100)]
)
def test_hole_on_the_canvas_keeps_every_pixel(height, width):
    picture = picture_with_hole(height, width)
    np.testing.assert_array_equal(painted(picture, picture.paint()), picture.hole)


def test_changed_paint_hides_every_pixel_that_it_touches():
    picture = picture_with_hole(700, 1000)
    layer = picture.paint()
    layer[200:260, 100:200, 3] = 255  # The brush.
    layer[280:300, 100:200, 3] //= 2  # The edge of the eraser.
    layer[300:330, 100:200] = 0  # The eraser.
    hidden = painted(picture, layer)
    touched = canvas.painted_pixels(layer, 700, 1000)
    brushed, erased = np.zeros((2, *layer.shape), np.uint8)
    brushed[200:260, 100:200] = erased[280:330, 100:200] = 255
    brushed, erased = (canvas.painted_pixels(mark, 700, 1000) for mark in (brushed, erased))
    assert hidden[brushed].all() and not hidden[~touched].any()
    elsewhere = ~brushed & ~erased
    np.testing.assert_array_equal(hidden[elsewhere], picture.hole[elsewhere])
    assert (hidden[erased & touched] >= picture.hole[erased & touched]).all()


def test_paint_of_an_earlier_hole_still_hides_this_hole():
    """Undo brings the paint of an earlier hole back. Its edges are those of the next hole too."""
    earlier = picture_with_hole(700, 1000)
    for later in (earlier.with_hole(~earlier.hole), earlier.with_hole(earlier.hole)):
        hidden = painted(later, earlier.paint())
        assert hidden[earlier.hole].all()
        assert not hidden[~canvas.painted_pixels(earlier.paint(), 700, 1000)].any()


@pytest.mark.parametrize(
    "key", ["photo.jpg", "a/7.png", "photo (1).jpeg", "x.y.png", "Maße.tif", "mask_a.png", "2560"]
)
def test_complete_finds_the_mask_of_a_picture_by_its_name(key):
    name = Picture(key, np.zeros((8, 8, 1), np.uint8)).mask_name
    assert MaskNames(["other_mask.png", name]).fits(key) == [name]


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (20, 20), 128),
        Image.new("L", (20, 20), 1),
        Image.new("RGBA", (20, 20), (0, 0, 0, 90)),
    ],
    ids=["gray", "1 for white", "hole in alpha"],
)
def test_invalid_mask_is_refused_in_the_sentence_of_the_commands(picture, tmp_path):
    path = tmp_path / "m.png"
    picture.save(path)
    with pytest.raises(ValueError) as refused:
        MaskReader().read(path)
    sentence = str(refused.value).replace(str(path), "m.png")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        page_picture.read_mask(path, 1000)
    with pytest.raises(ValueError, match="at most 0.0001 million pixels is required; m.png has"):
        page_picture.read_mask(path, 100)


def test_mask_is_read_as_by_the_commands(tmp_path):
    levels = np.random.default_rng(0).choice(np.uint8([0, 40, 127, 128, 255]), (30, 40, 3))
    images.write(tmp_path / "m.png", np.where(levels > 127, 255, levels // 3))
    known = page_picture.read_mask(tmp_path / "m.png", 10_000)
    np.testing.assert_array_equal(known, MaskReader().read(tmp_path / "m.png"))


@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        (square_hole(), r""),
        (square_hole(last=8), r"white everywhere, so there is no hole"),
        (square_hole(first=0, last=28), r"black everywhere, so no pixel is known"),
        (~square_hole(), r"black part is the hole.*invert"),
    ],
    ids=["usual", "none", "all", "inverted"],
)
def test_unusual_mask_gets_a_sentence(hidden, sentence):
    note = page_picture.mask_note(np.where(hidden, 0, 1)[..., None])
    assert bool(note) == bool(sentence) and re.search(sentence, note)


@pytest.mark.parametrize(
    ("low", "hides", "sentence"),
    [(127, True, "transparent part is the hole"), (128, False, "transparent enough")],
)
def test_transparency_below_128_is_the_hole(low, hides, sentence):
    alpha = np.where(square_hole(), low, 255).astype(np.uint8)[..., None]
    hidden, note = page_picture.transparent_pixels(alpha)
    assert (hidden is not None) == hides and sentence in note
    if hides:
        np.testing.assert_array_equal(hidden, square_hole())


def test_wholly_transparent_and_wholly_opaque_pictures():
    hidden, note = page_picture.transparent_pixels(np.zeros((8, 8, 1), np.uint8))
    assert hidden.all() and "no pixel is known" in note
    assert page_picture.transparent_pixels(None) == (None, "")
