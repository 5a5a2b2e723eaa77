"""The settings of a search: how a z is found for an image, and how its picture fills the hole.

`Inpainter`, the commands that complete images, the presets of an export and the published searches
of an evaluation all take these settings. A new setting of the search is added only here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from tf_inpaint.settings.device_defaults import default_block_size
from tf_inpaint.settings.fields import SWITCH, setting, validate

BLENDS = ("poisson", "feather", "paste")
"""Names of the ways to join the generated hole and the known pixels."""
MIN_PATIENCE = 25
"""Minimum number of steps without progress before a search stops.

The energy of a search from a good start may first rise for so many steps.
"""


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How `Inpainter` searches for z and fills the hole.

    Raises:
        ValueError: a setting is out of its range, or two settings exclude each other.
    """

    steps: int | None = setting(
        None,
        "maximum number of search steps, over which the step size falls; none: 25 when the search "
        "starts from the z of an encoder (10 before deeper steps), 100 without an encoder",
        minimum=1,
        maximum=10**9,
    )
    deeper_steps: int | None = setting(
        None,
        "number of steps after those of z, which correct a feature map of the generator; auto: 15",
        minimum=0,
        maximum=10**9,
        unset="auto",
    )
    tolerance: float = setting(
        0.01,
        "a search has converged when its energy has not fallen by this fraction of itself within "
        "--patience",
        minimum=0,
        below=1,
    )
    patience: float = setting(
        0.25,
        "fraction of --steps, but at least 25 steps, within which the energy must fall; "
        "1: never stop early",
        above=0,
        maximum=1,
    )
    solver: str = setting(
        "preconditioned",
        "method that moves z: Adam in the eigenbasis of the generator's curvature with falling "
        "steps, L-BFGS, or plain Adam",
        choices=("preconditioned", "lbfgs", "adam"),
    )
    learning_rate: float = setting(0.08, "step size of the solver", above=0, maximum=100)
    restarts: int = setting(
        1, "number of searches for each image; the best one is kept", minimum=1, maximum=4096
    )
    contextual: str = setting(
        "l1", "distance to the known pixels", choices=("l1", "weighted_l1", "l2")
    )
    prior: str = setting(
        "auto",
        "form of the prior: log(1 - D), -log D or -logit; auto: -logit for a run with hinge or "
        "Wasserstein loss, log(1 - D) for any other run",
        choices=("auto", "saturating", "non_saturating", "critic"),
    )
    prior_weight: float = setting(
        0.1, "weight of the prior in the energy; 0 leaves D out", minimum=0, maximum=10**6
    )
    prior_every: int = setting(
        5,
        "number of steps between two evaluations of D; between them its linear approximation is "
        "used; 1: exact",
        minimum=1,
        maximum=10**9,
    )
    latent_constraint: str = setting(
        "clip",
        "how the entries of z are kept in [-1, 1]: clip them, or replace entries outside by new "
        "random ones",
        choices=("clip", "stochastic", "none"),
    )
    keep: str = setting(
        "best", "which z to keep: that of the lowest energy, or the last", choices=("best", "last")
    )
    start: str = setting(
        "best",
        "where to start: at the best of the encoder's z and --start_draws random ones, at random "
        "z, or at the encoder's z",
        choices=("best", "random", "encoder"),
    )
    start_draws: int | None = setting(
        None,
        "number of random z for each image, from which the start is chosen; auto: 64 without an "
        "encoder; with an encoder as many as --restarts needs beside its z",
        minimum=1,
        maximum=10**6,
        unset="auto",
    )
    samples: int = setting(
        0,
        "number of answers to draw for each image, with their uncertainty; 0: none, or 8 if "
        "--estimate needs answers",
        minimum=0,
        maximum=4096,
    )
    estimate: str = setting(
        "best",
        "what fills the hole: the z of the lowest energy, one answer drawn at random, or the "
        "expected pixels, from the search and a Gaussian of the training images (in a run without "
        "it: the mean of all answers); --solver, --steps, --restarts and the prior do not act on "
        "drawn answers",
        choices=("best", "sample", "mean"),
    )
    blend: str = setting(
        "poisson",
        "how the hole joins the known pixels: by the gradients of the generated picture, by the "
        "same with an effect that fades with distance, or pasted",
        choices=BLENDS,
    )
    block_size: int | None = setting(
        None,
        "number of searches that run together; rounding, and with it the answer, depends on it; "
        "auto: that of the job to continue, else 8 on a CPU and 256 on a GPU",
        minimum=1,
        maximum=4096,
        unset="auto",
    )
    jit_compile: str = setting(
        "auto",
        "compile the search with XLA, with the same random numbers and other rounding; auto: on a "
        "GPU",
        choices=SWITCH,
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.solver == "lbfgs" and self.latent_constraint == "stochastic":
            raise ValueError(
                "--solver=lbfgs must have a constraint without random numbers; received "
                "--latent_constraint=stochastic; pass clip or none, or another --solver."
            )
        if self.start == "best" and self.start_draws and self.start_draws < self.restarts:
            raise ValueError(
                "--start_draws must be at least --restarts, for every restart needs a start; "
                f"received {self.start_draws} and {self.restarts}; "
                f"pass --start_draws={self.restarts} or more."
            )

    @property
    def min_patience(self) -> int:
        """Minimum number of steps without progress before a search stops."""
        return MIN_PATIENCE

    def with_block_size(
        self, recorded: Mapping[str, Any] | None = None, has_gpu: bool | None = None
    ) -> Self:
        """The same settings with a number as block size.

        A number that is given stays. Else it is the number in the recorded settings of the job
        that goes on, or the default of the device.

        Args:
            recorded: the settings of an earlier call; None: there is none.
            has_gpu: whether the device is a GPU; None: it is the device of this process.
        """
        size = self.block_size or (recorded or {}).get("block_size")
        if type(size) is not int:  # The record is damaged, or of another command.
            size = default_block_size(has_gpu)
        return dataclasses.replace(self, block_size=size)
