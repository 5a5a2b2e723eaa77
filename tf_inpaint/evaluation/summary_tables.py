"""Tables and notes of an evaluation, from the contents of its evaluation.json.

`contents` is a mapping with these keys of the file: `settings`, `summary`, `intervals` and
`hole_psnr_by_share`.
"""

import html
from collections.abc import Mapping, Sequence

from tf_inpaint.evaluation.summary import COLUMNS, COSTS, Column, Means
from tf_inpaint.files.tables import Notes, Span, Table, Text

LABEL = "Numbers of each method"
"""Name of the tables for screen readers."""
NOTES: tuple[Text, ...] = (
    "Means over images, with bootstrap 95 % intervals over them; in bold the best of those that "
    "completed all images.",
    (
        "PSNR in decibels, at most 60, with a range of 2 between black and white; L1 in the same "
        "units; ",
        Span("hole", "em"),
        ": over the\n  hidden pixels.",
    ),
    (
        Span("seam", "em"),
        ": the mean step across the hole's border over that of the originals; 1 is no seam.",
    ),
    (
        Span("contextual", "em"),
        ": the L1 sum between G(z) and the image over the known pixels, before blending; of ",
        Span("mean", "code"),
        " between the\n  mean of several G(z) and the image.",
    ),
    (
        "Distances are between the completions and the originals, as two sets. ",
        Span("s / image", "code"),
        " is warm, and all of it: start,\n  search and blending.",
    ),
    (
        Span("MB", "code"),
        ": the most memory that the whole process held meanwhile, with TensorFlow and what methods "
        "before left in it: what\n  a machine must have, and no measure of one method beside "
        "another.",
    ),
)
"""Remarks below the tables of every evaluation."""


def report_markdown(contents: Mapping) -> str:
    """Returns the text of evaluation.md."""
    runs = contents["settings"]["runs"]
    title = ", ".join(f"{name} ({networks})" for name, networks in runs.items())
    text = f"# Evaluation of {title}\n"
    for heading, table in all_tables(contents).items():
        text += f"\n## {heading}\n\n{table.to_markdown()}"
    return f"{text}\n{notes(contents).to_markdown()}"


def report_html(contents: Mapping) -> str:
    """Returns the tables and notes of evaluation.md as a part of an HTML page."""
    parts = []
    for heading, table in all_tables(contents).items():
        parts += [f"<h3>{html.escape(heading)}</h3>", table.to_html()]
    return "\n".join([*parts, notes(contents).to_html()])


def all_tables(contents: Mapping) -> dict[str, Table]:
    """Returns the tables by heading: a table for each mask, and the table of the bins."""
    summary = contents["summary"]
    tables = {
        mask: mask_table(mask, summary, contents["intervals"], contents["settings"]["measure"])
        for mask in dict.fromkeys(mask for masks in summary.values() for mask in masks)
    }
    heading = "Hole PSNR by the hole's share of the image"
    return tables | {heading: bins_table(contents["hole_psnr_by_share"])}


def mask_table(mask: str, summary: Means, intervals: Mapping, measure: Sequence[str]) -> Table:
    """Returns the table of one mask, with a row for each method.

    The best value of a column is bold. Only methods that completed all images are compared. A
    column without numbers is left out.

    Args:
        mask: name of the mask.
        summary: see `Means`.
        intervals: lower and upper end by method, mask and name of the number.
        measure: names of the distances between sets, which follow the other numbers.
    """
    # Choose the columns.
    rows = {method: masks[mask] for method, masks in summary.items() if mask in masks}
    distances = [Column(name, name.replace("_", " "), 1, "min") for name in measure]
    columns = sorted([*COLUMNS, *distances], key=lambda column: column.name in COSTS)
    columns = [
        column
        for column in columns
        if any(row.get(column.name) is not None for row in rows.values())
    ]
    # Find the best value of each column.
    most_images = max(row["images"] for row in rows.values())
    compared = {method: row for method, row in rows.items() if row["images"] == most_images}
    best = {column.name: best_text(column, list(compared.values())) for column in columns}
    # Write the cells.
    cells = [
        [
            method,
            *(
                cell(
                    number_text(column, row),
                    best[column.name] if method in compared else None,
                    interval_text(column, intervals[method][mask]),
                )
                for column in columns
            ),
            str(row["images"]),
        ]
        for method, row in rows.items()
    ]
    return Table(["method", *(column.title for column in columns), "images"], cells, LABEL)


def cell(number: str, best: str | None, interval: str) -> Text:
    """Returns a cell: the number, bold if it reads like the best one, and its interval."""
    if number and number == best:
        return Span(number, "strong"), interval
    return number + interval


def number_text(column: Column, row: Mapping) -> str:
    """Returns the number of one row for a column, or nothing if there is none."""
    value = row.get(column.name)
    return "" if value is None else f"{value:.{column.digits}f}"


def interval_text(column: Column, intervals: Mapping) -> str:
    """Returns the interval of a column in brackets, or nothing if there is none."""
    if column.name not in intervals:
        return ""
    low, high = intervals[column.name]
    return f" ({low:.{column.digits}f} to {high:.{column.digits}f})"


def best_text(column: Column, rows: Sequence[Mapping]) -> str | None:
    """Returns the best number of a column as it is written, or None if there is none."""
    values = [row[column.name] for row in rows if row.get(column.name) is not None]
    if not values or not column.best:
        return None
    if column.best == "max":
        best = max(values)
    elif column.best == "min":
        best = min(values)
    else:
        best = min(values, key=lambda value: abs(value - 1))
    return f"{best:.{column.digits}f}"


def bins_table(bins: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Returns the table of `psnr_by_hole_share`, with a row for each method."""
    names = sorted(
        {name for row in bins.values() for name in row},
        key=lambda name: int(name.partition("%")[0]),
    )
    rows = [
        [method, *("" if row.get(name) is None else f"{row[name]:.1f}" for name in names)]
        for method, row in bins.items()
    ]
    return Table(["method", *names], rows, LABEL)


def notes(contents: Mapping) -> Notes:
    """Returns the remarks below the tables: those of every evaluation, and those of this one."""
    summary = contents["summary"]
    items = [*NOTES]
    # Name the methods that completed fewer images.
    counts = {
        method: sum(row["images"] for row in masks.values()) for method, masks in summary.items()
    }
    fewer = [method for method, count in counts.items() if count < max(counts.values())]
    if fewer:
        names: list[str | Span] = []
        for method in fewer:
            names += [", ", Span(method, "code")]
        items.append(
            (
                "By the hole's share of the image, too, ",
                *names[1:],
                " completed fewer images than the others.",
            )
        )
    # Give the share of originals with the true label.
    agreements = [
        row["original_label_agreement"]
        for masks in summary.values()
        for row in masks.values()
        if row.get("original_label_agreement") is not None
    ]
    if agreements:
        items.append(
            (
                Span("label kept", "em"),
                ": the share of completions to which a classifier of the training images gives the "
                f"true label; of the originals it is {max(agreements):.2f}.",
            )
        )
    return Notes(items)
