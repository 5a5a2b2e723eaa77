"""Completes images: finds the z whose picture matches the known pixels, and fills the hole with it.

    python -m tf_inpaint.complete --run_dir=runs/digits --mask=center
    python -m tf_inpaint.complete --run_dir=runs/faces --mask=holes/ --blend=poisson photos/ a.jpg

Without images, it takes held-out images of the run's own data. In a mask file, white is known and
black is the hole. The mask of a.jpg may be called a.png, a_mask.png or mask_a.png. An image whose
mask has the image's own size is completed in place: it keeps its size and every known pixel. If the
job is killed and started again, it goes on where it stopped, and does again what was edited or
deleted since.

Writes a file for each image (PNG, or by --format), sheet.png, search.gif, index.html,
completions.jsonl (a line for each image with energy, PSNR, SSIM and more), latents.npz and
details/. Files that cannot be used are listed at the end. Exit code 1: some images failed; 2: no
image could be used.
"""

import contextlib
import dataclasses
import functools
import itertools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tf_inpaint.cluster.ray_cluster import Cluster, connected, with_workers
from tf_inpaint.cluster.worker_pool import Surroundings, WorkerDiedError, do_tasks
from tf_inpaint.completion import block_tasks, frame_sequence
from tf_inpaint.completion.block_tasks import TaskResult
from tf_inpaint.completion.image_completer import ImageCompleter
from tf_inpaint.completion.job import Job
from tf_inpaint.config import CompleteConfig, TrainConfig
from tf_inpaint.files import folders, paths
from tf_inpaint.inputs.mask_sources import ALPHA
from tf_inpaint.inputs.named_images import (
    Input,
    files,
    held_out,
    pictures,
    rename_for_job,
    with_dataset,
)
from tf_inpaint.settings.threads import use_threads

BAR_FORMAT = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

log = logging.getLogger("tf_inpaint")


class Plan(NamedTuple):
    """What one call of the command has to do."""

    config: CompleteConfig
    completer: ImageCompleter
    job: Job
    items: list[Input]
    """All images of this call. The job may have completed some of the images already."""


def run(config: CompleteConfig) -> int:
    """Completes every image; returns 0, or 1 if some images failed."""
    failures: dict[str, str] = {}
    ray = config.engine == "ray"
    with connected(config.ray_address) if ray else contextlib.nullcontext() as cluster:
        plan = new_plan(config, cluster)
        todo = [item for item in plan.items if item.file not in plan.job.done]
        if cluster and todo:
            complete_on_cluster(plan, todo, failures, cluster)
        elif todo:
            complete_here(plan, todo, failures)
    return finish(plan, failures)


def new_plan(config: CompleteConfig, cluster: Cluster | None = None) -> Plan:
    """Finds the run, the masks, the images, and what an earlier call has done.

    Args:
        config: settings of the command.
        cluster: cluster of Ray that does the work; None: this process does it.

    Raises:
        ValueError, OSError: the job cannot start with these settings. Nothing was written.
    """
    from tf_inpaint.runs import required_memory, run_directory

    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = with_dataset(run_directory.read_config(config.run_dir), config.dataset)
    out_dir = paths.to_path(config.out_dir) if config.out_dir else default_out_dir(config)
    recorded = None if config.overwrite else folders.read_object(out_dir / "config.json")
    config = with_devices(config.with_threads(recorded), cluster)
    if not cluster:
        required_memory.check_search(config, trained)
    completer = ImageCompleter(config, trained, out_dir)
    items = completer.mask_source.pictures_among(find_images(config, trained, out_dir))
    job = Job(out_dir, config, completer.run.identity)
    shard, shards = map(int, config.shard.split("/"))
    items = rename_for_job(items, job.done)[shard::shards]
    job.forget_damaged(items)
    job.forget_edited(items, completer.mask_source)
    if config.sequence:
        completer.last_z = frame_sequence.forget_later(items, job.done)
    completer.config, completer.film = job.config, job.film
    completer.detailed = {item.file for item in items[: config.details]}
    return Plan(job.config, completer, job, items)


def with_devices(config: CompleteConfig, cluster: Cluster | None) -> CompleteConfig:
    """Returns the settings with numbers for the workers, and prepares TensorFlow in this process.

    Args:
        config: settings with a number of threads.
        cluster: see `new_plan`.

    Raises:
        ValueError: the cluster cannot hold one worker.
    """
    if not cluster:
        use_threads(config.threads)
        return config
    import tensorflow as tf

    # The networks that are loaded here, for their identity, must not take the GPUs of the workers.
    with contextlib.suppress(RuntimeError):  # TensorFlow runs already, as in tests.
        tf.config.set_visible_devices([], "GPU")
    return with_workers(config, cluster)


def default_out_dir(config: CompleteConfig) -> Path:
    """Returns the folder that is written without `--out_dir`: one for each mask.

    So a job with another mask does not meet the files of the first one.
    """
    mask = paths.url_path(config.mask) or Path(os.path.abspath(config.mask))
    folder = paths.to_path(config.run_dir) / "completions"
    return folder / (mask.name if mask.is_dir() else mask.stem)


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
    return frame_sequence.in_order(items) if config.sequence else items


def complete_here(plan: Plan, todo: Sequence[Input], failures: dict[str, str]) -> None:
    """Completes images in this process, in blocks, and writes each block before the next search.

    Args:
        plan: the job.
        todo: the images.
        failures: receives the reason for each image that failed, by `Input.file`.
    """
    from tqdm import tqdm

    completer, job = plan.completer, plan.job
    completer.prepare()  # So a search that is refused leaves no folder.
    with tqdm(total=len(todo), bar_format=BAR_FORMAT) as bar:
        for block in completer.blocks(todo, failures, bar):
            job.begin()
            for row in completer.complete(block, bar, films(plan)):
                job.append(row)
            job.journal.flush()


def complete_on_cluster(
    plan: Plan, todo: Sequence[Input], failures: dict[str, str], cluster: Cluster
) -> None:
    """Completes images with workers of Ray, which write the pictures. The rows are written here.

    Args:
        plan, todo, failures: see `complete_here`.
        cluster: cluster of Ray.
    """
    from tqdm import tqdm

    config, completer, job = plan.config, plan.completer, plan.job
    with tqdm(
        total=len(todo), bar_format=f"{BAR_FORMAT[:-1]}, {{rate_fmt}}]", unit=" images"
    ) as bar:
        tasks = block_tasks.tasks(completer, todo, failures, bar, films(plan))
        first = next(tasks, None)
        if not first:
            return
        job.begin()
        files = [folder / "config.json" for folder in (job.out_dir, paths.to_path(config.run_dir))]
        for task, result in do_tasks(
            itertools.chain([first], tasks),
            functools.partial(block_tasks.new_worker, completer, completer.run.identity),
            Surroundings(files, config.threads, config.worker_gpus),
            cluster,
            config.workers,
        ):
            if isinstance(result, WorkerDiedError):
                reasons = {item.file: died_text(item, result) for item in task.items}
                result = TaskResult([], reasons)
            for row in result.rows:
                job.append(row)
            job.journal.flush()
            failures |= result.failures
            bar.total -= len(result.failures)
            bar.update(len(result.rows))


def died_text(item: Input, error: WorkerDiedError) -> str:
    """Returns the reason why an image failed whose worker died."""
    return (
        f"A worker must live until its images are complete; with {item.file} {error}; complete the "
        "image alone, or on a machine with more memory."
    )


def films(plan: Plan) -> bool:
    """Returns whether the next search is filmed."""
    return bool(plan.config.details) and not plan.job.film.exists()


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
        job.finish(plan.items, plan.config.details)
    for reason in failures.values():
        log.error("Not completed: %s", reason)
    hint = f"; look at {job.sheet}" if job.sheet.exists() else ""
    print(f"{job.out_dir}: {count - len(failures)} of {count} images are complete{hint}")
    if job.config.sequence:
        print(frame_sequence.summary(job.done.values()))
    return 1 if failures else 0


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(CompleteConfig, run, __doc__)
