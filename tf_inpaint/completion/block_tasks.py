"""A job of `complete` as tasks for workers: a task is a few images, without their pixels."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.completion.image_completer import ImageCompleter
from tf_inpaint.inputs.named_images import Input, held_out, pictures

MAX_TASK_BLOCKS = 4
"""Maximum number of blocks of a task. A task of one block of digits takes a worker about 10 % more
processor time than the block takes."""
TASKS_PER_WORKER = 8
"""Number of tasks that each worker is to get at least, so that all end at about the same time."""


class Task(NamedTuple):
    """Images that one worker completes."""

    items: list[Input]
    """The images. Those of the run's own data have no `read`."""
    film: bool
    """Whether the search is filmed."""


class TaskResult(NamedTuple):
    """What a worker did. The pictures are written, and the rows are not."""

    rows: list[dict[str, Any]]
    failures: dict[str, str]
    """Reason for each image that failed, by `Input.file`."""


def tasks(
    completer: ImageCompleter, todo: Sequence[Input], failures: dict[str, str], bar, film: bool
) -> Iterator[Task]:
    """Yields the tasks of a job. The frames of a film are one task.

    The first blocks are read here, up to the first block with a hole, whose search may be filmed.
    So its images are those that one process would film, even if some cannot be read.

    Args:
        completer: reads these blocks.
        todo: the images.
        failures, bar: see `ImageCompleter.blocks`.
        film: whether to film the first search.
    """

    def task(items, film=False):
        own = not completer.config.images
        return Task([item._replace(read=None) if own else item for item in items], film)

    if completer.config.sequence:
        yield task(todo, film)
        return
    rest = iter(todo)
    for block in completer.blocks(rest, failures, bar):
        has_rows = any(len(example.rows[0]) for example in block)
        yield task([example.input for example in block], film and has_rows)
        if has_rows:
            break
    config = completer.config
    count = len(todo) // (config.block_size * (config.workers or 1) * TASKS_PER_WORKER)
    size = config.block_size * min(max(count, 1), MAX_TASK_BLOCKS)
    while items := list(itertools.islice(rest, size)):
        yield task(items)


class TaskWorker:
    """Does the tasks of a job with an `ImageCompleter` of its own.

    Args:
        completer: completes the images.
    """

    def __init__(self, completer: ImageCompleter):
        self.completer = completer

    def __call__(self, task: Task) -> TaskResult:
        """Completes the images of a task, and writes their pictures."""
        from tqdm import tqdm

        items = [item if item.read else item._replace(read=self.own[item.file]) for item in task[0]]
        rows, failures = [], {}
        bar = tqdm(total=len(items), disable=True)
        for block in self.completer.blocks(items, failures, bar):
            # Of a film, the first search is filmed.
            film = task.film and not self.completer.film.exists()
            rows += self.completer.complete(block, bar, film)
        return TaskResult(rows, failures)

    @functools.cached_property
    def own(self) -> dict[str, Callable[[], np.ndarray]]:
        """`Input.read` of the run's own images, by `Input.file`."""
        completer = self.completer
        items = held_out(pictures(completer.trained, "held_out"), completer.config.count)
        return {item.file: item.read for item in items}


def new_worker(completer: ImageCompleter, networks: str) -> TaskWorker:
    """Returns what does the tasks in the process of a worker.

    Args:
        completer: that of the command, without its networks.
        networks: `identity` of the run in the command.

    Raises:
        ValueError: the search takes more memory than the machine has, or the run has changed.
    """
    from tf_inpaint.runs import required_memory

    required_memory.check_search(completer.config, completer.trained)
    if completer.run.identity != networks:
        raise ValueError(
            "All workers must load the networks that the command loaded, those of "
            f"{networks}; received those of {completer.run.identity}; leave the run as it is while "
            "the job runs, and start the job again."
        )
    return TaskWorker(completer)
