"""The images of a command: which images, and by which names."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from photographs import noise, save_picture

from tf_inpaint.config import TrainConfig
from tf_inpaint.data.sources import Source
from tf_inpaint.inputs import named_images
from tf_inpaint.inputs.named_images import (
    Input,
    claim_name,
    files,
    held_out,
    pictures,
    rename_for_job,
    stems,
    with_dataset,
)

# --- Names.


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a.jpg", "b.png"], ["a", "b"]),
        (["a.jpg", "a.png"], ["a_jpg", "a_png"]),
        (["x/a.jpg", "y/a.jpg", "b.jpg"], ["x_a", "y_a", "b"]),
        (["x/a.jpg", "x/a.png", "y/a.png"], ["x_a_jpg", "x_a_png", "y_a"]),
        (["A.png", "a.jpg"], ["A_png", "a_jpg"]),  # Some file systems take both for one name.
        (["x/b.jpg", "x_b.jpg"], ["b", "x_b"]),
        (["sheet.png", "details.png", "a.b.c.png"], ["sheet_png", "details_png", "a.b.c"]),
        (["a.png", "a.png", "a.png"], ["a_png", "a_png_2", "a_png_3"]),
        (["digits/0", "digits/30"], ["0", "30"]),
    ],
)
def test_stems(keys, expected):
    """A name has as much of its path as makes it unique."""
    assert stems(keys) == expected


def test_stems_are_unique():
    """No two keys have the same name, whatever the case of its letters."""
    parts = ["a", "A", "a_png", "sheet", "x_a", "a.png"]
    for seed in range(200):
        random = np.random.default_rng(seed)
        keys = [
            "/".join(random.choice(parts, random.integers(1, 3))) + random.choice([".png", ".jpg"])
            for _ in range(12)
        ]
        names = stems(keys)
        lowered = {name.casefold() for name in names}
        assert len(lowered) == len(keys)
        assert not lowered & named_images.RESERVED
        assert not any("/" in name for name in names)


def test_claim_name_numbers_a_name_that_is_taken():
    """A number makes the name unique, and the new name is taken too."""
    taken = {"a", "a_2"}
    assert [claim_name("A", taken), claim_name("a", taken), claim_name("b", taken)] == [
        "A_3",
        "a_4",
        "b",
    ]
    assert taken == {"a", "a_2", "a_3", "a_4", "b"}


def test_done_image_keeps_its_name():
    """An image that is done keeps its stem, and no other image takes it."""
    items = [Input(file, file, "a", noise) for file in ("/x/a.png", "/y/a.png", "/z/a.png")]
    done = {"/y/a.png": {"completion": "A_2.png"}, "/other.png": {"completion": "a.png"}}
    assert [item.stem for item in rename_for_job(items, done)] == ["a_3", "A_2", "a_4"]


def test_seeds_depend_on_the_key_alone():
    """Images with the same key have the same seeds."""
    first, second = (
        Input(file, "123456789", "", noise).seeds(7) for file in ("/x/123456789", "/y")
    )
    assert first == second == (7, 0xCBF43926)  # The check value of CRC-32.
    assert Input("/y", "12345678", "", noise).seeds(7) != first


# --- Files.


def test_files_of_folders_and_paths_each_once(tmp_path):
    """A file is listed once, and files below the output folder are left out."""
    for name in ("in/b.png", "in/sub/a.png", "in/.hidden.png", "in/out/done.png", "one.png"):
        save_picture(tmp_path / name, noise())
    (tmp_path / "in/notes.txt").write_text("no image")
    paths = [tmp_path / "in", tmp_path / "one.png", tmp_path / "in/b.png", tmp_path / "missing.png"]
    items = files([str(path) for path in paths], leave_out=tmp_path / "in/out")
    assert [item.key for item in items] == ["b.png", "sub/a.png", "one.png", "missing.png"]
    assert [item.stem for item in items] == ["b", "a", "one", "missing"]
    assert items[1].file == str(tmp_path.resolve() / "in/sub/a.png")
    np.testing.assert_array_equal(items[1].read(), noise())
    with pytest.raises(FileNotFoundError, match="missing.png does not exist"):
        items[3].read()


def test_image_with_more_pixels_than_allowed_fails_alone(tmp_path):
    """The other images can be read."""
    save_picture(tmp_path / "a.png", noise(20, 30))
    save_picture(tmp_path / "b.png", noise(20, 31))
    large, small = files([str(tmp_path)], tmp_path / "out", 600)[::-1]
    np.testing.assert_array_equal(small.read(), noise(20, 30))
    with pytest.raises(ValueError, match=r"b\.png claims more than 600 pixels; .*--max_pixels"):
        large.read()


def test_file_alone_is_the_file_in_its_folder(tmp_path, monkeypatch):
    """A file has the same name and seeds, whether the file or its folder is given."""
    for name in ("a", "b", "c"):
        save_picture(tmp_path / f"in/{name}.png", noise())
    together = files([str(tmp_path / "in")], leave_out=tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    (alone,) = files(["in/../in/b.png"], leave_out=Path("out"))
    assert alone[:3] == together[1][:3]
    assert alone.seeds(0) == together[1].seeds(0)


def test_files_of_one_key_have_different_names(tmp_path):
    """Files of the same name in two folders get different stems."""
    for place in ("x/a.png", "y/a.png", "y/b.png"):
        save_picture(tmp_path / place, noise())
    items = files([str(tmp_path / "x"), str(tmp_path / "y")], leave_out=tmp_path / "out")
    assert [item.key for item in items] == ["a.png", "a.png", "b.png"]
    assert [item.stem for item in items] == ["x_a", "y_a", "b"]
    assert len({item.file for item in items}) == 3


def test_entry_that_cannot_be_used_fails_alone(tmp_path, monkeypatch):
    """Links to nowhere, pipes and folders that cannot be listed are named when they are read."""
    save_picture(tmp_path / "in/good.png", noise())
    (tmp_path / "in/itself.png").symlink_to("itself.png")
    (tmp_path / "in/nothing.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "in/pipe.png")
    for folder in ("in/closed", "closed"):
        (tmp_path / folder).mkdir()
    scandir = os.scandir

    def scan_allowed(folder):
        if os.path.basename(folder) == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan_allowed)
    paths = [str(tmp_path / "in"), str(tmp_path / "closed"), str(tmp_path / ("x" * 300))]
    items = files(paths, leave_out=tmp_path / "out")
    keys = ["closed", "good.png", "itself.png", "nothing.png", "pipe.png", "closed", "x" * 300]
    assert [item.key for item in items] == keys
    np.testing.assert_array_equal(items.pop(1).read(), noise())
    reasons = ["in/closed cannot", "itself.png", "nothing.png leads nowhere", "no regular file"]
    for item, reason in zip(items, [*reasons, "closed cannot", "too long"], strict=True):
        with pytest.raises((ValueError, OSError), match=reason):
            item.read()


def test_name_that_is_not_utf8(tmp_path):
    """The name of such a file is kept."""
    name = os.fsdecode(b"caf\xe9.png")
    save_picture(tmp_path / name, noise())
    (item,) = files([str(tmp_path)], leave_out=tmp_path / "out")
    assert item.key == name and item.stem == name.removesuffix(".png")
    assert item.seeds(0) == (0, zlib.crc32(b"caf\xe9.png"))
    np.testing.assert_array_equal(item.read(), noise())


def test_long_name_is_cut():
    """A file system takes the name with its suffix, and no other output has the name."""
    names = stems([f"{folder}/{125 * chr(252)}.png" for folder in "xyx"])  # 2 bytes each.
    assert len(set(names)) == 3
    assert all(len(os.fsencode(f"{name}.webp")) <= 255 for name in names)
    assert stems(["a" * 250 + ".png"]) == ["a" * 250]


# --- Held-out images.


def numbered_source(size, broken=()):
    """Returns a source of `size` pictures, whose levels are their indices."""

    def load(index):
        if index in broken:
            raise ValueError(f"picture {index} is broken")
        return np.full((28, 28, 1), index % 256, np.uint8)

    return Source([f"n/{index}" for index in range(size)], load, (28, 28, 1))


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        (10, 1, [0]),
        (10, 2, [0, 8]),
        (10, 5, [0, 8, 4, 2, 6]),
        (8, 9, [0, 4, 2, 6, 1, 5, 3, 7]),
        (1, 2, [0]),
    ],
)
def test_held_out_images_are_spread(size, count, expected):
    """A few images come from all over the split."""
    items = held_out(numbered_source(size), count)
    assert [item.key for item in items] == [f"n/{index}" for index in expected]
    assert [item.file for item in items] == [item.key for item in items]
    assert [item.read()[0, 0, 0] for item in items] == expected


def test_held_out_images_are_never_repeated():
    """All images are different, and there are as many as asked for."""
    for size in range(1, 30):
        for count in range(1, size + 3):
            assert len({item.file for item in held_out(numbered_source(size), count)}) == min(
                size, count
            )


def test_unreadable_held_out_image_is_not_replaced():
    """A training image may be replaced by the next one, but not a held-out image."""
    first, second = held_out(numbered_source(10, broken=[0]), 2)
    with pytest.raises(ValueError, match="picture 0 is broken"):
        first.read()
    assert second.read()[0, 0, 0] == 8


def test_images_of_a_run_may_move(tmp_path, logged):
    """The images are the same at the new place, and the log and the error name the flag."""
    for index in range(40):
        save_picture(tmp_path / f"old/{index}.png", noise())
    config = TrainConfig(dataset=f"folder:{tmp_path}/old")
    before = pictures(config, "held_out")
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="pass --dataset=folder:PLACE if the data are at"):
        pictures(with_dataset(config, ""), "held_out")
    moved = with_dataset(config, f"folder:{tmp_path}/new")
    after = pictures(moved, "held_out")
    assert sorted(map(after.name, range(after.size))) == sorted(
        map(before.name, range(before.size))
    )
    assert moved == TrainConfig(dataset=f"folder:{tmp_path}/new")
    assert f"trained on folder:{tmp_path}/old" in logged.text


@pytest.mark.parametrize(
    ("dataset", "data_dir"), [("tfds:b", "here"), ("folder:b", ""), ("npz:b", ""), ("digits", "")]
)
def test_moved_data_set_may_have_another_form(dataset, data_dir, caplog):
    """The folder of TFDS stays for a TFDS data set alone."""
    config = TrainConfig(dataset="tfds:a", data_dir="here")
    assert with_dataset(config, dataset) == TrainConfig(dataset=dataset, data_dir=data_dir)
    with pytest.raises(ValueError, match="--dataset must be digits, .*received 'faces'"):
        with_dataset(config, "faces")
    assert "faces" not in caplog.text
