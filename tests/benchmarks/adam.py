"""Measures what the fused Adam of this package saves in a training step, beside Keras' Adam.

    python tests/benchmarks/adam.py

The table has one row for each size of the networks. Its columns are the milliseconds per step with
`tf_inpaint.gan.optimizer.Adam` and with `keras.optimizers.Adam`, and the ratio of both. The two
take turns, so that a machine that slows down slows both. The ratio is the median over rounds.
"""

import argparse
import os
import statistics
import time
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_inpaint.gan import optimizer  # noqa: E402
from tf_inpaint.gan.model import GAN  # noqa: E402
from tf_inpaint.gan.networks import Discriminator, Generator  # noqa: E402


def new_step(adam, size, channels, width, batch_size):
    """A function that takes one training step and waits for its end."""
    gan = GAN(Generator(size, channels, width), Discriminator(size, channels, width))
    with mock.patch.object(optimizer, "Adam", adam):
        gan.compile()
    train_step = tf.function(gan.train_step)
    images = tf.random.uniform([batch_size, size, size, channels], -1, 1)
    return lambda: train_step(images)["generator_loss"].numpy()


def milliseconds(step, repeats):
    """The mean time of a step."""
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats * 1e3


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        default=["28x1x32", "28x1x64", "64x3x32"],
        help="PIXELSxCHANNELSxWIDTH ...",
    )
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    print("| image | width | fused Adam, ms | Keras' Adam, ms | ratio |")
    print("|---|---|---|---|---|")
    for case in arguments.cases:
        size, channels, width = map(int, case.split("x"))
        steps = [
            new_step(adam, size, channels, width, arguments.batch_size)
            for adam in (optimizer.Adam, keras.optimizers.Adam)
        ]
        for step in steps:
            milliseconds(step, 3)
        times = [
            [milliseconds(step, arguments.repeats) for step in steps]
            for _ in range(arguments.rounds)
        ]
        ours, other = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(fused / plain for fused, plain in times)
        print(
            f"| {size} px x {channels} | {width} | {ours:.1f} | {other:.1f} | {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
