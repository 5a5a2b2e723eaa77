"""The canvas: pictures at display size, layers of paint, and the holes that the paint marks."""

import numpy as np
import pytest
from page_inputs import paint_layer
from tiny import picture

from tf_inpaint.compositing import masks
from tf_inpaint.files import images
from tf_inpaint.page import canvas
from tf_inpaint.page.controller import HOLES


@pytest.mark.parametrize("side", [8, 28, 64, 300])
@pytest.mark.parametrize("mask", sorted(set(HOLES.values()) - {""}))
def test_ready_made_hole_is_its_mask(side, mask):
    layer = canvas.hole_layer(mask, side, side, (3,))
    expected = masks.make(mask, side, side, (3,))[..., 0] == 0
    assert (canvas.painted_pixels(layer, side, side) == expected).all()


def test_paint_on_a_corner_hides_the_whole_pixel_and_no_other():
    factor, margin = 18, 4  # 28 * 18 = 504 of 512
    for row, column in ((0, 0), (27, 27), (5, 20)):
        top, left = margin + factor * row, margin + factor * column
        for end in (0, factor - 1):
            layer = paint_layer((top + end, left + factor - 1 - end))
            assert np.argwhere(canvas.painted_pixels(layer, 28, 28)).tolist() == [[row, column]]


def test_paint_on_the_edge_of_a_fine_hole_has_another_opacity():
    hidden = np.zeros((1024, 1024), bool)
    hidden[10:20, 11:30] = True  # The first column shows a known pixel beside a hidden one.
    layer = canvas.paint(hidden, 150)
    assert (layer[5:10, 6:15, 3] == 255).all() and (layer[5:10, 5, 3] == 150).all()
    assert np.count_nonzero(layer[..., 3]) == 50


def test_paint_beside_the_picture_hides_nothing():
    hidden = canvas.painted_pixels(paint_layer((4, 4), (0, 0), (511, 300)), 28, 28)
    assert np.argwhere(hidden).tolist() == [[0, 0]]


def test_encoding_does_not_change_the_paint():
    layer = np.random.default_rng(0).integers(0, 256, (canvas.SIDE, canvas.SIDE, 4), dtype=np.uint8)
    assert (canvas.decode_layer(canvas.to_data_url(layer)) == layer).all()


@pytest.mark.parametrize(
    "data_url",
    [
        "",
        "data:image/gif;base64,AAAA",
        canvas.PNG_PREFIX + "AAAA",
        canvas.PNG_PREFIX + "A" * canvas.MAX_LAYER_LENGTH,
        canvas.to_data_url(np.zeros((canvas.SIDE, canvas.SIDE + 1, 4), np.uint8)),
        canvas.to_data_url(np.zeros((canvas.SIDE, canvas.SIDE, 4), np.uint8))[:-60],
    ],
    ids=["nothing", "gif", "damaged", "long", "wide", "cut"],
)
def test_invalid_layer_is_refused_in_one_sentence(data_url):
    with pytest.raises(ValueError, match="must be a PNG file of 512 x 512 pixels"):
        canvas.decode_layer(data_url)


def test_large_picture_is_hidden_where_it_is_painted():
    hidden = canvas.painted_pixels(paint_layer((256, 256)), 1024, 2048)
    rows, columns = map(np.unique, np.nonzero(hidden))
    assert rows.tolist() == [512, 513, 514, 515]
    assert columns.tolist() == [1024, 1025, 1026, 1027]


def test_ready_made_hole_of_a_photograph_lies_in_its_middle_square():
    hidden = canvas.painted_pixels(canvas.hole_layer("center", 600, 1000, (0,)), 600, 1000)
    assert abs(hidden.sum() - 300 * 300) < 3000
    assert hidden[300, 500] and not hidden[:140].any() and not hidden[:, :340].any()
    assert canvas.middle_square(600, 1000, 100).sum() == 100 * 100


@pytest.mark.parametrize(("height", "width"), [(28, 28), (10, 40), (900, 300), (2000, 8)])
def test_picture_is_enlarged_by_a_whole_factor_or_reduced(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 1), dtype=np.uint8)
    displayed = canvas.resize_for_display(pixels)
    assert max(displayed.shape) <= canvas.SIDE and displayed.shape[2] == 3
    if max(height, width) <= canvas.SIDE:
        factor = canvas.SIDE // max(height, width)
        assert (displayed[::factor, ::factor, :1] == pixels).all()
        assert displayed.shape[0] == factor * height
    assert canvas.picture_layer(pixels).shape == (canvas.SIDE, canvas.SIDE, 4)


def test_picture_is_read(tmp_path):
    images.write(tmp_path / "a.png", picture(1))
    assert (canvas.read(tmp_path / "a.png", 10_000) == picture(1)).all()
