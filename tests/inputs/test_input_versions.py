"""input_versions: a result whose image or mask was edited since does not count."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from tf_inpaint.files import file_versions, images
from tf_inpaint.inputs.input_versions import forget_edited, inputs_entry
from tf_inpaint.inputs.mask_sources import new_mask_source
from tf_inpaint.inputs.named_images import Input, files

OUT = Path("out")


def save(path, pixel, time=None):
    """Writes a black picture whose pixel number `pixel` is white, with a modification time."""
    path.parent.mkdir(exist_ok=True)
    picture = np.zeros((8, 8, 1), np.uint8)
    picture.flat[pixel] = 255
    images.write(path, picture)
    if time is not None:
        os.utime(path, ns=(0, time))


@pytest.fixture
def items(tmp_path):
    """Three images in `photos`, with their masks in `masks`."""
    for index, stem in enumerate("abc"):
        save(tmp_path / f"photos/{stem}.png", index, 7)
        save(tmp_path / f"masks/{stem}.png", index, 7)
    return files([str(tmp_path / "photos")], OUT)


@pytest.fixture
def logged(caplog, monkeypatch):
    """Records of what the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    return caplog


def new_rows(items, mask):
    """Returns the rows of a job over all images."""
    source = new_mask_source(str(mask), 0)
    return {item.file: inputs_entry(item, source) for item in items}


def remaining(done, items, mask):
    """Returns the stems of the results that still count."""
    rows = {file: dict(row) for file, row in done.items()}
    count = forget_edited(OUT, rows, items, new_mask_source(str(mask), 0))
    assert count == len(done) - len(rows)
    return "".join(Path(file).stem for file in rows)


def test_edited_image_or_mask_does_not_count(items, tmp_path, logged):
    """One line tells how many results do not count, and names one."""
    done = new_rows(items, tmp_path / "masks")
    assert all(row["inputs"].keys() == {"image", "mask"} for row in done.values())
    assert remaining(done, items, tmp_path / "masks") == "abc" and not logged.messages
    save(tmp_path / "photos/a.png", 9)
    save(tmp_path / "masks/c.png", 9)
    assert remaining(done, items, tmp_path / "masks") == "b"
    (text,) = logged.messages
    assert text.startswith("2 of the results in out do not count") and "photos/a.png" in text


def test_only_the_content_decides(items, tmp_path, monkeypatch):
    """Another time is no edit; the new time is stored, so the content is read once."""
    done = new_rows(items, tmp_path / "masks")
    for path in tmp_path.rglob("*.png"):
        os.utime(path, ns=(0, 8))
    source = new_mask_source(str(tmp_path / "masks"), 0)
    assert forget_edited(OUT, done, items, source) == 0
    monkeypatch.setattr(file_versions, "open", None, raising=False)
    assert forget_edited(OUT, done, items, source) == 0
    assert done[items[0].file]["inputs"]["mask"]["mtime_ns"] == 8


def test_mask_that_would_be_used_now_counts(items, tmp_path):
    """A closer fit, or two masks that fit, are edits; a mask of the same content is none."""
    masks = tmp_path / "masks"
    done = new_rows(items, masks)
    (masks / "a.png").rename(masks / "A.png")
    save(masks / "b.bmp", 5)  # Beside b.png.
    (masks / "c.png").rename(masks / "C.png")
    save(masks / "c.png", 5)
    assert remaining(done, items, masks) == "a"


def test_one_mask_file_for_all_images(items, tmp_path):
    """An edited mask file is an edit of every image."""
    mask = tmp_path / "masks/a.png"
    done = new_rows(items, mask)
    assert remaining(done, items, mask) == "abc"
    save(mask, 9)
    assert remaining(done, items, mask) == ""


def test_files_that_are_gone_leave_their_results(items, tmp_path):
    """A result is not lost because its image or mask was moved away."""
    done = new_rows(items, tmp_path / "masks")
    (tmp_path / "photos/a.png").unlink()
    (tmp_path / "masks/b.png").unlink()
    assert remaining(done, items, tmp_path / "masks") == "abc"


def test_images_without_files_have_no_versions(items):
    """The run's own images and masks with names add nothing to a row."""
    own = Input("x/0", "x/0", "0", lambda: None)
    assert inputs_entry(own, new_mask_source("center", 0)) == {}
    assert new_rows(items, "center")[items[0].file]["inputs"].keys() == {"image"}


@pytest.mark.parametrize("inputs", [None, 1, [], {"image": 1}, {"image": None}])
def test_rows_without_versions_count(items, tmp_path, inputs):
    """An earlier version of the package wrote no versions."""
    save(tmp_path / "photos/a.png", 9)
    done = {items[0].file: {} if inputs is None else {"inputs": inputs}}
    assert remaining(done, items, "center") == "a"
