"""Losses and recipes beside each other on labelled images: how far samples are from test images, and seconds.

    python tests/benchmarks/losses.py --data=mnist.npz
    python tests/benchmarks/losses.py --data=mnist.npz --train_images=500 --learning_rate=0.0004 --steps 3000 12000 \
        --recipes non_saturating translation

`--data` is an npz file with x_train, y_train, x_test and y_test, such as Keras' mnist.npz. Each recipe is one run of
`train`, measured when it has made each number of `--steps`, by its generator and by the generator's average (EMA): the
Frechet distance between features of a classifier trained here on the labels, and the sliced Wasserstein distance, of
5,000 samples to 5,000 test images; and the share of the samples of which that classifier is 90 % sure. Test images
against other test images give the floor. "Told" is how often D's logit of a real image is above that of a sample: of
training images, and of test images, which it has never seen. Where the first is 100 % and the second near 50 %, D
knows its images by heart and has nothing left to teach. The seconds are those since the row before.
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
from tf_inpaint.gan.model import draw_latents  # noqa: E402
from tf_inpaint.inputs import named_images  # noqa: E402
from tf_inpaint.metrics import classifier, distribution  # noqa: E402
from tf_inpaint.runs import run_directory  # noqa: E402

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


def told(real, fake):
    """The share of pairs in which the real image's logit is the higher: the area under D's ROC curve."""
    return np.searchsorted(np.sort(fake[:, 0]), real[:, 0]).mean() / len(fake)


def main():
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
    arguments = parser.parse_args()
    with np.load(arguments.data) as archive:
        arrays = {name: archive[name] for name in ("x_train", "y_train", "x_test")}
    size = arrays["x_train"].shape[1]
    judge = classifier.train(images.to_float(arrays["x_train"][..., None]), arrays["y_train"])
    test = images.to_float(arrays["x_test"][..., None])
    real, other = (
        test[::2][:COUNT],
        test[1::2][:COUNT],
    )  # MNIST's first half is of other writers than its second
    features = judge.features(real)

    def row(name, steps, samples, rest=("", "", "")):
        frechet = distribution.frechet_distance(features, judge.features(samples))
        sure = np.mean(judge.probabilities(samples).max(axis=1) > 0.9)
        swd = distribution.sliced_wasserstein(
            real, samples, directions=128
        )  # a quarter of the default's time
        print(
            f"| {name} | {steps} | {swd:.1f} | {frechet:.1f} | {sure:.0%} | {' | '.join(rest)} |",
            flush=True,
        )

    print(
        "| recipe | steps | sliced Wasserstein | classifier Frechet | sure | training told | test told | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    row("test images", "", other)
    z = draw_latents(COUNT, 100, (0, -1))
    for name in arguments.recipes:
        for steps in sorted(arguments.steps):
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
            )
            config = dataclasses.replace(config, **RECIPES[name])
            started = time.perf_counter()
            if code := train.run(config):
                sys.exit(code)
            seconds = f"{time.perf_counter() - started:.0f}"
            gan = run_directory.new_gan(config)
            run_directory.restore(run_directory.checkpoints(Path(config.run_dir), gan.state))
            source = named_images.pictures(config, "train", COUNT)
            seen = images.to_float(source.read(np.arange(source.size)))
            samples = generate(gan.generator, z, 100)
            fake, *logits = map(gan.discriminator, (samples, seen, real))
            row(
                name,
                f"{steps:,}",
                samples,
                [f"{told(each, fake):.0%}" for each in logits] + [seconds],
            )
            row(f"{name}, EMA", f"{steps:,}", generate(gan, z, 100))


if __name__ == "__main__":
    main()
