"""The way from --mask to known: names, files, folders, and what is refused."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from photographs import new_item, noise, save_picture

from tf_inpaint.compositing import masks
from tf_inpaint.inputs.mask_sources import MaskFile, MaskFolder, NamedMask, new_mask_source
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
    with pytest.raises(ValueError, match="none with the stem 'c'; add it"):
        source.known_of(new_item(noise(), "c.png"), SIZE)


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


def test_a_large_hole_is_warned_of_once(tmp_path, logged):
    """A mask file whose hole is above 90 % may be inverted. A named mask is not."""
    drawn = np.zeros((28, 28, 1), np.uint8)
    drawn[10:17, 10:20] = 255
    path = save_picture(tmp_path / "masks/a.png", drawn)
    save_picture(tmp_path / "masks/b.png", drawn)
    for mask in (path, tmp_path / "masks"):
        source = new_mask_source(str(mask), 0)
        for key in ("a.png", "b.png"):
            source.known_of(new_item(noise(), key), SIZE)
        (record,) = logged.records
        assert record.levelno == logging.WARNING
        assert f"{path} reads as 91 % hole" in record.message
        assert "pass --invert_mask" in record.message
        logged.clear()
    new_mask_source(str(path), 0, invert=True).known_of(new_item(noise()), SIZE)
    for name in ("empty", "lowres"):
        new_mask_source(name, 0).known_of(new_item(noise()), SIZE)
    assert not logged.messages
    save_picture(path, 255 - drawn)
    new_mask_source(str(path), 0, invert=True).known_of(new_item(noise()), SIZE)
    assert "drop --invert_mask" in logged.text


def test_no_tensorflow_is_imported():
    """The client uses this module on machines without TensorFlow."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['tensorflow', 'keras']))\n"
        "from tf_inpaint.inputs import mask_sources, masked_images\n"
        "mask_sources.new_mask_source('center', 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
