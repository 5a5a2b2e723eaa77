"""Completes images: finds the z whose picture matches the known pixels, and fills the hole with that picture.

    python -m tf_inpaint.complete --run_dir=runs/digits --mask=center
    python -m tf_inpaint.complete --run_dir=runs/faces --mask=holes/ --blend=poisson photos/ more/one.jpg

Without images it takes held-out ones of the run's own data. In a mask file white is known, black is the hole.
Killed and started again, the job goes on where it stopped. Exit code 1: some images failed; 2: none could be
used.
"""

import base64
import contextlib
import dataclasses
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from tf_inpaint import images
from tf_inpaint.config import CompleteConfig
from tf_inpaint.inputs import RESERVED, Example, Input, Masks, files, held_out, untaken
from tf_inpaint.metrics import pairwise

FREE = {"images", "count", "out_dir", "overwrite", "details", "shard"}
"""Settings that may change when a job is continued: none of them changes an image's completion."""
PICTURES = ("original", "masked", "generated", "completed")
"""The columns of `sheet.png`."""
BAR = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

log = logging.getLogger("tf_inpaint")


def run(config: CompleteConfig) -> int:
    """Completes every image; returns 0, or 1 when some failed."""
    from tqdm import tqdm

    from tf_inpaint import runs
    from tf_inpaint.data.sources import open_source

    config = dataclasses.replace(config, run_dir=config.run_dir or str(runs.newest()))
    trained = runs.read_config(Path(config.run_dir))
    size, channels = trained.image_size, trained.channels
    out_dir = Path(config.out_dir or Path(config.run_dir) / "completions")
    crop = trained.crop if config.images else 0
    masks = Masks(config.mask, size, channels, crop, config.seed, config.mask_scale, config.invert_mask)
    if config.images:
        items = files(config.images, leave_out=out_dir)
    else:
        data_dir = trained.data_dir or None
        items = held_out(open_source(trained.dataset, size, channels, trained.crop, "held_out", data_dir), config.count)
    if not items:
        raise ValueError(f"Image files are required; {', '.join(config.images)} holds none; check the path.")
    network = runs.load(Path(config.run_dir))
    inpainter = new_inpainter(config, network, masks.low_resolution_factor)
    job = Job(out_dir, config, network.step)
    shard, shards = map(int, config.shard.split("/"))
    items = job.named(items)[shard::shards]

    todo = [item for item in items if item.file not in job.done]
    detailed = {item.file for item in items[: config.details]}
    failures: dict[str, str] = {}
    with tqdm(total=len(todo), bar_format=BAR) as bar:
        for block in blocks(readable(todo, masks, failures, bar), config.block_size):
            job.begin()
            film = Film(block) if config.details and not job.film.exists() else None
            before = bar.n

            def watch(share, turn, rows, generated, film=film, block=block, before=before):
                bar.update(before + share * len(block) - bar.n)
                if film and turn == 0:
                    film.shoot(rows, generated)

            started = time.perf_counter()
            found = inpainter.complete(
                images.to_float(np.stack([example.masked for example in block])),
                np.stack([example.known for example in block]),
                np.array([example.input.seeds(config.seed) for example in block]),
                watch,
            )
            seconds = (time.perf_counter() - started) / len(block)
            for index, example in enumerate(block):
                mine = type(found)(*(values[index] for values in found))
                line = {"mask": masks.named(example.input.key), "seconds": seconds}
                job.write(example, mine, line, example.input.file in detailed)
            if film:
                images.animate(job.film, film.frames, seconds_per_frame=0.1)
    if failures and not job.done:
        raise ValueError(
            f"At least one image that can be completed is required; none of {len(items)} can; "
            f"{next(iter(failures.values()))}"
        )
    if job.done:
        job.finish([item.stem for item in items[: config.details]])
    for reason in failures.values():
        log.error("Not completed: %s", reason)
    look = f"; look at {job.sheet}" if job.sheet.exists() else ""
    print(f"{out_dir}: {len(items) - len(failures)} of {len(items)} images are complete{look}")
    return 1 if failures else 0


def new_inpainter(config: CompleteConfig, network, low_resolution_factor: int | None):
    """The search that the settings ask for, through the networks of a run."""
    import tensorflow as tf

    from tf_inpaint.gan.networks import folded
    from tf_inpaint.inpainting import solvers
    from tf_inpaint.inpainting.inpaint import Inpainter

    constrain = {"clip": solvers.clip, "none": tf.identity}[config.latent_constraint]
    return Inpainter(
        folded(network.generator),
        folded(network.discriminator),
        network.config.latent_size,
        steps=config.steps,
        solver=solvers.adam(config.learning_rate, constrain=constrain),
        restarts=config.restarts,
        start_draws=config.start_draws if config.start == "best" else config.restarts,
        contextual=config.contextual,
        prior=config.prior,
        prior_weight=config.prior_weight,
        blend=config.blend,
        low_resolution_factor=low_resolution_factor,
        block_size=config.block_size,
    )


def readable(items: Iterable[Input], masks: Masks, failures: dict[str, str], bar) -> Iterator[Example]:
    """The examples of those items that can be read; why the others cannot goes to `failures`, by file."""
    for item in items:
        try:
            yield masks.example(item)
        except (ValueError, OSError) as error:
            failures[item.file] = str(error)
            bar.total -= 1


def blocks(examples: Iterator[Example], size: int) -> Iterator[list[Example]]:
    while block := list(islice(examples, size)):
        yield block


class Film:
    """What a block's search looked like, frame by frame: masked | G(z) | completed, an image a column."""

    def __init__(self, block: list[Example]):
        self.block = block
        self.frames: list[np.ndarray] = []

    def shoot(self, rows, generated) -> None:
        examples = [self.block[row] for row in rows]
        masked = np.stack([example.masked for example in examples])
        known = np.stack([example.known for example in examples])
        pictures = images.to_uint8(generated())
        pictures = np.concatenate([masked, pictures, np.where(known > 0, masked, pictures)])
        self.frames.append(images.grid(images.enlarge(pictures), columns=len(examples)))


class Job:
    """An output folder: what is done is in a journal, so that a killed job loses at most a block.

    Args:
        out_dir: made by `begin`, so that a job that can do nothing leaves nothing behind.
        config: of the job; a folder is only continued with the same settings.
        step: of the networks; likewise.

    Attributes:
        done: the lines of the images that are complete, and their z, by file.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, config: CompleteConfig, step: int):
        self.out_dir = out_dir
        self.config = config
        self.settings = dataclasses.asdict(config) | {"step": step}
        part = "" if config.shard == "0/1" else "-" + config.shard.replace("/", "of")
        self.lines = out_dir / f"completions{part}.jsonl"
        self.latents = out_dir / f"latents{part}.npz"
        self.sheet = out_dir / f"sheet{part}.png"
        self.film = out_dir / f"search{part}.gif"
        self.journal = out_dir / f".journal{part}.jsonl"
        self.done: dict[str, dict] = {}
        self.check()
        if not config.overwrite:
            self.resume()

    def check(self) -> None:
        """Refuses a folder that is not this job's."""
        above = next(path for path in (self.out_dir, *self.out_dir.absolute().parents) if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise ValueError(
                f"--out_dir must be a folder that can be written; received {self.out_dir}; choose another."
            )
        if not self.out_dir.exists():
            return
        path = self.out_dir / "config.json"
        there = {}
        if path.exists():
            with contextlib.suppress(ValueError):
                there = json.loads(path.read_text())
        # Another machine of this job may just be writing config.json, under a hidden name.
        elif self.config.overwrite or all(other.name[0] == "." for other in self.out_dir.iterdir()):
            return
        if "mask" not in there:  # somebody else's config.json, such as a run's: not even to be overwritten
            raise ValueError(
                f"--out_dir must be new, empty, or a job to continue; {self.out_dir} holds something else; "
                "choose another."
            )
        if self.config.overwrite:
            return
        fields = [name for name, value in self.settings.items() if name not in FREE and there.get(name) != value]
        if fields:
            changes = ", ".join(f"{name} ({there.get(name)} there)" for name in fields)
            raise ValueError(
                f"A job is continued with the settings it was started with; {self.out_dir} differs in "
                f"{changes}; choose another --out_dir, or pass --overwrite."
            )

    def resume(self) -> None:
        if self.lines.exists():
            with np.load(self.latents) as latents:
                z = dict(zip(latents["files"].tolist(), latents["z"], strict=True))
            for line in map(json.loads, self.lines.read_text().splitlines()):
                self.done[line["file"]] = line | {"z": z[line["file"]]}
        if self.journal.exists():
            whole = [line for line in self.journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
            with images.atomic(self.journal) as path:
                path.write_text("".join(whole))
            for line in map(json.loads, whole):
                z = np.frombuffer(base64.b64decode(line["z"]), np.float32)
                self.done[line["file"]] = line | {"z": z}

    def named(self, items: list[Input]) -> list[Input]:
        """The items by names that go with what is done: it keeps its own, and no other image takes that."""
        own = {file: line["completion"].removesuffix(".png") for file, line in self.done.items()}
        taken = RESERVED | {stem.casefold() for stem in own.values()}
        return [item._replace(stem=own.get(item.file) or untaken(item.stem, taken)) for item in items]

    def begin(self) -> None:
        if (self.out_dir / "config.json").exists() and not self.config.overwrite:
            return
        self.out_dir.mkdir(parents=True, exist_ok=True)
        if self.config.overwrite and not self.done:
            for path in (self.lines, self.latents, self.sheet, self.film, self.journal):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.out_dir / "details", ignore_errors=True)
        with images.atomic(self.out_dir / "config.json") as path:
            path.write_text(json.dumps(self.settings, indent=2) + "\n")

    def write(self, example: Example, found, line: dict, detailed: bool) -> None:
        """One image's files and its line in the journal, in this order: what is in the journal is there."""
        item = example.input
        if detailed:
            folder = self.out_dir / "details" / item.stem
            folder.mkdir(parents=True, exist_ok=True)
            pasted = np.where(example.known > 0, example.masked, images.to_uint8(found.generated))
            images.write(folder / "original.png", example.original)
            images.write(folder / "masked.png", example.masked)
            images.write(folder / "generated.png", found.generated)
            images.write(folder / "pasted.png", pasted)
        images.write(self.out_dir / f"{item.stem}.png", found.images)
        line = {
            "file": item.file,
            "completion": f"{item.stem}.png",
            **line,
            "energy": float(found.energy),
            "contextual": float(found.contextual),
            "perceptual": float(found.perceptual),
            "steps": self.config.steps,
            "seed": self.config.seed,
            "block_size": self.config.block_size,
            **scores(found.images, images.to_float(example.original), 1 - example.known),
        }
        z = base64.b64encode(found.z.tobytes()).decode()
        with self.journal.open("a") as file:
            file.write(json.dumps(line | {"z": z}) + "\n")
        self.done[item.file] = line | {"z": found.z}

    def finish(self, stems: list[str]) -> None:
        """The lines and latents of all that is done, and the sheet of the images called `stems`."""
        with images.atomic(self.latents) as path:
            np.savez(path, files=list(self.done), z=np.stack([line["z"] for line in self.done.values()]))
        with images.atomic(self.lines) as path, path.open("w") as file:
            for line in self.done.values():
                file.write(json.dumps({name: value for name, value in line.items() if name != "z"}) + "\n")
        self.journal.unlink(missing_ok=True)
        rows = []
        for stem in stems:
            folder = self.out_dir / "details" / stem
            if folder.exists():
                paths = [folder / f"{name}.png" for name in PICTURES[:3]] + [self.out_dir / f"{stem}.png"]
                rows += [images.enlarge(images.read(path)[None]) for path in paths]
        if rows:
            images.write(self.sheet, images.grid(np.concatenate(rows), columns=len(PICTURES), captions=PICTURES))


def scores(completion: np.ndarray, original: np.ndarray, hole: np.ndarray) -> dict[str, float | None]:
    """PSNR and SSIM of one `[H, W, C]` completion, over the hole and the whole image; None if none."""
    pair = completion[None], original[None]
    values = {
        "hole_psnr": pairwise.psnr(*pair, hole[None]),
        "psnr": pairwise.psnr(*pair),
        "hole_ssim": pairwise.ssim(*pair, hole[None]),
        "ssim": pairwise.ssim(*pair),
    }
    # JSON has no infinity, the PSNR of two equal images.
    return {name: float(value[0]) if math.isfinite(value[0]) else None for name, value in values.items()}


if __name__ == "__main__":
    from tf_inpaint.flags import launch

    launch(CompleteConfig, run, __doc__)
