"""The settings of every command survive JSON and flagfiles, and refuse wrong values."""

import dataclasses
import random
from pathlib import Path

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import (
    ClientConfig,
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
from tf_inpaint.config.flags import from_json, parse, to_flags, to_json
from tf_inpaint.config.train_config import AUGMENT, MEASURE
from tf_inpaint.settings.fields import type_of
from tf_inpaint.settings.search_settings import SearchSettings

ROOT = Path(__file__).parents[2]


CONFIG_CLASSES = [
    TrainConfig,
    CompleteConfig,
    EvaluateConfig,
    PaintConfig,
    ClientConfig,
    StoryConfig,
]


AWKWARD_TEXTS = [
    "",
    "a b",
    "-a",
    "--steps=3",
    "#c",
    "//d",
    "é=1",
    "'q\"",
    "~x",
    "none",
    "1,2",
    "\\n",
]


def any_config(config_class, random_state):
    """A config with every field drawn from what its rules allow, made consistent across fields."""
    values = {}
    for field in dataclasses.fields(config_class):
        rules = field.metadata
        low = rules.get("minimum", rules.get("above", 0))
        values[field.name] = {
            bool: random_state.random() < 0.5,
            int: random_state.randint(low, 100 + low),
            float: low + random_state.random() * (rules.get("below", 1) - low) or 1e-30,
            int | None: random_state.choice([None, low + 7]),
            float | None: random_state.choice([None, 1e-30, 0.5]),
            str: random_state.choice(AWKWARD_TEXTS),
            tuple[str, ...]: tuple(random_state.sample(AWKWARD_TEXTS, 2)),
        }[field.type]
        if "choices" in rules:
            values[field.name] = random_state.choice(rules["choices"])
    if config_class is TrainConfig:
        values["dataset"] = random_state.choice(["tfds:mnist", "tfds:a/b:1.0.0"])
        values["generator_steps"] = 1
        values["discriminator_norm"] = random_state.choice(["spectral", "layer"])
        values["gradient_penalty"] += 1e-3
        values["loss"] = random_state.choice(["minimax", "non_saturating"])
        for name, choices in (("augment", AUGMENT), ("measure", MEASURE)):
            values[name] = tuple(random_state.sample(choices, 2))
        values["best_by"] = (
            random_state.choice(["none", values["measure"][0]])
            if values["measure_every"]
            else "none"
        )
    if issubclass(config_class, SearchSettings):
        values["start_draws"] = values["restarts"] + random_state.randint(0, 9)
        if values["latent_constraint"] == "stochastic":
            values["solver"] = random_state.choice(["preconditioned", "adam"])
    if config_class is EvaluateConfig:
        values["methods"] = tuple(
            random_state.sample(["best", "yeh", "telea", "own.module:method"], 2)
        )
        values["measure"] = tuple(random_state.sample(MEASURE, 2))
        for name in ("masks", "compare"):
            values[name] = tuple(random_state.sample(["left", "a b", "é/1", "#c"], 2))
    if config_class is TrainConfig and (values["strategy"] != "none" or values["deterministic"]):
        values["jit_compile"] = "auto"
    if config_class is CompleteConfig:
        values["count"] = CompleteConfig.count
        if values["engine"] == "local":
            values |= {"ray_address": "", "workers": None, "worker_gpus": None}
        values["shard"] = random_state.choice(["0/1", "2/3"])
        if values["shard"] != "0/1" or values["estimate"] == "sample":
            values["sequence"] = False
    return config_class(**values)


@pytest.mark.parametrize("config_class", CONFIG_CLASSES)
def test_json_and_flagfile_give_the_config_back(config_class, tmp_path):
    random_state = random.Random(0)
    for config in [config_class(), *(any_config(config_class, random_state) for _ in range(50))]:
        assert from_json(config_class, to_json(config)) == config
        (tmp_path / "config.flags").write_text(to_flags(config), encoding="utf-8")
        assert parse(config_class, [f"--flagfile={tmp_path}/config.flags"]) == config


@pytest.mark.parametrize(
    ("config_class", "argv", "words"),
    [
        (TrainConfig, ["--width=0"], ["--width", "at least 1", "received 0", "32"]),
        (TrainConfig, ["--width=many"], ["--width", "'many'"]),
        (TrainConfig, ["--width=3.5"], ["--width", "a whole number", "'3.5'"]),
        (TrainConfig, ["--width="], ["--width", "''"]),
        (TrainConfig, ["--width", "--steps=2"], ["--width", "'--steps=2'"]),
        (TrainConfig, ["--batch_size=1"], ["--batch_size", "at least 2"]),
        (TrainConfig, ["--learning_rate=0"], ["--learning_rate", "above 0"]),
        (TrainConfig, ["--learning_rate=nan"], ["--learning_rate", "finite", "nan"]),
        (TrainConfig, ["--learning_rate=inf"], ["--learning_rate", "finite", "inf"]),
        (TrainConfig, ["--beta_1=1"], ["--beta_1", "below 1"]),
        (TrainConfig, ["--ema_decay=-0.1"], ["--ema_decay", "at least 0"]),
        (TrainConfig, ["--label_smoothing=0.5"], ["--label_smoothing", "below 0.5"]),
        (TrainConfig, [f"--seed={2**31}"], ["--seed", str(2**31)]),
        (TrainConfig, ["--image_size=48"], ["--image_size", "16, 28, 32, 64, 128", "48"]),
        (TrainConfig, ["--loss=squares"], ["--loss", "minimax", "'squares'"]),
        (TrainConfig, ["--jit_compile", "--strategy=mirrored"], ["--jit_compile", "mirrored"]),
        (TrainConfig, ["--jit_compile", "--deterministic"], ["--jit_compile", "--deterministic"]),
        (TrainConfig, ["--r1=1"], ["--r1", "--discriminator_norm", "batch"]),
        (
            TrainConfig,
            ["--gradient_penalty=1"],
            ["--gradient_penalty", "--discriminator_norm", "batch"],
        ),
        (
            TrainConfig,
            ["--loss=wasserstein"],
            ["--loss=wasserstein", "batch", "--gradient_penalty=10"],
        ),
        (
            TrainConfig,
            ["--loss=hinge", "--label_smoothing=0.1"],
            ["--label_smoothing", "--loss=hinge"],
        ),
        (
            TrainConfig,
            ["--augment=color,flip"],
            ["--augment", "'flip'", "color,translation,cutout"],
        ),
        (TrainConfig, ["--measure=fid"], ["--measure", "'fid'", "frechet_inception"]),
        (TrainConfig, ["--best_by=diversity"], ["--best_by", "'diversity'", "--measure"]),
        (
            TrainConfig,
            ["--best_by=kernel_random", "--measure_every=0"],
            ["--best_by", "--measure_every"],
        ),
        (TrainConfig, ["--deterministic=maybe"], ["--deterministic", "'maybe'"]),
        (TrainConfig, ["--nodeterministic=true"], ["--nodeterministic=true"]),
        (TrainConfig, ["--dataset=faces"], ["--dataset", "folder:DIR", "'faces'"]),
        (TrainConfig, ["--dataset=folder:"], ["--dataset", "'folder:'"]),
        (TrainConfig, ["--data_dir=here"], ["--data_dir", "'here'", "digits"]),
        (
            TrainConfig,
            ["--reuse_generated", "--generator_steps=2"],
            ["--reuse_generated", "--generator_steps=2"],
        ),
        (TrainConfig, ["--stpes=5"], ["--stpes", "--steps"]),
        (TrainConfig, ["--qqqqqq"], ["--qqqqqq", "--help"]),
        (TrainConfig, ["--steps"], ["--steps"]),
        (TrainConfig, ["--deterministic", "true"], ["'true'", "--name=value"]),
        (TrainConfig, ["--flagfile=absent.flags"], ["--flagfile", "absent.flags"]),
        (TrainConfig, ["--flagfile=."], ["--flagfile", "directory"]),
        (TrainConfig, ["--flagfile="], ["--flagfile"]),
        (TrainConfig, ["--flagfile"], ["--flagfile"]),
        (StoryConfig, ["digits"], ["'digits'"]),
        (CompleteConfig, ["--mask_scale=1"], ["--mask_scale", "above 0 and below 1"]),
        (CompleteConfig, ["--mask_scale=half"], ["--mask_scale", "'half'"]),
        (CompleteConfig, ["--prior_weight=-1"], ["--prior_weight", "at least 0"]),
        (CompleteConfig, ["--count=3", "a.png"], ["--count", "'a.png'"]),
        (CompleteConfig, ["--restarts=9", "--start_draws=4"], ["--start_draws", "--restarts", "9"]),
        (TrainConfig, ["--batch_size=1000000000"], ["--batch_size", "at most 65536"]),
        (CompleteConfig, ["--block_size=99999999999"], ["--block_size", "at most 4096"]),
        (CompleteConfig, ["--start_draws=1000000000000"], ["--start_draws", "at most 1000000"]),
        (ExploreConfig, ["--count=100000000000"], ["--count", "at most 10000"]),
        (ExploreConfig, ["--kind=walk", "--frames_per_second=1e-300"], ["at least 0.01"]),
        (ClientConfig, ["--timeout=1e300"], ["--timeout", "at most 1000000", "1e+300"]),
        (GaussianConfig, ["--mean=1e300"], ["--mean", "at most 1000000000", "1e+300"]),
        (GaussianConfig, ["--mean=-1e300"], ["--mean", "at least -1000000000", "-1e+300"]),
        (ExportConfig, [f"--version={10**25}"], ["--version", "at most 9223372036854775807"]),
        (CompleteConfig, ["--shard=2/2"], ["--shard", "'2/2'"]),
        (CompleteConfig, ["--shard=0/1" + "0" * 5000], ["--shard", "i/n"]),
        (CompleteConfig, ["--shard=0/0"], ["--shard", "'0/0'"]),
        (CompleteConfig, ["--shard=-1/2"], ["--shard", "'-1/2'"]),
    ],
)
def test_bad_command_line_is_refused_by_name(config_class, argv, words):
    with pytest.raises(ValueError) as refusal:
        parse(config_class, argv)
    assert_one_sentence(refusal.value, words)


ALL_CLASSES = [*CONFIG_CLASSES, ExploreConfig, ExportConfig, GaussianConfig, RingConfig]


@pytest.mark.parametrize("config_class", ALL_CLASSES)
def test_every_number_has_a_range(config_class):
    """An absurd number is refused at once, and not after minutes of work."""
    for field in dataclasses.fields(config_class):
        if type_of(field) in (int, float) and "choices" not in field.metadata:
            assert {"minimum", "above"} & set(field.metadata), field.name
            assert {"maximum", "below"} & set(field.metadata), field.name


@pytest.mark.parametrize("config_class", ALL_CLASSES)
def test_every_setting_that_names_a_place_is_a_path(config_class):
    for field in dataclasses.fields(config_class):
        if field.name.endswith("_dir") or field.name in ("images", "mask", "masks", "dataset"):
            assert field.metadata["path"], field.name


def test_range_ends_are_accepted():
    TrainConfig(label_smoothing=0, ema_decay=0, beta_1=0, seed=2**31 - 1, batch_size=2)
    CompleteConfig(prior_weight=0, details=0, start_draws=3, restarts=3, shard="1/2")
    CompleteConfig(restarts=99, start_draws=1, start="random")


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().width = 1


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.flags")), ids=lambda path: path.stem)
def test_shipped_flagfile_parses(path):
    config = parse(TrainConfig, [f"--flagfile={path}"])
    assert config.run_dir == f"runs/{path.stem}"
    assert path.read_text().startswith("# ")
