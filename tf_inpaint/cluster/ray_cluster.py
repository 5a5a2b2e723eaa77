"""The start of Ray, or the connection to a cluster of Ray, and the number of workers that fit."""

import contextlib
import dataclasses
import io
import os
import re
import signal
import socket
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from tf_inpaint.cluster.worker_log import recorded_messages
from tf_inpaint.settings.engine_settings import EngineSettings

CONNECTION_SECONDS = 5.0
"""Time within which the head of a cluster must answer."""
OBJECT_STORE_BYTES = 100 * 2**20
"""Size of the object store of a Ray that is started here. Only paths and numbers pass through
it. Ray would reserve 30 % of the memory."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment of Ray where the user has set none: no report to its makers, and, as in
future versions, no change of the visible GPUs for a worker without one, about which Ray warns
otherwise."""

Settings = TypeVar("Settings", bound=EngineSettings)


class Cluster(NamedTuple):
    """A running Ray."""

    resources: dict[str, float]
    """Resources of all machines, such as "CPU" and "GPU"."""
    logged: set[str]
    """Messages that were logged, which are not logged again for each worker."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Gives a cluster, and disconnects at the end.

    Nothing that Ray prints reaches stdout: it reports there what becomes of its workers. Meanwhile,
    SIGTERM ends the process as Ctrl-C does.

    Args:
        address: address of a cluster; empty: start Ray on this machine, which ends with the block.

    Raises:
        ValueError: Ray is not installed, or the cluster cannot be reached.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            f"--engine=ray must have the package ray; received: {error}; install it with "
            "pip install 'tf_inpaint[cluster]', or leave --engine out."
        ) from None
    check_answers(address)
    here = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    terminated = signal.getsignal(signal.SIGTERM)
    with contextlib.redirect_stdout(io.StringIO()), recorded_messages() as logged:
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="critical",
                **({} if address else here),
            )
        except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            raise unreachable(address, " ".join(str(error).split())) from error
        # Ray exits from within its own code, which aborts the process and leaves its workers.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield Cluster(ray.cluster_resources(), logged)
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, terminated)


def check_answers(address: str) -> None:
    """Checks that the head of a cluster takes connections. Ray itself tries for two minutes.

    Args:
        address: see `connected`. Without a host there is nothing to check.

    Raises:
        ValueError: it does not, or the address has another form.
    """
    if address in ("", "auto"):
        return
    parts = re.fullmatch(r"(?:ray://)?\[?([^\[\]/]+)\]?:(\d{1,5})", address)
    if not parts:
        raise unreachable(address, "the form is ray://HOST:10001, HOST:6379 or auto")
    try:
        socket.create_connection((parts[1], int(parts[2])), CONNECTION_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise unreachable(address, str(error)) from None


def unreachable(address: str, reason: str) -> ValueError:
    """Returns the error of a cluster that cannot be joined, or of a Ray that does not start."""
    return ValueError(
        f"--ray_address must be that of a cluster of Ray; received {address!r} ({reason[:300]}); "
        "check it with `ray status` on the head, or leave it out to start Ray on this machine."
    )


def with_workers(settings: Settings, cluster: Cluster) -> Settings:
    """Returns the settings with numbers for what is left open about the workers.

    Args:
        settings: settings with a number as `threads`.
        cluster: the cluster of the workers.

    Raises:
        ValueError: the cluster cannot hold one worker.
    """
    processors, gpus = (cluster.resources.get(name, 0) for name in ("CPU", "GPU"))
    worker_gpus = settings.worker_gpus
    if worker_gpus is None:
        worker_gpus = float(gpus > 0)
    fitting = int(processors // settings.threads)
    if worker_gpus:
        fitting = min(fitting, int(gpus / worker_gpus + 1e-6))
    if not fitting:
        raise ValueError(
            f"A cluster must hold a worker of {settings.threads} processors and {worker_gpus:g} "
            f"GPUs; received one with {processors:g} processors and {gpus:g} GPUs; pass fewer "
            "--threads or --worker_gpus, or start Ray with more."
        )
    return dataclasses.replace(
        settings, worker_gpus=worker_gpus, workers=settings.workers or fitting
    )
