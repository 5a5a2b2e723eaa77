"""Mode collapse on a ring of eight Gaussians, and the effect of each remedy.

    python -m tf_inpaint.lessons.ring
    python -m tf_inpaint.lessons.ring --recipes=minimax,r1 --steps=2000 --out_dir=runs/lessons/two

The lesson takes about two minutes on two CPU cores. All recipes have the same networks, first
weights, data and learning rates. G learns three times as fast as D, so that it is trained too much
and may send every z to the same convincing place. The lesson writes to --out_dir:
    ring.json           covered modes and share of good samples, for each recipe and step
    ring.gif .webp      the points of each recipe's generator over the steps
    ring.png            the same as a table: a row for each recipe, a column for each step
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_inpaint.config import RingConfig
from tf_inpaint.files import folders, images
from tf_inpaint.lessons import figures
from tf_inpaint.lessons.figures import BLUE, GRAY, GREEN, ORANGE
from tf_inpaint.lessons.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILES = ("ring.json", "ring.gif", "ring.webp", "ring.png")
"""Names of the files that the lesson writes."""
MODES = 8
"""Number of Gaussians in the ring."""
LATENT_SIZE = 8
"""Number of entries of z."""
MEASURED_POINTS = 2000
"""Number of fixed z whose points are measured in every frame."""
SHOWN_POINTS = 1000
"""Number of points that are drawn in a panel."""
COLUMNS = 6
"""Maximum number of steps in the table."""


def run(config: RingConfig) -> int:
    """Tries every recipe on the ring, writes numbers, film and table, and returns 0."""
    from tqdm import tqdm

    from tf_inpaint.lessons import points

    # Train by every recipe.
    folder = figures.claim(config.out_dir, FILES, config.overwrite)
    stops = points.frame_steps(config.steps, config.frames)
    samples = {}
    with tqdm(total=config.steps * len(config.recipes), unit="step") as bar:
        for name in config.recipes:
            bar.set_description(name)
            samples[name] = train_gan(config, RECIPES[name], stops, bar.update)
    history = {
        name: [
            {"step": step, **coverage(frame, config.deviation)}
            for step, frame in zip(stops, frames, strict=True)
        ]
        for name, frames in samples.items()
    }
    results = summarize(config, samples, history)

    # Write the results.
    pictures = [frame(index, samples, history, config.deviation) for index in range(len(stops))]
    with folders.all_or_none(folder, FILES):
        figures.write_film(folder, "ring", pictures, 0.15)
        images.write(folder / "ring.png", table(samples, history, config.deviation))
        folders.write_json(folder / "ring.json", results)
    for name, row in results["recipes"].items():
        print(f"{name:22}{row['modes']} of {MODES} modes, {row['good_share']:4.0%} good samples")
    print(f"\nThe table: {folder / 'ring.png'}; the film: {folder / 'ring.gif'}")
    return 0


def summarize(
    config: RingConfig,
    samples: Mapping[str, Sequence[np.ndarray]],
    history: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict:
    """Returns the content of ring.json.

    Args:
        config: settings of the lesson.
        samples: recipe -> the points of G `[N, 2]` at each stop.
        history: recipe -> the step and the `coverage` at each stop.
    """
    settings = dataclasses.asdict(config)
    del settings["out_dir"], settings["overwrite"]
    recipes = {
        name: {
            **coverage(frames[-1], config.deviation),
            **RECIPES[name].settings(),
            "training": history[name],
        }
        for name, frames in samples.items()
    }
    return {"settings": settings, "recipes": recipes}


def centers() -> np.ndarray:
    """The means of the eight Gaussians on the circle of radius 1, `[8, 2]`."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def ring(seed: int, count: int, deviation: float) -> np.ndarray:
    """Draws points of the ring, `[count, 2]`.

    Args:
        seed: seed of the random numbers.
        count: number of points.
        deviation: standard deviation of each Gaussian.
    """
    random = np.random.default_rng(seed)
    modes = random.integers(MODES, size=count)
    return centers()[modes] + deviation * random.normal(size=(count, 2))


def coverage(points: np.ndarray, deviation: float) -> dict[str, Any]:
    """Measures how well points cover the ring.

    A point is good within three standard deviations of a mode. A mode is covered if its good points
    are at least a quarter of its fair share, N / 8.

    Args:
        points: `[N, 2]`.
        deviation: standard deviation of each Gaussian.

    Returns:
        `modes`, the number of covered modes; `good_share`, the share of good points; and `shares`,
        the share of the points that are good points of each mode.
    """
    distances = np.linalg.norm(points[:, None] - centers(), axis=2)
    good = distances.min(axis=1) <= 3 * deviation
    shares = np.bincount(distances.argmin(axis=1)[good], minlength=MODES) / len(points)
    covered = int(np.sum(shares >= 0.25 / MODES))
    return {"modes": covered, "good_share": float(good.mean()), "shares": shares.tolist()}


def train_gan(
    config: RingConfig, recipe: Recipe, stops: Sequence[int], progress: Callable[[int], Any]
) -> list[np.ndarray]:
    """Trains a GAN by a recipe, and returns the points of G for the same z at every stop.

    Args:
        config: settings of the lesson.
        recipe: settings of the GAN.
        stops: training steps, in rising order.
        progress: called with the number of new steps at every stop.

    Returns:
        `[N, 2]` for each stop.
    """
    import tensorflow as tf

    from tf_inpaint.gan.model import GAN
    from tf_inpaint.lessons import points

    random = np.random.default_rng([config.seed, 1])
    z = random.uniform(-1, 1, (MEASURED_POINTS, LATENT_SIZE)).astype(np.float32)
    means = tf.constant(centers())

    def sample(count, seed):
        seeds = tf.random.experimental.stateless_split(seed, 2, alg="philox")
        modes = tf.random.stateless_uniform(
            [count], seeds[0], maxval=MODES, dtype=tf.int32, alg="philox"
        )
        noise = tf.random.stateless_normal([count, 2], seeds[1], alg="philox")
        return tf.gather(means, modes) + config.deviation * noise

    # Make the networks.
    gan = GAN(
        points.Generator(2, LATENT_SIZE, width=64, gain=4.0, seed=config.seed),
        points.Discriminator(2, LATENT_SIZE, width=64, gain=4.0, seed=config.seed),
        # Show G itself: an average over the steps would hide that G moves from mode to mode.
        ema_decay=0.0,
        seed=config.seed,
        **recipe.settings(),
    )

    # Train to each stop.
    samples, previous = [], 0
    for step in points.train(gan, sample, config.batch_size, stops, (1e-3, 3e-4), (0.5, 0.999)):
        samples.append(gan(z).numpy().reshape(-1, 2))
        progress(step - previous)
        previous = step
    return samples


def draw_points(axes: "Axes", points: np.ndarray, color: str, deviation: float) -> None:
    """Draws points `[N, 2]`, and the circles within which points are good."""
    from matplotlib.patches import Circle

    x, y = points[:SHOWN_POINTS].T
    axes.plot(x, y, ".", color=color, markersize=2.5, alpha=0.5, markeredgewidth=0)
    for center in centers():
        axes.add_patch(Circle(center, 3 * deviation, fill=False, edgecolor=BLUE, linewidth=1.1))
    limits, ticks = (-1.45, 1.45), (-1, 0, 1)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xticks=ticks, yticks=ticks)
    axes.tick_params(labelsize=7, colors=GRAY, length=2)
    axes.spines[:].set_color("#BBBBBB")


def write_coverage(axes: "Axes", row: Mapping[str, Any], size: int) -> None:
    """Writes the coverage below a panel. A full coverage is green and bold."""
    full = row["modes"] == MODES
    style = {"color": GREEN, "fontweight": "bold"} if full else {"color": "black"}
    text = f"{row['modes']} of {MODES} modes, {row['good_share']:.0%} good"
    axes.set_xlabel(text, fontsize=size, **style)


def frame(
    index: int,
    samples: Mapping[str, Sequence[np.ndarray]],
    history: Mapping[str, Sequence[Mapping[str, Any]]],
    deviation: float,
) -> np.ndarray:
    """Draws a frame of the film: the data, and a panel for each recipe.

    Args:
        index: index of the stop.
        samples: recipe -> the points of G `[N, 2]` at each stop.
        history: recipe -> the step and the `coverage` at each stop.
        deviation: standard deviation of each Gaussian.

    Returns:
        uint8 [H, W, 3].
    """
    columns = min(4, len(samples) + 1)
    rows = -(-(len(samples) + 1) // columns)
    figure = figures.new_figure(2.4 * columns, 3.1 * rows + 0.4)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    step = next(iter(history.values()))[index]["step"]
    figure.suptitle(f"step {step:,}", x=0.01, ha="left", fontweight="bold", fontsize=14)

    # Draw the data.
    draw_points(panels[0], ring(0, MEASURED_POINTS, deviation), BLUE, deviation)
    panels[0].set_title("the data:\neight Gaussians", fontsize=10, color=BLUE)
    panels[0].set_xlabel("good: inside a circle", fontsize=9, color=BLUE)

    # Draw the recipes.
    for axes, (name, frames) in zip(panels[1:], samples.items(), strict=False):
        draw_points(axes, frames[index], ORANGE, deviation)
        axes.set_title(RECIPES[name].title, fontsize=10)
        write_coverage(axes, history[name][index], 9)
    for axes in panels[1 + len(samples) :]:
        axes.axis("off")
    return figures.to_picture(figure)


def table(
    samples: Mapping[str, Sequence[np.ndarray]],
    history: Mapping[str, Sequence[Mapping[str, Any]]],
    deviation: float,
) -> np.ndarray:
    """Draws a table with a row for each recipe, and a column for some steps.

    Args:
        samples: recipe -> the points of G `[N, 2]` at each stop.
        history: recipe -> the step and the `coverage` at each stop.
        deviation: standard deviation of each Gaussian.

    Returns:
        uint8 [H, W, 3].
    """
    steps = [row["step"] for row in next(iter(history.values()))]
    columns = np.unique(np.linspace(0, len(steps) - 1, COLUMNS).round().astype(int))
    figure = figures.new_figure(1.95 * len(columns) + 1.6, 2.1 * len(samples) + 0.4)
    panels = figure.subplots(len(samples), len(columns), squeeze=False)
    for line, (name, frames) in zip(panels, samples.items(), strict=True):
        title = RECIPES[name].title
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8, fontsize=11)
        for axes, index in zip(line, columns, strict=True):
            draw_points(axes, frames[index], ORANGE, deviation)
            write_coverage(axes, history[name][index], 8)
    for axes, index in zip(panels[0], columns, strict=True):
        axes.set_title(f"step {steps[index]:,}", fontsize=12, fontweight="bold")
    return figures.to_picture(figure)


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(RingConfig, run, __doc__)
