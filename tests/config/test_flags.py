"""Settings as flags, as flagfiles and as JSON, and the text of --help."""

import dataclasses
import json
from pathlib import Path

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import (
    CompleteConfig,
    EvaluateConfig,
    ExploreConfig,
    TrainConfig,
)
from tf_inpaint.config.flags import describe, differing, from_json, parse, to_flags, to_json

ROOT = Path(__file__).parents[2]


def test_every_setting_is_a_line_of_the_flagfile():
    names = [line.split("=")[0] for line in to_flags(TrainConfig()).splitlines()]
    assert names == [f"--{field.name}" for field in dataclasses.fields(TrainConfig)]


@pytest.mark.parametrize("run_dir", ["ends in a space ", "two\nlines", "two\rlines"])
def test_flagfile_refuses_what_it_cannot_hold(run_dir):
    with pytest.raises(ValueError, match="one flag a line"):
        to_flags(TrainConfig(run_dir=run_dir))


def test_json_of_an_older_version_gets_the_default():
    older = json.loads(to_json(TrainConfig(width=48)))
    del older["ema_decay"]
    assert from_json(TrainConfig, json.dumps(older)) == TrainConfig(width=48)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"colour": 1}', ["TrainConfig", "'colour'"]),
        ('{"width": "8"}', ["--width", "a whole number", "'8'"]),
        ('{"width": true}', ["--width", "True"]),
        ('{"width": 8.0}', ["--width", "8.0"]),
        ('{"width": null}', ["--width", "None"]),
        ('{"width": [8]}', ["--width", "[8]"]),
        ('{"learning_rate": NaN}', ["--learning_rate", "nan"]),
        ('{"learning_rate": 1e400}', ["--learning_rate", "inf"]),
        ('{"learning_rate": 1' + "0" * 400 + "}", ["--learning_rate", "a finite number"]),
        ('{"deterministic": 1}', ["--deterministic", "true or false"]),
        ("[1]", ["object", "[1]"]),
        ('{"width": ', ["JSON"]),
        ("", ["JSON"]),
        ("[" * 100_000, ["JSON"]),
        ('{"width": 100000}', ["--width", "at most 1024", "100000"]),
        ('{"latent_size": 10000000000}', ["--latent_size", "at most 65536"]),
    ],
)
def test_bad_json_is_refused_by_name(text, words):
    with pytest.raises(ValueError) as refusal:
        from_json(TrainConfig, text)
    assert_one_sentence(refusal.value, words)


def test_differing_names_the_fields():
    assert differing(TrainConfig(), TrainConfig()) == []
    assert differing(TrainConfig(), TrainConfig(width=8, seed=1)) == ["width", "seed"]


def test_positional_arguments_are_the_images():
    config = parse(
        CompleteConfig, ["a.png", "--mask=left", "--invert_mask", "b", "--", "-c.png", "--steps=3"]
    )
    assert config == CompleteConfig(
        images=("a.png", "b", "-c.png", "--steps=3"), mask="left", invert_mask=True
    )
    assert parse(CompleteConfig, ["--images=a", "c", "--images=b"]).images == ("a", "b", "c")


def test_a_path_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = parse(CompleteConfig, ["--run_dir=~/r", "--mask=~/m.png", "~/a.png", "b~", "./~"])
    assert config == CompleteConfig(
        run_dir="/home/me/r", mask="/home/me/m.png", images=("/home/me/a.png", "b~", "./~")
    )
    assert parse(CompleteConfig, ["--images=~/a"]).images == ("/home/me/a",)
    assert parse(EvaluateConfig, ["--masks=left,~/m"]).masks == ("left", "/home/me/m")
    assert parse(ExploreConfig, ["--kind=nearest", "--out_dir=~"]).out_dir == "/home/me"
    for form in ("folder", "npz"):
        config = parse(TrainConfig, [f"--dataset={form}:~/x", "--run_dir=r~"])
        assert config == TrainConfig(dataset=f"{form}:/home/me/x", run_dir="r~")


def test_only_the_command_line_knows_a_home_folder():
    assert TrainConfig(run_dir="~/r").run_dir == "~/r"
    text = to_json(TrainConfig(run_dir="~/r"))
    assert from_json(TrainConfig, text).run_dir == "~/r"


def test_later_flags_override_earlier_ones(tmp_path):
    (tmp_path / "inner.flags").write_text("--width=8\n--deterministic\n")
    outer = tmp_path / "outer.flags"
    outer.write_text(
        f"# a comment\n// another\n\n--steps=5\n--flagfile={tmp_path}/inner.flags\n  --seed=3\n"
    )
    base = TrainConfig(steps=5, width=8, seed=3, deterministic=True)
    assert parse(TrainConfig, [f"--flagfile={outer}"]) == base
    assert parse(TrainConfig, ["--flagfile", str(outer), "--width", "9", "--nodeterministic"]) == (
        dataclasses.replace(base, width=9, deterministic=False)
    )
    assert parse(TrainConfig, ["--width=9", "--flagfile", str(outer)]) == base
    assert parse(TrainConfig, ["--steps=1", "-steps=2"]).steps == 2


def test_flagfile_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "picture.flags").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError) as refusal:
        parse(TrainConfig, [f"--flagfile={tmp_path}/picture.flags"])
    assert_one_sentence(refusal.value, ["--flagfile"])


def test_help_tells_every_flag():
    text = describe(TrainConfig, "Trains.\n")
    assert text.startswith("Trains.\n")
    for field in dataclasses.fields(TrainConfig):
        assert (f"--[no]{field.name}\n" if field.type is bool else f"--{field.name}=") in text
    assert (
        "--batch_size=64\n" in text
        and "(at least 2 and at most 65536)" in text
        and "(one of 1, 3)" in text
    )
    assert "  IMAGES ...\n" in describe(CompleteConfig, None)


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        ([], "auto"),
        (["--jit_compile"], "true"),
        (["--nojit_compile"], "false"),
        (["--jit_compile=false"], "false"),
        (["--jit_compile=auto"], "auto"),
    ],
)
def test_switch_is_read_like_a_boolean(argv, value):
    config = parse(TrainConfig, argv)
    assert config.jit_compile == value
    assert from_json(TrainConfig, to_json(config)) == config


@pytest.mark.parametrize(("old", "value"), [("true", "true"), ("false", "false")])
def test_old_runs_hold_a_switch_as_a_boolean(old, value):
    assert from_json(TrainConfig, f'{{"jit_compile": {old}}}').jit_compile == value
