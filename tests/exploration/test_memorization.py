"""Tests of `exploration.memorization`: the numbers of the nearest training images."""

import json

import numpy as np
import pytest
from explored_run import explore_run


def test_numbers_of_the_nearest_images(folder, tmp_path, capsys):
    printed = explore_run(folder, tmp_path, "--kind=nearest", "--count=2", "--neighbours=3")
    numbers = json.loads((tmp_path / "exploration.json").read_text())
    assert numbers["training_images"] == 20
    assert len(numbers["held_out"]) == 8
    assert len(numbers["samples"]) == 256
    medians = numbers["median_distance"]
    assert medians["samples"] == pytest.approx(np.median([row[0] for row in numbers["samples"]]))
    assert numbers["ratio_of_medians"] == pytest.approx(medians["samples"] / medians["held_out"])
    assert printed["ratio_of_medians"] == numbers["ratio_of_medians"]
    assert f"{numbers['ratio_of_medians']:.2f} times as far" in capsys.readouterr().out
