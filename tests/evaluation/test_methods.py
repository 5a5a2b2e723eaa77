"""Methods by name: searches by their settings, baselines, and functions of the user."""

import dataclasses
import types

import numpy as np
import pytest
from small_evaluations import new_config

from tf_inpaint.config import EvaluateConfig
from tf_inpaint.config.evaluate_config import PUBLISHED_SEARCHES
from tf_inpaint.evaluation import methods
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import frozen_networks

PUBLISHED = {
    "tolerance": 0.0,
    "patience": 1.0,
    "solver": "adam",
    "learning_rate": 0.01,
    "restarts": 1,
    "prior_every": 1,
    "latent_constraint": "clip",
    "start": "random",
    "start_draws": 1,
    "deeper_steps": 0,
    "samples": 0,
    "estimate": "best",
}
"""Settings of both published searches."""
ANCESTOR = {
    "steps": 1000,
    "contextual": "l1",
    "prior": "non_saturating",
    "prior_weight": 0.1,
    "keep": "last",
    "blend": "paste",
}
YEH = {
    "steps": 1500,
    "contextual": "weighted_l1",
    "prior": "saturating",
    "prior_weight": 0.003,
    "keep": "best",
    "blend": "poisson",
}


@pytest.mark.parametrize("name", ["cv2", "scipy"])
def test_a_missing_module_is_named(name, monkeypatch):
    """A module that a method or the table needs is required, and the error says what to install."""
    monkeypatch.setattr(
        methods.importlib.util, "find_spec", lambda module: None if module == name else types
    )
    with pytest.raises(ValueError, match=rf"{name} is required.*tf_inpaint\[eval\]"):
        methods.check_modules(["telea"])


def test_a_module_that_no_method_needs_may_be_missing(monkeypatch):
    """Without the method `telea`, OpenCV is not required."""
    monkeypatch.setattr(
        methods.importlib.util, "find_spec", lambda module: None if module == "cv2" else types
    )
    methods.check_modules(["harmonic"])


def test_searches_have_one_name_for_each_run():
    """Only searches differ between runs, and with one run the names stay as they are."""
    names = ["best_paste", "ancestor", "telea", "module:function"]
    assert methods.names_with_runs(names, ["one"]) == names
    assert methods.names_with_runs(names, ["one", "two"]) == [
        "best_paste@one",
        "best_paste@two",
        "ancestor@one",
        "ancestor@two",
        "telea",
        "module:function",
    ]


def test_a_search_is_an_inpainter(folder):
    """The cost of a search is its number of steps."""
    networks = frozen_networks(run_directory.load(folder / "run"))
    method = methods.new_method("best_paste", new_config(folder, "out"), {"run": networks}, None)
    inpainter = method.complete.args[0]
    assert isinstance(inpainter, Inpainter) and method.cost == 3


def test_published_searches_have_fixed_settings():
    """Only the block size and XLA come from the command; the defaults may change."""
    assert PUBLISHED_SEARCHES.keys() == {"ancestor", "yeh"}
    other = {"block_size": 3, "jit_compile": "false"}
    config = EvaluateConfig(restarts=2, blend="feather", prior_weight=5.0, **other)
    for name, settings in (("ancestor", ANCESTOR), ("yeh", YEH)):
        search = methods.search_settings(name, config)
        assert dataclasses.asdict(search) == PUBLISHED | settings | other


def test_other_searches_have_the_settings_of_the_command():
    """The name of a search gives the estimate, and the blending if there is one."""
    config = EvaluateConfig(restarts=2, blend="feather", prior_weight=5.0, block_size=3)
    best = methods.search_settings("best", config)
    assert best.restarts == 2
    paste = methods.search_settings("best_paste", config)
    assert paste == dataclasses.replace(best, blend="paste")


def fill_in_place(images, known):
    """Writes into its arguments."""
    images[:] = 7
    known[:] = 0
    return images


def test_completions_of_a_function_are_those_that_are_written():
    """Completions are clipped, known pixels are kept, and the function cannot change its input."""
    images, known = np.full((2, 4, 4, 1), 0.25, np.float32), np.ones((2, 4, 4, 1), np.float32)
    known[:, :2] = 0
    completed = methods.complete_by_function(fill_in_place, images, known, None)
    assert (completed.completions[:, :2] == 1).all()
    assert (completed.completions[:, 2:] == 0.25).all()
    assert (images == 0.25).all() and (known[:, 2:] == 1).all()
    bad = np.full_like(images, np.nan)
    bad[0] = np.where(known[0] > 0, np.inf, 0)  # Known pixels of the function are not used.
    with pytest.raises(
        ValueError, match="must return finite completions; .* NaN or infinity in 1 of 2"
    ):
        methods.complete_by_function(lambda images, known: bad, images, known, None)
