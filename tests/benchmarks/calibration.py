"""Is a completion wrong where it says that it is unsure? On held-out images of a run.

    python tests/benchmarks/calibration.py RUN

A row a mask, over the pixels of all holes: the mean absolute error of `--estimate=mean` on the fifth of the pixels of
lowest and on that of highest uncertainty, Spearman's rank correlation of the two, over the pixels and over the images'
means, and the root mean square of the uncertainty over that of the error: 1 where neither too wide nor too narrow.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from tf_inpaint.config import SearchConfig  # noqa: E402
from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inputs import masked_images, named_images  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    arguments = parser.parse_args()
    run = run_directory.load(Path(arguments.run_dir))
    config = SearchConfig(estimate="mean", samples=arguments.samples)
    inpainter = inpainters.new_inpainter(config, inpainters.Networks(run))
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    print(
        "| mask | error where sure | where unsure | rank correlation, pixels | images | uncertainty / error |\n"
        "|---|---|---|---|---|---|"
    )
    for mask in arguments.masks:
        sampler = masked_images.Masks(mask, run.config.image_size, run.config.channels, 0, 0)
        masked = [sampler.example(item) for item in items]
        original = images.to_float(np.stack([example.original for example in masked]))
        known = np.stack([example.known for example in masked])
        found = inpainter.complete(original, known, np.array([item.seeds(0) for item in items]))
        hole = known[..., 0] == 0
        error = np.abs(found.images - original).mean(-1)
        doubt = found.uncertainty[..., 0]
        order = np.argsort(doubt[hole], kind="stable")
        fifths = np.array_split(error[hole][order], 5)
        means = [
            [part[one].mean() for part, one in zip(field, hole, strict=True)]
            for field in (doubt, error)
        ]
        ranks = [stats.spearmanr(*pair).statistic for pair in ((doubt[hole], error[hole]), means)]
        share = np.sqrt(np.mean(doubt[hole] ** 2) / np.mean((found.images - original)[hole] ** 2))
        print(
            f"| {mask} | {fifths[0].mean():.3f} | {fifths[-1].mean():.3f} | {ranks[0]:.2f} | {ranks[1]:.2f} | "
            f"{share:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
