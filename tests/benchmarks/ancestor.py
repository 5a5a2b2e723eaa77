"""Compares the search with its ancestor on held-out images of a run: quality and time.

    python tests/benchmarks/ancestor.py RUN

`ancestor` is the method as first published (bamos/dcgan-completion.tensorflow, 2016), run by the
code of this package: one random z, 1,000 steps of Adam at 0.01, the last z, pasted. `drawn` starts
where the ancestor starts. `default` is the search of `complete`. The other rows take no deeper
steps.

The table has one row for each mask and search. Its columns are:

* contextual, median: the L1 distance of G(z) from the known pixels, as mean and as median over the
  images;
* hole PSNR, hole SSIM, PSNR: means over the images, of the hole and of the whole image;
* seam: the step of the pixel values across the border of the hole, divided by that of the
  originals;
* times as fast: the time of the ancestor divided by the time of the search, for all images in
  blocks of eight;
* one at a time: the same for single images in blocks of one.

All searches are traced before they are timed, and they take turns.
"""

import argparse
import dataclasses
import functools
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint.config.evaluate_config import PUBLISHED_SEARCHES  # noqa: E402
from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.inputs import mask_sources, masked_images, named_images  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402
from tf_inpaint.settings.search_settings import SearchSettings  # noqa: E402

G_ONLY = functools.partial(SearchSettings, deeper_steps=0)
"""Settings of a search whose pictures are G(z), without a correction."""
SEARCHES = {
    "ancestor": PUBLISHED_SEARCHES["ancestor"],
    "default": SearchSettings(),
    "encoder, 10 steps": G_ONLY(start="encoder", steps=10),
    "encoder, 25 steps": G_ONLY(start="encoder", steps=25),
    "encoder, 100 steps": G_ONLY(start="encoder", steps=100),
    "encoder, 25 steps of L-BFGS": G_ONLY(start="encoder", steps=25, solver="lbfgs"),
    "encoder, 100 steps of L-BFGS": G_ONLY(start="encoder", steps=100, solver="lbfgs"),
    "drawn, 100 steps": G_ONLY(start="random", steps=100),
    "drawn, 100 steps of L-BFGS": G_ONLY(start="random", steps=100, solver="lbfgs"),
    "mean of 4": G_ONLY(estimate="mean", samples=4),
    "mean of 8": G_ONLY(estimate="mean"),
    "mean of 64": G_ONLY(estimate="mean", samples=64),
}
SINGLE_IMAGES = 4
"""Number of images that are completed one at a time."""
HEADING = (
    "| mask | search | contextual, median | hole PSNR | hole SSIM | PSNR | seam "
    "| times as fast | one at a time |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=SEARCHES)
    return parser.parse_args()


def masked_batch(config, items, mask):
    """Original images, masks and seeds of all items, the arguments of `Inpainter.complete`."""
    maker = masked_images.ExampleMaker(config.image_size, config.channels)
    known_of = mask_sources.new_mask_source(mask, 0).known_of
    examples = [maker.example(item, known_of) for item in items]
    original = images.to_float(np.stack([example.original for example in examples]))
    known = np.stack([example.known for example in examples])
    return original, known, np.array([item.seeds(0) for item in items])


def seconds_together(inpainter, batch):
    """The completions of all images, and the seconds for them."""
    inpainter.complete(*(array[:8] for array in batch))  # Trace.
    started = time.perf_counter()
    completions = inpainter.complete(*batch)
    return completions, time.perf_counter() - started


def seconds_alone(inpainter, batch):
    """The seconds for one image, completed in a block of one."""
    inpainter.complete(*(array[:1] for array in batch))  # Trace.
    started = time.perf_counter()
    for index in range(SINGLE_IMAGES):
        inpainter.complete(*(array[index : index + 1] for array in batch))
    return (time.perf_counter() - started) / SINGLE_IMAGES


def quality(completions, original, known):
    """The cells of a row that tell how good the completions are."""
    pair, hole = (completions.images, original), 1 - known
    contextual = np.sum(known * np.abs(completions.generated - original), axis=(1, 2, 3))
    psnr, ssim = (metric(*pair, hole).mean() for metric in (pairwise.psnr, pairwise.ssim))
    original_seam = pairwise.seam(original, known).mean()
    seam = pairwise.seam(completions.images, known).mean() / original_seam
    return (
        f"{contextual.mean():.1f}, {np.median(contextual):.1f} | {psnr:.2f} | {ssim:.3f} | "
        f"{pairwise.psnr(*pair).mean():.2f} | {seam:.2f}"
    )


def main():
    """Prints the table."""
    arguments = parse_arguments()
    run = run_directory.load(Path(arguments.run_dir))
    networks = inpainters.frozen_networks(run)
    networks.load_mean_estimate = lambda: None  # `mean of 8` is the mean of eight answers.
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    names = [name for name in SEARCHES if name == "ancestor" or name in arguments.searches]
    in_blocks, alone = (
        {
            name: Inpainter(networks, dataclasses.replace(SEARCHES[name], block_size=size))
            for name in names
        }
        for size in (8, 1)
    )
    print(HEADING)
    for mask in arguments.masks:
        batch = masked_batch(run.config, items, mask)
        rows, together, singly = {}, {}, {}
        for name in names:
            completions, together[name] = seconds_together(in_blocks[name], batch)
            singly[name] = seconds_alone(alone[name], batch)
            rows[name] = quality(completions, *batch[:2])
        for name, row in rows.items():
            ratios = [seconds["ancestor"] / seconds[name] for seconds in (together, singly)]
            print(f"| {mask} | {name} | {row} | {ratios[0]:.0f} | {ratios[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
