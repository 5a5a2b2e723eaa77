"""Ways to train a GAN, by name: what a loss or a remedy changes, and nothing else."""

import dataclasses

from tf_inpaint.config.lessons_config import RECIPES as NAMES


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One way to train: the settings of `GAN`, which `train` has as flags, and its name in a picture."""

    title: str
    loss: str = "non_saturating"
    discriminator_steps: int = 1
    label_smoothing: float = 0.0
    feature_matching: float = 0.0
    r1: float = 0.0
    gradient_penalty: float = 0.0

    def settings(self) -> dict:
        """As the arguments of `GAN`."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "title"}


RECIPES = dict(
    zip(
        NAMES,
        (
            Recipe("minimax\n(the lecture's)", loss="minimax"),
            Recipe("non-saturating"),
            Recipe("one-sided label\nsmoothing, 0.1", label_smoothing=0.1),
            Recipe("feature matching", feature_matching=1.0),
            Recipe("k = 5 updates of D\nto one of G", discriminator_steps=5),
            Recipe("R1 penalty, 3", r1=3.0),
            Recipe(
                "Wasserstein, gradient\npenalty 0.1, k = 5", "wasserstein", 5, gradient_penalty=0.1
            ),
        ),
        strict=True,
    )
)
