"""The training curves as a picture, drawn by matplotlib where it is installed."""

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
"""Columns that share a panel, by the title of the panel. Every other column has its own panel."""
HIDDEN = ("step", "loss_scale", "discriminator_loss_scale", "images_per_second")
"""Columns without a curve."""

log = logging.getLogger("tf_inpaint")


def training_curves(rows: Sequence[Mapping[str, float]], path: Path) -> bool:
    """Draws the columns of `metrics.csv` over the training steps, and writes the picture.

    Args:
        rows: rows of the file.
        path: path of the PNG file. An existing file is replaced.

    Returns:
        True if the picture was written. False without matplotlib, or without rows.
    """
    if not rows:
        return False
    if importlib.util.find_spec("matplotlib") is None:
        log.info("%s is not written: matplotlib is missing; install it with pip.", path)
        return False
    from matplotlib.figure import Figure

    # Collect the panels that have values.
    in_panels = {name for names in PANELS.values() for name in names}
    others = [name for name in rows[0] if name not in in_panels and name not in HIDDEN]
    panels = {}
    for title, names in (PANELS | {name: (name,) for name in others}).items():
        curves = {name: finite_values(rows, name) for name in names}
        # A penalty of 0 in all rows means that training has no penalty.
        if not any(curves.get("penalty", {}).values()):
            curves.pop("penalty", None)
        curves = {name: curve for name, curve in curves.items() if curve}
        if curves:
            panels[title] = curves

    # Draw the panels in two columns.
    panel_rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(10, 2.6 * panel_rows), layout="constrained")
    for number, (title, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(panel_rows, 2, number)
        for name, curve in curves.items():
            marker = "." if len(curve) < 30 else None
            axes.plot(curve.keys(), curve.values(), marker=marker, label=name)
        axes.set(title=title.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
        if len(curves) > 1:
            axes.legend()
    with images.atomic(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return True


def finite_values(rows: Sequence[Mapping[str, float]], name: str) -> dict[float, float]:
    """Returns the finite values of a column, by step."""
    return {row["step"]: row[name] for row in rows if math.isfinite(row.get(name, math.nan))}
