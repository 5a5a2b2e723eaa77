"""Recovers a known one-dimensional Gaussian by maximum likelihood, and by a GAN without a formula.

    python -m tf_inpaint.lessons.gaussian
    python -m tf_inpaint.lessons.gaussian --mean=-3 --deviation=2 --out_dir=runs/lessons/wide
    python -m tf_inpaint.lessons.gaussian --loss=minimax --discriminator_steps=5 --out_dir=runs/k5

The lesson takes less than a minute on two CPU cores. It writes to --out_dir:
    gaussian.json       the truth and both estimates: mean, deviation, divergence from the truth
    gaussian.gif .webp  the training: both densities, and the output of D for every x
    gaussian.png        the last frame of the film
    convergence.png     mean, deviation and divergence over the training steps
"""

import dataclasses

import numpy as np

from tf_inpaint.config import GaussianConfig
from tf_inpaint.files import folders, images
from tf_inpaint.lessons import figures, gaussian_figures
from tf_inpaint.lessons.gaussian_figures import Moment
from tf_inpaint.lessons.normal_distribution import (
    divergence,
    maximum_likelihood,
    sampled_divergence,
)

FILES = ("gaussian.json", "gaussian.gif", "gaussian.webp", "gaussian.png", "convergence.png")
"""Names of the files that the lesson writes."""
LATENT_SIZE = 4
"""Number of entries of z."""
MEASURED_POINTS = 50_000
"""Number of fixed z whose points are measured in every frame."""


def run(config: GaussianConfig) -> int:
    """Recovers the Gaussian in both ways, writes numbers, film and figures, and returns 0."""
    # Recover the Gaussian.
    folder = figures.claim(config.out_dir, FILES, config.overwrite)
    data = np.random.default_rng(config.seed).normal(config.mean, config.deviation, config.samples)
    axis = np.linspace(*visible_range(data), 400)
    moments = train_gan(config, data, axis)
    results = summarize(config, data, moments)

    # Write the results.
    frames = [gaussian_figures.frame(moment, axis, results) for moment in moments]
    with folders.all_or_none(folder, FILES):
        figures.write_film(folder, "gaussian", frames, 0.12)
        images.write(folder / "gaussian.png", frames[-1])
        images.write(folder / "convergence.png", gaussian_figures.convergence(results))
        folders.write_json(folder / "gaussian.json", results)
    print(gaussian_figures.table(results))
    print(f"\nThe film: {folder / 'gaussian.gif'}; the numbers: {folder / 'gaussian.json'}")
    return 0


def visible_range(data: np.ndarray) -> tuple[float, float]:
    """The visible part of the axis: twice as wide as the data, with the first points of G."""
    low, high = data.min(), data.max()
    return low - 0.7 * (high - low), high + 0.3 * (high - low)


def train_gan(config: GaussianConfig, data: np.ndarray, axis: np.ndarray) -> list[Moment]:
    """Trains the GAN on the data, and measures its points once for each frame.

    The networks see the range of the data as [-1, 1], like the levels of a picture. So the training
    is the same for any Gaussian. The points of G begin to the left of all data. D sees the data,
    but G never does.

    Args:
        config: settings of the lesson.
        data: `[N]`.
        axis: places where D is evaluated, `[A]`.
    """
    import tensorflow as tf
    from tqdm import tqdm

    from tf_inpaint.gan.model import GAN
    from tf_inpaint.lessons import points

    # Scale the data.
    low, high = data.min(), data.max()
    scaled_data = tf.constant(((data - low) / (high - low) * 2 - 1).astype(np.float32)[:, None])
    scaled_axis = ((axis - low) / (high - low) * 2 - 1).astype(np.float32)
    places = tf.constant(scaled_axis[:, None, None, None])

    def sample(count, seed):
        indices = tf.random.stateless_uniform(
            [count], seed, maxval=len(data), dtype=tf.int32, alg="philox"
        )
        return tf.gather(scaled_data, indices)

    # Make the networks.
    random = np.random.default_rng([config.seed, 1])
    z = random.uniform(-1, 1, (MEASURED_POINTS, LATENT_SIZE)).astype(np.float32)
    gan = GAN(
        points.Generator(1, LATENT_SIZE, gain=2.0, offset=-1.5, seed=config.seed),
        points.Discriminator(1, LATENT_SIZE, gain=5.0, seed=config.seed),
        loss=config.loss,
        discriminator_steps=config.discriminator_steps,
        r1=config.r1,
        # Measure the G that D sees, and not an average over the training steps.
        ema_decay=0.0,
        seed=config.seed,
    )

    # Train and measure. D learns faster than G, and neither network has momentum: otherwise the
    # networks circle around each other for a long time.
    stops = points.frame_steps(config.steps, config.frames)
    rates, betas = (config.learning_rate, 4 * config.learning_rate), (0.0, 0.99)
    moments = []
    with tqdm(total=config.steps, unit="step") as bar:
        for step in points.train(gan, sample, config.batch_size, stops, rates, betas):
            generated = (gan(z).numpy().ravel().astype(np.float64) + 1) / 2 * (high - low) + low
            kl = sampled_divergence(generated, config.mean, config.deviation)
            logits = gan.discriminator(places).numpy().ravel()
            mean, deviation = float(generated.mean()), float(generated.std())
            moments.append(Moment(step, generated, mean, deviation, kl, logits))
            bar.update(step - bar.n)
    return moments


def summarize(config: GaussianConfig, data: np.ndarray, moments: list[Moment]) -> dict:
    """Returns the content of gaussian.json.

    Args:
        config: settings of the lesson.
        data: `[N]`.
        moments: measurements of the GAN.
    """
    mean, deviation = maximum_likelihood(data)
    kl = divergence(mean, deviation, config.mean, config.deviation)
    settings = dataclasses.asdict(config)
    del settings["out_dir"], settings["overwrite"]
    training = [
        {"step": moment.step, "mean": moment.mean, "deviation": moment.deviation, "kl": moment.kl}
        for moment in moments
    ]
    last = moments[-1]
    return {
        "truth": {"mean": config.mean, "deviation": config.deviation},
        "maximum_likelihood": {"mean": mean, "deviation": deviation, "kl": kl},
        "gan": {"mean": last.mean, "deviation": last.deviation, "kl": last.kl},
        "settings": settings,
        "training": training,
    }


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(GaussianConfig, run, __doc__)
