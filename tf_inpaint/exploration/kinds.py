"""What `explore` shows, one function a kind: from settings and a run to pictures, the z behind them, and numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.config import ExploreConfig, SearchConfig
from tf_inpaint.config.explore_config import MEMBERS, concept_form
from tf_inpaint.data.sources import Source
from tf_inpaint.exploration import latents, nearest_training_images
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import Input, files, held_out, pictures
from tf_inpaint.runs.inpainters import Networks, new_inpainter
from tf_inpaint.runs.run_directory import Run

TILE = 56
"""Pixels that pictures on a sheet are at least high."""
SCREEN = 256
"""The same of a film."""
STRIP = 18
"""Height of a line of text."""
BATCH = 64
CHUNK = 2048
COMPARED = 256
"""Samples, and held-out images, whose distances to the training images are compared."""
GROWTH = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the noise, from one neighbourhood to the next."""


class Found(NamedTuple):
    """What a kind has to show."""

    frames: list[np.ndarray]
    """uint8 `[H, W, C]`: one of a picture, more of a film."""
    latents: dict[str, np.ndarray]
    numbers: dict[str, Any]
    says: str = ""


def grid(config: ExploreConfig, run: Run) -> Found:
    seeds = range(config.seed, config.seed + (config.count or 36))
    z = latents.draw(seeds, run.config.latent_size)
    cells = below(tiles(generate(run, z)), list(map(str, seeds)))
    return Found(
        [images.grid(cells, min(config.columns, len(cells)), gap=4)],
        {"z": z},
        {"seeds": list(seeds)},
    )


def interpolation(config: ExploreConfig, run: Run) -> Found:
    strips = len(config.images) // 2 or config.count or 4
    captions = ["G(z)", *[""] * (config.pictures - 2), "G(z')"]
    originals, told = None, []
    if config.images or config.between == "held_out":
        source = None if config.images else pictures(run.config, "held_out")
        inputs = held_out(source, 2 * strips) if source else given(run, config.images)
        if len(inputs) < 2 * strips:
            raise ValueError(
                f"Each strip must have two images; the held-out split has {len(inputs)} for {strips} strips; "
                "lower --count."
            )
        originals, ends, told = find(config, run, inputs)
        captions = ["given", *captions, "given"]
    else:
        ends = latents.draw(range(config.seed, config.seed + 2 * strips), run.config.latent_size)
    shares = np.linspace(0, 1, config.pictures)
    z = np.stack(
        [
            latents.PATHS[config.path](*two, shares)
            for two in zip(ends[::2], ends[1::2], strict=True)
        ]
    )
    cells = generate(run, z)
    if originals is not None:
        cells = np.concatenate([originals[::2, None], cells, originals[1::2, None]], axis=1)
    return Found(
        [images.grid(tiles(cells), len(captions), captions=captions)],
        {"z": z, "ends": ends},
        {"images": told},
    )


def arithmetic(config: ExploreConfig, run: Run) -> Found:
    inputs: dict[str, list[Input]] = {}
    for name in "abc":
        items = getattr(config, name)
        form = concept_form(items)
        if form == "label":
            inputs[name] = labelled(
                pictures(run.config, "held_out"), items[0].removeprefix("label:")
            )
        elif form == "files":
            inputs[name] = given(run, items)
    told: list[dict[str, Any]] = []
    concepts = {
        name: latents.draw(map(int, getattr(config, name)), run.config.latent_size)
        for name in "abc"
        if name not in inputs
    }
    if inputs:
        _, z, told = find(config, run, [item for items in inputs.values() for item in items])
        concepts |= dict(zip(inputs, np.split(z, len(inputs)), strict=True))
    a, b, c = (concepts[name] for name in "abc")
    answer = latents.arithmetic(a, b, c)
    z = latents.around(answer, latents.neighbours(answer, config.noise, config.seed))
    rows = np.stack(
        [np.concatenate([concept, concept.mean(0, keepdims=True)]) for concept in (a, b, c)]
    )
    cells = tiles(generate(run, rows))
    signs = np.stack([images.render_text(text, *cells.shape[1:]) for text in ("a", "- b", "+ c")])
    cells = np.insert(cells, [0, MEMBERS + 1, 2 * (MEMBERS + 1)], signs, axis=0)
    left = images.grid(cells, MEMBERS + 2, captions=["", *[""] * MEMBERS, "mean"])
    right = images.grid(tiles(generate(run, z)), 3, captions=["", "a - b + c", ""])
    equals = images.render_text("=", len(left), TILE // 2, left.shape[2])
    sheet = np.concatenate([left, equals, right], axis=1)
    return Found([sheet], {"a": a, "b": b, "c": c, "z": z}, {"images": told})


def neighbourhood(config: ExploreConfig, run: Run) -> Found:
    z = latents.draw([config.seed], run.config.latent_size)[0]
    noises = [config.noise * growth for growth in GROWTH]
    # What lies outside of [-1, 1] is no neighbour: G was never shown it.
    blocks = [
        latents.around(z, latents.neighbours(z, noise, config.seed).clip(-1, 1)) for noise in noises
    ]
    sheets = [images.grid(tiles(generate(run, block)), 3) for block in blocks]
    captions = [f"z \u00b1 {noise:.3g}" for noise in noises]
    sheet = images.grid(np.stack(sheets), len(sheets), gap=16, captions=captions)
    return Found([sheet], {"z": np.stack(blocks)}, {"noise": noises})


def memorising(config: ExploreConfig, run: Run) -> Found:
    shown = config.count or 10
    seeds = range(config.seed, config.seed + max(shown, COMPARED))
    z = latents.draw(seeds, run.config.latent_size)
    samples = generate(run, z)
    real = np.stack([item.read() for item in held_out(pictures(run.config, "held_out"), COMPARED)])
    training = pictures(run.config, "train")
    if training.size < config.neighbours:
        raise ValueError(
            f"--neighbours must be at most the training images; received {config.neighbours} for {training.size}; "
            "lower it."
        )
    distances, found = nearest_training_images.nearest(
        np.concatenate([samples, real]), chunks(training), config.neighbours
    )
    ours, theirs = np.split(distances, [len(samples)])
    ratio, says = nearest_training_images.verdict(ours[:, 0], theirs[:, 0])
    parts = []
    for name, queries, others, away in (
        ("sample", samples, found, ours),
        ("held out", real, found[len(samples) :], theirs),
    ):
        number = min(shown, len(queries))
        cells = np.concatenate([queries[:number, None], others[:number]], axis=1)
        texts = [
            text for row in away[:number] for text in ("", *(f"{distance:.2f}" for distance in row))
        ]
        header = [name, "nearest", *[""] * (config.neighbours - 1)]
        parts.append(
            images.grid(below(tiles(cells), texts), config.neighbours + 1, captions=header)
        )
    height = max(map(len, parts))
    parts = [
        np.pad(part, ((0, height - len(part)), (0, 0), (0, 0)), constant_values=255)
        for part in parts
    ]
    gap = np.full((height, TILE // 2, parts[0].shape[2]), 255, np.uint8)
    numbers = {
        "ratio_of_medians": ratio,
        "median_distance": {
            "samples": float(np.median(ours[:, 0])),
            "held_out": float(np.median(theirs[:, 0])),
        },
        "training_images": training.size,
        "samples": ours.tolist(),
        "held_out": theirs.tolist(),
    }
    return Found([np.concatenate([parts[0], gap, parts[1]], axis=1)], {"z": z}, numbers, says)


def walk(config: ExploreConfig, run: Run) -> Found:
    seeds = range(config.seed, config.seed + (config.count or 8))
    z = latents.walk(latents.draw(seeds, run.config.latent_size), config.frames)
    return Found(list(images.enlarge(generate(run, z), SCREEN)), {"z": z}, {"seeds": list(seeds)})


def film(config: ExploreConfig) -> Found:
    """The run's own sample grids, one after the other, with the step below."""
    folder = Path(config.run_dir) / "samples"
    there = {int(path.stem): path for path in sorted(folder.glob("*.png")) if path.stem.isdecimal()}
    if len(there) < 2:
        raise ValueError(
            f"A training film must have two sample grids or more; {folder} has {len(there)}; train on, or with a "
            "smaller --sample_every."
        )
    steps = sorted(there)
    if config.every:
        steps = list(
            range(-(-steps[0] // config.every) * config.every, steps[-1] + 1, config.every)
        )
        missing = [step for step in steps if step not in there]
        if missing or len(steps) < 2:
            every = int(np.diff(sorted(there)).max())
            raise ValueError(
                f"--every must be a multiple of the {every} steps between the run's sample grids and below its "
                f"{max(there)}; received {config.every}; pass --every={every}."
            )
    frames = []
    for step in steps:
        frame = images.enlarge(images.read(there[step])[None], SCREEN)[0]
        text = images.render_text(f"step {step:,}", STRIP + 6, *frame.shape[1:])
        frames.append(np.concatenate([frame, text]))
    return Found(frames, {}, {"steps": steps})


EXPLORATIONS = {
    "grid": grid,
    "interpolation": interpolation,
    "arithmetic": arithmetic,
    "neighbourhood": neighbourhood,
    "nearest": memorising,
    "walk": walk,
}
"""By `--kind`; the film alone needs no networks."""


def generate(run: Run, z: np.ndarray) -> np.ndarray:
    """G's pictures of z `[N, Z]`, or more dimensions before Z: uint8 `[N, ..., H, W, C]`."""
    rows = np.asarray(z, np.float32).reshape(-1, z.shape[-1])
    parts = [
        run.generator(rows[first : first + BATCH], training=False)
        for first in range(0, len(rows), BATCH)
    ]
    pictures = images.to_uint8(np.concatenate(parts))
    return pictures.reshape(*z.shape[:-1], *pictures.shape[1:])


def tiles(pictures: np.ndarray) -> np.ndarray:
    """Pictures, enlarged, in one row of an array: `[..., H, W, C]` to `[N, H', W', C]`."""
    return images.enlarge(pictures.reshape(-1, *pictures.shape[-3:]), TILE)


def below(pictures: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Pictures `[N, H, W, C]` with a line of text below each."""
    size = (STRIP, *pictures.shape[2:])
    return np.concatenate([pictures, [images.render_text(text, *size) for text in texts]], axis=1)


def find(config: ExploreConfig, run: Run, items: Sequence[Input]):
    """The images, uint8 `[N, H, W, C]`, the z `[N, Z]` of whose pictures come nearest to them, and how near."""
    from tqdm import tqdm

    size, channels = run.config.image_size, run.config.channels
    originals = np.stack([images.fit(item.read(), size, channels) for item in items])
    search = SearchConfig(steps=config.steps, restarts=config.restarts, blend="paste")
    known = np.ones((*originals.shape[:-1], 1), np.float32)
    seeds = np.array([item.seeds(config.seed) for item in items])
    with tqdm(
        total=1.0, bar_format="searching {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    ) as bar:
        answers = new_inpainter(search, Networks(run)).complete(
            images.to_float(originals), known, seeds, lambda share, *_: bar.update(share - bar.n)
        )
        bar.update(1 - bar.n)
    errors = np.abs(answers.generated - images.to_float(originals)).mean((1, 2, 3)) / 2
    told = [
        {"file": item.file, "mean_absolute_error": float(error)}
        for item, error in zip(items, errors, strict=True)
    ]
    return originals, answers.z, told


def given(run: Run, paths: Sequence[str]) -> list[Input]:
    """Image files, cropped as the run's data were."""

    def cropped(item):
        return item._replace(read=lambda: images.center_crop(item.read(), run.config.crop))

    folders = [path for path in paths if Path(path).is_dir()]
    if folders:
        raise ValueError(
            f"Single image files are required; {folders[0]} is a folder; name files in it."
        )
    return [cropped(files([path], leave_out=run.directory / "exploration")[0]) for path in paths]


def labelled(source: Source, label: str) -> list[Input]:
    """Three held-out images of a class, spread over the split."""
    if source.labels is None:
        raise ValueError(
            f"Concepts by label must have data with labels; received label:{label}; give seeds or files."
        )
    of_class = {source.name(index) for index in np.flatnonzero(source.labels.astype(str) == label)}
    chosen = [item for item in held_out(source, source.size) if item.key in of_class][:MEMBERS]
    if len(chosen) < MEMBERS:
        labels = ", ".join(map(str, np.unique(source.labels)[:20]))
        raise ValueError(
            f"A label must have {MEMBERS} held-out images; label:{label} has {len(chosen)}; choose among {labels}."
        )
    return chosen


def chunks(source: Source) -> Iterator[np.ndarray]:
    from tqdm import tqdm

    bar = "training images {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    for first in tqdm(range(0, source.size, CHUNK), bar_format=bar):
        yield source.read(np.arange(first, min(first + CHUNK, source.size)))
