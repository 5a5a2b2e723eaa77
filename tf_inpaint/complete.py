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
from tf_inpaint.inputs import Example, Input, Masks, files, held_out
from tf_inpaint.jobs import Job

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
    from tf_inpaint.inpainting import curvature, solvers
    from tf_inpaint.inpainting.inpaint import Inpainter

    generator, latent_size = folded(network.generator), network.config.latent_size
    constrain = {"clip": solvers.clip, "none": tf.identity}[config.latent_constraint]
    solver = solvers.adam(config.learning_rate, constrain=constrain)
    if config.solver == "preconditioned":
        directions = curvature.directions(curvature.curvature(generator, latent_size))
        solver = solvers.adam(config.learning_rate, 0.7, 0.99, 1e-8, constrain, directions, config.steps)
    encoder = None if config.start == "random" or low_resolution_factor else network.encoder
    if config.start == "encoder" and encoder is None:
        raise ValueError(
            f"--start=encoder must have an encoder and known pixels; {network.directory} has none, or the mask is "
            f"lowres; train with --encoder_steps, or pass --start=best."
        )
    draws = {"best": config.start_draws, "random": config.restarts, "encoder": config.restarts - 1}
    own_prior = "critic" if network.config.loss in ("hinge", "wasserstein") else "saturating"
    return Inpainter(
        generator,
        folded(network.discriminator),
        latent_size,
        steps=config.steps,
        solver=solver,
        restarts=config.restarts,
        start_draws=draws[config.start],
        contextual=config.contextual,
        prior=own_prior if config.prior == "auto" else config.prior,
        prior_weight=config.prior_weight,
        blend=config.blend,
        low_resolution_factor=low_resolution_factor,
        block_size=config.block_size,
        encoder=encoder,
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


if __name__ == "__main__":
    from tf_inpaint.launch import launch

    launch(CompleteConfig, run, __doc__)
