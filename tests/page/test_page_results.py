"""The values of a finished search: its sentences, its files and its alternatives."""

import numpy as np
import pytest
from page_inputs import square_hole
from tiny import picture

from tf_inpaint.files import images
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.page import page_results
from tf_inpaint.page.page_picture import Picture
from tf_inpaint.page.page_search import Alternatives, SearchResult

RESULT = SearchResult(picture(1), [picture(2), picture(3)], steps=20, seconds=1.25)


@pytest.mark.parametrize(("known", "end"), [(1, "94% of the pixels are"), (0, "made up")])
def test_status_says_what_was_known(known, end):
    hidden = square_hole(last=15)  # 49 of 784 pixels
    status = page_results.status_text(RESULT, hidden, np.full((1, 28, 28, 1), known))
    assert status.startswith("Filled in 1.2 s with 20 steps of the search.") and end in status


def test_files_have_plain_names(tmp_path):
    values = page_results.write_files(
        tmp_path,
        Picture("a/Fröhliche (2).jpg", picture(1)),
        RESULT,
        np.ones((28, 28, 1)),
        ResultWriter(),
    )
    assert values["save_picture"] == str(tmp_path / "Fröhliche__2__filled.png")
    assert values["save_film"] == values["film"] == str(tmp_path / "Fröhliche__2__search.gif")
    np.testing.assert_array_equal(images.read(values["save_picture"]), picture(1))


def test_scale_is_that_of_the_hole():
    uncertainty = np.where(square_hole(), 0.25, 0.9).astype(np.float32)
    uncertainty[8, 8] = 0.5
    alternatives = Alternatives([picture(1), picture(2)], uncertainty)
    values = page_results.alternatives_values(alternatives, picture(1), square_hole())
    assert values["scale"] == pytest.approx((0.25 + 0.25 / 64, 0.5))
    assert [label for _, label in values["alternatives"]] == ["alternative 1", "alternative 2"]
    assert values["heat"].shape == (504, 504, 3)
