"""Tests of `exploration.training_film`: the frames are the sample grids of the run."""

import numpy as np
from explored_run import explore_run
from films import frames_of, repeats_forever

from tf_inpaint.files import images


def test_film_at_an_interval_shows_the_sample_grids(folder, tmp_path):
    flags = ("--every=100", "--format=webp", "--frames_per_second=5")
    numbers = explore_run(folder, tmp_path, "--kind=film", *flags)
    assert numbers["steps"] == [0, 100]
    frames = frames_of(tmp_path / "film.webp")
    for step, frame in zip((0, 100), frames, strict=True):
        grid = images.enlarge(images.read(folder / f"run/samples/{step:07d}.png")[None], 256)[0]
        np.testing.assert_array_equal(frame[:-24], grid.repeat(3, axis=2))
    assert np.abs(frames[0][-24:] - frames[1][-24:]).max() > 100, "the step is written below"
    assert repeats_forever(tmp_path / "film.webp")
