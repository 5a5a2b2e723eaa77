"""The search beside its ancestor's, on held-out images of a run: how good, and in what part of the time.

    python tests/benchmarks/ancestor.py RUN

`ancestor` is the method as first published (bamos/dcgan-completion.tensorflow, 2016) through the same code: one random
z, 1,000 steps of Adam at 0.01, the last z, pasted. A row a mask and search: the contextual distance (L1, of
G(z) from the known pixels), its mean and its median over the images; means of PSNR and SSIM of the hole, PSNR of the
whole image, and the step across the hole's border over the originals' own; then the ancestor's time over the row's, for
all images in blocks of eight and for one at a time in blocks of one. All warm, and in turn. `drawn` begins where the
ancestor does.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint.config import SearchConfig  # noqa: E402
from tf_inpaint.config.evaluate_config import PUBLISHED  # noqa: E402
from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inputs import masked_images, named_images  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402

SEARCHES = {
    "ancestor": PUBLISHED["ancestor"],
    "encoder, 10 steps": {"start": "encoder", "steps": 10},
    "encoder, 25 steps": {"start": "encoder", "steps": 25},
    "encoder, 100 steps": {"start": "encoder", "steps": 100},
    "encoder, 25 steps of L-BFGS": {"start": "encoder", "steps": 25, "solver": "lbfgs"},
    "encoder, 100 steps of L-BFGS": {"start": "encoder", "steps": 100, "solver": "lbfgs"},
    "drawn, 100 steps": {"start": "random", "steps": 100},
    "drawn, 100 steps of L-BFGS": {"start": "random", "steps": 100, "solver": "lbfgs"},
    "mean of 4": {"estimate": "mean", "samples": 4},
    "mean of 8": {"estimate": "mean"},
    "mean of 64": {"estimate": "mean", "samples": 64},
}
SINGLE = 4
"""Images completed one at a time."""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=SEARCHES)
    arguments = parser.parse_args()
    run = run_directory.load(Path(arguments.run_dir))
    networks = inpainters.Networks(run)
    size, channels = run.config.image_size, run.config.channels
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    chosen = {
        name: SEARCHES[name]
        for name in SEARCHES
        if name == "ancestor" or name in arguments.searches
    }
    several, one = (
        {
            name: inpainters.new_inpainter(SearchConfig(**settings, block_size=size), networks)
            for name, settings in chosen.items()
        }
        for size in (8, 1)
    )
    print(
        "| mask | search | contextual, median | hole PSNR | hole SSIM | PSNR | seam | times as fast | one at a time |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for mask in arguments.masks:
        sampler = masked_images.Masks(mask, size, channels, 0, 0)
        masked = [sampler.example(item) for item in items]
        original = images.to_float(np.stack([example.original for example in masked]))
        known = np.stack([example.known for example in masked])
        given = original, known, np.array([item.seeds(0) for item in items])
        seconds, singly, rows = {}, {}, {}
        for name in chosen:
            several[name].complete(*(part[:8] for part in given))  # traced
            started = time.perf_counter()
            found = several[name].complete(*given)
            seconds[name] = time.perf_counter() - started
            one[name].complete(*(part[:1] for part in given))
            started = time.perf_counter()
            for index in range(SINGLE):
                one[name].complete(*(part[index : index + 1] for part in given))
            singly[name] = (time.perf_counter() - started) / SINGLE
            pair, hole = (found.images, original), 1 - known
            contextual = np.sum(known * np.abs(found.generated - original), axis=(1, 2, 3))
            values = [metric(*pair, hole).mean() for metric in (pairwise.psnr, pairwise.ssim)]
            seam = pairwise.seam(found.images, known).mean() / pairwise.seam(original, known).mean()
            rows[name] = (
                f"{contextual.mean():.1f}, {np.median(contextual):.1f} | {values[0]:.2f} | {values[1]:.3f} | "
                f"{pairwise.psnr(*pair).mean():.2f} | {seam:.2f}"
            )
        for name, row in rows.items():
            ratios = [times["ancestor"] / times[name] for times in (seconds, singly)]
            print(f"| {mask} | {name} | {row} | {ratios[0]:.0f} | {ratios[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
