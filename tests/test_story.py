"""The whole story, in a few steps."""

import functools
from pathlib import Path

from tf_inpaint import __main__ as story
from tf_inpaint import images
from tf_inpaint.config import StoryConfig
from tf_inpaint.metrics import classifier


def test_story_trains_completes_and_compares(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "train", functools.partial(classifier.train, steps=5))
    config = StoryConfig(run_dir=str(tmp_path / "run"), steps=4, encoder_steps=3, count=3)
    assert story.run(config) == 0
    printed = capsys.readouterr().out
    heading, *table = printed[printed.index(" " * 22 + "center") :].splitlines()[: 1 + len(story.METHODS)]
    assert heading.split() == list(story.MASKS)
    assert [line.split()[0] for line in table] == list(story.METHODS)
    assert all(line.count("dB") == line.count("%") == len(story.MASKS) for line in table)
    named = [line.split()[0] for line in printed.splitlines() if line.startswith(f"  {tmp_path}")]
    assert len(named) == 7
    later = ("training.gif", "training.png", "metrics.csv")  # than four steps
    assert [path for path in named if not Path(path).exists() and not path.endswith(later)] == []
    assert images.read(tmp_path / "run/evaluation/evaluation.png").shape[1] > 7 * 28
    assert story.run(config) == 0, "again, with nothing left to do"
