"""`python -m tf_inpaint` runs to its end, prints its results, and does nothing twice."""

import dataclasses
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tf_inpaint import __main__ as story
from tf_inpaint.config import StoryConfig, TrainConfig
from tf_inpaint.files import images
from tf_inpaint.metrics import classifier
from tf_inpaint.story import story_export, story_text


@pytest.mark.slow
def test_story(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(classifier, "train", functools.partial(classifier.train, steps=5))
    config = StoryConfig(run_dir=str(tmp_path / "story"), steps=50, encoder_steps=2, count=3)
    assert story.run(config) == 0
    output = capsys.readouterr().out
    heading, *table = output[output.index(" " * 22 + "center") :].splitlines()[
        : 1 + len(story.METHODS)
    ]
    assert heading.split() == list(story.MASKS)
    assert [line.split()[0] for line in table] == list(story.METHODS)
    assert all(line.count("dB") == line.count("%") == len(story.MASKS) for line in table)
    for path in re.findall(r"^  (\S+)", output.split("Where to look:")[1], flags=re.MULTILINE):
        assert Path(path).exists(), path
    keys = set()
    for mask in story.MASKS:
        lines = (
            (tmp_path / "story/completions" / mask / "completions.jsonl").read_text().splitlines()
        )
        keys.add(tuple(json.loads(line)["file"] for line in lines))
    (files,) = keys
    trained = {f"digits/{index}" for index in range(5000) if index % 10}
    assert len(files) == 3 and not trained & set(files)
    assert np.ptp(images.read(tmp_path / "story/completions/center/sheet.png")) > 0
    # A second run changes nothing.
    assert story.run(config) == 0
    assert [path.name for path in (tmp_path / "story/export").iterdir()] == ["1"]


def test_table_has_a_row_for_each_method_and_a_column_for_each_mask(tmp_path):
    scores = {"hole_psnr": 10.04, "label_agreement": 0.5, "frechet_random": 2.26}
    summary = {"best": {"center": scores, "left": scores | {"hole_psnr": 9.0}}}
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"summary": summary}))
    heading, row = story_text.results_table(path, ["center", "left"]).splitlines()
    assert heading.split() == ["center", "left"]
    assert row.split() == ["best", "10.0", "dB", "50%", "2.3", "9.0", "dB", "50%", "2.3"]
    assert row.index("10.0") == heading.index("center") and row.index("9.0") > heading.index("left")


def test_export_of_a_shorter_training_is_no_export_of_this_one(tmp_path):
    training = TrainConfig(steps=5)
    folder = tmp_path / "3" / "assets.extra"
    folder.mkdir(parents=True)
    record = {"run": dataclasses.asdict(training) | {"step": 4}}
    (folder / "export.json").write_text(json.dumps(record))
    assert not story_export.is_exported(tmp_path, training)
    record["run"]["step"] = 5
    (folder / "export.json").write_text(json.dumps(record))
    assert story_export.is_exported(tmp_path, training)
    assert not story_export.is_exported(tmp_path, dataclasses.replace(training, width=8))
