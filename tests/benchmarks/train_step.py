"""One training step, ours beside a plain PyTorch DCGAN of the same architecture, batch and losses.

    pip install torch && python tests/benchmarks/train_step.py

Ours counts with its metrics and the averaged generator, PyTorch's (eager, channels_last) without. The two take
turns, so that a machine that slows down slows both; the ratio is the median over rounds of ours / PyTorch's.
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
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def compare(size, channels, width, reuse, batch_size, rounds, repeats):
    """Milliseconds a step of ours and of PyTorch's, and the ratio of the two: medians over rounds."""
    gan = GAN(
        Generator(size, channels, width),
        Discriminator(size, channels, width),
        reuse_generated=reuse,
    )
    gan.compile()
    step = tf.function(gan.train_step)
    images = tf.random.uniform([batch_size, size, size, channels], -1, 1)
    trainer = Trainer(size, channels, width, reuse)
    torch_images = torch.from_numpy(images.numpy()).permute(0, 3, 1, 2)
    pair = (lambda: step(images)["generator_loss"].numpy(), lambda: trainer.step(torch_images))
    for each in pair:
        seconds(each, 3)
    times = [[seconds(each, repeats) for each in pair] for _ in range(rounds)]
    ours, theirs = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    return ours, theirs, statistics.median(mine / its for mine, its in times)


def main():
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
    print(
        "| image | width | generated batch | ours, ms | PyTorch, ms | ours / PyTorch |\n|---|---|---|---|---|---|"
    )
    for case in arguments.cases:
        size, channels, width = map(int, case.split("x"))
        for reuse, name in ((False, "fresh"), (True, "shared")):
            counts = arguments.batch_size, arguments.rounds, arguments.repeats
            ours, theirs, ratio = compare(size, channels, width, reuse, *counts)
            print(
                f"| {size} px x {channels} | {width} | {name} | {ours:.0f} | {theirs:.0f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
