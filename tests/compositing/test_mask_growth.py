"""Grown and shrunk holes: compared with the definition, and at the border."""

import numpy as np
import pytest

from tf_inpaint.compositing import masks
from tf_inpaint.compositing.mask_growth import grow


def grown_by_definition(known, radius):
    """A pixel is hidden if a pixel of the hole lies within the radius."""
    places = np.indices(known.shape[:2]).reshape(2, -1).T
    hole = places[known.ravel() == 0]
    distances = ((places[:, None] - hole[None]) ** 2).sum(axis=-1)
    hidden = (distances <= radius**2).any(axis=1)
    return 1 - hidden.reshape(known.shape).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(1, 9), (9, 2), (17, 13)])
@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 30])
def test_a_hole_grows_by_a_disk_and_shrinks_as_the_known_pixels_grow(height, width, radius):
    random = np.random.default_rng(height)
    for share in (0.02, 0.3, 0.97):
        known = (random.random((height, width, 1)) >= share).astype(np.float32)
        copy = known.copy()
        np.testing.assert_array_equal(grow(known, radius), grown_by_definition(known, radius))
        np.testing.assert_array_equal(
            grow(known, -radius), 1 - grown_by_definition(1 - known, radius)
        )
        np.testing.assert_array_equal(known, copy)


def test_a_single_pixel_becomes_a_disk():
    known = np.ones((7, 7, 1), np.float32)
    known[3, 3] = 0
    grown = grow(known, 2)
    assert grown.dtype == np.float32 and grown.shape == known.shape
    assert (1 - grown[..., 0]).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(grow(grown, -2), known)


def test_a_hole_at_the_border_shrinks_from_inside_alone():
    np.testing.assert_array_equal(
        grow(masks.make("left", 8, 8, 0), -2), masks.make("left", 8, 8, 0, 0.25)
    )
    for name in ("full", "empty"):
        known = masks.make(name, 8, 8, 0)
        for pixels in (-3, 3):
            np.testing.assert_array_equal(grow(known, pixels), known)
