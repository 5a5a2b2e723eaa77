"""Recovers a known one-dimensional Gaussian twice: by maximum likelihood, and by a GAN that is told no formula.

    python -m tf_inpaint.lessons.gaussian
    python -m tf_inpaint.lessons.gaussian --mean=-3 --deviation=2 --out_dir=runs/lessons/wide
    python -m tf_inpaint.lessons.gaussian --loss=minimax --discriminator_steps=5 --out_dir=runs/lessons/minimax

Under a minute on two CPU cores. Writes to --out_dir:
    gaussian.json       truth, maximum_likelihood and gan: mean, deviation and divergence from the truth
    gaussian.gif .webp  the training: both densities, and what D makes of every x
    gaussian.png        its last frame
    convergence.png     mean, deviation and divergence over the steps
"""

import dataclasses
import math

import numpy as np

from tf_inpaint.config import GaussianConfig
from tf_inpaint.files import folders, images
from tf_inpaint.lessons import film
from tf_inpaint.lessons.film import BLUE, GRAY, GREEN, ORANGE

FILES = ("gaussian.json", "gaussian.gif", "gaussian.webp", "gaussian.png", "convergence.png")
LATENT_SIZE, DRAWN, RUG = 4, 50_000, 60
"""Entries of z; fixed z whose points are measured in every frame; and how many of them are shown one by one."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """The game at one step: G's points (of the fixed z), their measures, and D's logits along the axis."""

    step: int
    points: np.ndarray
    mean: float
    deviation: float
    kl: float
    logits: np.ndarray


def run(config: GaussianConfig) -> int:
    """Recovers the Gaussian by both ways, and writes numbers, film and figures; returns 0."""
    folder = film.claim(config.out_dir, FILES, config.overwrite)
    data = np.random.default_rng(config.seed).normal(config.mean, config.deviation, config.samples)
    mean, deviation = maximum_likelihood(data)
    axis = np.linspace(*viewed(data), 400)
    moments = adversarial(config, data, axis)
    last = moments[-1]
    truth = {"mean": config.mean, "deviation": config.deviation}
    results = {
        "truth": truth,
        "maximum_likelihood": {
            "mean": mean,
            "deviation": deviation,
            "kl": divergence(mean, deviation, config.mean, config.deviation),
        },
        "gan": {"mean": last.mean, "deviation": last.deviation, "kl": last.kl},
        "settings": {
            name: value
            for name, value in dataclasses.asdict(config).items()
            if name not in ("out_dir", "overwrite")
        },
        "training": [
            {
                "step": moment.step,
                "mean": moment.mean,
                "deviation": moment.deviation,
                "kl": moment.kl,
            }
            for moment in moments
        ],
    }
    frames = [frame(moment, axis, results) for moment in moments]
    film.write(folder, "gaussian", frames, 0.12)
    images.write(folder / "gaussian.png", frames[-1])
    images.write(folder / "convergence.png", convergence(results))
    folders.write_json(folder / "gaussian.json", results)
    print(
        table(results)
        + f"\n\nThe film: {folder / 'gaussian.gif'}; the numbers: {folder / 'gaussian.json'}"
    )
    return 0


def maximum_likelihood(data) -> tuple[float, float]:
    """The mean and the deviation under which the data are most likely, `argmax sum log N(x; m, s)`, in closed form.

    `m = mean x`, `s^2 = mean (x - m)^2`. The lecture's statistical model: it assumes that the data are Gaussian,
    and then needs one line.
    """
    return float(np.mean(data)), float(np.std(data))


def divergence(mean, deviation, true_mean, true_deviation) -> float:
    """`KL(N(m, s) || N(m0, s0)) = log(s0 / s) + (s^2 + (m - m0)^2) / (2 s0^2) - 1/2`, in nats."""
    squares = deviation**2 + (mean - true_mean) ** 2
    return math.log(true_deviation / deviation) + squares / (2 * true_deviation**2) - 0.5


def sampled_divergence(points, mean, deviation) -> float:
    """`KL(q || N(m, s))` in nats of a density q known by its samples only, which is all that G gives.

    `sum q_i log(q_i / p_i)` over bins of s / 20, or narrower ones where the points lie closer. Bins that hold few
    points make it too large, by about half the number of bins over the number of points.
    """
    width = min(deviation, np.std(points) + 1e-3 * deviation) / 20
    bins = np.floor((points - mean) / width)
    places, counts = np.unique(bins, return_counts=True)
    share = counts / len(points)
    middle = (places + 0.5) * width / deviation
    log_density = -0.5 * middle**2 - math.log(deviation * math.sqrt(2 * math.pi))
    return float(np.sum(share * (np.log(share / width) - log_density)))


def viewed(data) -> tuple[float, float]:
    """The part of the axis that is shown: twice as wide as the data, and where G begins."""
    low, high = data.min(), data.max()
    return low - 0.7 * (high - low), high + 0.3 * (high - low)


def adversarial(config: GaussianConfig, data, axis) -> list[Moment]:
    """The GAN's training on the data, looked at `frames` times.

    The networks see the data's range as [-1, 1], as they see a picture's levels: any Gaussian is then the same
    game. G begins to the left of all data. It never sees a number of them; D does.
    """
    import tensorflow as tf
    from tqdm import tqdm

    from tf_inpaint.gan.model import GAN
    from tf_inpaint.lessons import points

    low, high = data.min(), data.max()
    seen = tf.constant(((data - low) / (high - low) * 2 - 1).astype(np.float32)[:, None])
    shown = tf.constant(
        ((axis - low) / (high - low) * 2 - 1).astype(np.float32)[:, None, None, None]
    )
    z = (
        np.random.default_rng([config.seed, 1])
        .uniform(-1, 1, (DRAWN, LATENT_SIZE))
        .astype(np.float32)
    )

    def sample(count, seed):
        return tf.gather(
            seen, tf.random.stateless_uniform([count], seed, maxval=len(data), dtype=tf.int32)
        )

    gan = GAN(
        points.Generator(1, LATENT_SIZE, gain=2.0, offset=-1.5, seed=config.seed),
        points.Discriminator(1, LATENT_SIZE, gain=5.0, seed=config.seed),
        loss=config.loss,
        discriminator_steps=config.discriminator_steps,
        r1=config.r1,
        ema_decay=0.0,  # G itself, whom D judges, and not an average over steps
        seed=config.seed,
    )
    stops = points.frame_steps(config.steps, config.frames)
    # D learns faster than G, and neither has momentum: else they go round each other for long.
    rates, betas = (config.learning_rate, 4 * config.learning_rate), (0.0, 0.99)
    moments = []
    with tqdm(total=config.steps, unit="step") as bar:
        for step in points.train(gan, sample, config.batch_size, stops, rates, betas):
            made = (gan(z).numpy().ravel().astype(np.float64) + 1) / 2 * (high - low) + low
            kl = sampled_divergence(made, config.mean, config.deviation)
            logits = gan.discriminator(shown).numpy().ravel()
            moments.append(Moment(step, made, float(made.mean()), float(made.std()), kl, logits))
            bar.update(step - bar.n)
    return moments


def normal(x, mean, deviation):
    """The Gaussian's density."""
    return np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def density(points, axis):
    """G's density along the axis: a histogram of its points, smoothed over some places."""
    spacing = axis[1] - axis[0]
    edges = np.append(axis - spacing / 2, axis[-1] + spacing / 2)
    counts, _ = np.histogram(points, edges)
    weights = np.hanning(11)
    return np.convolve(counts, weights / weights.sum(), "same") / (len(points) * spacing)


def frame(moment: Moment, axis, results):
    """One frame of the film, [H, W, 3]: the densities, D's verdict, and the numbers."""
    truth = results["truth"]
    figure = film.new_figure(8, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    data, made = normal(axis, **truth), density(moment.points, axis)
    top = 2.2 * normal(0, 0, truth["deviation"])
    above.fill_between(axis, data, color=BLUE, alpha=0.25, linewidth=0)
    above.plot(axis, data, color=BLUE, linestyle="--", linewidth=2, label="data")
    above.plot(axis, made, color=ORANGE, linewidth=2, label="generator (ticks: G of some fixed z)")
    above.plot(
        moment.points[:RUG], np.full(RUG, -0.05 * top), "|", color=ORANGE, markersize=9, alpha=0.7
    )
    above.axhline(0, color="black", linewidth=0.8)
    above.set(ylabel="density", ylim=(-0.09 * top, top), xlim=(axis[0], axis[-1]))
    above.set_title(f"step {moment.step:,}", loc="left", fontweight="bold", fontsize=14)
    above.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=10)
    rows = [
        ("truth", truth),
        ("max. likelihood", results["maximum_likelihood"]),
        ("GAN", vars(moment)),
    ]
    decimals = max(0, 2 - math.floor(math.log10(truth["deviation"])))
    lines = [
        f"{'':15}{'mean':>9}{'deviation':>11}{'KL':>9}",
        *(line(*row, decimals) for row in rows),
    ]
    for index, color in enumerate(("black", BLUE, GRAY, ORANGE)):
        text = {"va": "top", "ha": "right", "family": "monospace", "fontsize": 10, "color": color}
        above.text(0.99, 0.97 - 0.08 * index, lines[index], transform=above.transAxes, **text)

    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(data + made > 0.01 * top, data / (data + made), np.nan)
    below.axhline(0.5, color=GRAY, linewidth=1)
    below.plot(
        axis,
        1 / (1 + np.exp(-moment.logits.astype(np.float64))),
        color=GREEN,
        linewidth=2.5,
        label="D(x)",
    )
    below.plot(
        axis,
        best,
        color="black",
        linestyle=":",
        linewidth=1.8,
        label="best D: data / (data + generator)",
    )
    below.set(xlabel="x", ylabel="D(x)", ylim=(-0.04, 1.04))
    below.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0  G's", "", "1/2", "", "1  real"))
    below.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=10)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return film.picture(figure)


def line(name: str, row, decimals: int) -> str:
    """A name and its numbers, in columns."""
    kl = f"{row['kl']:9.3f}" if "kl" in row else " " * 9
    return f"{name:15}{row['mean']:9.{decimals}f}{row['deviation']:11.{decimals}f}{kl}"


def convergence(results):
    """Mean, deviation and divergence over the steps, [H, W, 3], beside the truth and what maximum likelihood found."""
    figure = film.new_figure(12, 3.8)
    steps = [row["step"] for row in results["training"]]
    panels = figure.subplots(1, 3)
    for axes, name in zip(panels, ("mean", "deviation", "kl"), strict=True):
        axes.plot(
            steps, [row[name] for row in results["training"]], ".-", color=ORANGE, label="GAN"
        )
        found = results["maximum_likelihood"][name]
        axes.axhline(found, color=GRAY, linestyle="--", linewidth=1.5, label="maximum likelihood")
        axes.set(xlabel="step", title=name, xlim=(0, steps[-1]))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    for axes, name in zip(panels[:2], ("mean", "deviation"), strict=True):
        value = results["truth"][name]
        axes.axhspan(
            *tolerated(value, results["truth"]["deviation"]),
            color=BLUE,
            alpha=0.2,
            label="truth, and 5 %",
        )
        axes.axhline(value, color=BLUE, linewidth=1.5)
    panels[0].legend(loc="lower right")
    panels[2].set(yscale="log", title="KL(found || truth), nats")
    return film.picture(figure)


def tolerated(value: float, deviation: float) -> tuple[float, float]:
    """The truth less and plus 5 %: of the deviation, for a mean that is nearer to 0 than that."""
    margin = 0.05 * max(abs(value), deviation)
    return value - margin, value + margin


def table(results) -> str:
    """The numbers, for the terminal."""
    decimals = max(0, 3 - math.floor(math.log10(results["truth"]["deviation"])))
    rows = {"truth": "truth", "max. likelihood": "maximum_likelihood", "GAN": "gan"}
    lines = [f"{'':15}{'mean':>9}{'deviation':>11}{'KL':>9}"]
    return "\n".join(
        lines + [line(name, results[key], decimals).rstrip() for name, key in rows.items()]
    )


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(GaussianConfig, run, __doc__)
