"""Completes images: finds the z whose picture matches the known pixels, and fills the hole with that picture.

    python -m tf_inpaint.complete --run_dir=runs/digits --mask=center
    python -m tf_inpaint.complete --run_dir=runs/faces --mask=holes/ --blend=poisson photos/ more/one.jpg

Without images it takes held-out ones of the run's own data. In a mask file white is known, black is the hole.
Killed and started again, the job goes on where it stopped. Exit code 1: some images failed; 2: none could be
used.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from tf_inpaint import images
from tf_inpaint.config import CompleteConfig
from tf_inpaint.examples import Example, Masks
from tf_inpaint.inputs import Input, files, held_out, pictures
from tf_inpaint.jobs import Job

BAR = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

log = logging.getLogger("tf_inpaint")


def run(config: CompleteConfig) -> int:
    """Completes every image; returns 0, or 1 when some failed."""
    from tqdm import tqdm

    from tf_inpaint import runs
    from tf_inpaint.search import new_inpainter

    config = dataclasses.replace(config, run_dir=config.run_dir or str(runs.newest()))
    trained = runs.read_config(Path(config.run_dir))
    size, channels = trained.image_size, trained.channels
    out_dir = Path(config.out_dir or Path(config.run_dir) / "completions")
    crop = trained.crop if config.images else 0
    masks = Masks(config.mask, size, channels, crop, config.seed, config.mask_scale, config.invert_mask)
    if config.images:
        items = files(config.images, leave_out=out_dir)
    else:
        items = held_out(pictures(trained, "held_out"), config.count)
    if not items:
        raise ValueError(f"Image files are required; {', '.join(config.images)} holds none; check the path.")
    run = runs.load(config.run_dir)
    job = Job(out_dir, config, run.step)
    shard, shards = map(int, config.shard.split("/"))
    items = job.named(items)[shard::shards]

    todo = [item for item in items if item.file not in job.done]
    detailed = {item.file for item in items[: config.details]}
    failures: dict[str, str] = {}
    inpainter = new_inpainter(config, run, masks.low_resolution_factor) if todo else None
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


if __name__ == "__main__":
    from tf_inpaint.launch import launch

    launch(CompleteConfig, run, __doc__)
