"""What the story prints at its end: a table of results, and where to look."""

import json
from collections.abc import Sequence
from pathlib import Path

WIDTH = 22
"""Width of a column of the table, in characters."""


def summary(folder: Path, masks: Sequence[str]) -> str:
    """The results of the run in `folder`, what they mean, and the files to look at."""
    return f"""
{results_table(folder / "evaluation" / "evaluation.json", masks)}
The numbers are: PSNR of the hidden pixels in dB; how often a classifier still reads the digit as
what it is; and the Frechet distance (random features) between the completions and real digits, as
two sets. PSNR prefers the mean of all digits that would fit. That mean is a blur, such as that of
the conditional Gaussian, and far from every digit. Look at evaluation.png.

Where to look:
  {folder}/index.html          all of this on one page
  {folder}/samples/            what the generator draws, from noise to digits
  {folder}/training.gif        the same as a film
  {folder}/training.png        losses, accuracies, diversity and distances over training
  {folder}/metrics.csv         the same as numbers
  {folder}/evaluation/         the comparison, as a table and as a picture
  {folder}/export/             a SavedModel that completes digits inside TensorFlow Serving

and for each mask, {", ".join(masks)}, such as the first:
  {folder}/completions/{masks[0]}/sheet.png     original | masked | generated | completed
  {folder}/completions/{masks[0]}/search.gif    the search for z, step by step"""


def results_table(evaluation: Path, masks: Sequence[str]) -> str:
    """A table with a row for each method and a column for each mask.

    Args:
        evaluation: `evaluation.json`.
        masks: names of the columns.
    """
    methods = json.loads(evaluation.read_text())["summary"]
    lines = ["".join([" " * WIDTH, *(f"{mask:<{WIDTH}}" for mask in masks)])]
    for method, results in methods.items():
        cells = [
            f"{result['hole_psnr']:4.1f} dB {result['label_agreement']:4.0%} "
            f"{result['frechet_random']:5.1f}"
            for result in results.values()
        ]
        lines.append("".join(f"{cell:<{WIDTH}}" for cell in [method, *cells]))
    return "\n".join(line.rstrip() for line in lines)
