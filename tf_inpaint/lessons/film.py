"""A lesson's folder, its figures and its films. Matplotlib is imported where it is used."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tf_inpaint.files import folders, images

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Of the data, the generator, the discriminator and small print; all eyes tell them apart (Okabe & Ito 2008)."""


def claim(out_dir: str, names: Sequence[str], overwrite: bool) -> Path:
    """The folder, made, before any time is spent on what is to be written there; as `folders.claim`.

    Raises:
        ValueError: matplotlib is missing, the folder cannot be written, or a file is there.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            "matplotlib is required; it is not installed; run pip install 'tf_inpaint[eval]'."
        )
    folder = Path(out_dir)
    folders.claim(folder, names, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_figure(width: float, height: float):
    """A matplotlib figure of so many inches, at 100 pixels each."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def picture(figure) -> np.ndarray:
    """A figure as it would be saved: uint8 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write(folder: Path, name: str, frames: Sequence[np.ndarray], seconds_per_frame: float) -> None:
    """Writes a film as `name.gif` and as `name.webp`, which is smaller and has all colours; both rest on the end."""
    images.animate(folder / f"{name}.gif", frames, seconds_per_frame)
    images.animate(folder / f"{name}.webp", frames, seconds_per_frame)
