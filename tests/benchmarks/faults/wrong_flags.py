"""Wrong command lines, made from the declarations of the flags of every command."""

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from tf_inpaint.config import (
    ClientConfig,
    CompleteConfig,
    EvaluateConfig,
    ExploreConfig,
    ExportConfig,
    PaintConfig,
    StoryConfig,
    TrainConfig,
)
from tf_inpaint.config.explore_config import KINDS, KINDS_OF_SETTING
from tf_inpaint.config.lessons_config import GaussianConfig, RingConfig
from tf_inpaint.settings.fields import type_of

COMMANDS: dict[str, tuple[Any, list[str]]] = {
    "tf_inpaint": (StoryConfig, ["--run_dir=new"]),
    "tf_inpaint.train": (TrainConfig, ["--run_dir=new", "--dataset=npz:digits.npz"]),
    "tf_inpaint.complete": (CompleteConfig, ["--run_dir=run", "--out_dir=new"]),
    "tf_inpaint.evaluate": (EvaluateConfig, ["--run_dir=run", "--out_dir=new"]),
    "tf_inpaint.explore": (ExploreConfig, ["--run_dir=run", "--out_dir=new"]),
    "tf_inpaint.export": (ExportConfig, ["--run_dir=run", "--export_dir=new"]),
    "tf_inpaint.paint": (PaintConfig, ["--run_dir=run"]),
    "tf_inpaint.client": (ClientConfig, ["--model=a", "--out_dir=new", "photos/0.png"]),
    "tf_inpaint.lessons.gaussian": (GaussianConfig, ["--out_dir=new"]),
    "tf_inpaint.lessons.ring": (RingConfig, ["--out_dir=new"]),
}
"""The settings of each command, and flags that are right. A later flag replaces them."""

LONG = "x" * 300
BAD_FOLDERS = ("missing", "file.txt", "file.txt/sub", "nothing", "loop", "fifo", "photos", LONG)
BAD_OUTPUTS = ("file.txt", "file.txt/sub", "loop", "loop/sub", "/proc/n", "fifo", "fifo/sub", LONG)
BAD_IMAGES = tuple(
    f"bad/{name}.png" for name in ("text", "empty", "cut", "huge", "fifo", "loop", "missing")
)
BAD_MASKS = (*BAD_IMAGES, "nonsense", "nothing", "loop", "gray.png", LONG)
BAD_DATA = (
    *(f"npz:{name}" for name in ("missing", "text.npz", "cut.npz", "other.npz", "huge.npz")),
    *(f"npz:{name}" for name in ("pickle.npz", "fifo", "loop", "photos")),
    *(f"folder:{name}" for name in ("missing", "nothing", "file.txt", "loop")),
    *("nonsense", "tfds:", "folder:", "npz:"),
)
BAD_PATHS = {
    "run_dir": BAD_FOLDERS,
    "compare": BAD_FOLDERS,
    "images": (*BAD_IMAGES, "nothing", "loop"),
    "mask": BAD_MASKS,
    "masks": BAD_MASKS,
    "dataset": BAD_DATA,
    "out_dir": BAD_OUTPUTS,
    "export_dir": BAD_OUTPUTS,
}
"""Wrong values of the flags that are paths. `run_dir` of a training is an output."""
BAD_FLAGFILES = ("missing", "binary", "photos", "loop", "file.txt/sub", "")

CONTRADICTIONS = {
    "tf_inpaint.train": (
        "--loss=wasserstein",
        "--r1=1",
        "--gradient_penalty=10",
        "--label_smoothing=0.1 --loss=hinge",
        "--reuse_generated --generator_steps=2",
        "--best_by=kernel_inception",
        "--best_by=frechet_random --measure_every=0",
        "--data_dir=photos",
        "--augment=color,nonsense",
        "--run_dir=occupied",
        "--width=1024 --latent_size=65536 --image_size=128 --batch_size=65536",
    ),
    "tf_inpaint.complete": (
        "--count=3 photos",
        "--framing=hole",
        "--solver=lbfgs --latent_constraint=stochastic",
        "--restarts=8 --start_draws=4",
        "--shard=2/2",
        "--shard=a/b",
        "--mask=white.png --mask_scale=0.5",
        "--out_dir=occupied",
        "--out_dir=occupied --overwrite",
        "--out_dir=run --overwrite",
        "--block_size=4096 --restarts=4096 --start_draws=1000000 --samples=4096",
    ),
    "tf_inpaint.evaluate": (
        "--masks=center,center",
        "--masks=",
        "--masks=full",
        "--masks=lowres",
        "--methods=",
        "--methods=best,best",
        "--methods=missing_module:method",
        "--methods=json:missing",
        "--out_dir=occupied --overwrite",
    ),
    "tf_inpaint.explore": (
        "--kind=arithmetic",
        "--kind=arithmetic --a=1,2 --b=1,2,3 --c=1,2,3",
        "--kind=arithmetic --a=label:none --b=1,2,3 --c=1,2,3",
        "--kind=arithmetic --a=bad/text.png,bad/cut.png,bad/loop.png --b=1,2,3 --c=1,2,3",
        "--kind=walk --count=1",
        "--kind=interpolation photos/0.png",
        "--kind=interpolation photos/0.png bad/text.png",
        "--kind=interpolation --count=2 photos/0.png photos/1.png",
    ),
    "tf_inpaint.export": ("--max_pixels=10", "--export_dir=occupied --version=1"),
    "tf_inpaint.paint": ("--host=300.1.1.1", "--host="),
    "tf_inpaint.client": ("--model=", "--url=nonsense", "--url=ftp://a", "--url=http://"),
    "tf_inpaint.lessons.gaussian": ("--frames=10 --steps=5", "--deviation=1e-6 --mean=1e9"),
    "tf_inpaint.lessons.ring": ("--recipes=", "--recipes=r1,r1", "--frames=9 --steps=5"),
}
"""Flags that exclude each other, or that do not fit the folders of `command_lines`."""


def wrong_values(field: dataclasses.Field) -> Iterator[str]:
    """Texts that a flag must refuse, because of its type or its limits."""
    rules, kind = field.metadata, type_of(field)
    if "choices" in rules:
        yield from ("nonsense", f"{rules['choices'][0]}x")
    elif kind in (int, float, bool):
        yield from ("nonsense", "nan", "inf", "-1e999", "9" * 5000, "\N{ARABIC-INDIC DIGIT ONE}x")
        if field.default is not None:  # An optional flag may be empty.
            yield ""
    if kind is int:
        yield from ("1.5", "0x10")
    if "minimum" in rules:
        yield str(rules["minimum"] - 1)
    if "maximum" in rules:
        yield str(rules["maximum"] * 2)
    yield from (str(rules[name]) for name in ("above", "below") if name in rules)
    if kind is tuple and "path" not in rules:
        yield from ("nonsense", "x" * 5000)


def tries() -> dict[str, list[list[str]]]:
    """All wrong command lines, by their kind."""
    lines: dict[str, list[list[str]]] = {
        "wrong values": [],
        "wrong paths": [],
        "contradictions": [],
        "unknown flags and files of flags": [],
    }
    for module, (config_class, right) in COMMANDS.items():
        for field in dataclasses.fields(config_class):
            values = wrong_values(field)
            lines["wrong values"] += [[module, *right, f"--{field.name}={v}"] for v in values]
            trained = module in ("tf_inpaint", "tf_inpaint.train")
            paths = BAD_OUTPUTS if trained and field.name == "run_dir" else None
            if module == "tf_inpaint.explore" and field.name == "dataset":
                continue  # Not all kinds read images.
            for path in paths or BAD_PATHS.get(field.name, ()):
                flags = [path] if field.name == "images" else [f"--{field.name}={path}"]
                if module == "tf_inpaint.explore" and field.name == "images":
                    flags = ["--kind=interpolation", path, path]
                elif module == "tf_inpaint.client" and field.name == "images":
                    flags = ["--url=http://127.0.0.1:9", "--retries=0", path]
                lines["wrong paths"].append([module, *right, *flags])
            lines["unknown flags and files of flags"].append([module, *right, f"--{field.name}x=1"])
        for line in CONTRADICTIONS.get(module, ()):
            lines["contradictions"].append([module, *right, *line.split()])
        for path in BAD_FLAGFILES:
            lines["unknown flags and files of flags"].append([module, f"--flagfile={path}"])
    for name, kinds in KINDS_OF_SETTING.items():
        value = {"images": "photos", "path": "lerp", "between": "held_out", "format": "webp"}
        flag = f"--{name}={value.get(name, '7')}"
        for kind in sorted(set(KINDS) - set(kinds)):
            words = ["tf_inpaint.explore", "--run_dir=run", "--out_dir=new", f"--kind={kind}", flag]
            lines["contradictions"].append(words)
    return lines


def chosen(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Some of the wrong command lines, each with its kind; equally many of each kind if it can."""
    generator = random.Random(seed)
    left = tries()
    for lines in left.values():
        generator.shuffle(lines)
    result: list[tuple[str, list[str]]] = []
    while len(result) < count and any(left.values()):
        result += [(kind, lines.pop()) for kind, lines in left.items() if lines]
    return result[:count]
