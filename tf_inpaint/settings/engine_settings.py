"""The settings of a command that may work on several machines: engine, workers and threads."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from tf_inpaint.settings.fields import setting
from tf_inpaint.settings.threads import default_threads

ENGINE_SETTINGS = {"engine", "ray_address", "workers", "threads", "worker_gpus"}
"""Names of the settings. No result depends on them, apart from rounding on `threads`."""


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """Where a command does its work."""

    engine: str = setting(
        "local",
        "who does the work: this process, or workers of Ray on this machine or on several",
        choices=("local", "ray"),
    )
    ray_address: str = setting(
        "",
        "cluster of Ray to join: ray://HOST:10001, HOST:6379, or auto on a machine of it; empty: "
        "start Ray on this machine",
    )
    workers: int | None = setting(
        None,
        "number of workers of Ray; auto: as many as the cluster holds",
        minimum=1,
        maximum=100_000,
        unset="auto",
    )
    threads: int | None = setting(
        None,
        "threads of TensorFlow, and processors that a worker of Ray reserves; rounding on a CPU, "
        "and with it the answer, depends on it; auto: that of the job to continue, else all "
        "processors, or 1 for a worker of Ray",
        minimum=1,
        maximum=4096,
        unset="auto",
    )
    worker_gpus: float | None = setting(
        None,
        "GPUs that a worker of Ray reserves, such as 0.5 for two workers on one; auto: 1 if the "
        "cluster has a GPU, else 0",
        minimum=0,
        maximum=64,
        unset="auto",
    )

    def check_engine(self) -> None:
        """Checks that the settings of Ray go with Ray.

        Raises:
            ValueError: they do not.
        """
        for name in ("ray_address", "workers", "worker_gpus"):
            value = getattr(self, name)
            if self.engine != "ray" and value not in ("", None):
                raise ValueError(
                    f"--{name} must go with --engine=ray; received {value!r} with "
                    f"--engine={self.engine}; pass --engine=ray, or leave it out."
                )

    @property
    def has_gpu(self) -> bool | None:
        """Whether a worker has a GPU. None: it is not decided yet, or this process does the
        work."""
        return None if self.worker_gpus is None else self.worker_gpus > 0

    def with_threads(self, recorded: Mapping[str, Any] | None) -> Self:
        """The same settings with a number as `threads`.

        A number that is given stays. Else it is the number in the recorded settings of the job that
        goes on, or the default of the engine.

        Args:
            recorded: the settings of an earlier call; None: there is none.
        """
        number = self.threads or (recorded or {}).get("threads")
        if type(number) is not int or number < 1:
            number = 1 if self.engine == "ray" else default_threads()
        return dataclasses.replace(self, threads=number)
