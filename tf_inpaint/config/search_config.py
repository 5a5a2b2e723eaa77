"""Settings of the search, which every command that completes images has."""

import dataclasses

from tf_inpaint.config.flags import setting, validate

BLENDS = ("poisson", "feather", "paste")


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How a z is searched for and its picture blended in: part of every command that completes images."""

    steps: int | None = setting(
        None,
        "search steps, at most, and how slowly they fall; none: 25 from the z of an encoder, 100 without one",
        minimum=1,
    )
    tolerance: float = setting(
        0.01,
        "a search has converged when its energy has not fallen by this share ...",
        minimum=0,
        below=1,
    )
    patience: float = setting(
        0.25, "... in this share of its steps, but at least 25; 1: all take all", above=0
    )
    solver: str = setting(
        "preconditioned",
        "what moves z: Adam along the generator's directions with falling steps, L-BFGS, or plain Adam",
        choices=("preconditioned", "lbfgs", "adam"),
    )
    learning_rate: float = setting(0.08, "the solver's step size", above=0)
    restarts: int = setting(1, "searches of each image, of which the best is kept", minimum=1)
    contextual: str = setting(
        "l1", "distance on the known pixels", choices=("l1", "weighted_l1", "l2")
    )
    prior: str = setting(
        "auto",
        "log(1 - D), -log D or -logit; auto: the first, for a run with hinge or Wasserstein loss the last",
        choices=("auto", "saturating", "non_saturating", "critic"),
    )
    prior_weight: float = setting(0.1, "weight of the prior in the energy", minimum=0)
    prior_every: int = setting(
        5, "steps from one look of D to the next, its tangent serving between", minimum=1
    )
    latent_constraint: str = setting(
        "clip",
        "what keeps z inside [-1, 1]: entries that leave it are clipped, or drawn anew",
        choices=("clip", "stochastic", "none"),
    )
    keep: str = setting("best", "the z of the lowest energy, or the last", choices=("best", "last"))
    start: str = setting(
        "best",
        "z to start from: the best of the encoder's and of --start_draws, any, or the encoder's",
        choices=("best", "random", "encoder"),
    )
    start_draws: int = setting(64, "z drawn for each image to choose the start from", minimum=1)
    samples: int = setting(
        0,
        "answers drawn for each image, and how far they differ; 0: none, or 8 if --estimate needs them",
        minimum=0,
    )
    estimate: str = setting(
        "best",
        "what an image is completed with: the z of the lowest energy, one drawn by chance, or the mean of all drawn; "
        "what is drawn is neither searched for by --solver, --steps and --restarts nor seen by the prior",
        choices=("best", "sample", "mean"),
    )
    blend: str = setting(
        "poisson",
        "how the hole joins the known pixels: its gradients kept, the same fading with distance, or as it is",
        choices=BLENDS,
    )
    block_size: int = setting(
        8, "searches run together; rounding, and so the answer, depends on it", minimum=1
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.solver == "lbfgs" and self.latent_constraint == "stochastic":
            raise ValueError(
                "--solver=lbfgs must have steps that are a function of where it is; received "
                "--latent_constraint=stochastic, which draws entries anew; pass clip or none, or another --solver"
            )
        if self.start == "best" and self.start_draws < self.restarts:
            raise ValueError(
                f"--start_draws must be at least --restarts, for every restart takes one; received "
                f"{self.start_draws} and {self.restarts}; pass --start_draws={self.restarts} or more"
            )
