"""Measures how well the uncertainty of a completion predicts its error.

    python tests/benchmarks/calibration.py RUN

The table has one row for each mask, over the hidden pixels of held-out images of a run. Its columns
are:

* error where sure, where unsure: mean absolute error of `--estimate=mean` on the fifth of the
  pixels with the lowest uncertainty, and on the fifth with the highest uncertainty;
* rank correlation (Spearman) of error and uncertainty, over the pixels and over the means of the
  images;
* uncertainty / error: quotient of the root mean squares. It is 1 if the uncertainty is neither too
  large nor too small.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.inputs import mask_sources, masked_images, named_images  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402
from tf_inpaint.settings.search_settings import SearchSettings  # noqa: E402

HEADING = (
    "| mask | error where sure | where unsure | rank correlation, pixels | images "
    "| uncertainty / error |\n"
    "|---|---|---|---|---|---|"
)


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--samples", type=int, default=0, help="answers to draw")
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    return parser.parse_args()


def masked_batch(config, items, mask):
    """Original images, masks and seeds of all items, the arguments of `Inpainter.complete`."""
    maker = masked_images.ExampleMaker(config.image_size, config.channels)
    known_of = mask_sources.new_mask_source(mask, 0).known_of
    examples = [maker.example(item, known_of) for item in items]
    original = images.to_float(np.stack([example.original for example in examples]))
    known = np.stack([example.known for example in examples])
    return original, known, np.array([item.seeds(0) for item in items])


def table_row(completions, original, known):
    """The numbers of one row of the table."""
    hole = known[..., 0] == 0
    difference = completions.images - original
    error, uncertainty = np.abs(difference).mean(-1), completions.uncertainty[..., 0]

    # Compare the fifths of the pixels.
    order = np.argsort(uncertainty[hole], kind="stable")
    fifths = np.array_split(error[hole][order], 5)

    # Correlate uncertainty and error.
    pixels = stats.spearmanr(uncertainty[hole], error[hole]).statistic
    means = [
        [values[hidden].mean() for values, hidden in zip(field, hole, strict=True)]
        for field in (uncertainty, error)
    ]
    image_means = stats.spearmanr(*means).statistic

    quotient = np.sqrt(np.mean(uncertainty[hole] ** 2) / np.mean(difference[hole] ** 2))
    return fifths[0].mean(), fifths[-1].mean(), pixels, image_means, quotient


def main():
    """Prints the table."""
    arguments = parse_arguments()
    run = run_directory.load(Path(arguments.run_dir))
    settings = SearchSettings(estimate="mean", samples=arguments.samples)
    inpainter = Inpainter(inpainters.frozen_networks(run), settings)
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    print(HEADING)
    for mask in arguments.masks:
        original, known, seeds = masked_batch(run.config, items, mask)
        completions = inpainter.complete(original, known, seeds)
        sure, unsure, pixels, image_means, quotient = table_row(completions, original, known)
        print(
            f"| {mask} | {sure:.3f} | {unsure:.3f} | {pixels:.2f} | {image_means:.2f} "
            f"| {quotient:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
