"""Numbers of many images as one number: means, bootstrap intervals, and means by size of the hole.

Here a row is a mapping with the numbers of one image, which one method completed under one mask.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
"""Number of bootstrap resamples."""
HOLE_SHARE_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Edges of the bins of hole pixels / all pixels, by which PSNR is also shown."""

Rows = Sequence[Mapping]
Means = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""Mean by method, mask and name of the number."""


class Column(NamedTuple):
    """A number of the summary, and how a table shows it."""

    name: str
    title: str
    digits: int
    """Number of decimals."""
    best: str
    """Best value: `max`, `min`, `one` for the value nearest to 1, or empty if no value is best."""


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
"""Names of the numbers that measure the method and the machine, not the images.

These numbers have no interval, and their columns are the last ones.
"""


def summarize(rows: Rows) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    """Returns the means over the rows of one method and mask, and the intervals of the means.

    `seam_ratio` is the ratio of two means: of the step across the hole's border in the completions,
    and of the same step in the originals. `peak_memory_mb` is the maximum over the rows.
    """
    means: dict[str, float | None] = {"images": len(rows)}
    intervals = {}
    for column in COLUMNS:
        names = ("seam", "original_seam") if column.name == "seam_ratio" else (column.name,)
        samples = complete_values(rows, *names)
        mean = mean_of(column.name, samples)
        means[column.name] = mean
        if mean is not None and column.name not in COSTS:
            if ends := bootstrap_interval(samples):
                intervals[column.name] = ends
    agreements = complete_values(rows, "original_label_agreement")[0]
    means["original_label_agreement"] = sum(agreements) / len(agreements) if agreements else None
    return means, intervals


def mean_of(name: str, samples: Sequence[Sequence[float]]) -> float | None:
    """Returns one number of the summary, or None without values.

    Args:
        name: name of a column.
        samples: the values, and for `seam_ratio` also the values of the originals.
    """
    values = samples[0]
    if not values:
        return None
    if name == "peak_memory_mb":
        return max(values)
    if name == "seam_ratio":
        original_total = sum(samples[1])
        return sum(values) / original_total if original_total else None
    return sum(values) / len(values)


def bootstrap_interval(samples: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Returns a bootstrap 95 % interval, by percentiles.

    The same values always give the same interval, for the resamples have a fixed seed.

    Args:
        samples: one sample, for the interval of its mean; or two paired samples, for the interval
            of the ratio of their means.

    Returns:
        lower and upper end, or None for fewer than two values or an end that is not finite.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    from scipy.stats import bootstrap

    if len(samples[0]) < 2:
        return None

    def statistic(*resampled, axis):
        means = [np.mean(sample, axis=axis) for sample in resampled]
        return means[0] if len(means) == 1 else means[0] / means[1]

    with np.errstate(divide="ignore", invalid="ignore"):
        interval = bootstrap(
            samples,
            statistic,
            paired=len(samples) > 1,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
    ends = float(interval.low), float(interval.high)
    return ends if np.isfinite(ends).all() else None


def complete_values(rows: Rows, *names: str) -> list[list[float]]:
    """Returns a list of values for each name, from the rows that have a number for every name."""
    complete = [row for row in rows if all(row.get(name) is not None for name in names)]
    return [[row[name] for row in complete] for name in names]


def psnr_by_hole_share(rows: Rows) -> dict[str, float]:
    """Returns the mean PSNR of the hole for each bin of the hole's share of the image.

    Bins without an image are left out.
    """
    bins = {}
    for low, high in itertools.pairwise(HOLE_SHARE_EDGES):
        inside = [row for row in rows if low < row["hole_share"] <= high]
        values = complete_values(inside, "hole_psnr")[0]
        if values:
            bins[f"{low:.0%} to {high:.0%}"] = sum(values) / len(values)
    return bins
