"""A diagnosis of a training by its metrics: what is wrong, and what may help."""

import math
from collections.abc import Mapping, Sequence

MIN_ROWS = 10
"""Number of successive rows that must agree, because the metrics fluctuate."""
WARM_UP_STEPS = 500
"""Number of steps before a diagnosis: an untrained generator may give one image for all z."""
MIN_DIVERSITY = 0.3
"""Share of the data's diversity. A generator whose samples differ less has collapsed."""
MAX_ACCURACY = 0.995
"""Largest accuracy of D, on real and on generated images, at which G still learns."""


def has_failed(rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether the losses of the last two rows are no numbers.

    One such row proves nothing: it may contain a step that overflowed in float16 and was skipped.
    """
    losses = [row["discriminator_loss"] + row["generator_loss"] for row in rows[-2:]]
    return len(losses) == 2 and not any(map(math.isfinite, losses))


def diagnosis(
    rows: Sequence[Mapping[str, float]], data_diversity: float, loss: str = "non_saturating"
) -> str:
    """Returns sentences on what is wrong and what may help.

    The text is empty if nothing is wrong, or if the rows are too few.

    Args:
        rows: rows of `metrics.csv`, with `step`, `discriminator_loss`, `generator_loss`,
            `real_accuracy`, `fake_accuracy` and `diversity`.
        data_diversity: the diversity of as many images of the data as there are fixed z; `nan` if
            it is not known.
        loss: the loss of the GAN. For "wasserstein" the accuracies mean nothing, because a constant
            may be added to the critic.
    """
    if has_failed(rows):
        return "A loss is no longer a number: the training has failed, and stops."

    # The generator has collapsed.
    recent = [row for row in rows if row["step"] > WARM_UP_STEPS][-MIN_ROWS:]
    if len(recent) < MIN_ROWS:
        return ""
    if all(row["diversity"] < MIN_DIVERSITY * data_diversity for row in recent):
        share = recent[-1]["diversity"] / data_diversity
        return (
            f"The generator has collapsed: its samples differ {share:.0%} as much as the data do. "
            "More --discriminator_steps, a lower --learning_rate, or --loss=wasserstein "
            "--discriminator_norm=layer --gradient_penalty=10 may help."
        )

    # The discriminator has won.
    accuracies = [min(row["real_accuracy"], row["fake_accuracy"]) for row in recent]
    wins = all(accuracy > MAX_ACCURACY for accuracy in accuracies)
    if wins and loss != "wasserstein":
        return (
            "The discriminator tells all images apart, so the generator learns little. With few "
            "images, --augment=color,translation,cutout helps. Otherwise --loss=non_saturating, "
            "--label_smoothing=0.1, --discriminator_norm=spectral, or a lower "
            "--discriminator_learning_rate may help."
        )
    return ""
