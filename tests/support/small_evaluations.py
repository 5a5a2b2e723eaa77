"""Evaluations of a tiny run on five images, for the tests of `evaluate` and of its parts."""

import contextlib
import dataclasses
import functools
import json

import numpy as np
import pytest
from tiny import new_run, picture

from tf_inpaint import evaluate
from tf_inpaint.config import EvaluateConfig
from tf_inpaint.evaluation import methods, scores
from tf_inpaint.files import images
from tf_inpaint.runs import inpainters

METHODS = ("best", "best_paste", "mean_color", "nearest_pixel")
"""Methods of the finished evaluation."""
COUNT = 5
"""Number of held-out images."""
ONE_METHOD = {"methods": ("mean_color",), "masks": ("center",), "measure": ()}
"""Settings of an evaluation without a search."""

_new_frozen_networks = inpainters.frozen_networks
_new_inpainter = methods.Inpainter
_networks: dict = {}


class ByBrightness:
    """A classifier that gives the label 1 to pictures brighter than gray, and 0 to others."""

    def predict(self, pictures):
        """Returns a label for each picture."""
        return (pictures.mean(axis=(1, 2, 3)) > 0).astype(int)


def shared_networks(run):
    """Returns the networks of a run, the same ones for every evaluation of the run."""
    key = run.directory, run.identity
    if key not in _networks:
        _networks[key] = _new_frozen_networks(run)
    return _networks[key]


@functools.cache
def shared_inpainter(networks, settings):
    """Returns an inpainter with few steps, the same one for equal settings."""
    steps = min(settings.steps or 3, 3)
    return _new_inpainter(networks, dataclasses.replace(settings, steps=steps, start_draws=3))


@contextlib.contextmanager
def quick_evaluations():
    """Makes evaluations quick: few steps, inpainters traced once, and a classifier by a rule."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(inpainters, "frozen_networks", shared_networks)
        patches.setattr(methods, "Inpainter", shared_inpainter)
        patches.setattr(scores.classifier, "train", lambda images, labels: ByBrightness())
        yield


@functools.cache
def runs_folder(parent):
    """Returns a folder with two runs, `run` and `other`, on labeled pictures in data.npz.

    The label tells whether a picture is brighter than gray. It is wrong for one of the five
    held-out pictures.
    """
    folder = parent / "small_evaluations"
    folder.mkdir()
    data = {
        f"x_{split}": np.stack([picture(seed) for seed in seeds])
        for split, seeds in (("train", range(30)), ("test", range(100, 105)))
    }
    for split in ("train", "test"):
        data[f"y_{split}"] = ByBrightness().predict(images.to_float(data[f"x_{split}"]))
    data["y_test"][0] ^= 1
    np.savez(folder / "data.npz", **data)
    for name, seed in (("run", 0), ("other", 1)):
        new_run(folder / name, dataset=f"npz:{folder}/data.npz", seed=seed)
    return folder


@functools.cache
def finished_evaluation(folder):
    """Returns the output folder of an evaluation with the default settings of `new_config`."""
    assert evaluate.run(new_config(folder, folder / "done")) == 0
    return folder / "done"


def new_config(folder, out_dir, **settings):
    """Returns the settings of an evaluation of `folder / "run"`."""
    defaults = {
        "methods": METHODS,
        "masks": ("center", "random"),
        "measure": ("sliced_wasserstein",),
        "steps": 3,
    }
    return EvaluateConfig(
        run_dir=f"{folder}/run", out_dir=str(out_dir), count=COUNT, **defaults | settings
    )


def contents(out_dir):
    """Returns the contents of evaluation.json."""
    return json.loads((out_dir / "evaluation.json").read_text())


def rows(out_dir):
    """Returns the rows of evaluation.json by method, mask and image."""
    return {(row["method"], row["mask"], row["image"]): row for row in contents(out_dir)["results"]}


def untimed_rows(out_dir):
    """Returns the rows without the time and memory, which differ from run to run."""
    costs = ("seconds_per_image", "peak_memory_mb")
    return {
        key: {name: value for name, value in row.items() if name not in costs}
        for key, row in rows(out_dir).items()
    }
