"""What the page of `paint` shows of a finished search, as new values for the parts of the page."""

from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.files import heat_maps, images
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.page import canvas
from tf_inpaint.page.page_picture import Picture
from tf_inpaint.page.page_search import Alternatives, SearchResult

SECONDS_PER_FRAME = 0.1
"""Duration of a frame of the film."""

Values = dict[str, Any]
"""New values of parts of the page, by the name of the part."""


def write_files(
    folder: Path, picture: Picture, result: SearchResult, known: np.ndarray, writer: ResultWriter
) -> Values:
    """Writes the picture and the film that a visitor can save.

    Args:
        folder: an existing folder.
        picture: the picture. In its name, other characters than letters, digits, - and _ become _.
        result: result of the search.
        known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
        writer: writes the picture.
    """
    name = Path(picture.key).stem
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    saved = writer.write(folder, f"{stem}_filled", result.picture, known, picture.details)
    film = folder / f"{stem}_search.gif"
    images.animate(film, result.film, SECONDS_PER_FRAME)
    return {"film": str(film), "save_picture": str(folder / saved), "save_film": str(film)}


def status_text(result: SearchResult, hidden: np.ndarray, known: np.ndarray) -> str:
    """The sentences about a finished search.

    Args:
        result: result of the search.
        hidden: bool `[H, W]`.
        known: `[1, S, S, 1]`, the known pixels at the size of the network.
    """
    duration = f"Filled in {result.seconds:.1f} s with {result.steps} steps of the search."
    if not known.any():
        return f"{duration} No pixel was known, so the network made up the whole picture."
    return f"{duration} {1 - hidden.mean():.0%} of the pixels are unchanged."


def alternatives_values(
    alternatives: Alternatives, original: np.ndarray, hidden: np.ndarray
) -> Values:
    """The alternatives, a heat map of the uncertainty, and its mean and maximum in the hole.

    Args:
        alternatives: result of `PageSearch.sample`.
        original: uint8 `[H, W, C]`.
        hidden: bool `[H, W]`.
    """
    uncertainty = alternatives.uncertainty[hidden]
    largest = max(uncertainty.max(initial=0), 1e-6)
    heat_map = heat_maps.heat_map(original, hidden, alternatives.uncertainty, largest)
    return {
        "alternatives": [
            (canvas.resize_for_display(picture), f"alternative {number}")
            for number, picture in enumerate(alternatives.pictures, 1)
        ],
        "heat": canvas.resize_for_display(heat_map),
        "scale": (float(uncertainty.mean()), float(uncertainty.max())),
    }
