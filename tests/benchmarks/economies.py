"""Measures economies of the search: stopping, asking D less often, and drawing no further starts.

    python tests/benchmarks/economies.py RUN

A search with all economies starts at the z of the encoder; "64 starts" also draws 64 random z, and
starts at the z of the lowest energy. A mask may have a scale, as in `random:0.95`. Between two
evaluations of D, the search uses the linear approximation of D. The table has one row for each mask
and search, over held-out images of a run. Its columns are:

* median energy, mean energy: contextual L1 + 0.1 log(1 - D);
* hole PSNR: mean over the images;
* steps, slowest in block: mean number of steps of an image, and of the slowest image of a block;
* time: divided by the time of the search without economies, as median over blocks.

The searches take turns block by block, so that a machine that slows down slows all of them.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inpainting.completions import Completions  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.inputs import mask_sources, masked_images, named_images  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402
from tf_inpaint.settings.search_settings import SearchSettings  # noqa: E402

EXACT = "every step exact"
SEARCHES = {
    EXACT: {"prior_every": 1, "patience": 1.0},
    "stopping": {"prior_every": 1},
    "D every 5 steps": {"patience": 1.0},
    "all": {},
    "64 starts": {"start_draws": 64},
    "without D": {"prior_weight": 0.0, "patience": 1.0},
}
BLOCK = 8
HEADING = (
    "| mask | search | median energy | mean energy | hole PSNR | steps "
    "| slowest in block | time |\n"
    "|---|---|---|---|---|---|---|---|"
)


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--solver", choices=["preconditioned", "adam"], default="preconditioned")
    parser.add_argument("--masks", nargs="+", default=["center", "left", "random", "strokes"])
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    return parser.parse_args()


def new_inpainters(run, arguments):
    """The inpainter of each search, by name."""
    networks = inpainters.frozen_networks(run)
    common = {
        "steps": arguments.steps,
        "deeper_steps": 0,
        "solver": arguments.solver,
        "prior": "saturating",
        "blend": "paste",
        "block_size": BLOCK,
    }
    return {
        name: Inpainter(networks, SearchSettings(**common, **settings))
        for name, settings in SEARCHES.items()
        if name in {EXACT, *arguments.searches}
    }


def masked_batch(config, items, mask):
    """Original images, masks and seeds of all items, the arguments of `Inpainter.complete`."""
    maker = masked_images.ExampleMaker(config.image_size, config.channels)
    name, _, scale = mask.partition(":")
    known_of = mask_sources.new_mask_source(name, 0, float(scale) if scale else None).known_of
    examples = [maker.example(item, known_of) for item in items]
    original = images.to_float(np.stack([example.original for example in examples]))
    known = np.stack([example.known for example in examples])
    return original, known, np.array([item.seeds(0) for item in items])


def timed_blocks(inpainter_of, batch):
    """The completions and the seconds of each block, by the name of the search."""
    completions = {name: [] for name in inpainter_of}
    seconds = {name: [] for name in inpainter_of}
    for inpainter in inpainter_of.values():
        inpainter.complete(*(array[:BLOCK] for array in batch))  # Trace.
    for first in range(0, len(batch[0]), BLOCK):
        block = [array[first : first + BLOCK] for array in batch]
        for name in list(inpainter_of)[:: 1 if first // BLOCK % 2 else -1]:
            started = time.perf_counter()
            completions[name].append(inpainter_of[name].complete(*block))
            seconds[name].append(time.perf_counter() - started)
    return completions, seconds


def main():
    """Prints the table."""
    arguments = parse_arguments()
    run = run_directory.load(Path(arguments.run_dir))
    inpainter_of = new_inpainters(run, arguments)
    items = named_images.held_out(named_images.pictures(run.config, "held_out"), arguments.count)
    firsts = range(0, len(items), BLOCK)
    print(HEADING)
    for mask in arguments.masks:
        batch = masked_batch(run.config, items, mask)
        original, known, _ = batch
        completions, seconds = timed_blocks(inpainter_of, batch)
        for name in inpainter_of:
            joined = Completions(*map(np.concatenate, zip(*completions[name], strict=True)))
            # The energy includes D, also for the search without D.
            energy_fn, arrays = inpainter_of[EXACT].energy, (joined.z, original, known)
            blocks = [[array[first : first + BLOCK] for array in arrays] for first in firsts]
            energy = np.concatenate([energy_fn(*block) for block in blocks])
            psnr = pairwise.psnr(joined.images, original, 1 - known).mean()
            slowest = np.mean([joined.steps[first : first + BLOCK].max() for first in firsts])
            ratio = np.median(np.divide(seconds[name], seconds[EXACT]))
            print(
                f"| {mask} | {name} | {np.median(energy):.2f} | {energy.mean():.2f} | {psnr:.2f} | "
                f"{joined.steps.mean():.0f} | {slowest:.0f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
