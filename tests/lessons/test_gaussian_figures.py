"""Tests of `lessons.gaussian_figures`: the sizes and the content of films and pictures."""

import numpy as np
import pytest
from films import frames_of, repeats_forever
from PIL import Image
from short_lessons import check_frames


@pytest.mark.parametrize("name", ["gaussian.gif", "gaussian.webp"])
def test_film_has_all_frames(written, name):
    check_frames(frames_of(written / name), (600, 800))
    assert repeats_forever(written / name)


@pytest.mark.parametrize(
    ("name", "size"), [("gaussian.png", (600, 800)), ("convergence.png", (380, 1200))]
)
def test_pictures(written, name, size):
    picture = np.asarray(Image.open(written / name))
    assert picture.shape == (*size, 3) and picture.std() > 10


def test_picture_is_the_last_frame(written):
    frames = frames_of(written / "gaussian.webp")
    picture = np.asarray(Image.open(written / "gaussian.png")).astype(int)
    assert np.abs(frames[-1] - picture).mean() < 2 < np.abs(frames[0] - picture).mean()
