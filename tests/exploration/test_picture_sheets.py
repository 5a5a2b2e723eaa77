"""Tests of `exploration.picture_sheets`: generated images, tiles and texts."""

import numpy as np

from tf_inpaint.exploration import latents, picture_sheets
from tf_inpaint.runs import run_directory


def test_generated_images_keep_the_order_of_z(folder):
    run = run_directory.load(folder / "run")
    z = latents.draw(range(6), 4)
    pictures = picture_sheets.generate(run, z.reshape(2, 3, 4))
    assert pictures.shape == (2, 3, 28, 28, 1) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures.reshape(6, 28, 28, 1), picture_sheets.generate(run, z))
    assert picture_sheets.tiles(pictures).shape == (6, 56, 56, 1)


def test_a_text_is_below_its_picture():
    pictures = np.zeros((2, 20, 40, 3), np.uint8)
    cells = picture_sheets.add_texts(pictures, ["", "7"])
    np.testing.assert_array_equal(cells[:, :20], pictures)
    assert (cells[0, 20:] == 255).all() and (cells[1, 20:] < 128).any()
