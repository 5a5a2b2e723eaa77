"""Measures one training step, beside a plain PyTorch DCGAN of the same layers, batch and losses.

    pip install torch && python tests/benchmarks/train_step.py

The table has one row for each image size, for fresh and for shared generated batches. In a fresh
row, G and D learn from different generated images; in a shared row, from the same images. The
columns are the milliseconds per step of this package and of PyTorch, and the ratio of both.

Our time includes the metrics and the averaged generator. PyTorch is eager and channels_last, and
has neither. The two take turns, so that a machine that slows down slows both. The ratio is the
median over rounds.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf  # noqa: E402
import torch  # noqa: E402
from torch_dcgan import Trainer  # noqa: E402

from tf_inpaint.gan.model import GAN  # noqa: E402
from tf_inpaint.gan.networks import Discriminator, Generator  # noqa: E402


def seconds(step, repeats):
    """The mean time of a step."""
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def compare(size, channels, width, reuse, batch_size, rounds, repeats):
    """Milliseconds per step of this package and of PyTorch, and the ratio: medians over rounds."""
    # Make both trainers.
    gan = GAN(
        Generator(size, channels, width),
        Discriminator(size, channels, width),
        reuse_generated=reuse,
    )
    gan.compile()
    train_step = tf.function(gan.train_step)
    images = tf.random.uniform([batch_size, size, size, channels], -1, 1)
    trainer = Trainer(size, channels, width, reuse)
    torch_images = torch.from_numpy(images.numpy()).permute(0, 3, 1, 2)

    def our_step():
        train_step(images)["generator_loss"].numpy()

    def torch_step():
        trainer.step(torch_images)

    # Time both in turn.
    for step in (our_step, torch_step):
        seconds(step, 3)
    times = [(seconds(our_step, repeats), seconds(torch_step, repeats)) for _ in range(rounds)]
    our_times, torch_times = zip(*times, strict=True)
    ratio = statistics.median(ours / other for ours, other in times)
    return statistics.median(our_times) * 1e3, statistics.median(torch_times) * 1e3, ratio


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases", nargs="+", default=["28x1x64", "64x3x32"], help="PIXELSxCHANNELSxWIDTH ..."
    )
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| image | width | generated batch | ours, ms | PyTorch, ms | ours / PyTorch |")
    print("|---|---|---|---|---|---|")
    for case in arguments.cases:
        size, channels, width = map(int, case.split("x"))
        for reuse, name in ((False, "fresh"), (True, "shared")):
            counts = arguments.batch_size, arguments.rounds, arguments.repeats
            ours, other, ratio = compare(size, channels, width, reuse, *counts)
            print(
                f"| {size} px x {channels} | {width} | {name} | {ours:.0f} | {other:.0f} "
                f"| {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
