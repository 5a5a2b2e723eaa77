"""Means, bootstrap intervals, and PSNR by size of the hole."""

import numpy as np
import pytest

from tf_inpaint.evaluation import summary

ROW = {
    "hole_share": 0.25,
    "hole_psnr": 10.0,
    "psnr": 16.0,
    "seam": 0.2,
    "original_seam": 0.4,
    "peak_memory_mb": 100.0,
}


def rows(*changes):
    """Returns a row for each change of `ROW`."""
    return [ROW | change for change in changes]


def test_interval_covers_the_mean_nineteen_times_in_twenty():
    """The interval of 60 normal values has the right width and covers the mean in 95 % of cases."""
    random = np.random.default_rng(0)
    intervals = [summary.bootstrap_interval([random.normal(3, 2, 60)]) for _ in range(300)]
    covered = np.mean([low <= 3 <= high for low, high in intervals])
    assert 0.9 <= covered <= 0.985
    widths = np.array([high - low for low, high in intervals])
    assert abs(widths.mean() / (2 * 1.96 * 2 / 60**0.5) - 1) < 0.1


def test_interval_of_a_ratio_pairs_its_samples():
    """A constant ratio has an interval of width 0, and the same values in another order do not."""
    second = np.random.default_rng(1).uniform(1, 9, 40)
    assert summary.bootstrap_interval([2 * second, second]) == pytest.approx((2, 2))
    low, high = summary.bootstrap_interval([2 * second[::-1], second])
    assert low < 1.9 < 2.1 < high


def test_one_value_has_no_interval():
    """A single value gives None."""
    assert summary.bootstrap_interval([[3.0]]) is None


def test_means_are_over_the_images_that_have_the_number():
    """A row without a number does not count in the mean and in the interval of the number."""
    means, intervals = summary.summarize(
        rows({"hole_psnr": 8.0}, {"hole_psnr": None}, {"hole_psnr": 12.0})
    )
    assert (means["images"], means["hole_psnr"], means["psnr"]) == (3, 10.0, 16.0)
    assert means["lpips"] is None and "lpips" not in intervals
    assert intervals["hole_psnr"] == (8.0, 12.0)


def test_seam_is_a_ratio_of_means_and_memory_a_maximum():
    """`seam_ratio` divides two means, and is None if no original has a step across the border."""
    changes = ({"seam": 0.1}, {"seam": 0.5, "original_seam": 0.0, "peak_memory_mb": 300.0})
    means, _ = summary.summarize(rows(*changes))
    assert means["seam_ratio"] == pytest.approx(0.6 / 0.4)
    assert means["peak_memory_mb"] == 300
    assert summary.summarize(rows({"original_seam": 0.0}))[0]["seam_ratio"] is None


def test_psnr_is_averaged_by_the_size_of_the_hole():
    """An upper edge belongs to its bin, and empty bins are left out."""
    bins = summary.psnr_by_hole_share(
        rows({"hole_share": 0.2}, {"hole_share": 0.21}, {"hole_share": 1.0, "hole_psnr": 4.0})
    )
    assert bins == {"0% to 20%": 10.0, "20% to 40%": 10.0, "80% to 100%": 4.0}
