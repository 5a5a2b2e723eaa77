"""Curves as pictures, by matplotlib where it is installed."""

import importlib.util
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_inpaint.files import images

PANELS = {
    "losses": ("discriminator_loss", "generator_loss", "penalty"),
    "share that D tells apart": ("real_accuracy", "fake_accuracy"),
    "diversity of the samples": ("diversity",),
}

log = logging.getLogger("tf_inpaint")


def training_curves(rows: Sequence[Mapping[str, float]], path: Path) -> bool:
    """Writes the columns of `metrics.csv` over steps, those that belong together in one panel.

    Args:
        rows: of the file.
        path: of the PNG; replaced if it exists.

    Returns:
        whether it was written: not without matplotlib, nor without rows.
    """
    if not rows:
        return False
    if importlib.util.find_spec("matplotlib") is None:
        log.info("%s is left out: it needs matplotlib, which pip installs.", path)
        return False
    from matplotlib.figure import Figure

    taken = {
        "step",
        "loss_scale",
        "discriminator_loss_scale",
        "images_per_second",
        *sum(PANELS.values(), ()),
    }
    panels = PANELS | {name: (name,) for name in rows[0] if name not in taken}
    drawn = []
    for title, names in panels.items():
        curves = {name: points(rows, name) for name in names}
        curves = {
            name: curve
            for name, curve in curves.items()
            if curve and (name != "penalty" or any(curve.values()))
        }
        drawn += [(title, curves)] if curves else []
    figure = Figure(figsize=(10, 2.6 * math.ceil(len(drawn) / 2)), layout="constrained")
    for index, (title, curves) in enumerate(drawn):
        axes = figure.add_subplot(math.ceil(len(drawn) / 2), 2, index + 1)
        for name, curve in curves.items():
            axes.plot(
                curve.keys(), curve.values(), marker="." if len(curve) < 30 else None, label=name
            )
        axes.set(title=title.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
        if len(curves) > 1:
            axes.legend()
    with images.atomic(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return True


def points(rows, name) -> dict[int, float]:
    """Step to value, where there is one."""
    return {row["step"]: row[name] for row in rows if math.isfinite(row.get(name, math.nan))}
