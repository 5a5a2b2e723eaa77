"""Report of an evaluation: the picture, the tables and the page."""

import numpy as np
from small_evaluations import COUNT, METHODS, contents, new_config, rows
from tiny import SIZE

from tf_inpaint import evaluate
from tf_inpaint.evaluation.summary_tables import report_html, report_markdown
from tf_inpaint.files import images

SIDE = 4 * SIZE
"""Side of a cell of evaluation.png: every pixel is repeated four times."""


def cell(sheet, row, column):
    """Returns the pixels of one cell of evaluation.png. The captions have two lines."""
    top, left = 36 + row * (SIDE + 2), column * (SIDE + 2)
    return sheet[top : top + SIDE, left : left + SIDE]


def enlarged(path):
    """Returns a picture at the size of a cell."""
    return images.enlarge(images.read(path)[None])[0]


def test_picture_has_a_row_for_each_image_and_a_column_for_each_method(done):
    """The first cell is the first original, and the other cells are the pictures of the methods."""
    sheet = images.read(done / "evaluation.png")
    assert sheet.shape == (36 + 6 * (SIDE + 2) - 2, (2 + len(METHODS)) * (SIDE + 2) - 2, 1)
    files = [
        row["file"]
        for (method, mask, _), row in rows(done).items()
        if (method, mask) == ("best", "center")
    ]
    for row, file in enumerate(files[:3]):
        for column, name in enumerate(("original", "masked", *METHODS)):
            expected = enlarged(done / "images" / name / "center" / file)
            np.testing.assert_array_equal(cell(sheet, row, column), expected)


def test_a_method_that_did_not_complete_an_image_has_a_white_cell(folder, tmp_path):
    """Published searches complete fewer images."""
    config = new_config(
        folder, tmp_path, methods=("ancestor", "mean_color"), few=2, masks=("left",)
    )
    assert evaluate.run(config) == 0
    sheet = images.read(tmp_path / "evaluation.png")
    white = [[(cell(sheet, row, column) == 255).all() for column in (2, 3)] for row in range(3)]
    assert white == [[False, False], [False, False], [True, False]]


def test_tables_are_those_of_the_json_file(done):
    """evaluation.md and index.html can be made from evaluation.json again."""
    assert (done / "evaluation.md").read_text() == report_markdown(contents(done))
    page = (done / "index.html").read_text()
    assert report_html(contents(done)) in page
    assert "Evaluation of run" in page and f"--count={COUNT}" in page
