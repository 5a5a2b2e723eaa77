"""Rows as tables: means, intervals, what is best."""

import numpy as np
import pytest

from tf_inpaint.evaluation import tables

ROW = {
    "hole_share": 0.25,
    "hole_psnr": 10.0,
    "psnr": 16.0,
    "seam": 0.2,
    "original_seam": 0.4,
    "peak_memory_mb": 100.0,
}


def rows(*changes):
    return [ROW | change for change in changes]


def test_interval_covers_the_mean_nineteen_times_in_twenty():
    random = np.random.default_rng(0)
    found = [tables.interval([random.normal(3, 2, 60)]) for _ in range(300)]
    covered = np.mean([low <= 3 <= high for low, high in found])
    assert 0.9 <= covered <= 0.985
    widths = np.array([high - low for low, high in found])
    assert abs(widths.mean() / (2 * 1.96 * 2 / 60**0.5) - 1) < 0.1


def test_interval_of_a_ratio_pairs_its_samples():
    second = np.random.default_rng(1).uniform(1, 9, 40)
    assert tables.interval([2 * second, second]) == pytest.approx((2, 2))
    low, high = tables.interval([2 * second[::-1], second])
    assert low < 1.9 < 2.1 < high


def test_one_value_has_no_interval():
    assert tables.interval([[3.0]]) is None


def test_means_are_over_the_images_that_have_the_number():
    means, intervals = tables.summarize(
        rows({"hole_psnr": 8.0}, {"hole_psnr": None}, {"hole_psnr": 12.0})
    )
    assert (means["images"], means["hole_psnr"], means["psnr"]) == (3, 10.0, 16.0)
    assert means["lpips"] is None and "lpips" not in intervals
    assert intervals["hole_psnr"] == (8.0, 12.0)


def test_seam_ratio_is_of_the_means_and_memory_the_most():
    changes = ({"seam": 0.1}, {"seam": 0.5, "original_seam": 0.0, "peak_memory_mb": 300.0})
    means, _ = tables.summarize(rows(*changes))
    assert means["seam_ratio"] == pytest.approx(0.6 / 0.4)
    assert means["peak_memory_mb"] == 300
    assert tables.summarize(rows({"original_seam": 0.0}))[0]["seam_ratio"] is None


def test_holes_are_told_apart_by_their_share():
    found = tables.by_hole_share(
        rows({"hole_share": 0.2}, {"hole_share": 0.21}, {"hole_share": 1.0, "hole_psnr": 4.0})
    )
    assert found == {"0% to 20%": 10.0, "20% to 40%": 10.0, "80% to 100%": 4.0}


def table(**methods):
    means = {name: {"center": {"images": 4} | row} for name, row in methods.items()}
    return tables.markdown(means, {name: {"center": {}} for name in means}, ["frechet_random"])


def cells(text, method):
    line = next(line for line in text.splitlines() if line.startswith(f"| {method} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("hole_psnr", (9.0, 12.0), 1),
        ("hole_l1", (0.25, 0.5), 0),
        ("seam_ratio", (0.4, 1.5), 1),
        ("label_agreement", (0.9, 0.8), 0),
        ("frechet_random", (3.0, 2.0), 1),
    ],
)
def test_the_best_is_bold(name, values, best):
    text = table(first={name: values[0]}, second={name: values[1]})
    bold = [cells(text, method)[1].startswith("**") for method in ("first", "second")]
    assert bold == [best == 0, best == 1]


def test_no_method_has_the_best_memory_for_it_is_the_whole_process_s():
    text = table(first={"peak_memory_mb": 300.0}, second={"peak_memory_mb": 200.0})
    assert [cells(text, method)[1] for method in ("first", "second")] == ["300", "200"]


def test_of_fewer_images_is_never_bold_and_nobody_s_column_left_out():
    text = table(
        few={"images": 2, "psnr": 20.0, "contextual": 1.0}, all={"psnr": 12.0}, none={"psnr": None}
    )
    assert cells(text, "few") == ["few", "20.0", "1.0", "2"]
    assert cells(text, "all") == ["all", "**12.0**", "", "4"]
    assert cells(text, "method") == ["method", "PSNR", "contextual", "images"]


def test_methods_of_fewer_images_are_named():
    means = {
        name: {"center": {"images": count}}
        for name, count in (("all", 4), ("few", 2), ("fewer", 1))
    }
    for chosen, said in ((means, True), ({"all": means["all"]}, False)):
        text = tables.report(
            {"runs": {"run": "step 1"}}, chosen, {name: {"center": {}} for name in chosen}, {}, []
        )
        assert ("`few`, `fewer` completed fewer images" in text) == said


def test_intervals_stand_in_brackets():
    text = tables.markdown(
        {"a": {"left": {"images": 2, "psnr": 9.96}}}, {"a": {"left": {"psnr": (9.0, 11.0)}}}, []
    )
    assert cells(text, "a")[1] == "**10.0** (9.0 to 11.0)"
