"""Completes images: finds the z whose picture matches the known pixels, and fills the hole with it.

    python -m tf_inpaint.complete --run_dir=runs/digits --mask=center
    python -m tf_inpaint.complete --run_dir=runs/faces --mask=holes/ --blend=poisson photos/ a.jpg

Without images, it takes held-out images of the run's own data. In a mask file, white is known and
black is the hole. An image whose mask has the image's own size is completed in place: it keeps its
size and every known pixel. If the job is killed and started again, it goes on where it stopped, and
does again what was edited or deleted since.

Writes a PNG for each image, sheet.png, search.gif, index.html, completions.jsonl (a line for each
image with energy, PSNR, SSIM and more), latents.npz and details/. Files that cannot be used are
listed at the end. Exit code 1: some images failed; 2: no image could be used.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tf_inpaint.completion.block_search import BlockSearch
from tf_inpaint.completion.blocks import blocks
from tf_inpaint.completion.job import Job
from tf_inpaint.compositing import masks
from tf_inpaint.config import CompleteConfig, TrainConfig
from tf_inpaint.inputs.mask_sources import ALPHA, MaskSource, new_mask_source
from tf_inpaint.inputs.masked_images import Example, ExampleMaker
from tf_inpaint.inputs.named_images import (
    Input,
    files,
    held_out,
    pictures,
    rename_for_job,
    with_dataset,
)

if TYPE_CHECKING:  # Both modules import TensorFlow.
    from tf_inpaint.inpainting.completions import Completions
    from tf_inpaint.runs.run_directory import Run

BAR_FORMAT = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

log = logging.getLogger("tf_inpaint")


class Plan(NamedTuple):
    """What one call of the command has to do."""

    config: CompleteConfig
    run: "Run"
    mask_source: MaskSource
    maker: ExampleMaker
    job: Job
    items: list[Input]
    """All images of this call. The job may have completed some of the images already."""

    @property
    def detailed(self) -> list[Input]:
        """The images whose intermediate pictures are written too."""
        return self.items[: self.config.details]


def run(config: CompleteConfig) -> int:
    """Completes every image; returns 0, or 1 if some images failed."""
    plan = new_plan(config)
    failures: dict[str, str] = {}
    todo = [item for item in plan.items if item.file not in plan.job.done]
    if todo:
        complete_blocks(plan, todo, failures)
    return finish(plan, failures)


def new_plan(config: CompleteConfig) -> Plan:
    """Finds the run, the masks, the images, and what an earlier call has done.

    Raises:
        ValueError, OSError: the job cannot start with these settings. Nothing was written.
    """
    from tf_inpaint.runs import required_memory, run_directory

    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = with_dataset(run_directory.read_config(Path(config.run_dir)), config.dataset)
    required_memory.check_search(config, trained)
    out_dir = Path(config.out_dir) if config.out_dir else default_out_dir(config)
    mask_source = new_mask_source(
        config.mask,
        config.seed,
        config.mask_scale,
        config.invert_mask,
        config.grow_mask,
        max_pixels=config.max_pixels,
    )
    maker = new_example_maker(config, trained)
    items = mask_source.pictures_among(find_images(config, trained, out_dir))
    run = run_directory.load(config.run_dir)
    job = Job(out_dir, config, run.identity)
    shard, shards = map(int, config.shard.split("/"))
    items = rename_for_job(items, job.done)[shard::shards]
    job.forget_damaged(items)
    job.forget_edited(items, mask_source)
    return Plan(job.config, run, mask_source, maker, job, items)


def default_out_dir(config: CompleteConfig) -> Path:
    """Returns the folder that is written without `--out_dir`: one for each mask.

    So a job with another mask does not meet the files of the first one.
    """
    mask = Path(os.path.abspath(config.mask))
    return Path(config.run_dir) / "completions" / (mask.name if mask.is_dir() else mask.stem)


def new_example_maker(config: CompleteConfig, trained: TrainConfig) -> ExampleMaker:
    """Returns what makes the examples for the networks of a run.

    Args:
        config: settings of the command.
        trained: settings of the run.

    Raises:
        ValueError: the mask and another setting contradict each other.
    """
    if config.mask in masks.NAMES and config.framing != "image":
        raise ValueError(
            f"--framing={config.framing} must go with a mask file or folder; received "
            f"{config.mask}; leave it out."
        )
    factor = None
    if config.mask == "lowres":
        factor = masks.low_resolution_factor(config.mask_scale)
    crop = trained.crop if config.images else 0  # The run's own images are cropped already.
    return ExampleMaker(trained.image_size, trained.channels, crop, config.framing, factor)


def find_images(config: CompleteConfig, trained: TrainConfig, out_dir: Path) -> list[Input]:
    """Returns the given images, or held-out images of the run if none are given.

    Raises:
        ValueError: the given folders hold no image.
    """
    if not config.images:
        return held_out(pictures(trained, "held_out"), config.count)
    items = files(config.images, out_dir, config.max_pixels, over_white=config.mask != ALPHA)
    if not items:
        raise ValueError(
            f"Image files are required; {', '.join(config.images)} holds none; check the path."
        )
    return items


def complete_blocks(plan: Plan, todo: Sequence[Input], failures: dict[str, str]) -> None:
    """Completes images in blocks, and writes each block before the next search.

    Args:
        plan: the job, its run and its masks.
        todo: the images.
        failures: receives the reason for each image that failed, by `Input.file`.
    """
    from tqdm import tqdm

    from tf_inpaint.inpainting.inpainter import Inpainter
    from tf_inpaint.runs.inpainters import frozen_networks, steps_per_frame

    config, job = plan.config, plan.job
    networks = frozen_networks(plan.run)
    inpainter = Inpainter(networks, config, plan.maker.low_resolution_factor)
    with tqdm(total=len(todo), bar_format=BAR_FORMAT) as bar:
        for block in blocks(read_examples(plan, todo, failures, bar), config.block_size):
            job.begin()
            # Search.
            search = BlockSearch(block, bar)
            if config.details and len(search.masked) and not job.film.exists():
                search.record_film()
            answers = search.run(inpainter, config.seed, steps_per_frame(inpainter))
            # Write. The film comes first, for a job that is killed here does not film this block
            # again.
            if search.film:
                search.film.write(job.film)
            for example, completions in zip(block, answers, strict=True):
                write_answer(plan, example, completions, search.seconds_per_row, inpainter.blend)
            search.move_bar(1)


def read_examples(
    plan: Plan, todo: Iterable[Input], failures: dict[str, str], bar
) -> Iterator[Example]:
    """Yields the images that can be read, with their masks; see `complete_blocks`.

    The total of the tqdm bar `bar` falls with every image that fails.
    """
    for item in todo:
        try:
            plan.job.note_inputs(item, plan.mask_source)
            yield plan.maker.example(item, plan.mask_source.known_of)
        except (ValueError, OSError) as error:
            failures[item.file] = str(error)
            bar.total -= 1


def write_answer(
    plan: Plan,
    example: Example,
    completions: "Completions | None",
    seconds_per_row: float,
    blend: Callable,
) -> None:
    """Blends and writes the completion of one image.

    Args:
        plan: the job.
        example: the image.
        completions: the answers for its rows; None: the image has no row.
        seconds_per_row: duration of the search for one row.
        blend: function of `blending` for images that are completed in place.
    """
    # First, so that not all pictures of a large image are in memory at once.
    if example.input in plan.detailed:
        plan.job.write_details(example, completions, blend)
    start = time.perf_counter()
    completion = example.completion(completions, blend)
    seconds = seconds_per_row * len(example.rows[0]) + time.perf_counter() - start
    label = plan.mask_source.label(example.input.key)
    plan.job.write(example, completions, completion, {"mask": label, "seconds": seconds})


def finish(plan: Plan, failures: dict[str, str]) -> int:
    """Writes the files of the job as a whole, and reports; returns the exit code.

    Raises:
        ValueError: no image is complete.
    """
    job, count = plan.job, len(plan.items)
    if failures and not job.done:
        raise ValueError(
            f"At least one image that can be completed is required; none of {count} can; "
            f"{next(iter(failures.values()))}"
        )
    if job.done:
        job.finish([item.stem for item in plan.detailed])
    for reason in failures.values():
        log.error("Not completed: %s", reason)
    hint = f"; look at {job.sheet}" if job.sheet.exists() else ""
    print(f"{job.out_dir}: {count - len(failures)} of {count} images are complete{hint}")
    return 1 if failures else 0


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(CompleteConfig, run, __doc__)
