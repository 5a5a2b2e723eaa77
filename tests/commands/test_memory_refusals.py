"""Every command refuses settings that cannot fit into the memory, before it makes a folder."""

import importlib

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import (
    CompleteConfig,
    EvaluateConfig,
    ExploreConfig,
    ExportConfig,
    PaintConfig,
    TrainConfig,
)
from tf_inpaint.config.flags import to_json
from tf_inpaint.runs import required_memory

SEARCH = {"block_size": 4096, "start_draws": 10**6}


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run that has only its settings, for a refusal comes before the networks are read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(required_memory, "machine_memory", lambda: 8 * 10**9)
    monkeypatch.setattr(required_memory, "has_gpu", lambda: False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(to_json(TrainConfig(latent_size=10_000)))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("command", "config_class", "settings"),
    [
        ("train", TrainConfig, {"run_dir": "new", "batch_size": 2**16, "width": 1024}),
        ("complete", CompleteConfig, {"run_dir": "run", "out_dir": "new", **SEARCH}),
        ("evaluate", EvaluateConfig, {"run_dir": "run", "out_dir": "new", **SEARCH}),
        ("export", ExportConfig, {"run_dir": "run", "export_dir": "new", **SEARCH}),
        ("paint", PaintConfig, {"run_dir": "run", **SEARCH}),
        (
            "explore",
            ExploreConfig,
            {"run_dir": "run", "out_dir": "new", "kind": "walk", "count": 10**4, "frames": 1000},
        ),
    ],
)
def test_settings_that_cannot_fit_are_refused(command, config_class, settings, run_dir):
    if command == "paint":
        pytest.importorskip("gradio")
    run = importlib.import_module(f"tf_inpaint.{command}").run
    with pytest.raises(ValueError, match="at least [0-9.,]+ GB") as error:
        run(config_class(**settings))
    assert_one_sentence(error.value, ["8.0 GB"])
    assert [path.name for path in run_dir.parent.rglob("*")] == ["run", "config.json"]


def test_a_run_that_cannot_fit_is_refused(run_dir):
    huge = TrainConfig(image_size=128, width=1024, latent_size=2**16)
    (run_dir / "config.json").write_text(to_json(huge))
    run = importlib.import_module("tf_inpaint.complete").run
    with pytest.raises(ValueError, match="the weights of the networks"):
        run(CompleteConfig(run_dir=str(run_dir), out_dir="new"))
