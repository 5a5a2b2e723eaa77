"""What a command made as one HTML page: pictures, numbers, settings, and the command to repeat it.

The page is one file. Pictures are inside it as data URIs; it has no script and asks the network for nothing. Whatever
is shown, file names and settings too, is escaped.
"""

import base64
import html
import os
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tf_inpaint.files import images

LARGEST = 4 << 20
"""Bytes of a picture, beyond which the page links to it."""
ROWS = 20
"""Lines of single images in a table."""
NARROW = 640
"""Pixels of width: below, a picture is shown pixel by pixel, twice as large where that fits; above, it is not shrunk to
less, but scrolls."""
KINDS = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
STYLE = """\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --soft: #5c6470; --line: #d9dde3; --box: #f4f6f8;
  --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e6e8eb; --soft: #a0a8b4; --line: #363b44;
  --box: #1f2329; --link: #8ab4f8 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0 }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem }
p, ul { max-width: 46rem }
a { color: var(--link) }
figure { margin: 0 0 1.5rem }
figcaption { margin-top: .4rem }
figcaption, .note { color: var(--soft); font-size: .9rem; max-width: 46rem }
img { display: block; max-width: 100%; height: auto }
@media (min-width: 700px) { img.small { image-rendering: pixelated } }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; overflow-wrap: normal }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child { padding-left: 0; text-align: left; white-space: normal; min-width: 8rem; max-width: 24rem;
  overflow-wrap: anywhere }
tbody th { font-weight: normal }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem; font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0 }
pre { margin: .5rem 0; padding: .75rem; background: var(--box); border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; user-select: all }
"""


def write(path: Path, title: str, sentence: str, sections: Iterable[str]) -> None:
    """Writes the page of some `section`s; who reads `path` sees the old page or the new one."""
    with images.atomic(path) as temporary:  # a file name may hold bytes that are no UTF-8
        temporary.write_text(page(title, sentence, sections), encoding="utf-8", errors="replace")


def page(title: str, sentence: str, sections: Iterable[str]) -> str:
    title, sentence = html.escape(title), html.escape(sentence)
    head = (
        f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{STYLE}</style>'
    )
    body = "\n".join([f"<h1>{title}</h1>", f"<p>{sentence}</p>", *filter(None, sections)])
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def section(heading: str, *parts: str) -> str:
    """A heading with what `picture`, `table`, ... gave; nothing if all of that is empty."""
    body = "\n".join(filter(None, parts))
    return f"<section>\n<h2>{html.escape(heading)}</h2>\n{body}\n</section>" if body else ""


def note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def picture(path: Path, caption: str, folder: Path) -> str:
    """A picture and its caption, which is also what a screen reader says; nothing if there is no such file.

    Args:
        path: of a PNG, GIF or WebP file; one of more than `LARGEST` bytes is linked.
        folder: of the page, to which the link is relative.
    """
    if not path.exists():
        return ""
    data, text = path.read_bytes(), html.escape(caption)
    if len(data) > LARGEST:
        source = html.escape(quote(relative(path, folder)))
        text += f" ({len(data) / 1e6:.1f} MB, too large to be inside this page: it is shown from the file beside it.)"
    else:
        source = f"data:{KINDS[path.suffix.lower()]};base64,{base64.b64encode(data).decode()}"
    size = ""
    if extent := width_height(data):
        zoom = 2 if 2 * extent[0] <= NARROW else 1
        width, height = (zoom * length for length in extent)
        least = max(min(width, NARROW), width // 2)
        size = f' width="{width}" height="{height}"'
        size += ' class="small"' if width <= NARROW else f' style="min-width: {least}px"'
    image = f'<img src="{source}" alt="{html.escape(caption)}"{size}>'
    return f"<figure>\n{scroll(image, caption)}\n<figcaption>{text}</figcaption>\n</figure>"


def width_height(data: bytes) -> tuple[int, int] | None:
    """Of a PNG or GIF file's content, from its header: a sheet may have more pixels than can be decoded."""
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", data[16:24])
    return struct.unpack("<HH", data[6:10]) if data.startswith(b"GIF8") else None


def scroll(content: str, label: str) -> str:
    """A box that scrolls by itself where it is wider than the page, by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">{content}</div>'


def relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def links(pages: Mapping[str, Path], folder: Path) -> str:
    """A list of those files that exist, by what they are called."""
    items = [
        f'<li><a href="{html.escape(quote(relative(path, folder)))}">{html.escape(text)}</a></li>'
        for text, path in pages.items()
        if path.exists()
    ]
    return f"<ul>\n{chr(10).join(items)}\n</ul>" if items else ""


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    label: str,
    inline: Callable[[str], str] = html.escape,
) -> str:
    """A table whose first column names the rows; `inline` makes a cell's text HTML."""
    head = "".join(f'<th scope="col">{inline(cell)}</th>' for cell in header)
    body = "\n".join(
        f'<tr><th scope="row">{inline(first)}</th>'
        + "".join(f"<td>{inline(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return scroll(
        f"<table>\n<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>", label
    )


def numbers(
    lines: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, int]], label: str
) -> str:
    """The means of some numbers over all lines, then the first lines' own, `ROWS` at most.

    Args:
        lines: one an image, with "file"; a number may be missing or None, and is then no part of its mean.
        columns: title and decimals of each; one that no line has is left out.
    """
    values = {
        name: [line[name] for line in lines if line.get(name) is not None] for name in columns
    }
    there = {name: columns[name] for name in columns if values[name]}
    means = {name: sum(values[name]) / len(values[name]) for name in there}
    rows = [
        [
            first,
            *(
                "" if line.get(name) is None else f"{line[name]:.{digits}f}"
                for name, (_, digits) in there.items()
            ),
        ]
        for first, line in [
            (f"mean of {len(lines)}", means),
            *((line["file"], line) for line in lines[:ROWS]),
        ]
    ]
    rest = note(f"And {len(lines) - ROWS} more.") if len(lines) > ROWS else ""
    return table(["image", *(title for title, _ in there.values())], rows, label) + rest


def markdown(text: str, label: str) -> str:
    """The sections, tables and list of our own Markdown, as `summary.report` writes it; the title is left out."""
    parts = []
    for block in re.split(r"\n(?=#)|\n\n", text.strip()):
        lines = block.splitlines()
        if block.startswith("## "):
            parts.append(f"<h3>{html.escape(block[3:])}</h3>")
        elif block.startswith("| "):
            header, _, *rows = [line[2:-2].split(" | ") for line in lines]
            parts.append(table(header, rows, label, emphasis))
        elif block.startswith("- "):
            items = "".join(
                f"<li>{emphasis(item)}</li>\n" for item in re.split(r"(?:^|\n)- ", block)[1:]
            )
            parts.append(f'<ul class="note">\n{items}</ul>')
    return "\n".join(parts)


def emphasis(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", re.sub(r"\*(.+?)\*", r"<em>\1</em>", text))


def spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}: {each}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def origin(settings: Mapping[str, Any], command_line: str) -> list[str]:
    """The sections at a page's end: the settings, and the command line to copy."""
    items = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(spelled(value))}</dd>"
        for name, value in settings.items()
    ]
    return [
        section("Settings", "<dl>\n{}\n</dl>".format("\n".join(items))),
        section("Repeat it", f"<pre>{html.escape(command_line)}</pre>"),
    ]
