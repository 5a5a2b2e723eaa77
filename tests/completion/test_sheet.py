"""sheet.png: one row per image, and cells that hold pictures of any size."""

import numpy as np
import pytest
from tiny import SIZE

from tf_inpaint.completion import sheet
from tf_inpaint.files import images


def test_sheet_shows_original_masked_generated_and_completed(finished_job):
    """Every cell is the enlarged picture of its file."""
    pixels = images.read(finished_job / "sheet.png")
    side = 4 * SIZE
    assert pixels.shape == (18 + 3 * side + 2 * 2, 4 * side + 3 * 2, 1)
    assert pixels[:18].min() < 100, "the captions"
    for row in range(3):
        parts = [f"details/{row:02}/{name}.png" for name in ("original", "masked", "generated")]
        for column, name in enumerate([*parts, f"{row:02}.png"]):
            top, left = 18 + row * (side + 2), column * (side + 2)
            cell = pixels[top : top + side : 4, left : left + side : 4]
            np.testing.assert_array_equal(cell, images.read(finished_job / name))


@pytest.mark.parametrize(
    "shape", [(300, 200, 3), (1, 900, 1), (28, 28, 1), (40, 60, 3), (256, 256, 1)]
)
def test_cell_holds_the_full_picture(shape):
    """A picture lies in the middle of its cell, as large as it fits."""
    cell = sheet.fit_cell(np.zeros(shape, np.uint8), 256)
    assert cell.shape == (256, 256, shape[2])
    rows, columns = (cell[..., 0] == 0).any(axis=1), (cell[..., 0] == 0).any(axis=0)
    scale = 256 / max(shape) if max(shape) > 256 else 256 // max(shape)
    assert rows.sum() == max(1, round(shape[0] * scale))
    assert columns.sum() == max(1, round(shape[1] * scale))
    for axis in (rows, columns):
        assert abs(axis.argmax() - axis[::-1].argmax()) <= 1


def test_no_details_give_no_sheet(tmp_path):
    """Without details of any image, no file is written."""
    sheet.write_sheet(tmp_path / "sheet.png", tmp_path, ["a"], in_place=False)
    assert not (tmp_path / "sheet.png").exists()
