"""Tests of `lessons.gaussian`: the Gaussian is recovered, numbers, files, and bad settings."""

import json

import numpy as np
import pytest
from short_lessons import check_reproducible, gaussian_lesson

from tf_inpaint.config import GaussianConfig
from tf_inpaint.config.flags import parse
from tf_inpaint.lessons import gaussian


def test_numbers(written):
    results = json.loads((written / "gaussian.json").read_text())
    assert results["truth"] == {"mean": 4.0, "deviation": 0.5}
    for way in ("maximum_likelihood", "gan"):
        assert set(results[way]) == {"mean", "deviation", "kl"}
        assert all(np.isfinite(list(results[way].values())))
    assert [row["step"] for row in results["training"]] == [0, 2, 6]
    assert {name: results["training"][-1][name] for name in results["gan"]} == results["gan"]
    assert results["settings"]["steps"] == 6 and "out_dir" not in results["settings"]


def test_same_seed_gives_the_same_bytes(written, tmp_path):
    check_reproducible(gaussian_lesson, written, tmp_path)


def test_the_number_of_frames_changes_no_result(written, tmp_path):
    results = gaussian_lesson(tmp_path, frames=7)
    assert len(results["training"]) == 7
    assert results["gan"] == json.loads((written / "gaussian.json").read_text())["gan"]


def test_divergence_of_the_training_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"finite; the generator is not at step \d+; lower"):
        gaussian_lesson(tmp_path, learning_rate=1e30, steps=20)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--deviation=0", "--deviation must be a finite number, at least 1e-06"),
        ("--mean=nan", "--mean must be a finite number"),
        ("--mean=1e9", "at least a millionth of --mean"),
        ("--frames=5000", "--frames must be at most one more than --steps"),
        ("--loss=wasserstein", "--loss must be"),
    ],
)
def test_bad_flag_is_refused(flag, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(GaussianConfig, [flag])
    assert "\n" not in str(error.value)


def test_nothing_is_overwritten_without_the_flag(written, tmp_path):
    (tmp_path / "gaussian.png").write_text("other")
    (tmp_path / "notes.txt").write_text("other")
    with pytest.raises(ValueError, match="has gaussian.png; choose another, or pass --overwrite"):
        gaussian_lesson(tmp_path)
    assert (tmp_path / "gaussian.png").read_text() == "other"
    gaussian_lesson(tmp_path, overwrite=True)
    assert (tmp_path / "gaussian.png").read_bytes() == (written / "gaussian.png").read_bytes()
    assert (tmp_path / "notes.txt").read_text() == "other"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted([*gaussian.FILES, "notes.txt"])


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "deviation"), [(4.0, 0.5), (-7.0, 2.0), (10.0, 0.1)])
def test_both_ways_recover_the_gaussian(mean, deviation, tmp_path):
    settings = {"steps": GaussianConfig.steps, "batch_size": GaussianConfig.batch_size}
    results = gaussian_lesson(tmp_path, mean=mean, deviation=deviation, **settings)
    start = results["training"][0]
    assert abs(start["mean"] - mean) > 2 * deviation, "the GAN must start far from the truth"
    for way in ("maximum_likelihood", "gan"):
        assert results[way]["mean"] == pytest.approx(mean, rel=0.05)
        assert results[way]["mean"] == pytest.approx(mean, abs=0.1 * deviation)
        assert results[way]["deviation"] == pytest.approx(deviation, rel=0.05)
        assert results[way]["kl"] < 0.02 < start["kl"]
