"""Workers of Ray: actors that prepare once and then do one task after the other.

Ray starts an actor that died again, on any machine that has room, and gives it its task again.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tf_inpaint.cluster import worker_log
from tf_inpaint.cluster.ray_cluster import Cluster
from tf_inpaint.config import launch

MAX_STARTS = 10
"""Number of workers that may start with one task. So a task that kills its workers, such as by
taking all memory, ends. Ray's own `max_task_retries` also counts the times at which a worker that
lost its machine cannot be reached, so a task that waits for a new machine would be given up."""
PASSED_VARIABLES = ("KERAS_", "NVIDIA_TF32_OVERRIDE", "TF_", "XLA_FLAGS")
"""Beginnings of the names of environment variables that the workers take from the command, because
rounding depends on some of them."""

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]


class WorkerDiedError(Exception):
    """The worker of a task died each time that the task was tried."""

    def __str__(self) -> str:
        return f"the worker died at least {self.args[0]} times, perhaps because memory ran out"


class Surroundings:
    """What a worker must share with the command: variables, packages and files.

    Args:
        paths: paths of files that every machine must see.
        threads: number of threads of TensorFlow.
        gpus: number of GPUs of a worker.
    """

    def __init__(self, paths: Iterable[Path], threads: int, gpus: float):
        self.folder = os.getcwd()
        self.variables = {
            name: value for name, value in os.environ.items() if name.startswith(PASSED_VARIABLES)
        }
        self.files = {path: read(path) for path in paths}
        self.threads = threads
        self.gpus = gpus
        self.versions = versions()
        self.max_starts = MAX_STARTS

    def enter(self) -> None:
        """Prepares the process of a worker, and imports TensorFlow.

        Raises:
            ValueError: the machine does not see the same files, or has other packages.
        """
        # A folder that is missing here does no harm where all paths are absolute.
        with contextlib.suppress(OSError):
            os.chdir(self.folder)
        host = socket.gethostname()
        for path, content in self.files.items():
            if read(path) != content:
                raise ValueError(
                    f"All machines of a cluster must see the same files; received {host}, which "
                    f"does not see {path} as the machine of the command does; put the run, the "
                    "images, the masks and --out_dir on a file system that all machines share, or "
                    "pass their URLs."
                )
        os.environ |= self.variables
        # Workers may share a GPU, and TensorFlow takes all of its memory otherwise.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        launch.import_tensorflow()
        if versions() != self.versions:
            raise ValueError(
                "All machines of a cluster must have the same packages; received "
                f"{versions()} on {host}, and {self.versions} on the machine of the command; "
                "install the same versions."
            )
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        if not self.gpus:
            tf.config.set_visible_devices([], "GPU")


def read(path: Path) -> bytes | None:
    """Returns the content of a file, or None if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def versions() -> dict[str, str]:
    """Returns the versions of the packages on which the answers depend."""
    import tensorflow as tf

    from tf_inpaint import __version__

    return {"tf_inpaint": __version__, "tensorflow": tf.__version__}


class Actor:
    """A process that does tasks."""

    def __init__(self) -> None:
        self.work: Work | None = None
        self.recorder = worker_log.Recorder()
        self.recorder.install()

    def do(self, preparation: Any, task: Any) -> tuple[Any, list[logging.LogRecord]]:
        """Does a task.

        Args:
            preparation: list with a reference to what prepares the worker: its `Surroundings`, and
                the function that returns the function that does a task. Only the first task needs
                it. It is no argument of the constructor, for Ray warns that such an argument may
                be lost before an actor starts again.
            task: the task.

        Returns:
            the result, or the error of the user, and what was logged.
        """
        import ray

        try:
            if self.work is None:
                surroundings, new_work = ray.get(preparation[0])
                starts = starts_with(ray.get_runtime_context().get_task_id())
                if starts > surroundings.max_starts:
                    return WorkerDiedError(surroundings.max_starts), []
                surroundings.enter()
                self.work = new_work()
            result = self.work(task)
        except Exception as error:
            result = launch.refusal(error)
            if not result:
                raise
        return result, self.recorder.take()


def starts_with(task_id: str) -> int:
    """Returns how many workers have started with a task, this one included.

    The number is in the key-value store of Ray's head, for the worker before may have been on
    another machine.
    """
    from ray.experimental import internal_kv

    key = f"tf_inpaint starts {task_id}"
    number = int(internal_kv._internal_kv_get(key) or 0) + 1
    internal_kv._internal_kv_put(key, str(number))
    return number


def do_tasks(
    tasks: Iterable[Task],
    new_work: Callable[[], Work],
    surroundings: Surroundings,
    cluster: Cluster,
    workers: int,
) -> Iterator[tuple[Task, Result | WorkerDiedError]]:
    """Yields each task with its result, in the order in which they are done.

    A task is taken when a worker is free for it. What the workers log is logged here, a message
    once.

    Args:
        tasks: tasks that can be pickled.
        new_work: function that can be pickled; it returns the function that does a task.
        surroundings: what the workers share with this process.
        cluster: the cluster of the workers.
        workers: number of workers.

    Raises:
        ValueError, OSError: a worker says that the user has to do something.
    """
    import ray

    actor_class = ray.remote(Actor).options(
        num_cpus=surroundings.threads,
        num_gpus=surroundings.gpus,
        max_restarts=-1,
        max_task_retries=-1,
    )
    # Pickled once for all workers. Ray replaces a reference by its object, unless it is in a list.
    preparation = [ray.put((surroundings, new_work))]
    idle = [actor_class.remote() for _ in range(workers)]
    running: dict[Any, tuple[Any, Task]] = {}
    tasks = iter(tasks)
    while True:
        while idle:
            try:
                task = next(tasks)
            except StopIteration:
                # Ray ends an actor without a reference. Another one that lost its machine, or
                # never had one, and waits for room, takes its place.
                idle.clear()
                actor = None
                break
            actor = idle.pop()
            running[actor.do.remote(preparation, task)] = actor, task
        if not running:
            return
        [reference], _ = ray.wait(list(running))
        actor, task = running.pop(reference)
        idle.append(actor)
        try:
            result, records = ray.get(reference)
        except (ray.exceptions.ActorDiedError, ray.exceptions.RaySystemError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"A worker of Ray must be able to start; received: {reason}; install this version "
                "of tf_inpaint, and the drivers of URLs, on every machine of the cluster."
            ) from error
        worker_log.log_once(records, cluster.logged)
        if isinstance(result, ValueError | OSError):
            raise result
        yield task, result
