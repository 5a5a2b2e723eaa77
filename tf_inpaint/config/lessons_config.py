"""Settings of the lessons."""

import dataclasses

from tf_inpaint.config.flags import check_items, setting, validate

RECIPES = (
    "minimax",
    "non_saturating",
    "label_smoothing",
    "feature_matching",
    "discriminator_steps",
    "r1",
    "wasserstein_gp",
)
"""Ways to train that the lesson of the ring knows, the plain ones first."""


def check_frames(frames: int, steps: int) -> None:
    """Refuses more frames than there are steps to show."""
    if frames > steps + 1:
        raise ValueError(
            f"--frames must be at most one more than --steps, for each shows another step; received {frames} and "
            f"{steps}; pass --frames={steps + 1} or fewer"
        )


@dataclasses.dataclass(frozen=True)
class GaussianConfig:
    """What `lessons.gaussian` needs to know: the truth, and how the GAN is to find it."""

    out_dir: str = setting("runs/lessons/gaussian", "directory to write")
    mean: float = setting(4.0, "of the Gaussian to recover")
    deviation: float = setting(0.5, "of the Gaussian to recover: its standard deviation", above=0)
    samples: int = setting(10_000, "numbers drawn from it, which both ways learn from", minimum=100)
    loss: str = setting("non_saturating", "of the GAN", choices=("non_saturating", "minimax"))
    discriminator_steps: int = setting(1, "the lecture's k: updates of D to one of G", minimum=1)
    r1: float = setting(0.3, "weight of the penalty on D's slope at the data", minimum=0)
    steps: int = setting(4000, "training steps", minimum=1)
    batch_size: int = setting(512, "numbers in a step", minimum=1)
    learning_rate: float = setting(5e-4, "G's, falling to 0; D's is four times as large", above=0)
    frames: int = setting(64, "of the film, closer together at the start", minimum=2)
    seed: int = setting(0, "fixes everything that is drawn", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace the lesson that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        check_frames(self.frames, self.steps)
        if self.deviation < 1e-6 * abs(self.mean):
            raise ValueError(
                f"--deviation must be at least a millionth of --mean, or rounding hides it; received "
                f"{self.deviation} and {self.mean}; choose a wider Gaussian"
            )


@dataclasses.dataclass(frozen=True)
class RingConfig:
    """What `lessons.ring` needs to know: the ring, and the recipes to try on it."""

    out_dir: str = setting("runs/lessons/ring", "directory to write")
    recipes: tuple[str, ...] = setting(RECIPES, "what to try: any of " + ",".join(RECIPES))
    deviation: float = setting(
        0.05, "of each of the eight Gaussians; the ring's radius is 1", above=0, below=0.2
    )
    steps: int = setting(4000, "training steps of each recipe", minimum=1)
    batch_size: int = setting(256, "points in a step", minimum=1)
    frames: int = setting(49, "of the film, closer together at the start", minimum=2)
    seed: int = setting(0, "fixes everything that is drawn", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace the lesson that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        check_items("recipes", self.recipes, RECIPES)
        if not self.recipes or len(set(self.recipes)) < len(self.recipes):
            raise ValueError(
                f"--recipes must name at least one, each once; received {','.join(self.recipes)!r}; "
                f"choose among {','.join(RECIPES)}"
            )
        check_frames(self.frames, self.steps)
