"""The way from --mask to known: names, files, folders, and what is refused."""

import logging
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from photographs import new_item, noise, save_picture
from PIL import Image

from tf_inpaint.compositing import masks
from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.files import images
from tf_inpaint.inputs.mask_sources import MaskFile, MaskFolder, NamedMask, new_mask_source
from tf_inpaint.inputs.named_images import files
from tf_inpaint.inputs.seeds import mask_file_index

SIZE = (28, 28)


def test_named_mask_is_the_image_s_own():
    """A mask with a name is drawn by the seeds of the image."""
    source = new_mask_source("random", seed=3, scale=0.4)
    assert isinstance(source, NamedMask)
    first, again, other = (
        source.known_of(new_item(noise(), key), SIZE) for key in ("a.png", "a.png", "b.png")
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    seeds = new_item(noise(), "a.png").seeds(3)
    np.testing.assert_array_equal(first, masks.make("random", *SIZE, seeds, 0.4))
    assert masks.hole_share(first) == pytest.approx(0.4, abs=0.001)
    assert source.label("a.png") == "random"
    assert source.known_of(new_item(noise()), (9, 12)).shape == (9, 12, 1)


def test_white_is_known_in_a_mask_file(tmp_path):
    """With `invert`, white is the hole."""
    drawn = np.zeros((28, 28, 3), np.uint8)
    drawn[:, 10:] = 255
    path = str(save_picture(tmp_path / "mask.png", drawn))
    source = new_mask_source(path, 0)
    assert isinstance(source, MaskFile)
    known = source.known_of(new_item(noise()), SIZE)
    np.testing.assert_array_equal(known, drawn[..., :1] / 255)
    inverted = new_mask_source(path, 0, invert=True).known_of(new_item(noise()), SIZE)
    np.testing.assert_array_equal(inverted, 1 - known)
    assert source.label("a.png") == path


def test_the_hole_of_any_mask_grows(tmp_path):
    """A mask with a name, a file and a folder: each by the same function, at its own size."""
    hole = np.full((20, 30, 1), 255, np.uint8)
    hole[9:11, 14:16] = 0
    path = str(save_picture(tmp_path / "a.png", hole))
    for mask, known in (
        (path, hole / 255),
        (str(tmp_path), hole / 255),
        ("center", masks.make("center", *SIZE, 0)),
    ):
        for pixels in (-1, 0, 3):
            source = new_mask_source(mask, 0, grow_pixels=pixels)
            grown = source.known_of(new_item(noise(), "a.png"), SIZE)
            np.testing.assert_array_equal(grown, grow(known, pixels))


def test_mask_with_more_pixels_than_allowed_is_refused(tmp_path):
    """Alike for a mask file and for the masks of a folder."""
    drawn = np.full((20, 30, 1), 255, np.uint8)
    drawn[:5] = 0
    path = str(save_picture(tmp_path / "a.png", drawn))
    item = new_item(noise(), "a.jpg")
    for mask in (path, str(tmp_path)):
        known = new_mask_source(mask, 0, max_pixels=600).known_of(item, SIZE)
        np.testing.assert_array_equal(known, drawn / 255)
        with pytest.raises(ValueError, match="a.png claims more than 599 pixels; .*--max_pixels"):
            new_mask_source(mask, 0, max_pixels=599).known_of(item, SIZE)


def test_mask_folder_goes_by_stem(tmp_path):
    """An image takes the mask with its own stem, wherever the mask lies in the folder."""
    for index, name in enumerate(["a.png", "sub/b.png"]):
        drawn = np.full((28, 28, 1), 255, np.uint8)
        drawn[index] = 0
        save_picture(tmp_path / name, drawn)
    source = new_mask_source(str(tmp_path), 0)
    assert isinstance(source, MaskFolder)
    for index, key in enumerate(["x/a.jpg", "b.png"]):
        known = source.known_of(new_item(noise(), key), SIZE)
        assert (known[:, 0, 0] == 0).nonzero()[0] == [index]
    assert source.label("b.png") == str(tmp_path / "sub/b.png")
    with pytest.raises(FileNotFoundError, match="none with the stem 'c'; add it"):
        source.known_of(new_item(noise(), "c.png"), SIZE)


def new_folder(folder, *names):
    """Returns the masks of a folder with files of these names."""
    for name in names:
        save_picture(folder / name, np.eye(28)[..., None] * 2 - 1)
    return new_mask_source(str(folder), 0)


def test_the_path_of_a_mask_goes_before_its_stem(tmp_path):
    """Files of the same name in several subfolders are the masks of the images with their paths."""
    names = ["2019/001.png", "2020/001.png", "2020/002.png"]
    source = new_folder(tmp_path, *names)
    for name in names:
        assert source.label(name.replace("png", "jpg")) == str(tmp_path / name)
    assert source.label("2019/002.jpg") == str(tmp_path / names[2])
    with pytest.raises(ValueError, match="2 that fit 001.jpg, such as 2019/001.png and 2020/001"):
        source.known_of(new_item(noise(), "001.jpg"), SIZE)


def test_two_masks_of_one_image_are_refused_by_name(tmp_path):
    """Suffixes do not count. The other images of the folder have their masks."""
    source = new_folder(tmp_path, "x/a.bmp", "x/a.png", "b.png")
    for key in ("x/a.jpg", "a.png"):
        with pytest.raises(ValueError, match=f"2 that fit {key}, such as x/a.bmp and x/a.png; "):
            source.known_of(new_item(noise(), key), SIZE)
    assert source.label("b.jpg") == str(tmp_path / "b.png")


def test_masks_beside_their_pictures_are_no_pictures(tmp_path, logged):
    """A mask folder may be the folder of the images, or lie in it."""
    for name in ("a.png", "A_mask.png", "b.png", "sub/mask_b.png", "sub/c_mask.png"):
        save_picture(tmp_path / name, np.eye(28)[..., None] * 2 - 1)
    items = files([str(tmp_path)], tmp_path / "out")
    for mask, left_out in (
        (tmp_path, {"A_mask.png", "mask_b.png"}),
        (tmp_path / "sub", {"mask_b.png"}),
    ):
        source = new_mask_source(str(mask), 0)
        pictures = source.pictures_among(items)
        assert {item.path.name for item in items if item not in pictures} == left_out
        assert f"{len(left_out)} masks beside their images in {mask}, such as " in logged.text
        assert source.label("b.png") == str(tmp_path / "sub/mask_b.png")
    # A picture without a mask is not its own mask. Nor is a picture that is given alone.
    source = new_mask_source(str(tmp_path), 0)
    source.pictures_among(items)
    with pytest.raises(FileNotFoundError, match="none with the stem 'c_mask'"):
        source.label("sub/c_mask.png")
    source = new_mask_source(str(tmp_path), 0)
    alone = [item for item in items if item.key == "a.png"]
    assert source.pictures_among(alone) == alone
    assert source.label("a.png") == str(tmp_path / "A_mask.png")
    assert new_mask_source("center", 0).pictures_among(items) == items
    # The same files elsewhere are pictures.
    save_picture(tmp_path / "masks/a.png", np.eye(28)[..., None] * 2 - 1)
    assert new_mask_source(str(tmp_path / "masks"), 0).pictures_among(items) == items


def test_the_mask_file_of_all_images_is_no_picture(tmp_path):
    """It may lie beside them, and stays if it is the only image."""
    for name in ("a.png", "hole.png"):
        save_picture(tmp_path / name, np.eye(28)[..., None] * 2 - 1)
    items = files([str(tmp_path)], tmp_path / "out")
    source = new_mask_source(str(tmp_path / "hole.png"), 0)
    assert [item.key for item in source.pictures_among(items)] == ["a.png"]
    assert source.pictures_among(items[1:]) == items[1:]


def test_names_that_look_alike_are_the_same_name(tmp_path):
    """The exact spelling goes first, then the letters in any normalization, then in any case."""
    composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    source = new_folder(tmp_path, "A.png", "a.png", "aA.png", f"{apart}.png")
    for key, name in (("a", "a"), ("A", "A"), ("aa", "aA"), (composed, apart), (apart, apart)):
        assert source.label(f"{key}.jpg") == str(tmp_path / f"{name}.png")
    source = new_folder(tmp_path, "x/AA.png", f"{composed}.png")
    for key in (composed, apart):
        assert source.label(f"{key}.jpg") == str(tmp_path / f"{key}.png")
    for key, pair in (("aa", "aA.png and x/AA.png"), (composed.upper(), f"{apart}.png and ")):
        with pytest.raises(ValueError, match=f"2 that fit y/{key}.jpg, such as {pair}"):
            source.label(f"y/{key}.jpg")


@pytest.mark.parametrize("color", ["white", "black", "red"])
def test_hole_in_the_alpha_channel_is_refused(tmp_path, color):
    """A mask of one color shows nothing without its transparency. Two colors are over white."""
    picture = Image.new("RGBA", SIZE, color)
    picture.save(tmp_path / "opaque.png")
    new_mask_source(str(tmp_path / "opaque.png"), 0)
    picture.putpixel((3, 4), (*picture.getpixel((0, 0))[:3], 0))
    picture.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="its hole seems to be in its transparency; export"):
        new_mask_source(str(tmp_path / "a.png"), 0)
    with pytest.raises(ValueError, match="a.png has a single color, and its hole"):
        new_mask_source(str(tmp_path), 0).known_of(new_item(noise(), "a.jpg"), SIZE)
    picture.putpixel((3, 4), (1, 2, 3, 0))
    picture.save(tmp_path / "a.png")
    assert new_mask_source(str(tmp_path / "a.png"), 0).known[4, 3] == 1


def test_mask_without_black_and_white_is_refused_by_name(tmp_path):
    """Levels 0 and 1, and gray, are no mask."""
    for name, levels in (("ones", np.eye(28)[..., None]), ("gray", np.full((28, 28, 1), 128))):
        path = save_picture(tmp_path / f"{name}.png", levels.astype(np.uint8))
        with pytest.raises(ValueError, match=f"A mask must have levels .*{name}.png"):
            new_mask_source(str(path), 0)


def test_any_file_of_a_folder_may_be_picked(tmp_path):
    """With `pick_from_folder`, key and seed choose the file."""
    paths = [save_picture(tmp_path / f"masks/{index}.png", noise(seed=index)) for index in range(3)]
    source = new_mask_source(str(tmp_path / "masks"), 7, pick_from_folder=True)
    for key in ("a.png", "b.png", "c.png"):
        path = paths[mask_file_index(7, key, 3)]
        assert source.label(key) == str(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="must hold image files; .*empty holds none"):
        new_mask_source(str(tmp_path / "empty"), 7, pick_from_folder=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"mask": "centre"}, "--mask must be one of center, .* received 'centre'"),
        (
            {"mask": "center", "invert": True},
            "--invert_mask must go with a mask file or folder; .*center",
        ),
        (
            {"mask": "lowres", "grow_pixels": 2},
            "--grow_mask must go with a mask that has a hole and known pixels; received 2 with",
        ),
        (
            {"mask": "FILE", "scale": 0.5},
            "--mask_scale must go with a mask's name; received 0.5 with",
        ),
    ],
)
def test_contradictory_mask_is_refused(tmp_path, arguments, sentence):
    """Every error names the flag."""
    path = save_picture(tmp_path / "mask.png", noise())
    arguments["mask"] = arguments["mask"].replace("FILE", str(path))
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        new_mask_source(seed=0, **arguments)


def new_masks(folder, *shares):
    """Writes masks a.png, b.png and so on, whose upper part is the hole; returns the images."""
    letters = "abcdefghijklmnop"[: len(shares)]
    for letter, share in zip(letters, shares, strict=True):
        drawn = np.full((20, 30, 1), 255, np.uint8)
        drawn[: round(20 * share)] = 0
        save_picture(folder / f"{letter}.png", drawn)
    return [new_item(noise(), f"{letter}.jpg") for letter in letters]


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.65, 0.8, 0.2], "2 of 3 masks look inverted, such as FOLDER/a.png: 65 % of it"),
        ([0.2, 0.8, 0.65, 0.1], None),  # Not most masks.
        ([0.6, 0.6, 0.5], None),  # Not above 60 %.
        ([0.9] * 16, "8 of 8 masks look inverted"),
    ],
)
def test_masks_that_look_inverted_are_said_in_one_line(tmp_path, logged, shares, words):
    """Never refused, and said before any image is read."""
    items = new_masks(tmp_path, *shares)
    source = new_mask_source(str(tmp_path), 0)
    assert source.pictures_among(items) == items
    for item in items:
        assert source.known_of(item, SIZE).shape == (20, 30, 1)
    assert len(logged.records) == bool(words)
    for record in logged.records:
        assert record.levelno == logging.WARNING
        assert words.replace("FOLDER", str(tmp_path)) in record.message
        assert "because white is known; " in record.message
        assert record.message.endswith("pass --invert_mask.")
    # Inverted, most of the masks are small.
    logged.clear()
    new_mask_source(str(tmp_path), 0, invert=True).pictures_among(items)
    assert not logged.messages or not words


def test_a_mask_file_that_looks_inverted_is_said_in_one_line(tmp_path, logged):
    """Masks that cannot be read or are missing do not count, nor do masks with a name."""
    items = new_masks(tmp_path / "masks", 0.3, 0.7)
    (tmp_path / "masks/a.png").write_bytes(b"no picture")
    path = tmp_path / "masks/b.png"
    for mask in (path, tmp_path / "masks"):
        new_mask_source(str(mask), 0).pictures_among([*items, new_item(noise(), "c.jpg")])
        (record,) = logged.records
        expected = f"1 of 1 masks look inverted, such as {path}: 70 % of it is hole, because white"
        assert record.message.startswith(expected)
        logged.clear()
    save_picture(path, 255 - images.read(path))
    new_mask_source(str(path), 0, invert=True)
    assert "because white is hole; " in logged.text and "drop --invert_mask" in logged.text
    logged.clear()
    for name in ("empty", "lowres", "random"):
        source = new_mask_source(name, 0)
        source.known_of(source.pictures_among(items)[0], SIZE)
    assert not logged.messages


@pytest.mark.parametrize(
    ("level", "words"),
    [(255, "0 % hole, so that nothing is filled"), (0, "100 % hole, so that no pixel is known")],
)
def test_a_mask_of_one_kind_is_warned_of_once(tmp_path, logged, level, words):
    """A mask that is all white or all black is taken, but not without a word."""
    for name in ("a.png", "b.png"):
        path = save_picture(tmp_path / name, np.full((28, 28, 1), level, np.uint8))
    for source in (new_mask_source(str(path), 0), new_mask_source(str(tmp_path), 0)):
        for key in ("b.png", "a.png"):
            known = source.known_of(new_item(noise(), key), SIZE)
            assert (known == level / 255).all()
        (record,) = logged.records
        assert record.levelno == logging.WARNING
        assert f"{path} reads as {words}" in record.message
        logged.clear()


def test_no_tensorflow_is_imported():
    """The client uses this module on machines without TensorFlow."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['tensorflow', 'keras']))\n"
        "from tf_inpaint.inputs import mask_sources, masked_images\n"
        "mask_sources.new_mask_source('center', 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
