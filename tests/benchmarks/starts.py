"""The search from the encoder's start beside a long one from a random start, on held-out images of a run.

    python tests/benchmarks/starts.py RUN

A row a mask and search: median energy (contextual L1 + 0.1 log(1 - D)), mean PSNR and SSIM of the hole, and seconds an
image, all in one run. `random, Adam` is how the method was first published: one random z, Adam with step size 0.01.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint import examples, images, inputs, runs, search  # noqa: E402
from tf_inpaint.config import SearchConfig  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402

SEARCHES = {
    "random, Adam 0.01": {"start": "random", "solver": "adam", "learning_rate": 0.01},
    "best of 64, Adam 0.1": {"start": "best", "solver": "adam", "learning_rate": 0.1},
    "encoder, Adam 0.1": {"start": "encoder", "solver": "adam", "learning_rate": 0.1},
    "encoder, preconditioned": {"start": "encoder"},
}
STEPS = {"random, Adam 0.01": [1000], "best of 64, Adam 0.1": [300]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    arguments = parser.parse_args()
    run = runs.load(Path(arguments.run_dir))
    size, channels = run.config.image_size, run.config.channels
    items = inputs.held_out(inputs.pictures(run.config, "held_out"), arguments.count)
    print("| mask | search | steps | energy | hole PSNR | hole SSIM | s / image |\n|---|---|---|---|---|---|---|")
    for mask in arguments.masks:
        sampler = examples.Masks(mask, size, channels, 0, 0, None, False)
        masked = [sampler.example(item) for item in items]
        original = images.to_float(np.stack([example.original for example in masked]))
        known = np.stack([example.known for example in masked])
        seeds = np.array([item.seeds(0) for item in items])
        for name, settings in SEARCHES.items():
            for steps in STEPS.get(name, [25, 100]):
                inpainter = search.new_inpainter(SearchConfig(steps=steps, **settings), run)
                inpainter.complete(original[:8], known[:8], seeds[:8])  # traced
                started = time.perf_counter()
                found = inpainter.complete(original, known, seeds)
                seconds = (time.perf_counter() - started) / len(items)
                hole = 1 - known
                psnr, ssim = (metric(found.images, original, hole).mean() for metric in (pairwise.psnr, pairwise.ssim))
                energy = np.median(found.energy)
                print(
                    f"| {mask} | {name} | {steps} | {energy:.2f} | {psnr:.2f} | {ssim:.3f} | {seconds:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
