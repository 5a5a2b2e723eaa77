"""Settings of losses and penalties that contradict each other."""

from typing import Any


def check_losses(config: Any) -> None:
    """Checks the settings of the losses of a `TrainConfig` against each other.

    Raises:
        ValueError: two settings contradict each other.
    """
    if config.discriminator_norm == "batch" and (config.gradient_penalty or config.r1):
        name = "gradient_penalty" if config.gradient_penalty else "r1"
        raise ValueError(
            f"--{name} must go with --discriminator_norm=spectral, layer or none, for with "
            "batch normalization the slope at an image depends on the other images; received "
            f"--{name}={getattr(config, name)} with batch; change one of the two."
        )
    if (
        config.loss == "wasserstein"
        and not config.gradient_penalty
        and config.discriminator_norm != "spectral"
    ):
        raise ValueError(
            "--loss=wasserstein must bound the slope of D; received "
            f"--discriminator_norm={config.discriminator_norm} without a penalty; "
            "pass --gradient_penalty=10 --discriminator_norm=layer, or "
            "--discriminator_norm=spectral."
        )
    if config.label_smoothing and config.loss in ("hinge", "wasserstein"):
        raise ValueError(
            "--label_smoothing must go with --loss=non_saturating or minimax, which have "
            f"labels; received --loss={config.loss}; leave it out."
        )
