"""Tests of `lessons.figures`: the folder of a lesson is refused in one sentence."""

import pytest

from tf_inpaint.lessons import figures


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="must be a folder that can be written"):
        figures.claim(str(tmp_path / "file" / "below"), (), False)


def test_error_without_matplotlib_names_the_package_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"matplotlib is required; .* pip install 'tf_inpaint\[eval\]'"
    ):
        figures.claim(str(tmp_path / "new"), (), False)
    assert not (tmp_path / "new").exists()
