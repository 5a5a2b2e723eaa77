"""A page with pictures, numbers, settings and a command."""

import base64
import dataclasses
import html.parser
import json
import os
import re
import shlex

import numpy as np
import pytest
from tiny import new_run, picture

from tf_inpaint import complete
from tf_inpaint.config import CompleteConfig, EvaluateConfig, StoryConfig, flags
from tf_inpaint.config.flags import parse
from tf_inpaint.files import images, webpage

VOID = {"meta", "link", "img"}
EVIL = "<script>alert('1')</script> & \"two\".png"


class Page(html.parser.HTMLParser):
    """Tags, table rows and text of a page.

    A tag that is not closed, or that is closed in the wrong order, raises an error.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.rows, self.text = [], [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data
        if "tr" in self.open and data.strip():
            self.rows[-1][-1] += data

    def all(self, tag):
        """Returns the attributes of all tags with a name."""
        return [attributes for name, attributes in self.tags if name == tag]


def evil_page(folder):
    """Returns a page whose names and texts contain HTML, quotes and ampersands."""
    images.write(folder / "sheet.png", picture(0))
    images.animate(folder / "search.gif", [picture(0), picture(1)], 0.1)
    config = CompleteConfig(images=(EVIL, "it's"), run_dir="runs/<b>", steps=7)
    lines = [{"file": EVIL, "psnr": 10.04, "energy": None}, {"file": "b", "psnr": 20.0}]
    return webpage.page(
        f"Of {EVIL}",
        f"About {EVIL}",
        [
            webpage.section(
                EVIL,
                *(
                    webpage.picture(folder / name, EVIL, folder)
                    for name in ("sheet.png", "search.gif", "none.png")
                ),
            ),
            webpage.section(
                "Numbers", webpage.numbers(lines, {"psnr": ("PSNR", 1), "energy": ("E", 1)}, EVIL)
            ),
            webpage.section("Nothing", webpage.picture(folder / "none.png", "", folder)),
            *webpage.origin(
                dataclasses.asdict(config), flags.command("tf_inpaint.complete", config)
            ),
        ],
    )


def test_page_is_well_formed_self_contained_and_the_same_each_time(tmp_path):
    """All text is escaped, and the page has no address and no script."""
    text = evil_page(tmp_path)
    page = Page(text)
    assert text == evil_page(tmp_path)
    assert "http" not in text and "//" not in re.sub(r"base64,[^\"]*", "", text)
    assert "script" not in dict(page.tags) and "b" not in dict(page.tags) and "Nothing" not in text
    assert page.text["h1"] == f"Of {EVIL}" and [image["alt"] for image in page.all("img")] == [
        EVIL,
        EVIL,
    ]
    assert all(attributes["href"] == "data:," for attributes in page.all("link"))
    assert page.rows == [["image", "PSNR"], ["mean of 2", "15.0"], [EVIL, "10.0"], ["b", "20.0"]]


def test_pictures_are_the_files(tmp_path):
    """A page contains the bytes of the picture files."""
    for image, name, kind in zip(
        Page(evil_page(tmp_path)).all("img"),
        ("sheet.png", "search.gif"),
        ("png", "gif"),
        strict=True,
    ):
        head, _, data = image["src"].partition(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data, validate=True) == (tmp_path / name).read_bytes()
        assert (image["width"], image["height"]) == ("56", "56"), (
            "small pictures are shown twice as large"
        )


def test_a_large_picture_is_linked(tmp_path):
    """The page links to a file that is too large for it."""
    (tmp_path / "a b").mkdir()
    path = tmp_path / "a b" / "<&?.png"
    images.write(path, np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), dtype=np.uint8))
    page = Page(webpage.picture(path, "Noise.", tmp_path / "a b"))
    (image,) = page.all("img")
    assert image["src"] == "%3C%26%3F.png" and "too large" in page.text["figcaption"]
    assert Page(webpage.links({"It": path, "no": tmp_path / "no"}, tmp_path)).all("a") == [
        {"href": "a%20b/%3C%26%3F.png"}
    ]


def test_name_that_is_not_utf8(tmp_path):
    """A link has the bytes of the name, and the page shows a sign for them."""
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    images.write(path, np.zeros((2, 2, 1), np.uint8))
    numbers = webpage.numbers([{"file": str(path), "psnr": 1.0}], {"psnr": ("PSNR", 1)}, "Numbers")
    links = webpage.links({path.name: path}, tmp_path)
    webpage.write(tmp_path / "index.html", path.name, "", [numbers, links])
    text = (tmp_path / "index.html").read_text("utf-8")
    assert 'href="caf%E9.png"' in text and "<title>caf?.png</title>" in text


@pytest.mark.parametrize(
    ("module", "config"),
    [
        ("tf_inpaint.complete", CompleteConfig()),
        (
            "tf_inpaint.complete",
            CompleteConfig(images=("a b.png", EVIL, "it's"), overwrite=True, mask_scale=0.3),
        ),
        (
            "tf_inpaint.complete",
            CompleteConfig(images=("x", "--steps=3", "-"), run_dir="$HOME", learning_rate=1e-7),
        ),
        (
            "tf_inpaint.evaluate",
            EvaluateConfig(masks=("center", "my holes"), compare=("a", "b"), count=3),
        ),
        ("tf_inpaint", StoryConfig(run_dir="a\nb", seed=4)),
    ],
)
def test_the_command_is_the_config(module, config):
    """The command line on the page, parsed, gives the same settings."""
    text = Page(webpage.origin({}, flags.command(module, config))[-1]).text["pre"]
    python, option, name, *argv = shlex.split(text)
    assert (python, option, name) == ("python", "-m", module)
    assert parse(type(config), argv) == config
    assert flags.command(module, type(config)()) == f"python -m {module}"


def test_a_table_shows_the_first_lines_and_counts_the_rest():
    """The mean is over all lines, and the rows are the first lines."""
    lines = [{"file": str(index), "n": index} for index in range(webpage.MAX_TABLE_ROWS + 5)]
    page = Page(webpage.numbers(lines, {"n": ("n", 0)}, ""))
    assert [row[0] for row in page.rows[2:]] == [
        str(index) for index in range(webpage.MAX_TABLE_ROWS)
    ]
    assert page.rows[1] == ["mean of 25", "12"] and page.text["p"] == "And 5 more."


def test_complete_writes_a_page_with_its_numbers(tmp_path):
    """The page of `complete` shows the numbers and pictures that the command wrote."""
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(("a.png", "<script>b.png", "c.png")):
        images.write(tmp_path / "in" / name, picture(seed))
    config = CompleteConfig(
        images=(str(tmp_path / "in"),),
        run_dir=new_run(tmp_path / "run"),
        out_dir=str(tmp_path / "out"),
        steps=3,
        details=2,
    )
    for _ in range(2):  # A continued job writes the page again.
        assert complete.run(config) == 0
        page = Page((tmp_path / "out/index.html").read_text(encoding="utf-8"))
    lines = [
        json.loads(line) for line in (tmp_path / "out/completions.jsonl").read_text().splitlines()
    ]
    header, means, *rows = page.rows
    assert [row[0] for row in rows] == [line["file"] for line in lines] and len(rows) == 3
    for name, title, digits in [
        ("hole_psnr", "hole PSNR", 1),
        ("steps", "steps", 0),
        ("energy", "energy", 1),
    ]:
        column = header.index(title)
        values = [line[name] for line in lines]
        assert [float(row[column]) for row in rows] == pytest.approx(values, abs=0.51 * 10**-digits)
        assert float(means[column]) == pytest.approx(np.mean(values), abs=0.51 * 10**-digits)
    shown = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert shown == [(tmp_path / "out" / name).read_bytes() for name in ("sheet.png", "search.gif")]
    shown_config = parse(CompleteConfig, shlex.split(page.text["pre"])[3:])
    assert shown_config == config.with_block_size().with_threads(None)
