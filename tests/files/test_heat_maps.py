"""Colors of the uncertainty, and their scale."""

import numpy as np
import pytest

from tf_inpaint.files import heat_maps

COLORS = np.array(heat_maps.HEAT_COLORS)


def test_largest_value_has_the_brightest_color_and_the_picture_around_is_pale_gray():
    """Values outside the hole are not shown."""
    values = np.zeros((4, 4), np.float32)
    values[1, 1], values[3, 3] = 0.2, 9
    hidden = np.zeros((4, 4), bool)
    hidden[:2, :2] = True
    heat_map = heat_maps.heat_map(np.full((4, 4, 3), 30, np.uint8), hidden, values, 0.2)
    assert (heat_map[1, 1] == COLORS[-1]).all() and (heat_map[0, 0] == COLORS[0]).all()
    assert (heat_map[~hidden] == 138).all()


def test_lightness_of_the_colors_rises():
    """The colors can be told apart in gray."""
    assert (np.diff(COLORS @ [0.299, 0.587, 0.114]) > 30).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_place_of_an_uncertainty_is_its_square_root(channels):
    """The quarters of the scale are the squares of 1/4, 2/4 and 3/4, and 1 is the end."""
    values = np.array([[0, 1 / 16, 4 / 16, 9 / 16, 1, 7]], np.float32)
    hidden = np.ones(values.shape, bool)
    heat_map = heat_maps.uncertainty_map(np.zeros((1, 6, channels), np.uint8), hidden, values)
    assert heat_map.dtype == np.uint8
    np.testing.assert_array_equal(heat_map[0], COLORS[[0, 1, 2, 3, 4, 4]])


@pytest.mark.parametrize("width", [96, 256])
def test_scale_names_the_colors_of_pictures(width):
    """A line below each color leads to its number, and no text is cut off or overlaps another."""
    scale = heat_maps.scale(width)
    assert scale.shape == (44, width, 3)
    places = np.flatnonzero((scale[15] == 0).all(axis=1))
    values = np.array([heat_maps.SCALE_NUMBERS], np.float32)
    hidden = np.ones(values.shape, bool)
    colors = heat_maps.uncertainty_map(np.zeros((*values.shape, 1), np.uint8), hidden, values)
    # A column is up to half a pixel beside the exact place, and a pixel is 4 / width of a color.
    steps = np.abs(scale[8, places].astype(int) - colors[0]).max()
    assert len(places) == len(values[0]) and steps <= 1 + 2 / width * np.diff(COLORS, axis=0).max()
    # Separate numbers have two white columns or more between them.
    inked = (scale[17:30] < 128).any(axis=(0, 2))
    gaps = np.diff(np.flatnonzero(inked)) > 4
    assert gaps.sum() == len(places) - 1
    assert (scale[30:] < 128).any() and (scale[-1] == 255).all()
