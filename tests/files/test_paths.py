"""paths: a URL has the methods of a path, and a path on this machine stays as it is."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from sentences import assert_one_sentence

from tf_inpaint.files import paths


@pytest.mark.parametrize("text", ["a", "a/b c.png", "/a", "s3:/a", "simplecache::s3://a/b", "C:/a"])
def test_path_on_this_machine_is_a_pathlib_path(text):
    """A text without a scheme and :// at the beginning is no URL."""
    assert paths.to_path(text) == Path(text) and isinstance(paths.to_path(text), Path)
    assert paths.url_path(text) is None


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_url_of_this_machine_is_a_pathlib_path(scheme, tmp_path):
    """So it has locks, links and renames."""
    path = paths.to_path(f"{scheme}://{tmp_path}/a/")
    assert isinstance(path, Path) and path == tmp_path / "a"


def test_url_has_the_methods_of_a_path():
    """It is no os.PathLike, by which functions tell it apart."""
    path = paths.to_path("memory://paths/a/")
    assert not isinstance(path, os.PathLike) and paths.to_path(path) is path
    (path / "b [1].txt").write_text("text")
    assert str(path / "b [1].txt") == "memory://paths/a/b [1].txt"
    assert paths.is_dir(path) and paths.exists(path / "b [1].txt")
    assert not paths.is_dir(path / "b [1].txt") and not paths.exists(path / "c.txt")
    assert paths.real(path) is path


def test_relative_path():
    """A file on this machine is never below a URL, nor the other way round."""
    folder, url = Path("/a"), paths.to_path("memory://a")
    assert paths.relative(folder / "b/c.png", folder) == "b/c.png"
    assert paths.relative(url / "b/c.png", paths.to_path("memory://a", True)) == "b/c.png"
    assert paths.relative(Path("/ab/c.png"), folder) is None
    assert paths.relative(paths.to_path("memory://ab/c.png"), url) is None
    assert paths.relative(folder / "b", url) is paths.relative(url / "b", folder) is None


@pytest.mark.parametrize("missing", [[], ["upath"]])
def test_unknown_scheme_and_missing_package_are_one_sentence(missing, monkeypatch):
    """The sentence has the command that installs what is missing."""
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError) as error:
        paths.to_path("nothing-such://a/b")
    words = ["nothing-such://a/b", *missing, "pip install 'tf_inpaint[urls]'"]
    assert_one_sentence(error.value, words)


def test_a_setting_may_refuse_urls(tmp_path):
    """It takes a path, as text too."""
    assert paths.local_path("out_dir", str(tmp_path)) == tmp_path
    with pytest.raises(ValueError) as error:
        paths.local_path("out_dir", "memory://a")
    assert_one_sentence(error.value, ["--out_dir", "memory://a"])


@pytest.mark.parametrize("scheme", ["memory", "bucket"])
def test_a_path_can_be_sent_to_another_process(scheme, tmp_path):
    """Also that of a scheme that only fsspec knows."""
    path = paths.to_path(f"{scheme}://{tmp_path}", keep_listings=True) / "a b.txt"
    copy = pickle.loads(pickle.dumps(path))
    assert copy == path and str(copy) == str(path) and str(path).endswith("/a b.txt")
    assert copy.storage_options == path.storage_options
