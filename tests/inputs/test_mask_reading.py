"""Masks that are read and grown, and the warnings of those that may not be meant."""

import numpy as np
import pytest
from photographs import save_picture

from tf_inpaint.compositing import masks
from tf_inpaint.inputs.mask_reading import MaskReader, looks_inverted

HOLE = masks.make("center", 12, 16, 0)
"""A hole of 6 x 8 pixels."""


@pytest.mark.parametrize("invert", [False, True])
def test_a_hole_grows_after_it_was_inverted(tmp_path, invert):
    """--grow_mask grows the hole, whatever its color in the file."""
    path = save_picture(tmp_path / "a.png", HOLE * 2 - 1 if not invert else 1 - HOLE * 2)
    reader = MaskReader(invert, 1)
    expected = HOLE.copy()
    expected[2:10, 4:12] = 0
    expected[3:9, 3:13] = 0
    np.testing.assert_array_equal(reader.read(path), expected)


@pytest.mark.parametrize(("pixels", "rest"), [(-3, "hole"), (20, "known pixel")])
def test_a_mask_that_grows_too_much_is_warned_of_once(tmp_path, logged, pixels, rest):
    """A mask that is all hole or all known before is not the growth's doing."""
    reader = MaskReader(grow_pixels=pixels)
    for name in ("first", "second"):
        reader.grow(HOLE, name)
    (record,) = logged.records
    assert f"--grow_mask={pixels} leaves no {rest} in the mask first; " in record.message
    reader = MaskReader(grow_pixels=pixels)
    for level in (0, 1):
        reader.grow(np.full_like(HOLE, level), "even")
    assert len(logged.records) == 1


def drawn(*rows):
    """Returns a mask: 1 is known."""
    return np.array([[int(digit) for digit in row] for row in rows], np.float32)[..., None]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (drawn("11111", "11111", "00000", "00000", "00000"), False),  # 60 % hole.
        (drawn("11110", "11110", "00000", "00000", "00000"), True),  # 68 % hole, and a corner.
        (drawn("000000", "011110", "011110", "011110", "000000"), True),  # 60 %, all around.
        (drawn("000000", "011110", "011110", "011110", "000100"), False),
        (drawn("00000", "00000", "00000"), False),
        (drawn("11111", "11111", "11111"), False),
    ],
)
def test_a_mask_looks_inverted_by_its_share_or_its_border(known, expected):
    """A hole is mostly smaller than the rest, and does not surround it."""
    assert looks_inverted(known) == expected
