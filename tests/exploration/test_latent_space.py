"""Tests of `exploration.latent_space`: ends of strips, members of concepts, and seeds."""

import numpy as np
import pytest
from explored_run import TILE, explore_run
from films import frames_of
from tiny import SIZE, picture

from tf_inpaint.files import images


@pytest.mark.parametrize(
    "flags", [("--between=held_out", "--count=1"), ("0.png", "1.png")], ids=["held_out", "files"]
)
def test_interpolation_between_real_images(folder, tmp_path, flags):
    flags = [f"{folder}/{flag}" if flag.endswith(".png") else flag for flag in flags]
    search = ("--steps=4", "--restarts=1")
    numbers = explore_run(folder, tmp_path, "--kind=interpolation", "--pictures=3", *search, *flags)
    assert len(numbers["images"]) == 2
    assert all(0 < row["mean_absolute_error"] < 1 for row in numbers["images"])
    (sheet,) = frames_of(tmp_path / "interpolation.png")
    assert sheet.shape == (18 + TILE, 5 * TILE + 8, 3)
    if "--count=1" not in flags:
        first, last = (
            images.enlarge(images.fit(picture(n, 40, 3), SIZE, 1)[None], TILE)[0] for n in (0, 1)
        )
        np.testing.assert_array_equal(sheet[18:, :TILE], first.repeat(3, axis=2))
        np.testing.assert_array_equal(sheet[18:, -TILE:], last.repeat(3, axis=2))
    z = np.load(tmp_path / "latents.npz")
    np.testing.assert_allclose(z["z"][0, [0, -1]], z["ends"], atol=1e-6)


def test_concepts_by_files(folder, tmp_path):
    paths = ",".join(f"{folder}/{index}.png" for index in range(3))
    flags = [
        f"--a={paths}",
        "--b=4,5,6",
        f"--c={','.join(3 * [f'{folder}/1.png'])}",
        "--steps=4",
        "--restarts=1",
    ]
    numbers = explore_run(folder, tmp_path, "--kind=arithmetic", *flags)
    assert len(numbers["images"]) == 6
    z = np.load(tmp_path / "latents.npz")
    expected = z["a"].mean(0) - z["b"].mean(0) + z["c"].mean(0)
    np.testing.assert_allclose(z["z"][4], expected, atol=1e-6)
    assert np.abs(z["z"] - z["z"][4]).max() <= 0.25
    np.testing.assert_allclose(z["c"], np.tile(z["a"][1], (3, 1)), atol=1e-6)
    assert np.ptp(z["a"], axis=0).max() > 0.1


def test_seeds_of_the_grid_are_those_of_concepts(folder, tmp_path):
    explore_run(folder, tmp_path / "grid", "--kind=grid", "--count=4", "--seed=10")
    concepts = ("--a=10,11,12", "--b=13,10,11", "--c=1,2,3")
    explore_run(folder, tmp_path / "sum", "--kind=arithmetic", *concepts)
    z, terms = (np.load(tmp_path / name / "latents.npz") for name in ("grid", "sum"))
    np.testing.assert_array_equal(terms["a"], z["z"][:3])
    np.testing.assert_array_equal(terms["b"][0], z["z"][3])
