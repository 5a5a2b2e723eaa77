"""What the README tells people to type is understood, and the story it begins with can be told."""

import functools
import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tf_inpaint import __main__ as story
from tf_inpaint.config import (
    CompleteConfig,
    EvaluateConfig,
    ExploreConfig,
    ExportConfig,
    GaussianConfig,
    PaintConfig,
    RingConfig,
    StoryConfig,
    TrainConfig,
)
from tf_inpaint.config.flags import parse
from tf_inpaint.files import images
from tf_inpaint.metrics import classifier

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFIGS = {
    "tf_inpaint": StoryConfig,
    "tf_inpaint.train": TrainConfig,
    "tf_inpaint.complete": CompleteConfig,
    "tf_inpaint.evaluate": EvaluateConfig,
    "tf_inpaint.explore": ExploreConfig,
    "tf_inpaint.export": ExportConfig,
    "tf_inpaint.paint": PaintConfig,
    "tf_inpaint.lessons.gaussian": GaussianConfig,
    "tf_inpaint.lessons.ring": RingConfig,
}
TEXTS = [README, *(path.read_text() for path in sorted((ROOT / "configs").glob("*.flags")))]
COMMANDS = sorted(
    {
        line
        for text in TEXTS
        for line in re.findall(r"^#? *(python -m tf_inpaint.*)$", text, flags=re.MULTILINE)
    }
)


def test_readme_shows_every_command():
    shown = {shlex.split(command, comments=True)[2] for command in COMMANDS}
    assert shown >= set(CONFIGS) - {"tf_inpaint"}
    assert "&& python -m tf_inpaint\n" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, _, module, *arguments = shlex.split(command, comments=True)
    importlib.import_module(module)
    assert isinstance(parse(CONFIGS[module], arguments), CONFIGS[module])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h#][^)]*)\)", README))
def test_picture_exists(link):
    assert images.read(ROOT / link).std() > 0


def test_flagfiles_and_folders_that_are_named_exist():
    for path in re.findall(r"(?:configs|tests|tf_inpaint)/[\w/]*(?:\.\w+)?", README):
        assert (ROOT / path).exists(), path


@pytest.mark.slow
def test_story(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(classifier, "train", functools.partial(classifier.train, steps=5))
    config = StoryConfig(run_dir=str(tmp_path / "story"), steps=50, encoder_steps=2, count=3)
    assert story.run(config) == 0
    told = capsys.readouterr().out
    heading, *table = told[told.index(" " * 22 + "center") :].splitlines()[: 1 + len(story.METHODS)]
    assert heading.split() == list(story.MASKS)
    assert [line.split()[0] for line in table] == list(story.METHODS)
    assert all(line.count("dB") == line.count("%") == len(story.MASKS) for line in table)
    for place in re.findall(r"^  (\S+)", told.split("Where to look:")[1], flags=re.MULTILINE):
        assert Path(place).exists(), place
    keys = set()
    for mask in story.MASKS:
        lines = (
            (tmp_path / "story/completions" / mask / "completions.jsonl").read_text().splitlines()
        )
        keys.add(tuple(json.loads(line)["file"] for line in lines))
    (shown,) = keys
    trained = {f"digits/{index}" for index in range(5000) if index % 10}
    assert len(shown) == 3 and not trained & set(shown)
    assert np.ptp(images.read(tmp_path / "story/completions/center/sheet.png")) > 0
    # Told again, it does nothing again.
    assert story.run(config) == 0
    assert [path.name for path in (tmp_path / "story/export").iterdir()] == ["1"]
