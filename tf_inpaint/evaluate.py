"""Every method against every mask, on held-out images: one table.

    python -m tf_inpaint.evaluate --run_dir=runs/digits
    python -m tf_inpaint.evaluate --run_dir=runs/faces --masks=center,my/holes --methods=best,telea,my_module:my_method
    python -m tf_inpaint.evaluate --compare=runs/one,runs/other

Writes index.html, evaluation.md, evaluation.json, evaluation.png and images/METHOD/MASK/. Killed and started again, it
goes on where it stopped; later calls may add images, masks and methods. Exit code 1: some images could not be read.
"""

import dataclasses
import functools
import importlib.util
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tf_inpaint.config import EvaluateConfig, TrainConfig, flags
from tf_inpaint.config.evaluate_config import OURS, PUBLISHED
from tf_inpaint.evaluation import memory
from tf_inpaint.evaluation.results import Results
from tf_inpaint.files import images, webpage
from tf_inpaint.inpainting.masks import NAMES
from tf_inpaint.inputs.masked_images import Example, Masks
from tf_inpaint.inputs.named_images import Input, held_out, pictures

BAR = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
CHUNK = 32
"""Images completed at a time, about."""
NEEDS = {
    "nearest_pixel": "scipy",
    "harmonic": "scipy",
    "biharmonic": "skimage",
    "telea": "cv2",
    "navier_stokes": "cv2",
}
"""What baselines are built on that only the extra `eval` installs."""

log = logging.getLogger("tf_inpaint")


def run(config: EvaluateConfig) -> int:
    """Evaluates; returns 0, or 1 when some images could not be read."""
    from tqdm import tqdm

    from tf_inpaint.evaluation import scores
    from tf_inpaint.evaluation.methods import new_method
    from tf_inpaint.runs import run_directory
    from tf_inpaint.runs.inpainters import Networks

    for missing in {NEEDS[name] for name in config.methods if name in NEEDS} | {"scipy"}:
        if importlib.util.find_spec(missing) is None:
            raise ValueError(
                f"{missing} is required; it is not installed; run pip install 'tf_inpaint[eval]'."
            )
    folders = [*filter(None, [config.run_dir]), *config.compare] or [str(run_directory.newest())]
    trained = same_data(folders, [run_directory.read_config(Path(folder)) for folder in folders])
    loaded = {
        label: Networks(run_directory.load(folder))
        for label, folder in zip(labels(folders), folders, strict=True)
    }
    settings = {
        "command": "evaluate",
        "runs": {label: networks.run.identity for label, networks in loaded.items()},
        "mask_sources": {
            Path(mask).name: mask if mask in NAMES else str(Path(mask).resolve())
            for mask in config.masks
        },
    }
    settings |= json.loads(json.dumps(dataclasses.asdict(config)))
    results = Results(
        Path(config.out_dir or Path(folders[0]) / "evaluation"), settings, config.overwrite
    )
    scores.check(config.measure, trained)
    size, channels = trained.image_size, trained.channels
    masks = {
        Path(mask).name: Masks(
            mask, size, channels, 0, config.seed, None, config.invert_mask, dealt=True
        )
        for mask in config.masks
    }
    failures: list[str] = []
    examples = list(
        readable(held_out(pictures(trained, "held_out"), config.count), masks, failures)
    )
    if not examples:
        raise ValueError(
            f"At least one image that can be read is required; none of {config.count} can; {failures[0]}"
        )

    several = len(loaded) > 1
    names = [
        name
        for method in config.methods
        for name in (of_runs(method, loaded) if several else [method])
    ]
    work = []
    for mask, name in ((mask, name) for mask in masks for name in names):
        mine = examples[: config.few] if name.partition("@")[0] in PUBLISHED else examples
        todo = [of[mask] for of in mine if (name, mask, of[mask].input.key) not in results.rows]
        step = max(1, CHUNK // config.block_size) * config.block_size
        work += [(name, mask, todo[first : first + step]) for first in range(0, len(todo), step)]
    training = functools.cache(functools.partial(scores.training, trained))
    methods = {
        name: new_method(name, config, loaded, lambda: training().images)
        for name in dict.fromkeys(name for name, _, _ in work)
    }
    if work:
        results.begin()
    warm: set[str] = set()
    total = sum(methods[name].cost * len(chunk) for name, _, chunk in work)
    with tqdm(total=total, bar_format=BAR, smoothing=0) as bar:
        for name, mask, chunk in work:
            bar.set_description_str(f"{name}, {mask}")
            if name not in warm:
                timed(methods[name], chunk[: config.block_size], config.seed)
                warm.add(name)
            answer, cost = timed(methods[name], chunk, config.seed)
            results.write(name, mask, chunk, answer.completions, answer.generated, cost)
            bar.update(methods[name].cost * len(chunk))
    scores.judge(results, trained, training, config.measure)
    write_page(results.out_dir, config, settings)
    for reason in failures:
        log.error("Not evaluated: %s", reason)
    print(f"{results.out_dir}: look at evaluation.md and evaluation.png there")
    return 1 if failures else 0


def write_page(folder: Path, config: EvaluateConfig, settings: Mapping) -> None:
    """index.html."""
    caption = "The first images under each mask: the original, what the methods were given, and what each made of it."
    sections = [
        webpage.section("Pictures", webpage.picture(folder / "evaluation.png", caption, folder)),
        webpage.section(
            "Numbers",
            webpage.markdown((folder / "evaluation.md").read_text(), "Numbers of each method"),
        ),
        *webpage.origin(settings, flags.command("tf_inpaint.evaluate", config)),
    ]
    sentence = "Ways to fill a hole in an image, compared on images that none of them has seen."
    webpage.write(
        folder / "index.html", "Evaluation of " + ", ".join(settings["runs"]), sentence, sections
    )


def same_data(folders: Sequence[str], configs: Sequence[TrainConfig]) -> TrainConfig:
    """The settings of the first of several runs.

    Raises:
        ValueError: they did not all learn from the same images.
    """
    for folder, config in zip(folders, configs, strict=True):
        for name in ("dataset", "image_size", "channels", "crop"):
            first, other = getattr(configs[0], name), getattr(config, name)
            if first != other:
                raise ValueError(
                    f"--compare must name runs on the same images; {folders[0]} has --{name}={first} and {folder} "
                    f"{other}; compare others."
                )
    return configs[0]


def labels(folders: Sequence[str]) -> list[str]:
    """What the table calls each run: its folder's name, or the whole path where two are alike."""
    names = [Path(folder).resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return ["_".join(Path(folder).resolve().parts[1:]) for folder in folders]


def of_runs(method: str, runs: Mapping) -> list[str]:
    """A search, once for each run; anything else once."""
    return (
        [f"{method}@{run}" for run in runs] if method in PUBLISHED or method in OURS else [method]
    )


def readable(
    items: Sequence[Input], masks: Mapping[str, Masks], failures: list[str]
) -> Iterator[dict[str, Example]]:
    """Each image that can be read, under every mask; why the others cannot goes to `failures`."""
    for item in items:
        try:
            yield {name: sampler.example(item) for name, sampler in masks.items()}
        except (ValueError, OSError) as error:
            failures.append(str(error))


def timed(method, examples: Sequence[Example], seed: int):
    """The method's answer for some images, and what it took: seconds an image, and the most memory."""
    known = np.stack([example.known for example in examples])
    given = images.to_float(np.stack([example.masked for example in examples]))
    seeds = np.array([example.input.seeds(seed) for example in examples])
    memory.reset_peak()
    started = time.perf_counter()
    answer = method.complete(given, known, seeds)
    seconds = time.perf_counter() - started
    return answer, {"seconds_per_image": seconds / len(examples), "peak_memory_mb": memory.peak()}


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(EvaluateConfig, run, __doc__)
