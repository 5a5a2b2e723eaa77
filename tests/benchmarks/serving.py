"""Compares an exported model with the library: the time for the same completions.

    python tests/benchmarks/serving.py RUN

Exports the run to a temporary folder, loads the model, and prints its size and the time to load it.
The table has one row for each signature. The images are pictures of the generator, with the middle
missing. Its columns are:

* library / served, one image: the time of the library divided by the time of the exported model;
* served images/s at 1, 8, 32: images per second for 1, 8 and 32 images in a request.

The next line has the time of the ancestor (see `ancestor.py`) divided by the time of
`complete_fast`, for one image. Everything is traced before it is timed, and the two sides take
turns. TensorFlow's own loader in this process takes the place of a server.

The second table has the longest of --rounds times, in seconds, of every signature: for one row, for
32 rows, and for one image file with the largest number of pixels. A search that takes all its steps
takes the same time for every image. --only_worst prints this table alone, of all signatures or of
the named ones.
"""

import argparse
import functools
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_inpaint import export  # noqa: E402
from tf_inpaint.compositing import masks  # noqa: E402
from tf_inpaint.config import ExportConfig  # noqa: E402
from tf_inpaint.config.evaluate_config import PUBLISHED_SEARCHES  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402


def export_and_load(run_dir, signatures):
    """The settings of the export and the loaded model. Prints the size and the time to load."""
    with tempfile.TemporaryDirectory() as folder:
        config = ExportConfig(run_dir=run_dir, export_dir=folder, signatures=tuple(signatures))
        export.run(config)
        path = Path(folder) / "1"
        started = time.perf_counter()
        model = tf.saved_model.load(str(path))
        seconds = time.perf_counter() - started
        size = (path / "saved_model.pb").stat().st_size
        print(f"saved_model.pb {size / 1e6:.1f} MB, loaded in {seconds:.1f} s")
    return config, model


def best(function, rounds):
    """The shortest time of a function, in seconds."""
    return min(timed(function) for _ in range(rounds))


def time_ratio(first, second, rounds):
    """The shortest time of the first function divided by that of the second. They take turns."""
    first(), second()
    times = [(timed(first), timed(second)) for _ in range(rounds)]
    first_times, second_times = zip(*times, strict=True)
    return min(first_times) / min(second_times)


def timed(function):
    """The time of one call, in seconds."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def served_inputs(run, count, scale=1):
    """The inputs of all signatures, by name: pictures of the generator, with the middle missing.

    Args:
        run: the trained run.
        count: number of rows.
        scale: how many times as high and wide the image files are as the pictures.
    """
    side = run.config.image_size
    z = np.random.default_rng(0).uniform(-1, 1, [count, run.config.latent_size]).astype(np.float32)
    images = run.generator(z).numpy()
    known = np.stack([masks.make("center", side, side, (0, 0))] * count).astype(np.float32)
    levels = np.rint(127.5 * images + 127.5).clip(0, 255).astype(np.uint8)

    def files(pictures):
        large = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
        return [tf.io.encode_png(picture).numpy() for picture in large]

    return {
        "z": z,
        "images": images,
        "masks": known,
        "seeds": np.arange(count, dtype=np.int32),
        "image_bytes": files(levels),
        "mask_bytes": files(np.uint8(255 * known)),
    }


def print_worst_times(model, run, max_pixels, rounds):
    """Prints the second table."""
    large_scale = int(max_pixels**0.5) // run.config.image_size
    rows = {
        "one": served_inputs(run, 1),
        "many": served_inputs(run, 32),
        "large": served_inputs(run, 1, large_scale),
    }
    print(f"| signature | 1 row | 32 rows | 1 file of {max_pixels:,} pixels |")
    print("|---|---|---|---|")
    for name, signature in sorted(model.signatures.items()):
        specs = signature.structured_input_signature[1]
        seconds = {}
        for key, values in rows.items():
            if key == "large" and "image_bytes" not in specs:
                continue
            tensors = {spec: tf.constant(values[spec]) for spec in specs}
            call = functools.partial(signature, **tensors)
            call()
            seconds[key] = f"{max(timed(call) for _ in range(rounds)):.2f}"
        print(f"| {name} | {' | '.join(seconds.get(key, '') for key in rows)} |", flush=True)


def main():
    """Prints the tables."""
    # Read the command line, and export the run.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only_worst", nargs="*", metavar="SIGNATURE")
    arguments = parser.parse_args()
    run = run_directory.load(arguments.run_dir)
    networks = inpainters.frozen_networks(run)
    config, model = export_and_load(arguments.run_dir, arguments.only_worst or ())
    if arguments.only_worst is not None:
        return print_worst_times(model, run, config.max_pixels, arguments.rounds)

    # Generate images.
    z = np.random.default_rng(0).uniform(-1, 1, [32, run.config.latent_size]).astype(np.float32)
    side = run.config.image_size
    images = np.concatenate([run.generator(z[first : first + 8]) for first in range(0, 32, 8)])
    known = np.stack([masks.make("center", side, side, (0, 0))] * 32).astype(np.float32)
    seeds = np.arange(32, dtype=np.int32)

    def served(name, count):
        signature = model.signatures[name]
        arrays = {"images": images[:count], "masks": known[:count], "seeds": seeds[:count]}
        tensors = {key: tf.constant(array) for key, array in arrays.items()}
        return lambda: signature(**tensors)["images"].numpy()

    def library(settings, count=1):
        inpainter = Inpainter(networks, settings)
        pairs = np.stack([np.zeros(count, np.int64), seeds[:count]], axis=1)
        return lambda: inpainter.complete(images[:count], known[:count], pairs).images

    # Time every signature.
    print("| signature | library / served, one image | served images/s at 1, 8, 32 |")
    print("|---|---|---|")
    presets = config.presets(run.encoder is not None, networks.mean_estimate is not None)
    for name, preset in presets.items():
        ratio = time_ratio(library(preset), served(name, 1), arguments.rounds)
        speeds = [f"{count / best(served(name, count), 2):.1f}" for count in (1, 8, 32)]
        print(f"| {name} | {ratio:.2f} | {', '.join(speeds)} |", flush=True)

    # Time the ancestor.
    ratio = time_ratio(library(PUBLISHED_SEARCHES["ancestor"]), served("complete_fast", 1), 2)
    print(f"ancestor / complete_fast, one image: {ratio:.0f}")
    return print_worst_times(model, run, config.max_pixels, arguments.rounds)


if __name__ == "__main__":
    main()
