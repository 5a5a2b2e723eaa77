"""Measures what the last frame's z gives to the searches of a film: `complete --sequence`.

    python tests/benchmarks/sequence.py RUN mnist.npz

A film is a digit of MNIST's test set that swings by 20 degrees and moves on an ellipse by 1.5
pixels. `--speed` is the angle on the ellipse from one frame to the next, in radians. The table has
one row for each mask and search, over all frames but the first of each film. Its columns are:

* energy: contextual L1 + 0.1 log(1 - D), mean over the frames;
* hole PSNR: mean over the frames;
* flicker: mean absolute change of a hidden pixel from one frame to the next, minus that of the
  original film, for pixels in [-1, 1];
* steps: mean number of steps of a frame;
* saved: share of the steps that the same search without `--sequence` takes and this one does not;
* from last z: share of the searches that began at the z of the last frame.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402
from scipy import ndimage  # noqa: E402

from tf_inpaint.compositing import masks  # noqa: E402
from tf_inpaint.config import CompleteConfig  # noqa: E402
from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.metrics import pairwise  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402

SEARCHES = [
    ({}, [{}, {"patience": 0.2}]),
    ({"estimate": "mean"}, [{}, {"patience": 0.2}]),
    ({"start": "random"}, [{}, {"patience": 0.1}]),
]
"""Settings of a search without a sequence, and what each search with one changes in them."""
HEADING = (
    "| mask | search | energy | hole PSNR | flicker | steps | saved | from last z |\n"
    "|---|---|---|---|---|---|---|---|"
)


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("mnist", help="Keras' file of MNIST")
    parser.add_argument("--films", type=int, default=16)
    parser.add_argument("--frames", type=int, default=16, help="number of frames of a film")
    parser.add_argument("--speed", type=float, default=0.1)
    parser.add_argument("--masks", nargs="+", default=["center", "left"])
    return parser.parse_args()


def film(digit, count, speed, phase):
    """The frames of a film, uint8 `[count, 28, 28, 1]`."""
    frames = []
    for angle in phase + speed * np.arange(count):
        turned = ndimage.rotate(digit.astype(float), 20 * np.sin(angle), reshape=False, order=1)
        shift = 1.5 * np.sin(angle), 1.5 * np.cos(angle)
        frames.append(ndimage.shift(turned, shift, order=1))
    return np.rint(np.clip(frames, 0, 255)).astype(np.uint8)[..., None]


def complete(inpainter, films, known, sequence):
    """The completions of frame 0 of all films, of frame 1, ...

    The rows of a search do not depend on each other, so the films are searched side by side.
    """
    completions, last_z = [], None
    for number in range(films.shape[1]):
        seeds = np.stack([np.arange(len(films)), np.full(len(films), number)], axis=1)
        completions.append(inpainter.complete(films[:, number], known, seeds, last_z=last_z))
        last_z = completions[-1].z if sequence else None
    return completions


def numbers(completions, films, known):
    """Energy, hole PSNR, flicker, steps and share from the last z, over all frames but the first"""
    hidden = np.broadcast_to(known[:, None] == 0, films.shape)[:, 1:]

    def change(frames):
        return np.abs(np.diff(frames, axis=1))[hidden].mean()

    completed = np.stack([frame.images for frame in completions], axis=1)
    later = list(enumerate(completions))[1:]
    psnr = np.mean([pairwise.psnr(frame.images, films[:, n], 1 - known) for n, frame in later])
    means = [
        np.mean([getattr(frame, name) for _, frame in later])
        for name in ("energy", "steps", "from_last_z")
    ]
    return means[0], psnr, change(completed) - change(films), *means[1:]


def main():
    """Prints the table."""
    arguments = parse_arguments()
    networks = inpainters.frozen_networks(run_directory.load(Path(arguments.run_dir)))
    with np.load(arguments.mnist) as arrays:
        digits = arrays["x_test"][: arguments.films]
    films = images.to_float(
        np.stack(
            [
                film(digit, arguments.frames, arguments.speed, phase)
                for phase, digit in enumerate(digits)
            ]
        )
    )
    searches = [
        (settings | changes, sequence)
        for settings, sequences in SEARCHES
        for changes, sequence in [({}, False), *((changes, True) for changes in sequences)]
    ]
    print(HEADING)
    for mask in arguments.masks:
        known = np.repeat(masks.make(mask, 28, 28, (0, 0))[None], len(films), axis=0)
        for settings, sequence in searches:
            config = CompleteConfig(
                images=("film",), sequence=sequence, prior="saturating", block_size=8, **settings
            )
            completions = complete(Inpainter(networks, config), films, known, sequence)
            energy, psnr, flicker, steps, from_last = numbers(completions, films, known)
            if not sequence:
                steps_alone = steps
            words = [f"--{name}={value}" for name, value in settings.items()]
            text = " ".join(["`--sequence`"] * sequence + [f"`{word}`" for word in words])
            print(
                f"| {mask} | {text or 'default'} | {energy:.2f} | {psnr:.2f} | {flicker:.3f} | "
                f"{steps:.1f} | {1 - steps / steps_alone:.0%} | {from_last:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
