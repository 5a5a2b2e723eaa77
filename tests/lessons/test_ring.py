"""Tests of `lessons.ring`: coverage, remedies, numbers, files, and bad settings."""

import json

import numpy as np
import pytest
from films import frames_of, repeats_forever
from PIL import Image
from short_lessons import check_frames, check_reproducible, ring_lesson

from tf_inpaint.config import RingConfig
from tf_inpaint.config.flags import parse
from tf_inpaint.lessons import ring


@pytest.mark.parametrize("name", ["ring.gif", "ring.webp"])
def test_film_has_all_frames(written, name):
    check_frames(frames_of(written / name), (350, 720))
    assert repeats_forever(written / name)


def test_table_has_a_row_for_each_recipe_and_a_column_for_each_step(written):
    picture = np.asarray(Image.open(written / "ring.png"))
    assert picture.shape == (460, 745, 3) and picture.std() > 10


def test_numbers(written):
    results = json.loads((written / "ring.json").read_text())
    assert list(results["recipes"]) == ["minimax", "r1"]
    for row in results["recipes"].values():
        assert {"modes", "good_share", "shares", "loss", "r1"} <= set(row)
        assert sum(row["shares"]) == pytest.approx(row["good_share"])
        assert [moment["step"] for moment in row["training"]] == [0, 1, 4]
    first = [row["training"][0] for row in results["recipes"].values()]
    assert first[0] == first[1], "all recipes must begin with the same weights"


def test_same_seed_gives_the_same_bytes(written, tmp_path):
    check_reproducible(ring_lesson, written, tmp_path)


def test_coverage():
    data = ring.ring(0, 8000, 0.05)
    row = ring.coverage(data, 0.05)
    assert row["modes"] == 8
    # The probability that a Rayleigh variable is below 3.
    assert row["good_share"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert ring.coverage(np.zeros((10, 2)), 0.05) == {
        "modes": 0,
        "good_share": 0.0,
        "shares": [0.0] * 8,
    }
    # 3 % are less than a quarter of an eighth, 4 % are not.
    rare = np.repeat(ring.centers()[:2], [97, 3], axis=0)
    assert ring.coverage(rare, 0.05)["modes"] == 1
    assert ring.coverage(np.repeat(ring.centers()[:2], [96, 4], axis=0), 0.05)["modes"] == 2


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--recipes=minimax,unrolled", "received 'unrolled'"),
        ("--recipes=r1,r1", "every recipe once"),
        ("--recipes=", "at least one"),
        ("--deviation=0.3", "below 0.2"),
        ("--frames=1", "--frames must be"),
    ],
)
def test_bad_flag_is_refused(flag, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(RingConfig, [flag])
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_remedies_cover_the_ring_and_the_plain_recipe_does_not(tmp_path):
    config = RingConfig(recipes=("non_saturating", "r1", "wasserstein_gp"))
    settings = {name: getattr(config, name) for name in ("recipes", "steps", "batch_size")}
    rows = ring_lesson(tmp_path, **settings)["recipes"]
    assert rows["r1"]["modes"] == rows["wasserstein_gp"]["modes"] == 8
    assert rows["non_saturating"]["modes"] <= 2
    assert min(rows["r1"]["good_share"], rows["wasserstein_gp"]["good_share"]) > 0.4
