"""Settings of the lessons."""

import dataclasses

from tf_inpaint.settings.fields import check_items, setting, validate

RECIPES = (
    "minimax",
    "non_saturating",
    "label_smoothing",
    "feature_matching",
    "discriminator_steps",
    "r1",
    "wasserstein_gp",
)
"""Names of the ways to train in the lesson of the ring, the simple ones first."""


def check_frames(frames: int, steps: int) -> None:
    """Refuses more frames than there are training steps.

    Raises:
        ValueError: there are too many frames.
    """
    if frames > steps + 1:
        raise ValueError(
            "--frames must be at most one more than --steps, for every frame shows another step; "
            f"received {frames} and {steps}; pass --frames={steps + 1} or fewer."
        )


@dataclasses.dataclass(frozen=True)
class GaussianConfig:
    """Settings of `lessons.gaussian`: the true Gaussian, and how the GAN learns it."""

    out_dir: str = setting("runs/lessons/gaussian", "directory to write", path=True)
    mean: float = setting(4.0, "mean of the true Gaussian", minimum=-(10**9), maximum=10**9)
    deviation: float = setting(
        0.5, "standard deviation of the true Gaussian", minimum=1e-6, maximum=10**9
    )
    samples: int = setting(
        10_000,
        "number of samples of the true Gaussian, from which both methods learn",
        minimum=100,
        maximum=10**7,
    )
    loss: str = setting("non_saturating", "loss of the GAN", choices=("non_saturating", "minimax"))
    discriminator_steps: int = setting(
        1, "number of updates of D for one of G, the k of the lecture", minimum=1, maximum=1000
    )
    r1: float = setting(
        0.3, "weight of the penalty on the slope of D at the data", minimum=0, maximum=10**6
    )
    steps: int = setting(4000, "number of training steps", minimum=1, maximum=10**9)
    batch_size: int = setting(512, "number of samples in a batch", minimum=1, maximum=2**16)
    learning_rate: float = setting(
        5e-4,
        "step size of G, which falls to 0; that of D is four times as large",
        above=0,
        maximum=1e30,
    )
    frames: int = setting(
        64,
        "number of frames of the film; they are closer together at the start",
        minimum=2,
        maximum=10**4,
    )
    seed: int = setting(0, "seed of all random numbers", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace the lesson that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        check_frames(self.frames, self.steps)
        if self.deviation < 1e-6 * abs(self.mean):
            raise ValueError(
                "--deviation must be at least a millionth of --mean, or rounding hides it; "
                "received "
                f"{self.deviation} and {self.mean}; choose a wider Gaussian."
            )


@dataclasses.dataclass(frozen=True)
class RingConfig:
    """Settings of `lessons.ring`: the ring of Gaussians, and the recipes to try."""

    out_dir: str = setting("runs/lessons/ring", "directory to write", path=True)
    recipes: tuple[str, ...] = setting(RECIPES, "recipes to try: any of " + ",".join(RECIPES))
    deviation: float = setting(
        0.05,
        "standard deviation of each of the eight Gaussians; the radius of the ring is 1",
        above=0,
        below=0.2,
    )
    steps: int = setting(4000, "number of training steps of each recipe", minimum=1, maximum=10**9)
    batch_size: int = setting(256, "number of points in a batch", minimum=1, maximum=2**16)
    frames: int = setting(
        49,
        "number of frames of the film; they are closer together at the start",
        minimum=2,
        maximum=10**4,
    )
    seed: int = setting(0, "seed of all random numbers", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace the lesson that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        check_items("recipes", self.recipes, RECIPES)
        if not self.recipes or len(set(self.recipes)) < len(self.recipes):
            raise ValueError(
                "--recipes must name at least one recipe, and every recipe once; received "
                f"{','.join(self.recipes)!r}; choose among {','.join(RECIPES)}."
            )
        check_frames(self.frames, self.steps)
