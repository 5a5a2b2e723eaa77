"""Mode collapse on a ring of eight Gaussians: what a GAN trained too fast for its D does, and what each remedy does.

    python -m tf_inpaint.lessons.ring
    python -m tf_inpaint.lessons.ring --recipes=minimax,r1 --steps=2000 --out_dir=runs/lessons/two

About two minutes on two CPU cores. All recipes have the same networks, first weights, data and step sizes; G's are
three times D's, so that G is trained too much and may send every z to one convincing place. Writes to --out_dir:
    ring.json           for each recipe, the modes covered and the share of good samples, over the steps
    ring.gif .webp      what each recipe's generator makes, over the steps
    ring.png            the same as a table: a row a recipe, a column a step
"""

import dataclasses

import numpy as np

from tf_inpaint.config import RingConfig
from tf_inpaint.files import folders, images
from tf_inpaint.lessons import film
from tf_inpaint.lessons.film import BLUE, GRAY, GREEN, ORANGE
from tf_inpaint.lessons.recipes import RECIPES, Recipe

FILES = ("ring.json", "ring.gif", "ring.webp", "ring.png")
MODES, LATENT_SIZE, DRAWN, SHOWN = 8, 8, 2000, 1000
"""Gaussians of the ring; entries of z; fixed z whose points are judged in every frame; and how many are shown."""
COLUMNS = 6


def run(config: RingConfig) -> int:
    """Tries every recipe on the ring, and writes numbers, film and table; returns 0."""
    from tqdm import tqdm

    from tf_inpaint.lessons import points

    folder = film.claim(config.out_dir, FILES, config.overwrite)
    stops = points.frame_steps(config.steps, config.frames)
    made = {}
    with tqdm(total=config.steps * len(config.recipes), unit="step") as bar:
        for name in config.recipes:
            bar.set_description(name)
            made[name] = adversarial(config, RECIPES[name], stops, bar.update)
    history = {
        name: [
            {"step": step, **judged(frame, config.deviation)}
            for step, frame in zip(stops, frames, strict=True)
        ]
        for name, frames in made.items()
    }
    results = {
        "settings": {
            name: value
            for name, value in dataclasses.asdict(config).items()
            if name not in ("out_dir", "overwrite")
        },
        "recipes": {
            name: {
                **judged(frames[-1], config.deviation),
                **RECIPES[name].settings(),
                "training": history[name],
            }
            for name, frames in made.items()
        },
    }
    frames = [frame(index, made, history, config.deviation) for index in range(len(stops))]
    film.write(folder, "ring", frames, 0.15)
    images.write(folder / "ring.png", table(made, history, config.deviation))
    folders.write_json(folder / "ring.json", results)
    for name, row in results["recipes"].items():
        print(f"{name:22}{row['modes']} of {MODES} modes, {row['good_share']:4.0%} good samples")
    print(f"\nThe table: {folder / 'ring.png'}; the film: {folder / 'ring.gif'}")
    return 0


def centres() -> np.ndarray:
    """The eight means, `[8, 2]`, on the circle of radius 1."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def ring(seed: int, count: int, deviation: float) -> np.ndarray:
    """`[count, 2]` points of the ring."""
    random = np.random.default_rng(seed)
    return centres()[random.integers(MODES, size=count)] + deviation * random.normal(
        size=(count, 2)
    )


def judged(points, deviation: float) -> dict:
    """How well `[N, 2]` points cover the ring.

    A point is good within three deviations of a mode. A mode is covered when its good points are a quarter of its
    fair share, N / 8, or more.

    Returns:
        `modes` covered, `good_share` of the points, and `shares` of the points that are good ones of each mode.
    """
    distances = np.linalg.norm(points[:, None] - centres(), axis=2)
    good = distances.min(axis=1) <= 3 * deviation
    shares = np.bincount(distances.argmin(axis=1)[good], minlength=MODES) / len(points)
    covered = int(np.sum(shares >= 0.25 / MODES))
    return {"modes": covered, "good_share": float(good.mean()), "shares": shares.tolist()}


def adversarial(config: RingConfig, recipe: Recipe, stops, progress) -> list[np.ndarray]:
    """The points `[N, 2]` that G makes of the same z at every stop of its training by one recipe."""
    import tensorflow as tf

    from tf_inpaint.gan.model import GAN
    from tf_inpaint.lessons import points

    z = (
        np.random.default_rng([config.seed, 1])
        .uniform(-1, 1, (DRAWN, LATENT_SIZE))
        .astype(np.float32)
    )
    means = tf.constant(centres())

    def sample(count, seed):
        which, where = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        modes = tf.random.stateless_uniform([count], which, maxval=MODES, dtype=tf.int32)
        return tf.gather(means, modes) + config.deviation * tf.random.stateless_normal(
            [count, 2], where
        )

    gan = GAN(
        points.Generator(2, LATENT_SIZE, width=64, gain=4.0, seed=config.seed),
        points.Discriminator(2, LATENT_SIZE, width=64, gain=4.0, seed=config.seed),
        ema_decay=0.0,  # G itself: an average over steps would hide how it runs from mode to mode
        seed=config.seed,
        **recipe.settings(),
    )
    made, before = [], 0
    for step in points.train(gan, sample, config.batch_size, stops, (1e-3, 3e-4), (0.5, 0.999)):
        made.append(gan(z).numpy().reshape(-1, 2))
        progress(step - before)
        before = step
    return made


def draw(axes, points, color, deviation: float) -> None:
    """Points, and the circles within which they are good."""
    from matplotlib.patches import Circle

    axes.plot(*points[:SHOWN].T, ".", color=color, markersize=2.5, alpha=0.5, markeredgewidth=0)
    for centre in centres():
        axes.add_patch(Circle(centre, 3 * deviation, fill=False, edgecolor=BLUE, linewidth=1.1))
    axes.set(
        xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1)
    )
    axes.tick_params(labelsize=7, colors=GRAY, length=2)
    axes.spines[:].set_color("#BBBBBB")


def caption(axes, row, size: int) -> None:
    """The verdict under a panel; one that covers every mode stands out, in weight as in colour."""
    whole = row["modes"] == MODES
    style = {"color": GREEN, "fontweight": "bold"} if whole else {"color": "black"}
    axes.set_xlabel(
        f"{row['modes']} of {MODES} modes, {row['good_share']:.0%} good", fontsize=size, **style
    )


def frame(index: int, made, history, deviation: float) -> np.ndarray:
    """One frame of the film, [H, W, 3]: the data, and a panel for each recipe."""
    columns = min(4, len(made) + 1)
    rows = -(-(len(made) + 1) // columns)
    figure = film.new_figure(2.4 * columns, 3.1 * rows + 0.4)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    step = next(iter(history.values()))[index]["step"]
    figure.suptitle(f"step {step:,}", x=0.01, ha="left", fontweight="bold", fontsize=14)
    draw(panels[0], ring(0, DRAWN, deviation), BLUE, deviation)
    panels[0].set_title("the data:\neight Gaussians", fontsize=10, color=BLUE)
    panels[0].set_xlabel("good: inside a circle", fontsize=9, color=BLUE)
    for axes, (name, frames) in zip(panels[1:], made.items(), strict=False):
        draw(axes, frames[index], ORANGE, deviation)
        axes.set_title(RECIPES[name].title, fontsize=10)
        caption(axes, history[name][index], 9)
    for axes in panels[1 + len(made) :]:
        axes.axis("off")
    return film.picture(figure)


def table(made, history, deviation: float) -> np.ndarray:
    """A row a recipe, a column a step, [H, W, 3]."""
    steps = [row["step"] for row in next(iter(history.values()))]
    shown = np.unique(np.linspace(0, len(steps) - 1, COLUMNS).round().astype(int))
    figure = film.new_figure(1.95 * len(shown) + 1.6, 2.1 * len(made) + 0.4)
    panels = figure.subplots(len(made), len(shown), squeeze=False)
    for line, (name, frames) in zip(panels, made.items(), strict=True):
        line[0].set_ylabel(
            RECIPES[name].title, rotation=0, ha="right", va="center", labelpad=8, fontsize=11
        )
        for axes, index in zip(line, shown, strict=True):
            draw(axes, frames[index], ORANGE, deviation)
            caption(axes, history[name][index], 8)
    for axes, index in zip(panels[0], shown, strict=True):
        axes.set_title(f"step {steps[index]:,}", fontsize=12, fontweight="bold")
    return film.picture(figure)


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(RingConfig, run, __doc__)
