"""Tables of a summary: what is bold, what is left out, and the notes below the tables."""

import pytest

from tf_inpaint.evaluation import summary_tables


def contents(measure=(), intervals=None, bins=None, mask="center", **methods):
    """Returns the contents of an evaluation.json with one mask, without rows.

    Args:
        measure: names of the distances.
        intervals: intervals by name, for every method.
        bins: PSNR by size of the hole, by method.
        mask: name of the mask.
        **methods: means of each method.
    """
    return {
        "settings": {"runs": {"run": "step 1"}, "measure": list(measure)},
        "summary": {name: {mask: {"images": 4} | row} for name, row in methods.items()},
        "intervals": {name: {mask: intervals or {}} for name in methods},
        "hole_psnr_by_share": bins or {},
    }


def table(**arguments):
    """Returns the table of the mask `center` as Markdown."""
    return summary_tables.all_tables(contents(**arguments))["center"].to_markdown()


def cells(text, method):
    """Returns the cells of a method in a Markdown table."""
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
    """The best value of a column is the maximum, the minimum, or the value nearest to 1."""
    text = table(measure=["frechet_random"], first={name: values[0]}, second={name: values[1]})
    bold = [cells(text, method)[1].startswith("**") for method in ("first", "second")]
    assert bold == [best == 0, best == 1]


def test_no_memory_is_the_best():
    """Memory is never bold, for it is that of the whole process."""
    text = table(first={"peak_memory_mb": 300.0}, second={"peak_memory_mb": 200.0})
    assert [cells(text, method)[1] for method in ("first", "second")] == ["300", "200"]


def test_a_method_with_fewer_images_is_never_bold():
    """Only methods with all images are compared, and a column without numbers is left out."""
    text = table(
        few={"images": 2, "psnr": 20.0, "contextual": 1.0}, all={"psnr": 12.0}, none={"psnr": None}
    )
    assert cells(text, "few") == ["few", "20.0", "1.0", "2"]
    assert cells(text, "all") == ["all", "**12.0**", "", "4"]
    assert cells(text, "method") == ["method", "PSNR", "contextual", "images"]


def test_methods_with_fewer_images_are_named():
    """A note names the methods that completed fewer images, if there are any."""
    means = {name: {"images": count} for name, count in (("all", 4), ("few", 2), ("fewer", 1))}
    for methods, expected in ((means, True), ({"all": means["all"]}, False)):
        text = summary_tables.report_markdown(contents(**methods))
        assert ("`few`, `fewer` completed fewer images" in text) == expected


def test_intervals_stand_in_brackets():
    """The interval follows the number and is not bold."""
    text = table(intervals={"psnr": (9.0, 11.0)}, a={"images": 2, "psnr": 9.96})
    assert cells(text, "a")[1] == "**10.0** (9.0 to 11.0)"


def test_report_is_markdown_or_html():
    """Both forms contain the same tables and notes; HTML has no title and is escaped."""
    evaluation = contents(
        mask="<i>",
        bins={"x<y": {"20% to 40%": 3.0}, "b": {"0% to 20%": 1.0, "20% to 40%": 2.0}},
        **{"x<y": {"original_label_agreement": 0.96}},
    )
    text = summary_tables.report_markdown(evaluation)
    assert text.startswith("# Evaluation of run (step 1)\n\n## <i>\n\n| method | images |\n")
    assert "image\n\n| method | 0% to 20% | 20% to 40% |\n" in text and "| x<y |  | 3.0 |\n" in text
    assert "\n\n- Means over images" in text and text.endswith("of the originals it is 0.96.\n")
    page = summary_tables.report_html(evaluation)
    assert page.startswith("<h3>&lt;i&gt;</h3>\n") and page.count("<h3>") == 2
    assert '<th scope="row">x&lt;y</th><td></td><td>3.0</td>' in page
    assert page.count("<li>") == text.count("\n- ") == 7
    assert "<em>label kept</em>: the share" in page and "Evaluation of" not in page
