"""url_contents: what is read of the files at URLs."""

import io

import numpy as np
import pytest
from sentences import assert_one_sentence

from tf_inpaint.files import file_details, images, npz_arrays, url_contents
from tf_inpaint.files.paths import to_path
from tf_inpaint.files.url_contents import local_copies, readable, remember


@pytest.fixture
def folder(tmp_path):
    """The path of a URL, whose folder is empty."""
    return to_path(f"memory:/{tmp_path}")


def test_paths_and_open_files_stay_as_they_are(tmp_path):
    """Only the path of a URL becomes its content."""
    for file in (tmp_path, str(tmp_path), io.BytesIO(b"a")):
        assert readable(file) is file


def test_contents_are_remembered_only_if_asked_for(folder):
    """`remember` reads anew, and forgets the oldest contents."""
    files = [folder / f"{number}.txt" for number in range(1 + url_contents.KEPT_CONTENTS)]
    for file in files:
        file.write_text("old")
    assert readable(files[0]).read() == b"old"
    files[0].write_text("new")
    assert readable(files[0]).read() == b"new" and remember(files[0]) == b"new"
    files[0].write_text("newest")
    assert readable(files[0]).read() == b"new" and remember(files[0]) == b"newest"
    for file in files[1:]:
        remember(file)
    files[0].write_text("last")
    assert readable(files[0]).read() == b"last"


@pytest.mark.parametrize(
    ("failure", "words"),
    [(None, ["does not exist"]), (RuntimeError("no\nconnection"), ["no connection"])],
)
def test_file_that_cannot_be_read_is_one_sentence(folder, failure, words, monkeypatch):
    """Whatever the driver raises, it is an OSError, which other images survive."""
    path = folder / "a.png"
    if failure:

        def fail(*arguments):
            raise failure

        monkeypatch.setattr(path.fs, "cat_file", fail)
    with pytest.raises(OSError) as error:
        images.read(path)
    assert str(path) in str(error.value) and str(error.value).endswith(".")
    if failure:
        assert_one_sentence(error.value, words)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_picture_reads_as_on_this_machine(folder, tmp_path, name):
    """Pixels, transparency, and what else the file has."""
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    images.to_image(picture).save(tmp_path / name, lossless=True)
    path = folder / name
    path.write_bytes((tmp_path / name).read_bytes())
    for function in (images.read, images.read_alpha, images.has_one_color_and_transparency):
        np.testing.assert_array_equal(function(path), function(tmp_path / name))
    for here, there in zip(
        file_details.read(path), file_details.read(tmp_path / name), strict=True
    ):
        np.testing.assert_array_equal(here, there)


def test_local_copies(folder, tmp_path):
    """The files of a URL are copied, and the copies are removed at the end."""
    np.savez(tmp_path / "a.npz", x=[1, 2])
    (folder / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    (folder / "b.npz").write_bytes(b"")
    with local_copies(folder, "a.*") as copies:
        assert [path.name for path in copies.iterdir()] == ["a.npz"]
        assert npz_arrays.read(copies / "a.npz", "x").tolist() == [1, 2]
    assert not copies.exists()
    with local_copies(tmp_path, "a.*") as copies:
        assert copies == tmp_path
