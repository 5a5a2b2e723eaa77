"""Figures and films of a lesson, and the folder for them. Matplotlib is imported on use."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_inpaint.files import folders, images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Colors of the data, the generator, the discriminator and small print.

Color-blind readers can tell these colors apart (Okabe & Ito 2008).
"""


def claim(out_dir: str, names: Sequence[str], overwrite: bool) -> Path:
    """Makes the folder of a lesson, before the lesson spends time on its results.

    Args:
        out_dir: path of the folder.
        names: names of the files that the lesson writes.
        overwrite: whether existing files may be replaced.

    Raises:
        ValueError: matplotlib is missing, the folder cannot be written, or a file exists.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            "matplotlib is required; it is not installed; run pip install 'tf_inpaint[eval]'."
        )
    folder = Path(out_dir)
    folders.claim(folder, names, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_figure(width: float, height: float) -> "Figure":
    """Returns a matplotlib figure. The sizes are in inches, with 100 pixels per inch."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def to_picture(figure: "Figure") -> np.ndarray:
    """Draws a matplotlib figure: uint8 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_film(
    folder: Path, name: str, frames: Sequence[np.ndarray], seconds_per_frame: float
) -> None:
    """Writes a film as `name.gif` and as `name.webp`, which is smaller and has all colors.

    Args:
        folder: an existing folder.
        name: name of the files without suffix.
        frames: uint8 [H, W, 3] each.
        seconds_per_frame: duration of a frame. The last frame stays longer.
    """
    images.animate(folder / f"{name}.gif", frames, seconds_per_frame)
    images.animate(folder / f"{name}.webp", frames, seconds_per_frame)
