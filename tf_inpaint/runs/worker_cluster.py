"""The machines of a training: their addresses in `TF_CONFIG`, and the wait until all are started.

TensorFlow waits for the other workers in silence, and neither Python nor Ctrl-C gets a turn
meanwhile. Therefore this module waits first. Each worker listens at its own port until it has
reached the ports of all others. The order in which the workers start does not matter: the port of a
worker that has gone on to TensorFlow is open too.
"""

import contextlib
import json
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf

JOBS = ("chief", "worker")
"""Names of the jobs whose machines train."""
POLL_SECONDS = 1.0
"""Seconds between two attempts to reach the other workers."""
REPORT_SECONDS = 30.0
"""Seconds between two log lines about the workers that are missing."""
CONNECT_SECONDS = 3.0
"""Maximum number of seconds that an attempt to reach one worker takes."""

log = logging.getLogger("tf_inpaint")


def connected_strategy() -> tf.distribute.Strategy:
    """Waits for the machines in `TF_CONFIG`, and returns the strategy of all of them.

    Ctrl-C and SIGTERM end the process at once as long as it waits.

    Raises:
        ValueError: `TF_CONFIG` is missing or malformed, the port of this machine is not free, or
            TensorFlow cannot connect the machines.
    """
    text = os.environ.get("TF_CONFIG")
    task, own, others = addresses(text)
    with default_signals():
        if others:
            wait_for_workers(task, own, others)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"All workers in TF_CONFIG must connect; received {text}, and the error {reason!r} "
                f"from TensorFlow in {task}; correct TF_CONFIG, and start all workers again."
            ) from error


def addresses(text: str | None) -> tuple[str, str, list[str]]:
    """Reads the addresses of all workers from `TF_CONFIG`.

    Args:
        text: the value of the environment variable, or None.

    Returns:
        the job and number of this machine, such as "worker 0", its address, and the addresses of
        the others.

    Raises:
        ValueError: the addresses of all workers or the number of this machine are missing.
    """
    try:
        cluster_config = json.loads(text or "{}")
        task = cluster_config["task"]
        cluster = tf.train.ClusterSpec(cluster_config["cluster"])
        own = cluster.task_address(task["type"], int(task["index"]))
        jobs = [job for job in JOBS if job in cluster.jobs]
        workers = [address for job in jobs for address in cluster.job_tasks(job) if address]
        for address in workers:
            host_and_port(address)
        others = [address for address in workers if address != own]
        if task["type"] not in JOBS or len(set(workers)) < len(workers):
            raise ValueError("A machine must be a worker, and have an address of its own.")
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            "--strategy=multi_worker must find the addresses of all workers, and the number of "
            "this "
            f"machine, in TF_CONFIG; it is {text or 'not set'}; set it on each machine, as in "
            """{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", """
            """"index": 0}}, or pass --strategy=mirrored."""
        ) from error
    return f"{task['type']} {task['index']}", own, others


def host_and_port(address: str) -> tuple[str, int]:
    """Splits an address: ("::1", 2222) for "[::1]:2222".

    Raises:
        ValueError: the address has no port, or an impossible one.
    """
    host, _, port = address.rpartition(":")
    if not 0 < int(port) < 2**16:
        raise ValueError(f"A port must be from 1 to 65535; received {port}; correct it.")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def default_signals() -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end the process at once, without a turn of Python.

    TensorFlow handles SIGTERM from its first connection on. At the end of the block, the signals do
    again what they did before.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def lost_worker_named() -> Iterator[None]:
    """Turns the errors that TensorFlow raises when another worker ends into one sentence.

    Raises:
        ValueError: another worker ended, or cannot be reached any more.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        tasks = re.findall(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", str(error))
        names = ", ".join(sorted({" ".join(task) for task in tasks})) or "no worker"
        raise ValueError(
            "All workers must run until the training ends; received an error of TensorFlow "
            f"({type(error).__name__}) that names {names}; look for the reason in the log of that "
            "worker, and start all workers again, which go on from the last checkpoint."
        ) from error


def wait_for_workers(task: str, own: str, others: Sequence[str]) -> None:
    """Waits until the ports of all other workers are open, and names the missing ones in the log.

    Args:
        task: the job and number of this machine.
        own: address of this machine.
        others: addresses of the others.

    Raises:
        ValueError: the port of this machine is not free.
    """
    log.info("This is %s at %s. It waits for %s.", task, own, ", ".join(others))
    try:
        # TensorFlow listens on all interfaces of IPv4 too.
        server = socket.create_server(("", host_and_port(own)[1]), backlog=1024)
    except OSError as error:
        raise ValueError(
            f"The port of this machine in TF_CONFIG must be free; received {own} for {task}, where "
            f"the system says {error.strerror!r}; end the program that uses the port, or choose "
            "another port in TF_CONFIG on all machines."
        ) from error
    missing = {address: "" for address in others}
    next_report = time.monotonic()
    with server:
        while True:
            reasons = {address: unreachable(address) for address in missing}
            missing = {address: reason for address, reason in reasons.items() if reason}
            if not missing:
                break
            if time.monotonic() >= next_report:
                workers = ", ".join(f"{address} ({reason})" for address, reason in missing.items())
                log.info("Not started, or not to be reached: %s. Ctrl-C ends the wait.", workers)
                next_report = time.monotonic() + REPORT_SECONDS
            time.sleep(POLL_SECONDS)
    log.info("All %d workers are started.", len(others) + 1)


def unreachable(address: str) -> str:
    """Returns why nothing can be reached at an address, or "" if it can."""
    try:
        with socket.create_connection(host_and_port(address), CONNECT_SECONDS) as connection:
            # A socket that asks for a closed port of this machine may get this port itself.
            itself = connection.getsockname() == connection.getpeername()
            return "Connection refused" if itself else ""
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)


def check_workers_agree(strategy: tf.distribute.Strategy, step: int, size: int) -> None:
    """Checks that all workers continue at the same step and see equally many training images.

    Without a shared file system they may not.

    Raises:
        ValueError: the steps or the numbers of images differ. All workers raise it.
    """

    def local_numbers():
        return tf.constant([[step, size]], tf.int64)

    @tf.function
    def gathered_numbers():
        return strategy.gather(strategy.run(local_numbers), axis=0)

    steps, sizes = gathered_numbers().numpy().T
    for requirement, numbers in (
        ("continue at the same step", steps),
        ("have equally many training images", sizes),
    ):
        if len(set(numbers)) > 1:
            raise ValueError(
                f"All workers must {requirement}; received {', '.join(map(str, numbers))}; "
                "put --run_dir and the data on a file system that they share."
            )
