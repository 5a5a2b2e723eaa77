"""An exported model beside the library: the same completions, and the time for them.

    python tests/benchmarks/serving.py RUN

Exports the run to a temporary folder, loads it, and prints its size and the time to load it; then, for the generator's
own pictures with the middle missing, the library's time over the served time for one image, images a second at batch
1, 8 and 32, and the ancestor's time over that of `complete_fast` for one image. All warm, and in turn. TensorFlow's own
loader in this process stands in for a server.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_inpaint import export  # noqa: E402
from tf_inpaint.config import ExportConfig, SearchConfig  # noqa: E402
from tf_inpaint.config.evaluate_config import PUBLISHED  # noqa: E402
from tf_inpaint.inpainting import masks  # noqa: E402
from tf_inpaint.runs import inpainters, run_directory  # noqa: E402


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    run = run_directory.load(arguments.run_dir)
    networks = inpainters.Networks(run)
    with tempfile.TemporaryDirectory() as folder:
        config = ExportConfig(run_dir=arguments.run_dir, export_dir=folder)
        export.run(config)
        path = Path(folder) / "1"
        started = time.perf_counter()
        loaded = tf.saved_model.load(str(path))
        print(f"saved_model.pb {(path / 'saved_model.pb').stat().st_size / 1e6:.1f} MB, loaded in "
              f"{time.perf_counter() - started:.1f} s")  # fmt: skip
    z = np.random.default_rng(0).uniform(-1, 1, [32, run.config.latent_size]).astype(np.float32)
    side = run.config.image_size
    images = np.concatenate([run.generator(z[first : first + 8]) for first in range(0, 32, 8)])
    known = np.stack([masks.make("center", side, side, (0, 0))] * 32).astype(np.float32)
    seeds = np.arange(32, dtype=np.int32)

    def served(name, count):
        signature = loaded.signatures[name]
        rows = {"images": images[:count], "masks": known[:count], "seeds": seeds[:count]}
        rows = {key: tf.constant(value) for key, value in rows.items()}
        return lambda: signature(**rows)["images"].numpy()

    def library(settings, count=1):
        inpainter = inpainters.new_inpainter(settings, networks)
        pairs = np.stack([np.zeros(count, np.int64), seeds[:count]], axis=1)
        return lambda: inpainter.complete(images[:count], known[:count], pairs).images

    presets = config.presets(run.encoder is not None)
    print(
        "| signature | library / served, one image | served images/s at 1, 8, 32 |\n|---|---|---|"
    )
    for name, preset in presets.items():
        ratio = paired(library(preset), served(name, 1), arguments.rounds)
        speeds = [count / best(served(name, count), 2) for count in (1, 8, 32)]
        print(
            f"| {name} | {ratio:.2f} | {', '.join(f'{speed:.1f}' for speed in speeds)} |",
            flush=True,
        )
    ancestor = library(SearchConfig(**PUBLISHED["ancestor"]))
    ratio = paired(ancestor, served("complete_fast", 1), 2)
    print(f"ancestor / complete_fast, one image: {ratio:.0f}")


def best(function, rounds):
    return min(timed(function) for _ in range(rounds))


def paired(first, second, rounds):
    """The time of the first over that of the second, each the shortest of those taken in turn."""
    first(), second()
    times = [(timed(first), timed(second)) for _ in range(rounds)]
    return min(one for one, _ in times) / min(other for _, other in times)


def timed(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
