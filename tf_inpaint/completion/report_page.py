"""index.html of `complete`: pictures, the numbers of each image, and the settings of the job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_inpaint.config import CompleteConfig, flags
from tf_inpaint.files import webpage

COLUMNS = {
    "hole_psnr": ("hole PSNR", 1),
    "psnr": ("PSNR", 1),
    "hole_ssim": ("hole SSIM", 3),
    "ssim": ("SSIM", 3),
    "contextual": ("contextual", 1),
    "energy": ("energy", 1),
    "uncertainty": ("uncertainty", 3),
    "steps": ("steps", 0),
    "seconds": ("seconds", 3),
}
"""Title and number of decimals of each column, by its name in a row of the results."""

SHEET_CAPTION = (
    "One row per image. Original: the full image. Masked: the pixels that the search was given. "
    "Generated: the picture that the network draws to match them. Completed: the answer, whose "
    "hole is filled from the generated picture."
)
SAMPLES_CAPTION = " Samples: other answers that match."
UNCERTAINTY_CAPTION = (
    " Uncertainty: by how much the hidden pixels may be wrong (one standard deviation); dark is "
    "certain, bright is uncertain. The scale below the last column is for pixels from -1 (black) "
    "to 1 (white)."
)
FILM_CAPTION = (
    "The search, from the first guess to the answer; one column per image. Top: the masked image. "
    "Middle: the picture that the network draws. Bottom: the hole filled with that picture."
)
NUMBERS_NOTE = (
    "PSNR (in decibels) and SSIM compare the answer with the original, over the hole and over the "
    "full image. Higher is better. Contextual: how far the generated picture is from the given "
    "pixels."
)


def write_page(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    sheet: Path,
    film: Path,
    config: CompleteConfig,
    settings: Mapping[str, Any],
) -> None:
    """Writes the page of a job.

    Args:
        path: path of the page, replaced if it exists.
        rows: results of each image.
        sheet, film: paths of the pictures, which need not exist.
        config: settings of the command.
        settings: all settings of the job, which the page lists.
    """
    caption = SHEET_CAPTION
    if any("acceptance" in row for row in rows):
        caption += SAMPLES_CAPTION
    if any("uncertainty" in row for row in rows):
        caption += UNCERTAINTY_CAPTION
    pictures = webpage.section(
        "Pictures",
        webpage.picture(sheet, caption, path.parent),
        webpage.picture(film, FILM_CAPTION, path.parent),
    )
    numbers = webpage.section(
        "Numbers",
        webpage.numbers(rows, COLUMNS, "Numbers of each image"),
        webpage.note(NUMBERS_NOTE),
    )
    origin = webpage.origin(settings, flags.command("tf_inpaint.complete", config))
    sentence = (
        f"Holes filled with pictures that the network of {config.run_dir} draws to match the rest "
        "of the image."
    )
    title = f"Completed images: {len(rows)}"
    webpage.write(path, title, sentence, [pictures, numbers, *origin])
