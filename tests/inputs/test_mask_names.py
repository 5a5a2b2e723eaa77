"""Which mask file fits which image by its name."""

import pytest

from tf_inpaint.inputs.mask_names import MaskNames, masks_among, without_mask


@pytest.mark.parametrize(
    "name",
    [
        *("photo_mask.png", "photo.mask.png", "photo-mask.PNG", "photo mask.tif"),
        *("photo_Mask.png", "photo_mask001.png", "mask_photo.png", "mask.photo.bmp"),
        *("MASK-photo.webp", "photo.png"),
    ],
)
def test_names_of_the_mask_of_a_photo(name):
    """The word mask before or behind the name, in any case, with any suffix, in any folder."""
    for folder in ("", "x/", "x/mask_y/"):
        names = MaskNames([folder + name, "photo2_mask.png", "aphoto.png", "mask.png"])
        for key in ("photo.jpg", f"{folder}photo.JPG", "z/PHOTO.jpg"):
            assert names.fits(key) == [folder + name]
        assert names.fits("phot.jpg") == []


def test_name_without_the_word_mask():
    """A file that is called mask alone is the mask of nothing."""
    for name in ("mask.png", "_mask.png", "photo.png", "photomask.png", "mask1.png", "mask_.png"):
        assert without_mask(name) == ""
    assert without_mask("a/b.mask/c.d_mask.png") == "a/b.mask/c.d.png"


def test_the_closest_name_is_the_mask():
    """The path before the stem, then the spelling, whether or not the word mask is there."""
    names = MaskNames(["2019/1_mask.png", "2020/1.png", "a_mask.png", "A.png", "mask_b.png"])
    assert names.fits("2019/1.jpg") == ["2019/1_mask.png"]
    assert names.fits("2020/1.jpg") == ["2020/1.png"]
    assert names.fits("1.jpg") == ["2020/1.png", "2019/1_mask.png"]
    assert names.fits("a.jpg") == ["a_mask.png"] and names.fits("A.jpg") == ["A.png"]
    assert names.fits("B.jpg") == ["mask_b.png"]


def test_two_names_that_fit_equally_well():
    """Whoever asks has to choose."""
    names = MaskNames(
        ["a.png", "a_mask.png", "b_mask.png", "mask_b.png", "c_mask.bmp", "c_mask.png"]
    )
    assert names.fits("a.jpg") == ["a.png", "a_mask.png"]
    assert names.fits("b.jpg") == ["b_mask.png", "mask_b.png"]
    assert names.fits("c.jpg") == ["c_mask.bmp", "c_mask.png"]


def test_a_picture_is_no_mask():
    """A folder may hold pictures and their masks."""
    names = MaskNames(["a.jpg", "a_mask.png", "b.jpg", "x/c.jpg", "C_mask.png"])
    pictures = {"a.jpg", "b.jpg", "x/c.jpg"}
    assert names.fits("a.jpg", pictures) == ["a_mask.png"]
    assert names.fits("x/c.jpg", pictures) == ["C_mask.png"]
    assert names.fits("b.jpg", pictures) == []
    assert names.fits("b.jpg") == ["b.jpg"]


def test_masks_among_pictures():
    """A file that is called a mask is one if its image is there."""
    keys = [
        "a.jpg",
        "a_mask.png",
        "b_mask.png",
        "x/c.jpg",
        "mask_C.png",
        "photomask.png",
        "photo.png",
    ]
    assert masks_among(keys, keys) == {"a_mask.png", "mask_C.png"}
    assert masks_among([], []) == set()
