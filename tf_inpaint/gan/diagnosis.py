"""What the numbers of a training say in words, when they say that it goes nowhere."""

import math
from collections.abc import Mapping, Sequence

PATIENCE = 10
"""Rows that must agree: a GAN's numbers jump about."""
START = 500
"""Steps in which an untrained generator may still draw one picture for all z."""
COLLAPSED, TOLD_APART = 0.3, 0.995


def diagnosis(
    rows: Sequence[Mapping[str, float]], data_diversity: float, loss: str = "non_saturating"
) -> str:
    """A sentence on what is wrong and what may help; empty when nothing is, or too little is known.

    Args:
        rows: of `metrics.csv`, with `step`, `discriminator_loss`, `generator_loss`, `real_accuracy`,
            `fake_accuracy` and `diversity`.
        data_diversity: of as many images of the data as the fixed z; `nan` if not known.
        loss: the GAN's; accuracies say nothing of "wasserstein", whose critic is free up to a constant.
    """
    # One row may have met a step that float16 could not hold, and that was skipped.
    losses = [row["discriminator_loss"] + row["generator_loss"] for row in rows[-2:]]
    if len(losses) == 2 and not any(map(math.isfinite, losses)):
        return (
            "A loss is no longer a number: the training is lost. Go back to a checkpoint before this step, with a "
            "lower --learning_rate, or --mixed_precision=float32."
        )
    recent = [row for row in rows if row["step"] > START][-PATIENCE:]
    if len(recent) < PATIENCE:
        return ""
    if all(row["diversity"] < COLLAPSED * data_diversity for row in recent):
        share = recent[-1]["diversity"] / data_diversity
        return (
            f"The generator has collapsed: its samples differ {share:.0%} as much as the data do. More "
            "--discriminator_steps, a lower --learning_rate, or --loss=wasserstein --discriminator_norm=layer "
            "--gradient_penalty=10 may help."
        )
    told_apart = all(min(row["real_accuracy"], row["fake_accuracy"]) > TOLD_APART for row in recent)
    if told_apart and loss != "wasserstein":
        return (
            "The discriminator tells all images apart, so the generator learns little. With few images, "
            "--augment=color,translation,cutout helps; else --loss=non_saturating, --label_smoothing=0.1, "
            "--discriminator_norm=spectral, or a lower --discriminator_learning_rate."
        )
    return ""
