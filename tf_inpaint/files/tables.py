"""Tables and lists of notes, which can be written as Markdown and as HTML."""

import dataclasses
import html
from collections.abc import Iterable, Sequence

MARKS = {"strong": "**", "em": "*", "code": "`"}
"""Markdown mark of each style of a `Span`. The name of a style is also its HTML tag."""


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a text that looks different from the rest."""

    text: str
    style: str
    """Key of `MARKS`: `strong`, `em` or `code`."""

    def to_markdown(self) -> str:
        """Returns the text between two marks."""
        mark = MARKS[self.style]
        return f"{mark}{self.text}{mark}"

    def to_html(self) -> str:
        """Returns the text inside the tag of the style. The text is escaped."""
        return f"<{self.style}>{html.escape(self.text)}</{self.style}>"


Text = str | Sequence[str | Span]
"""Plain text, or the parts of a text in their order."""


def text_to_markdown(text: Text) -> str:
    """Returns a text as Markdown."""
    if isinstance(text, str):
        return text
    return "".join(part if isinstance(part, str) else part.to_markdown() for part in text)


def text_to_html(text: Text) -> str:
    """Returns a text as HTML. Plain text is escaped."""
    if isinstance(text, str):
        return html.escape(text)
    return "".join(html.escape(part) if isinstance(part, str) else part.to_html() for part in text)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    header: Sequence[Text]
    """Titles of the columns."""
    rows: Sequence[Sequence[Text]]
    """Cells of each row, as many as the header has."""
    label: str
    """Name of the table for screen readers. Only HTML contains the label."""

    def to_markdown(self) -> str:
        """Returns the lines of the table, each with its end."""
        return (
            markdown_row(self.header)
            + markdown_row(["---"] * len(self.header))
            + "".join(map(markdown_row, self.rows))
        )

    def to_html(self) -> str:
        """Returns the table inside a box that scrolls if the table is wider than the page."""
        head = "".join(f'<th scope="col">{text_to_html(cell)}</th>' for cell in self.header)
        body = "\n".join(map(html_row, self.rows))
        return scroll_box(
            f"<table>\n<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>",
            self.label,
        )


@dataclasses.dataclass(frozen=True)
class Notes:
    """A list of remarks. A remark may have several lines: the text contains the line breaks."""

    items: Sequence[Text]

    def to_markdown(self) -> str:
        """Returns a list item for each remark."""
        return "".join(f"- {text_to_markdown(item)}\n" for item in self.items)

    def to_html(self) -> str:
        """Returns a list in the style of notes."""
        items = "".join(f"<li>{text_to_html(item)}</li>\n" for item in self.items)
        return f'<ul class="note">\n{items}</ul>'


def markdown_row(cells: Iterable[Text]) -> str:
    """Returns one line of a Markdown table."""
    return "| " + " | ".join(map(text_to_markdown, cells)) + " |\n"


def html_row(cells: Sequence[Text]) -> str:
    """Returns one line of an HTML table. The first cell is the header of the row."""
    first, *others = map(text_to_html, cells)
    return (
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td>{cell}</td>" for cell in others)
        + "</tr>"
    )


def scroll_box(content: str, label: str) -> str:
    """Returns HTML content in a box that scrolls if the content is wider than the page.

    The keyboard can scroll the box too.

    Args:
        content: HTML.
        label: name of the box for screen readers.
    """
    label = html.escape(label)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{content}</div>'
