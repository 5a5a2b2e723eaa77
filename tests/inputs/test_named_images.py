"""inputs: which images, by which names, and the mask of each, through which nothing hidden is seen."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_inpaint.data.sources import Source
from tf_inpaint.files import images
from tf_inpaint.inpainting import masks
from tf_inpaint.inputs import named_images
from tf_inpaint.inputs.masked_images import GRAY, Masks
from tf_inpaint.inputs.named_images import Input, files, held_out, stems, untaken

RANDOM = np.random.default_rng(0)


def saved(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, picture)
    return path


def noise(height=28, width=28, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def item(picture, key="a/b.png"):
    return Input(key, key, Path(key).stem, lambda: picture)


def new_masks(mask, size=28, channels=1, crop=0, seed=0, scale=None, invert=False):
    return Masks(str(mask), size, channels, crop, seed, scale, invert)


@pytest.fixture
def said(caplog, monkeypatch):
    """What the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    caplog.set_level(logging.INFO, "tf_inpaint")
    return caplog


# --- names


@pytest.mark.parametrize(
    "keys, expected",
    [
        (["a.jpg", "b.png"], ["a", "b"]),
        (["a.jpg", "a.png"], ["a_jpg", "a_png"]),
        (["x/a.jpg", "y/a.jpg", "b.jpg"], ["x_a", "y_a", "b"]),
        (["x/a.jpg", "x/a.png", "y/a.png"], ["x_a_jpg", "x_a_png", "y_a"]),
        (["A.png", "a.jpg"], ["A_png", "a_jpg"]),  # one name to some file systems
        (["x/b.jpg", "x_b.jpg"], ["b", "x_b"]),
        (["sheet.png", "details.png", "a.b.c.png"], ["sheet_png", "details_png", "a.b.c"]),
        (["a.png", "a.png", "a.png"], ["a_png", "a_png_2", "a_png_3"]),
        (["digits/0", "digits/30"], ["0", "30"]),
    ],
)
def test_stems(keys, expected):
    assert stems(keys) == expected


def test_stems_are_never_twice():
    parts = ["a", "A", "a_png", "sheet", "x_a", "a.png"]
    for seed in range(200):
        random = np.random.default_rng(seed)
        keys = [
            "/".join(random.choice(parts, random.integers(1, 3))) + random.choice([".png", ".jpg"])
            for _ in range(12)
        ]
        found = stems(keys)
        lowered = {stem.casefold() for stem in found}
        assert len(lowered) == len(keys)
        assert not lowered & named_images.RESERVED
        assert not any("/" in stem for stem in found)


def test_untaken_numbers_what_is_taken():
    taken = {"a", "a_2"}
    assert [untaken("A", taken), untaken("a", taken), untaken("b", taken)] == ["A_3", "a_4", "b"]
    assert taken == {"a", "a_2", "a_3", "a_4", "b"}


def test_seed_is_the_keys_own():
    first, second = (
        Input(file, "123456789", "", noise).seeds(7) for file in ("/x/123456789", "/y")
    )
    assert first == second == (7, 0xCBF43926)  # the check value of CRC-32
    assert Input("/y", "12345678", "", noise).seeds(7) != first


# --- files


def test_files_of_folders_and_paths_each_once(tmp_path):
    for name in ("in/b.png", "in/sub/a.png", "in/.hidden.png", "in/out/done.png", "one.png"):
        saved(tmp_path / name, noise())
    (tmp_path / "in/notes.txt").write_text("no image")
    paths = [tmp_path / "in", tmp_path / "one.png", tmp_path / "in/b.png", tmp_path / "missing.png"]
    found = files([str(path) for path in paths], leave_out=tmp_path / "in/out")
    assert [image.key for image in found] == ["b.png", "sub/a.png", "one.png", "missing.png"]
    assert [image.stem for image in found] == ["b", "a", "one", "missing"]
    assert found[1].file == str(tmp_path.resolve() / "in/sub/a.png")
    np.testing.assert_array_equal(found[1].read(), noise())
    with pytest.raises(FileNotFoundError, match="missing.png does not exist"):
        found[3].read()


def test_file_alone_is_the_file_in_its_folder(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        saved(tmp_path / f"in/{name}.png", noise())
    together = files([str(tmp_path / "in")], leave_out=tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    (alone,) = files(["in/../in/b.png"], leave_out=Path("out"))
    assert alone[:3] == together[1][:3]
    assert alone.seeds(0) == together[1].seeds(0)


def test_files_of_one_key_are_told_apart(tmp_path):
    for place in ("x/a.png", "y/a.png", "y/b.png"):
        saved(tmp_path / place, noise())
    found = files([str(tmp_path / "x"), str(tmp_path / "y")], leave_out=tmp_path / "out")
    assert [image.key for image in found] == ["a.png", "a.png", "b.png"]
    assert [image.stem for image in found] == ["x_a", "y_a", "b"]
    assert len({image.file for image in found}) == 3


# --- held-out images


def numbered(size, broken=()):
    def load(index):
        if index in broken:
            raise ValueError(f"picture {index} is broken")
        return np.full((28, 28, 1), index % 256, np.uint8)

    return Source([f"n/{index}" for index in range(size)], load, (28, 28, 1))


@pytest.mark.parametrize(
    "size, count, expected",
    [
        (10, 1, [0]),
        (10, 2, [0, 8]),
        (10, 5, [0, 8, 4, 2, 6]),
        (8, 9, [0, 4, 2, 6, 1, 5, 3, 7]),
        (1, 2, [0]),
    ],
)
def test_held_out_images_are_spread(size, count, expected):
    found = held_out(numbered(size), count)
    assert [image.key for image in found] == [f"n/{index}" for index in expected]
    assert [image.file for image in found] == [image.key for image in found]
    assert [image.read()[0, 0, 0] for image in found] == expected


def test_held_out_images_are_never_twice():
    for size in range(1, 30):
        for count in range(1, size + 3):
            assert len({image.file for image in held_out(numbered(size), count)}) == min(
                size, count
            )


def test_unreadable_held_out_image_is_not_replaced():
    first, second = held_out(numbered(10, broken=[0]), 2)
    with pytest.raises(ValueError, match="picture 0 is broken"):
        first.read()
    assert second.read()[0, 0, 0] == 8


# --- masks


def test_named_mask_is_the_images_own():
    named = new_masks("random", seed=3, scale=0.4)
    first, again, other = (
        named.example(item(noise(), key)).known for key in ("a.png", "a.png", "b.png")
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(
        first, masks.make("random", 28, 28, item(0, "a.png").seeds(3), 0.4)
    )
    assert masks.hole_share(first) == pytest.approx(0.4, abs=0.001)
    assert named.named("a.png") == "random"


def test_masked_is_the_original_with_gray_in_the_hole():
    example = new_masks("left").example(item(noise()))
    np.testing.assert_array_equal(example.original, noise())
    np.testing.assert_array_equal(example.masked[:, 14:], noise()[:, 14:])
    assert (example.masked[:, :14] == GRAY).all()
    assert example.known.shape == (28, 28, 1) and example.known.dtype == np.float32


def test_mask_file_white_is_known(tmp_path):
    drawn = np.zeros((28, 28, 3), np.uint8)
    drawn[:, 10:] = 255
    path = saved(tmp_path / "mask.png", drawn)
    known = new_masks(path).example(item(noise())).known
    np.testing.assert_array_equal(known, drawn[..., :1] / 255)
    inverted = new_masks(path, invert=True).example(item(noise())).known
    np.testing.assert_array_equal(inverted, 1 - known)
    assert new_masks(path).named("a.png") == str(path)


def test_mask_folder_goes_by_stem(tmp_path):
    for index, name in enumerate(["a.png", "sub/b.png"]):
        drawn = np.full((28, 28, 1), 255, np.uint8)
        drawn[index] = 0
        saved(tmp_path / name, drawn)
    folder = new_masks(tmp_path)
    for index, key in enumerate(["x/a.jpg", "b.png"]):
        assert (folder.example(item(noise(), key)).known[:, 0, 0] == 0).nonzero()[0] == [index]
    assert folder.named("b.png") == str(tmp_path / "sub/b.png")
    with pytest.raises(ValueError, match="none with the stem 'c'; add it"):
        folder.example(item(noise(), "c.png"))


def test_mask_of_another_size_is_refused(tmp_path):
    mask = new_masks(saved(tmp_path / "mask.png", noise(20, 30)))
    with pytest.raises(
        ValueError, match="28 x 28; a/b.png is 40 x 40 and its mask 30 x 20; resize the mask"
    ):
        mask.example(item(noise(40, 40)))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"mask": "centre"}, "--mask must be one of center, .* received 'centre'"),
        (
            {"mask": "center", "invert": True},
            "--invert_mask must go with a mask file or folder; .*center",
        ),
        (
            {"mask": "FILE", "scale": 0.5},
            "--mask_scale must go with a mask's name; received 0.5 with",
        ),
        ({"mask": "lowres", "scale": 0.8}, "boxes of 5 for 28 pixels"),
    ],
)
def test_contradictory_mask_is_refused(tmp_path, arguments, sentence):
    path = saved(tmp_path / "mask.png", noise())
    arguments["mask"] = arguments["mask"].replace("FILE", str(path))
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        new_masks(**arguments)


@pytest.mark.parametrize(
    "height, width, channels, crop, size",
    [
        (28, 28, 3, 0, 28),
        (56, 56, 1, 0, 28),
        (67, 45, 3, 0, 28),
        (20, 23, 3, 0, 28),
        (90, 80, 3, 50, 32),
    ],
)
@pytest.mark.parametrize("framing", ["image", "hole"])
def test_nothing_hidden_is_seen_through_a_mask_of_the_files_size(
    tmp_path, height, width, channels, crop, size, framing
):
    random = np.random.default_rng(height)
    known = masks.make("strokes", height, width, 1, 0.3)
    path = saved(tmp_path / "mask.png", known * 2 - 1)
    mask = Masks(str(path), size, channels, crop, 0, framing=framing)
    picture = noise(height, width, channels)
    clean = mask.example(item(picture))
    assert 0.1 < masks.hole_share(clean.known) < 0.95
    assert (clean.masked[clean.known[..., 0] == 0] == GRAY).all()
    given = clean.known[..., 0] > 0
    np.testing.assert_array_equal(clean.masked[given], clean.original[given])
    shown, seen = clean.rows
    assert (shown[seen[..., 0] == 0] == GRAY).all()
    assert shown.shape[1:] == (size, size, channels)
    for scrambled in (random.integers(0, 256, picture.shape, dtype=np.uint8), 0, 255):
        other = mask.example(item(np.where(known > 0, picture, scrambled).astype(np.uint8)))
        assert (other.original != clean.original).any()
        np.testing.assert_array_equal(other.masked, clean.masked)
        np.testing.assert_array_equal(other.known, clean.known)
        for one, same in zip(other.rows, clean.rows, strict=True):
            np.testing.assert_array_equal(one, same)


def test_mask_of_the_network_s_size_goes_with_any_image(tmp_path):
    path = saved(tmp_path / "mask.png", masks.make("left", 28, 28, 0) * 2 - 1)
    for height, width in ((40, 60), (28, 40), (20, 20), (28, 28)):
        example = new_masks(path).example(item(noise(height, width)))
        assert example.squares is None
        np.testing.assert_array_equal(example.original, images.fit(noise(height, width), 28, 1))
        np.testing.assert_array_equal(example.known, masks.make("left", 28, 28, 0))
        assert [part.shape for part in example.rows] == [(1, 28, 28, 1)] * 2
    assert example.seeds(3) == [example.input.seeds(3)]


def test_dealt_mask_far_from_the_hole_stays_known(tmp_path):
    # A square hole of 20 in 112 pixels is one of 5 in 28; the filter reaches two pixels further on each side.
    known = np.ones((112, 112, 1), np.float32)
    known[40:60, 40:60] = 0
    path = saved(tmp_path / "mask.png", known * 2 - 1)
    found = Masks(str(path), 28, 1, 0, 0, dealt=True).example(item(noise(112, 112))).known
    hole = np.argwhere(found[..., 0] == 0)
    assert hole.min(axis=0).tolist() == [8, 8] and hole.max(axis=0).tolist() == [16, 16]


def test_lowres_gives_box_averages():
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[0, :4, 0] = [10, 20, 30, 41]  # the mean of the box of 16 is 6.3
    example = new_masks("lowres").example(item(picture))
    expected = np.zeros((28, 28, 1), np.uint8)
    expected[:4, :4] = 6
    np.testing.assert_array_equal(example.masked, expected)
    assert not example.known.any()
    assert new_masks("lowres", scale=0.5).low_resolution_factor == 2
    assert new_masks("center").low_resolution_factor is None


# --- what is said


def test_another_size_or_colour_is_said_once(said):
    named = new_masks("center")
    named.example(item(noise()))
    assert not said.messages
    named.example(item(noise(40, 60, 3), "big.png"))
    named.example(item(noise(50, 50, 1), "other.png"))
    (message,) = said.messages
    assert "28 x 28 gray" in message and "big.png is 60 x 40 RGB" in message


def test_mostly_hole_is_warned_of_once(tmp_path, said):
    drawn = np.zeros((28, 28, 1), np.uint8)
    drawn[10:17, 10:20] = 255
    path = saved(tmp_path / "mask.png", drawn)
    mask = new_masks(path)
    for key in ("a.png", "b.png"):
        mask.example(item(noise(), key))
    (record,) = said.records
    assert record.levelno == logging.WARNING
    assert f"{path} reads as 91 % hole" in record.message and "pass --invert_mask" in record.message
    said.clear()
    new_masks(path, invert=True).example(item(noise()))
    new_masks("empty").example(item(noise()))
    new_masks("lowres").example(item(noise()))
    assert not said.messages
    saved(path, 255 - drawn)
    new_masks(path, invert=True).example(item(noise()))
    assert "drop --invert_mask" in said.text


def test_orientation_of_a_photograph_is_honoured(tmp_path):
    picture = noise()
    turned = Image.fromarray(picture[..., 0])
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "a.png", exif=exif)
    (image,) = files([str(tmp_path / "a.png")], leave_out=tmp_path / "out")
    original = new_masks("center").example(image).original
    np.testing.assert_array_equal(original, np.rot90(picture, -1))
