"""What the search's two economies cost and save: stopping when converged, and D's tangent between every few steps.

    python tests/benchmarks/economies.py RUN

A row a mask and search of held-out images of a run: median and mean energy (contextual L1 + 0.1 log(1 - D)), mean PSNR
of the hole, mean steps of an image and of the slowest of its block, and time beside the search without economies. They
take turns block by block, so that a machine that slows down slows all; ratios are medians over blocks.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.gan.networks import folded  # noqa: E402
from tf_inpaint.inpainting.inpainter import Completions, Inpainter  # noqa: E402
from tf_inpaint.inputs import masked_images, named_images  # noqa: E402
from tf_inpaint.latent_search import curvature, solvers  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402
from tf_inpaint.runs import run_directory  # noqa: E402

SEARCHES = {
    "every step exact": {"prior_every": 1, "patience": 1.0},
    "stopping": {"prior_every": 1},
    "D every 5 steps": {"patience": 1.0},
    "both": {},
    "without D": {"prior_weight": 0.0, "patience": 1.0},
}
BLOCK = 8


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--solver", choices=["preconditioned", "adam"], default="preconditioned")
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    arguments = parser.parse_args()
    run = run_directory.load(Path(arguments.run_dir))
    size, channels, latent_size = run.config.image_size, run.config.channels, run.config.latent_size
    generator, discriminator = folded(run.generator), folded(run.discriminator)
    solver = solvers.adam(0.08, constrain=solvers.clip)
    if arguments.solver == "preconditioned":
        directions = curvature.directions(curvature.curvature(generator, latent_size))
        solver = solvers.adam(0.08, 0.7, 0.99, 1e-8, solvers.clip, directions, arguments.steps)
    common = {
        "steps": arguments.steps,
        "solver": solver,
        "encoder": run.encoder,
        "block_size": BLOCK,
    }
    inpainters = {
        name: Inpainter(generator, discriminator, latent_size, **common, **settings)
        for name, settings in SEARCHES.items()
    }
    exact = inpainters["every step exact"]
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    print(
        "| mask | search | median energy | mean energy | hole PSNR | steps | slowest in block | time |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for mask in arguments.masks:
        sampler = masked_images.Masks(mask, size, channels, 0, 0, None, False)
        masked = [sampler.example(item) for item in items]
        original = images.to_float(np.stack([example.original for example in masked]))
        known = np.stack([example.known for example in masked])
        given = original, known, np.array([item.seeds(0) for item in items])
        found, seconds = {name: [] for name in inpainters}, {name: [] for name in inpainters}
        for inpainter in inpainters.values():
            inpainter.complete(*(array[:BLOCK] for array in given))  # traced
        for first in range(0, len(items), BLOCK):
            for name in list(inpainters)[:: 1 if first // BLOCK % 2 else -1]:
                started = time.perf_counter()
                found[name].append(
                    inpainters[name].complete(*(array[first : first + BLOCK] for array in given))
                )
                seconds[name].append(time.perf_counter() - started)
        for name in inpainters:
            whole = Completions(*map(np.concatenate, zip(*found[name], strict=True)))
            parts = range(0, len(items), BLOCK)
            # With D, whatever the search went by.
            energy = np.concatenate(
                [
                    exact.energy(*(a[i : i + BLOCK] for a in (whole.z, original, known)))
                    for i in parts
                ]
            )
            psnr = pairwise.psnr(whole.images, original, 1 - known).mean()
            slowest = np.mean([whole.steps[first : first + BLOCK].max() for first in parts])
            ratio = np.median(np.divide(seconds[name], seconds["every step exact"]))
            print(
                f"| {mask} | {name} | {np.median(energy):.2f} | {energy.mean():.2f} | {psnr:.2f} | "
                f"{whole.steps.mean():.0f} | {slowest:.0f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
