"""The figures and the tables of the lesson of the Gaussian."""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_inpaint.lessons import figures
from tf_inpaint.lessons.figures import BLUE, GRAY, GREEN, ORANGE
from tf_inpaint.lessons.normal_distribution import normal, sampled_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = 60
"""Number of points of G that are drawn as ticks."""
HEADER = f"{'':15}{'mean':>9}{'deviation':>11}{'KL':>9}"
"""First line of a table."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """Measurements of the GAN at one training step."""

    step: int
    points: np.ndarray
    """Points of G for fixed z, `[N]`."""
    mean: float
    deviation: float
    kl: float
    """Divergence of the points from the true Gaussian, in nats."""
    logits: np.ndarray
    """Logits of D along the axis, `[A]`."""


def frame(moment: Moment, axis: np.ndarray, results: Mapping[str, Any]) -> np.ndarray:
    """Draws a frame of the film: the densities, the numbers, and the output of D.

    Args:
        moment: measurements of the GAN.
        axis: visible places, `[A]`.
        results: content of gaussian.json.

    Returns:
        uint8 [H, W, 3].
    """
    truth = results["truth"]
    figure = figures.new_figure(8, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    true_density, density = normal(axis, **truth), sampled_density(moment.points, axis)
    top = 2.2 * normal(0, 0, truth["deviation"])
    draw_densities(above, moment, axis, true_density, density, top)
    write_numbers(above, moment, results)
    with np.errstate(divide="ignore", invalid="ignore"):
        optimum = true_density / (true_density + density)
    # The optimum has no meaning where nearly no points are.
    optimum = np.where(true_density + density > 0.01 * top, optimum, np.nan)
    draw_discriminator(below, moment, axis, optimum)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figures.to_picture(figure)


def draw_densities(
    axes: "Axes",
    moment: Moment,
    axis: np.ndarray,
    true_density: np.ndarray,
    density: np.ndarray,
    top: float,
) -> None:
    """Draws the densities of the data and of G, and some points of G.

    Args:
        axes: the panel.
        moment: measurements of the GAN.
        axis: visible places, `[A]`.
        true_density: density of the data at these places, `[A]`.
        density: density of G at these places, `[A]`.
        top: largest visible density.
    """
    axes.fill_between(axis, true_density, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(axis, true_density, color=BLUE, linestyle="--", linewidth=2, label="data")
    label = "generator (ticks: G of some fixed z)"
    axes.plot(axis, density, color=ORANGE, linewidth=2, label=label)
    ticks, height = moment.points[:TICKS], np.full(TICKS, -0.05 * top)
    axes.plot(ticks, height, "|", color=ORANGE, markersize=9, alpha=0.7)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(ylabel="density", ylim=(-0.09 * top, top), xlim=(axis[0], axis[-1]))
    axes.set_title(f"step {moment.step:,}", loc="left", fontweight="bold", fontsize=14)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=10)


def write_numbers(axes: "Axes", moment: Moment, results: Mapping[str, Any]) -> None:
    """Writes the numbers of the truth and of both ways into a panel."""
    rows = [
        ("truth", results["truth"], BLUE),
        ("max. likelihood", results["maximum_likelihood"], GRAY),
        ("GAN", vars(moment), ORANGE),
    ]
    decimals = max(0, 2 - math.floor(math.log10(results["truth"]["deviation"])))
    lines = [(HEADER, "black")]
    lines += [(line(name, numbers, decimals), color) for name, numbers, color in rows]
    for index, (text, color) in enumerate(lines):
        axes.text(
            0.99,
            0.97 - 0.08 * index,
            text,
            transform=axes.transAxes,
            va="top",
            ha="right",
            family="monospace",
            fontsize=10,
            color=color,
        )


def draw_discriminator(axes: "Axes", moment: Moment, axis: np.ndarray, optimum: np.ndarray) -> None:
    """Draws the output of D, and the output of the optimal D.

    Args:
        axes: the panel.
        moment: measurements of the GAN.
        axis: visible places, `[A]`.
        optimum: output of the optimal D at these places, `[A]`. NaN is not drawn.
    """
    output = 1 / (1 + np.exp(-moment.logits.astype(np.float64)))
    axes.axhline(0.5, color=GRAY, linewidth=1)
    axes.plot(axis, output, color=GREEN, linewidth=2.5, label="D(x)")
    label = "best D: data / (data + generator)"
    axes.plot(axis, optimum, color="black", linestyle=":", linewidth=1.8, label=label)
    axes.set(xlabel="x", ylabel="D(x)", ylim=(-0.04, 1.04))
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0  G's", "", "1/2", "", "1  real"))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=10)


def convergence(results: Mapping[str, Any]) -> np.ndarray:
    """Draws mean, deviation and divergence over the training steps.

    Args:
        results: content of gaussian.json.

    Returns:
        uint8 [H, W, 3].
    """
    figure = figures.new_figure(12, 3.8)
    panels = figure.subplots(1, 3)
    truth, training = results["truth"], results["training"]
    steps = [row["step"] for row in training]

    # Draw the results of both ways.
    for axes, name in zip(panels, ("mean", "deviation", "kl"), strict=True):
        axes.plot(steps, [row[name] for row in training], ".-", color=ORANGE, label="GAN")
        estimate = results["maximum_likelihood"][name]
        label = "maximum likelihood"
        axes.axhline(estimate, color=GRAY, linestyle="--", linewidth=1.5, label=label)
        axes.set(xlabel="step", title=name, xlim=(0, steps[-1]))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)

    # Draw the truth.
    for axes, name in zip(panels[:2], ("mean", "deviation"), strict=True):
        low, high = tolerance(truth[name], truth["deviation"])
        axes.axhspan(low, high, color=BLUE, alpha=0.2, label="truth, and 5 %")
        axes.axhline(truth[name], color=BLUE, linewidth=1.5)
    panels[0].legend(loc="lower right")
    panels[2].set(yscale="log", title="KL(found || truth), nats")
    return figures.to_picture(figure)


def tolerance(value: float, deviation: float) -> tuple[float, float]:
    """The range of 5 % around a true value, or of 5 % of the deviation if that is wider."""
    margin = 0.05 * max(abs(value), deviation)
    return value - margin, value + margin


def table(results: Mapping[str, Any]) -> str:
    """The numbers as a table for the terminal.

    Args:
        results: content of gaussian.json.
    """
    decimals = max(0, 3 - math.floor(math.log10(results["truth"]["deviation"])))
    keys = {"truth": "truth", "max. likelihood": "maximum_likelihood", "GAN": "gan"}
    lines = [line(name, results[key], decimals).rstrip() for name, key in keys.items()]
    return "\n".join([HEADER, *lines])


def line(name: str, numbers: Mapping[str, float], decimals: int) -> str:
    """A line of a table: a name and its numbers, in columns.

    Args:
        name: first column.
        numbers: `mean`, `deviation`, and optionally `kl`.
        decimals: decimals of mean and deviation.
    """
    kl = f"{numbers['kl']:9.3f}" if "kl" in numbers else " " * 9
    return f"{name:15}{numbers['mean']:9.{decimals}f}{numbers['deviation']:11.{decimals}f}{kl}"
