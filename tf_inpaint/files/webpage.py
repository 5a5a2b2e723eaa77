"""The results of a command as one HTML page.

The page shows pictures, numbers, settings, and the command that repeats the job. The page is one
file, which contains the pictures as data URIs. The page has no script and loads nothing from the
network. All text is escaped, file names and settings too.
"""

import base64
import html
import importlib.resources
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tf_inpaint.files import images
from tf_inpaint.files.tables import Table, scroll_box

MAX_EMBEDDED_BYTES = 4 << 20
"""Maximum size of a picture file inside the page. The page links to larger files."""
MAX_TABLE_ROWS = 20
"""Maximum number of images in a table of numbers."""
NARROW = 640
"""Maximum width of a small picture, in pixels.

A small picture is shown without smoothing, and twice as large if the result is still small. A wider
picture is not shrunk below this width: the page scrolls it instead."""
MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


def write(path: Path, title: str, sentence: str, sections: Iterable[str]) -> None:
    """Writes a page. A reader of `path` sees the old page or the new page, never a part of a page.

    Args:
        path: path of the page, replaced if it exists.
        title: title of the page and its first heading.
        sentence: text below that heading.
        sections: results of `section`.
    """
    # A file name may contain bytes that are not UTF-8.
    with images.atomic(path) as temporary:
        temporary.write_text(page(title, sentence, sections), encoding="utf-8", errors="replace")


def page(title: str, sentence: str, sections: Iterable[str]) -> str:
    """Returns the text of a page; see `write`."""
    title, sentence = html.escape(title), html.escape(sentence)
    style = importlib.resources.files(__package__).joinpath("page.css").read_text("utf-8")
    head = (
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{style}</style>'
    )
    body = "\n".join([f"<h1>{title}</h1>", f"<p>{sentence}</p>", *filter(None, sections)])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """Returns a heading and the parts below it, or nothing if all parts are empty.

    Args:
        heading: plain text.
        *parts: HTML, such as the results of `picture`, `numbers` and `note`.
    """
    body = "\n".join(filter(None, parts))
    return f"<section>\n<h2>{html.escape(heading)}</h2>\n{body}\n</section>" if body else ""


def note(text: str) -> str:
    """Returns a paragraph of small text."""
    return f'<p class="note">{html.escape(text)}</p>'


def picture(path: Path, caption: str, folder: Path) -> str:
    """Returns a picture with its caption, or nothing if the file does not exist.

    Args:
        path: path of a PNG, GIF or WebP file. The page links to a file that is larger than
            `MAX_EMBEDDED_BYTES`.
        caption: text below the picture. A screen reader reads it instead of the picture.
        folder: folder of the page. The link is relative to it.
    """
    if not path.exists():
        return ""
    # Put the picture into the page, or a link if the file is too large.
    data, text = path.read_bytes(), html.escape(caption)
    if len(data) > MAX_EMBEDDED_BYTES:
        source = link(path, folder)
        megabytes = f"{len(data) / 1e6:.1f} MB"
        text += f" ({megabytes}, too large for this page: the page shows the file beside it.)"
    else:
        media_type = MEDIA_TYPES[path.suffix.lower()]
        source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    # Choose the size on the page.
    size = ""
    if pixels := width_height(data):
        zoom = 2 if 2 * pixels[0] <= NARROW else 1
        width, height = (zoom * length for length in pixels)
        min_width = max(min(width, NARROW), width // 2)
        size = f' width="{width}" height="{height}"'
        size += ' class="small"' if width <= NARROW else f' style="min-width: {min_width}px"'
    image = f'<img src="{source}" alt="{html.escape(caption)}"{size}>'
    return f"<figure>\n{scroll_box(image, caption)}\n<figcaption>{text}</figcaption>\n</figure>"


def width_height(data: bytes) -> tuple[int, int] | None:
    """Returns the size of a PNG or GIF picture, or None for another format.

    The header of the file is enough. A sheet may have more pixels than Pillow decodes.

    Args:
        data: content of the file.
    """
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", data[16:24])
    return struct.unpack("<HH", data[6:10]) if data.startswith(b"GIF8") else None


def relative(path: Path, folder: Path) -> str:
    """Returns a path relative to a folder, with `/` on every system."""
    return os.path.relpath(str(path), str(folder)).replace(os.sep, "/")


def link(path: Path, folder: Path) -> str:
    """Returns a link to a file from a page in a folder, escaped. A name need not be UTF-8."""
    return html.escape(quote(relative(path, folder), errors="surrogateescape"))


def links(pages: Mapping[str, Path], folder: Path) -> str:
    """Returns a list of links to the files that exist, or nothing if no file exists.

    Args:
        pages: path of each file by the text of its link.
        folder: folder of the page. The links are relative to it.
    """
    items = [
        f'<li><a href="{link(path, folder)}">{html.escape(text)}</a></li>'
        for text, path in pages.items()
        if path.exists()
    ]
    return "<ul>\n{}\n</ul>".format("\n".join(items)) if items else ""


def numbers(
    lines: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, int]], label: str
) -> str:
    """Returns a table of the means over all lines and of the first `MAX_TABLE_ROWS` lines.

    Args:
        lines: numbers of each image, and its name as "file". A number may be missing or None; then
            the mean leaves the image out.
        columns: title and number of decimals by the name of each column. A column without numbers
            is left out.
        label: name of the table for screen readers.
    """
    values = {
        name: [line[name] for line in lines if line.get(name) is not None] for name in columns
    }
    filled = {name: columns[name] for name in columns if values[name]}
    means = {name: sum(values[name]) / len(values[name]) for name in filled}

    def row(name: str, line: Mapping[str, Any]) -> list[str]:
        return [
            name,
            *(
                "" if line.get(column) is None else f"{line[column]:.{digits}f}"
                for column, (_, digits) in filled.items()
            ),
        ]

    header = ["image", *(title for title, _ in filled.values())]
    rows = [row(f"mean of {len(lines)}", means)]
    rows += [row(line["file"], line) for line in lines[:MAX_TABLE_ROWS]]
    text = Table(header, rows, label).to_html()
    if len(lines) > MAX_TABLE_ROWS:
        text += note(f"And {len(lines) - MAX_TABLE_ROWS} more.")
    return text


def setting_text(value: Any) -> str:
    """Returns the value of a setting as text, such as `a, b` for a list and `none` for None."""
    if isinstance(value, Mapping):
        value = [f"{name}: {item}" for name, item in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def origin(settings: Mapping[str, Any], command_line: str) -> list[str]:
    """Returns the last two sections of a page: the settings and the command line of the job."""
    items = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(setting_text(value))}</dd>"
        for name, value in settings.items()
    ]
    return [
        section("Settings", "<dl>\n{}\n</dl>".format("\n".join(items))),
        section("Repeat it", f"<pre>{html.escape(command_line)}</pre>"),
    ]
