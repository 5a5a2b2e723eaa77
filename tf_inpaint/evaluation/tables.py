"""Rows of an evaluation as tables: means with bootstrap intervals, and Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the share of an image that is hole, by which PSNR is told apart."""

Rows = Sequence[Mapping]
Table = dict[str, dict[str, dict[str, float | None]]]
"""Method, mask, number."""


class Column(NamedTuple):
    name: str
    title: str
    digits: int
    best: str
    """`max`, `min`, `one` (the nearest to 1) or nothing: none is."""


COLUMNS = (
    Column("hole_psnr", "hole PSNR", 1, "max"),
    Column("psnr", "PSNR", 1, "max"),
    Column("hole_ssim", "hole SSIM", 2, "max"),
    Column("ssim", "SSIM", 2, "max"),
    Column("hole_l1", "hole L1", 3, "min"),
    Column("l1", "L1", 3, "min"),
    Column("lpips", "LPIPS", 3, "min"),
    Column("label_agreement", "label kept", 2, "max"),
    Column("seam_ratio", "seam", 2, "one"),
    Column("contextual", "contextual", 1, "min"),
    Column("seconds_per_image", "s / image", 4, "min"),
    Column("peak_memory_mb", "MB", 0, ""),
)
COSTS = {"seconds_per_image", "peak_memory_mb"}
"""Columns of the method and machine, not of the images: they have no interval, and stand last."""
NOTES = """\
- Means over images, with bootstrap 95 % intervals over them; in bold the best of those that completed all images.
- PSNR in decibels, at most 60, with a range of 2 between black and white; L1 in the same units; *hole*: over the
  hidden pixels.
- *seam*: the mean step across the hole's border over that of the originals; 1 is no seam.
- *contextual*: the L1 sum between G(z) and the image over the known pixels, before blending; of `mean` between the
  mean of several G(z) and the image.
- Distances are between the completions and the originals, as two sets. `s / image` is warm, and all of it: start,
  search and blending.
- `MB`: the most memory that the whole process held meanwhile, with TensorFlow and what methods before left in it: what
  a machine must have, and no measure of one method beside another.
"""


def interval(values: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """The bootstrap 95 % interval, by percentiles, of a mean; of two paired samples, of the ratio of their means.

    Always from the same resamples. None for fewer than two values, or where it is not finite.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    from scipy.stats import bootstrap

    if len(values[0]) < 2:
        return None

    def statistic(*samples, axis):
        means = [np.mean(sample, axis=axis) for sample in samples]
        return means[0] if len(means) == 1 else means[0] / means[1]

    resampling = {"n_resamples": RESAMPLES, "method": "percentile", "rng": np.random.default_rng(0)}
    with np.errstate(divide="ignore", invalid="ignore"):
        found = bootstrap(
            values, statistic, paired=len(values) > 1, **resampling
        ).confidence_interval
    ends = float(found.low), float(found.high)
    return ends if np.isfinite(ends).all() else None


def summarize(rows: Rows) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    """The means over the rows of one method and mask, and their intervals.

    `seam_ratio` is the mean step across the hole's border over that of the originals; `peak_memory_mb` the most.
    """
    means: dict[str, float | None] = {"images": len(rows)}
    intervals = {}
    for column in COLUMNS:
        samples = numbers(
            rows, *(("seam", "original_seam") if column.name == "seam_ratio" else (column.name,))
        )
        totals = [sum(sample) for sample in samples]
        if not samples[0]:
            means[column.name] = None
        elif column.name == "peak_memory_mb":
            means[column.name] = max(samples[0])
        elif column.name == "seam_ratio":
            means[column.name] = totals[0] / totals[1] if totals[1] else None
        else:
            means[column.name] = totals[0] / len(samples[0])
        if (
            means[column.name] is not None
            and column.name not in COSTS
            and (found := interval(samples))
        ):
            intervals[column.name] = found
    agreements = numbers(rows, "original_label_agreement")[0]
    means["original_label_agreement"] = sum(agreements) / len(agreements) if agreements else None
    return means, intervals


def numbers(rows: Rows, *names: str) -> list[list[float]]:
    """The values of those rows that have a number by each of the names, a list a name."""
    there = [row for row in rows if all(row.get(name) is not None for name in names)]
    return [[row[name] for row in there] for name in names]


def by_hole_share(rows: Rows) -> dict[str, float]:
    """The mean PSNR over the hole, of holes of a fifth of the image, two fifths, and so on."""
    bins = {}
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        inside = numbers([row for row in rows if low < row["hole_share"] <= high], "hole_psnr")[0]
        if inside:
            bins[f"{low:.0%} to {high:.0%}"] = sum(inside) / len(inside)
    return bins


def markdown(summary: Table, intervals: Mapping, measure: Sequence[str]) -> str:
    """A table a mask, a row a method; the best of those that completed all images in bold.

    Columns that nobody has a number for are left out.
    """
    text = ""
    sets = [Column(name, name.replace("_", " "), 1, "min") for name in measure]
    columns = [*COLUMNS, *sets]
    columns.sort(key=lambda column: column.name in COSTS)
    for mask in dict.fromkeys(mask for masks in summary.values() for mask in masks):
        rows = {method: masks[mask] for method, masks in summary.items() if mask in masks}
        there = [
            column
            for column in columns
            if any(row.get(column.name) is not None for row in rows.values())
        ]
        most = max(row["images"] for row in rows.values())
        best = {
            column: winner(column, [row for row in rows.values() if row["images"] == most])
            for column in there
        }
        text += f"\n## {mask}\n\n"
        text += line(["method", *(column.title for column in there), "images"]) + line(
            ["---"] * (len(there) + 2)
        )
        for method, row in rows.items():
            cells = []
            for column in there:
                value = row.get(column.name)
                cell = "" if value is None else f"{value:.{column.digits}f}"
                compared = value is not None and row["images"] == most and best[column] is not None
                if compared and cell == f"{best[column]:.{column.digits}f}":
                    cell = f"**{cell}**"
                if column.name in intervals[method][mask]:
                    low, high = intervals[method][mask][column.name]
                    cell += f" ({low:.{column.digits}f} to {high:.{column.digits}f})"
                cells.append(cell)
            text += line([method, *cells, str(row["images"])])
    return text


def winner(column: Column, rows: Sequence[Mapping]) -> float | None:
    values = [row[column.name] for row in rows if row.get(column.name) is not None]
    if not values or not column.best:
        return None
    if column.best == "max":
        return max(values)
    return min(values, key=(lambda value: abs(value - 1)) if column.best == "one" else None)


def report(
    settings: Mapping,
    summary: Table,
    intervals: Mapping,
    bins: Mapping[str, Mapping],
    measure: Sequence[str],
) -> str:
    """evaluation.md."""
    runs = ", ".join(f"{name} ({networks})" for name, networks in settings["runs"].items())
    text = f"# Evaluation of {runs}\n"
    text += markdown(summary, intervals, measure)
    text += "\n## Hole PSNR by the hole's share of the image\n\n" + bins_markdown(bins)
    agreements = [
        row["original_label_agreement"]
        for masks in summary.values()
        for row in masks.values()
        if row.get("original_label_agreement") is not None
    ]
    text += "\n" + NOTES
    counts = {
        method: sum(row["images"] for row in masks.values()) for method, masks in summary.items()
    }
    if fewer := [f"`{method}`" for method, count in counts.items() if count < max(counts.values())]:
        text += f"- By the hole's share of the image, too, {', '.join(fewer)} completed fewer images than the others.\n"
    if agreements:
        text += (
            f"- *label kept*: the share of completions to which a classifier of the training images gives the true "
            f"label; of the originals it is {max(agreements):.2f}.\n"
        )
    return text


def bins_markdown(bins: Mapping[str, Mapping[str, float | None]]) -> str:
    """The table of `by_hole_share`, a row a method."""
    names = sorted(
        {name for row in bins.values() for name in row},
        key=lambda name: int(name.partition("%")[0]),
    )
    text = line(["method", *names]) + line(["---"] * (len(names) + 1))
    for method, row in bins.items():
        text += line(
            [method, *("" if row.get(name) is None else f"{row[name]:.1f}" for name in names)]
        )
    return text


def line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
