"""Report of an evaluation: evaluation.md, evaluation.png and index.html."""

from collections.abc import Mapping

import numpy as np

from tf_inpaint.config import EvaluateConfig, flags
from tf_inpaint.evaluation.results import MASKED, ORIGINAL, Results
from tf_inpaint.evaluation.summary_tables import report_html, report_markdown
from tf_inpaint.files import images, webpage

IMAGES_PER_MASK = 3
"""Number of images of each mask in evaluation.png."""


def write(results: Results, contents: Mapping, config: EvaluateConfig, settings: Mapping) -> None:
    """Writes the report.

    Args:
        results: rows and pictures.
        contents: result of `scores.score`.
        config: settings of the command, for the command line on the page.
        settings: settings that the page shows.
    """
    with images.atomic(results.out_dir / "evaluation.md") as path:
        path.write_text(report_markdown(contents), encoding="utf-8", errors="replace")
    images.write(results.out_dir / "evaluation.png", sheet(results))
    write_page(results, contents, config, settings)


def write_page(
    results: Results, contents: Mapping, config: EvaluateConfig, settings: Mapping
) -> None:
    """Writes index.html; see `write`."""
    folder = results.out_dir
    caption = (
        "The first images under each mask: the original, the image that the methods received, and "
        "the completion of each method."
    )
    sections = [
        webpage.section("Pictures", webpage.picture(folder / "evaluation.png", caption, folder)),
        webpage.section("Numbers", report_html(contents)),
        *webpage.origin(settings, flags.command("tf_inpaint.evaluate", config)),
    ]
    title = "Evaluation of " + ", ".join(settings["runs"])
    sentence = (
        "Methods that fill a hole in an image, compared on images that no method has seen before."
    )
    webpage.write(folder / "index.html", title, sentence, sections)


def sheet(results: Results) -> np.ndarray:
    """Returns evaluation.png: the first images of every mask.

    Each row shows the original, the masked image, and the completion of each method. The cell of a
    method that did not complete the image is white.
    """
    methods = list(dict.fromkeys(method for method, _, _ in results.groups()))
    cells = []
    for mask in dict.fromkeys(mask for _, mask, _ in results.groups()):
        files = {
            row["image"]: row["file"]
            for _, group_mask, rows in results.groups()
            if group_mask == mask
            for row in rows
        }
        for image, file in list(files.items())[:IMAGES_PER_MASK]:
            original = results.pictures(ORIGINAL, mask, [file])
            cells += [original, results.pictures(MASKED, mask, [file])]
            for method in methods:
                completed = (method, mask, image) in results.rows
                cells.append(
                    results.pictures(method, mask, [file])
                    if completed
                    else np.full_like(original, 255)
                )
    captions = [name.replace("_", "\n").replace("@", "\n") for name in (ORIGINAL, MASKED, *methods)]
    pictures = images.enlarge(np.concatenate(cells))
    return images.grid(pictures, columns=len(captions), captions=captions)
