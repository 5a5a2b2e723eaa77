"""Recipes: ways to train a GAN. Each recipe changes only a loss or a remedy."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A way to train: settings of `GAN`, and a title for pictures.

    The command `train` has flags of the same names.
    """

    title: str
    loss: str = "non_saturating"
    discriminator_steps: int = 1
    label_smoothing: float = 0.0
    feature_matching: float = 0.0
    r1: float = 0.0
    gradient_penalty: float = 0.0

    def settings(self) -> dict:
        """Returns the arguments of `GAN`."""
        settings = dataclasses.asdict(self)
        del settings["title"]
        return settings


RECIPES = {
    "minimax": Recipe("minimax\n(the lecture's)", loss="minimax"),
    "non_saturating": Recipe("non-saturating"),
    "label_smoothing": Recipe("one-sided label\nsmoothing, 0.1", label_smoothing=0.1),
    "feature_matching": Recipe("feature matching", feature_matching=1.0),
    "discriminator_steps": Recipe("k = 5 updates of D\nto one of G", discriminator_steps=5),
    "r1": Recipe("R1 penalty, 3", r1=3.0),
    "wasserstein_gp": Recipe(
        "Wasserstein, gradient\npenalty 0.1, k = 5", "wasserstein", 5, gradient_penalty=0.1
    ),
}
"""Recipes by name, in the order of `config.lessons_config.RECIPES`."""
