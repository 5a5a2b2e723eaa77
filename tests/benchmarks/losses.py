"""Compares losses and other recipes of a training on labeled images: samples and seconds.

    python tests/benchmarks/losses.py --data=mnist.npz
    python tests/benchmarks/losses.py --data=mnist.npz --train_images=500 --learning_rate=0.0004 \
        --steps 3000 12000 --recipes non_saturating translation

`--data` is an npz file with x_train, y_train, x_test and y_test, such as Keras' mnist.npz. Each
recipe is one run of `train`, and is measured after each number of `--steps`. The table has one row
for the generator and one for the averaged generator (EMA). Its columns are:

* sliced Wasserstein: distance of 5,000 samples from 5,000 test images;
* classifier Frechet: the Frechet distance of the same images, between features of a classifier that
  this benchmark trains on the labels;
* sure: the share of the samples to which the classifier gives one label with a probability of 90 %;
* training told, test told: how often D's logit of a real image is above D's logit of a sample, for
  training images and for test images, which D has never seen. If the first is 100 % and the second
  is near 50 %, D knows its images by heart and has nothing left to teach;
* seconds: the time since the row of fewer steps.

The first row compares test images with other test images: no recipe can be much better.
"""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np  # noqa: E402

from tf_inpaint import train  # noqa: E402
from tf_inpaint.config import TrainConfig  # noqa: E402
from tf_inpaint.config.train_config import AUGMENT  # noqa: E402
from tf_inpaint.files import images  # noqa: E402
from tf_inpaint.gan.callbacks import generate  # noqa: E402
from tf_inpaint.gan.random_numbers import draw_latents  # noqa: E402
from tf_inpaint.inputs import named_images  # noqa: E402
from tf_inpaint.metrics import classifier, distribution  # noqa: E402
from tf_inpaint.runs import from_config, run_directory  # noqa: E402

HINGE = {"loss": "hinge", "discriminator_norm": "spectral"}
WGAN = {
    "loss": "wasserstein",
    "gradient_penalty": 10.0,
    "learning_rate": 1e-4,
    "beta_1": 0.0,
    "beta_2": 0.9,
}
RECIPES = {
    "non_saturating": {},
    "label_smoothing": {"label_smoothing": 0.1},
    "minimax": {"loss": "minimax"},
    "hinge_spectral": HINGE,
    "hinge_spectral_4": HINGE | {"discriminator_steps": 4},
    "non_saturating_spectral": {"discriminator_norm": "spectral"},
    "non_saturating_r1": {"discriminator_norm": "none", "r1": 1.0},
    "wgan_gp": WGAN | {"discriminator_norm": "layer", "discriminator_steps": 5},
    "feature_matching": {"feature_matching": 1.0},
    "linear": {"learning_rate_schedule": "linear"},
    "diffaugment": {"augment": AUGMENT},
    "translation": {"augment": ("translation",)},
    "hinge_spectral_diffaugment": HINGE | {"augment": AUGMENT},
    "hinge_spectral_4_translation": HINGE | {"discriminator_steps": 4, "augment": ("translation",)},
}
COUNT = 5000
"""Number of samples and of test images."""
HEADING = (
    "| recipe | steps | sliced Wasserstein | classifier Frechet | sure "
    "| training told | test told | seconds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--out_dir", default="runs/losses")
    parser.add_argument("--steps", type=int, nargs="+", default=[3000])
    parser.add_argument("--learning_rate", type=float, default=TrainConfig.learning_rate)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--train_images", type=int, default=0)
    return parser.parse_args()


class Table:
    """Prints rows that compare images with real test images.

    Args:
        real: the test images.
        image_classifier: a classifier of labeled images.
    """

    def __init__(self, real, image_classifier):
        self.real = real
        self.classifier = image_classifier
        self.features = image_classifier.features(real)
        print(HEADING)

    def row(self, name, steps, samples, last_cells=("", "", "")):
        """Prints the row of some samples."""
        frechet = distribution.frechet_distance(self.features, self.classifier.features(samples))
        sure = np.mean(self.classifier.probabilities(samples).max(axis=1) > 0.9)
        # 128 directions take a quarter of the time of the default.
        sliced = distribution.sliced_wasserstein(self.real, samples, directions=128)
        print(
            f"| {name} | {steps} | {sliced:.1f} | {frechet:.1f} | {sure:.0%} | "
            f"{' | '.join(last_cells)} |",
            flush=True,
        )


def share_ranked_right(real_logits, sample_logits):
    """The area under D's ROC curve: the share of pairs whose real image has the higher logit."""
    ranks = np.searchsorted(np.sort(sample_logits[:, 0]), real_logits[:, 0])
    return ranks.mean() / len(sample_logits)


def train_config(name, steps, size, arguments):
    """The settings of a run of one recipe."""
    config = TrainConfig(
        run_dir=str(Path(arguments.out_dir) / name),
        dataset=f"npz:{arguments.data}",
        train_images=arguments.train_images,
        image_size=size,
        width=arguments.width,
        steps=steps,
        learning_rate=arguments.learning_rate,
        measure_every=0,
        encoder_steps=0,
        mean_images=0,
    )
    return dataclasses.replace(config, **RECIPES[name])


def train_and_measure(name, config, z, table):
    """Trains up to the number of steps, and prints the rows of both generators."""
    # Train.
    started = time.perf_counter()
    if code := train.run(config):
        sys.exit(code)
    seconds = f"{time.perf_counter() - started:.0f}"

    # Load the networks.
    gan = from_config.new_gan(config)
    run_directory.restore(run_directory.checkpoints(Path(config.run_dir), gan.state))

    # Measure.
    source = named_images.pictures(config, "train", COUNT)
    training = source.read_float(np.arange(source.size))
    samples = generate(gan.generator, z, 100)
    sample_logits, *real_logits = map(gan.discriminator, (samples, training, table.real))
    shares = [f"{share_ranked_right(logits, sample_logits):.0%}" for logits in real_logits]
    table.row(name, f"{config.steps:,}", samples, [*shares, seconds])
    table.row(f"{name}, EMA", f"{config.steps:,}", generate(gan, z, 100))


def main():
    """Prints the table."""
    arguments = parse_arguments()
    with np.load(arguments.data) as archive:
        arrays = {name: archive[name] for name in ("x_train", "y_train", "x_test")}
    training = images.to_float(arrays["x_train"][..., None])
    test = images.to_float(arrays["x_test"][..., None])
    # The two halves of MNIST's test images have different writers, so both sets take from both.
    real, other = test[::2][:COUNT], test[1::2][:COUNT]
    table = Table(real, classifier.train(training, arrays["y_train"]))
    table.row("test images", "", other)
    z = draw_latents(COUNT, 100, (0, -1))
    for name in arguments.recipes:
        for steps in sorted(arguments.steps):
            config = train_config(name, steps, training.shape[1], arguments)
            train_and_measure(name, config, z, table)


if __name__ == "__main__":
    main()
