"""Completes images: finds the z whose picture matches the known pixels, and fills the hole with that picture.

    python -m tf_inpaint.complete --run_dir=runs/digits --mask=center
    python -m tf_inpaint.complete --run_dir=runs/faces --mask=holes/ --blend=poisson photos/ more/one.jpg

Without images it takes held-out ones of the run's own data. In a mask file white is known, black is the hole. An
image whose mask has its own size is completed in place: it keeps that size and every known pixel. Killed and started
again, the job goes on where it stopped. Exit code 1: some images failed; 2: none could be used.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tf_inpaint.completion.job import Job
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import Example, Masks
from tf_inpaint.inputs.named_images import Input, files, held_out, named, pictures

BAR = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"
MOST_PIXELS = 40_000_000
"""Of the images of a block, beyond which it takes no further one."""
MOST_TURNS = 16
"""The same of its squares, in units of `--block_size`."""

log = logging.getLogger("tf_inpaint")


def run(config: CompleteConfig) -> int:
    """Completes every image; returns 0, or 1 when some failed."""
    from tqdm import tqdm

    from tf_inpaint.inpainting.inpainter import Completions
    from tf_inpaint.runs import run_directory
    from tf_inpaint.runs.inpainters import Networks, new_inpainter, steps_a_frame

    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = run_directory.read_config(Path(config.run_dir))
    size, channels = trained.image_size, trained.channels
    out_dir = Path(config.out_dir or Path(config.run_dir) / "completions")
    crop = trained.crop if config.images else 0
    masks = Masks(
        config.mask,
        size,
        channels,
        crop,
        config.seed,
        config.mask_scale,
        config.invert_mask,
        framing=config.framing,
    )
    if config.images:
        items = files(config.images, leave_out=out_dir)
    else:
        items = held_out(pictures(trained, "held_out"), config.count)
    if not items:
        raise ValueError(
            f"Image files are required; {', '.join(config.images)} holds none; check the path."
        )
    run = run_directory.load(config.run_dir)
    job = Job(out_dir, config, run.identity)
    shard, shards = map(int, config.shard.split("/"))
    items = named(items, job.done)[shard::shards]

    todo = [item for item in items if item.file not in job.done]
    detailed = {item.file for item in items[: config.details]}
    failures: dict[str, str] = {}
    nothing = Completions(*[np.empty(0)] * len(Completions._fields))
    inpainter = new_inpainter(config, Networks(run), masks.low_resolution_factor) if todo else None
    with tqdm(total=len(todo), bar_format=BAR) as bar:
        for block in blocks(readable(todo, masks, failures, bar), config.block_size):
            job.begin()
            rows = [example.rows for example in block]
            masked, known = map(np.concatenate, zip(*rows, strict=True))
            ends = np.cumsum([len(one) for one, _ in rows])
            film = (
                Film(masked, known)
                if len(masked) and config.details and not job.film.exists()
                else None
            )
            before = bar.n

            def watch(share, turn, rows, generated, film=film, block=block, before=before):
                bar.update(before + share * len(block) - bar.n)
                if film and turn == 0:
                    film.shoot(rows, generated)

            started = time.perf_counter()
            found = nothing
            if len(masked):
                seeds = [seeds for example in block for seeds in example.seeds(config.seed)]
                every = steps_a_frame(inpainter) if film else 10
                found = inpainter.complete(
                    images.to_float(masked), known, np.array(seeds), watch, every
                )
            seconds = (time.perf_counter() - started) / max(1, len(masked))
            for example, end in zip(block, ends, strict=True):
                count = len(example.rows[0])
                mine = type(found)(*(values[end - count : end] for values in found))
                started = time.perf_counter()
                in_place = example.squares is not None
                completion = (
                    example.filled(mine.generated, inpainter.blend) if in_place else mine.images[0]
                )
                took = seconds * count + time.perf_counter() - started
                line = {"mask": masks.named(example.input.key), "seconds": took}
                job.write(
                    example, mine, completion, line, example.input.file in detailed, inpainter.blend
                )
            bar.update(before + len(block) - bar.n)
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


def readable(
    items: Iterable[Input], masks: Masks, failures: dict[str, str], bar
) -> Iterator[Example]:
    """The examples of those items that can be read; why the others cannot goes to `failures`, by file."""
    for item in items:
        try:
            yield masks.example(item)
        except (ValueError, OSError) as error:
            failures[item.file] = str(error)
            bar.total -= 1


def blocks(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    """The examples by `size`, or fewer where those are so large, or so many squares, that memory would not hold all."""
    block: list[Example] = []
    for example in examples:
        block.append(example)
        pixels = sum(one.known.size for one in block)
        rows = sum(len(one.rows[0]) for one in block)
        if len(block) == size or pixels > MOST_PIXELS or rows > MOST_TURNS * size:
            yield block
            block = []
    if block:
        yield block


class Film:
    """What a block's search looked like, frame by frame: masked | G(z) | completed, a row of the search a column."""

    def __init__(self, masked: np.ndarray, known: np.ndarray):
        self.masked = masked
        self.known = known
        self.frames: list[np.ndarray] = []

    def shoot(self, rows, generated) -> None:
        masked = self.masked[rows]
        pictures = images.to_uint8(generated())
        pictures = np.concatenate(
            [masked, pictures, np.where(self.known[rows] > 0, masked, pictures)]
        )
        self.frames.append(images.grid(images.enlarge(pictures), columns=len(masked)))


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(CompleteConfig, run, __doc__)
