"""Output folders: what may be written into, continued or replaced."""

import json
import logging
import os

import numpy as np
import pytest
from PIL import Image
from sentences import assert_one_sentence

from tf_inpaint.files import folders, images
from tf_inpaint.files.paths import to_path

SETTINGS = {"command": "complete", "steps": 5, "count": 3}


def check(folder, overwrite=False, **changes):
    folders.check(folder, SETTINGS | changes, {"count"}, overwrite)


@pytest.fixture
def job(tmp_path):
    """A folder with the settings of a job."""
    folders.begin(tmp_path / "a/job", SETTINGS)
    return tmp_path / "a/job"


def test_begin_makes_the_folder_and_its_settings(job):
    assert json.loads((job / "config.json").read_text()) == SETTINGS
    assert [path.name for path in job.iterdir()] == ["config.json"]


def test_new_and_empty_folders_are_free(tmp_path):
    check(tmp_path / "not/there")
    check(tmp_path)
    (tmp_path / ".config.json.part").write_text("")
    check(tmp_path)


def test_job_goes_on_with_its_settings(job):
    check(job)
    check(job, count=9)
    with pytest.raises(ValueError, match=r"differs in steps \(5 there\); choose another"):
        check(job, steps=6)
    check(job, overwrite=True, steps=6)


def test_job_of_an_earlier_version_had_the_defaults_of_later_settings(job):
    for name, value in folders.LATER_SETTINGS.items():
        check(job, **{name: value})
        with pytest.raises(ValueError, match=f"differs in {name} "):
            check(job, **{name: "another"})


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_that_no_job_wrote_is_never_used(tmp_path, overwrite):
    (tmp_path / "0.png").write_text("precious")
    with pytest.raises(ValueError, match="holds something else"):
        check(tmp_path, overwrite)


def test_networks_of_an_earlier_version_had_no_mean_estimate_in_their_record():
    """A record of networks says nothing of their estimate, or names the same estimate."""
    earlier, later = "step 1, no encoder", "step 1, no encoder, mean estimate 00c0ffee"
    for recorded in (earlier, later):
        assert folders.is_same(recorded, later)
        assert folders.is_same({"a": later, "b": recorded}, {"b": later, "a": later})
    none = f"{earlier}, no mean estimate"
    for recorded, value in ((none, later), (later, none), (later, earlier), (earlier[:-1], later)):
        assert not folders.is_same(recorded, value)
        assert not folders.is_same({"a": recorded}, {"a": value})
    assert not folders.is_same({"a": later}, {"a": later, "b": later})


def test_files_are_removed_with_their_empty_folders(tmp_path):
    for name in ("a/b/1.png", "a/b/2.png", "a/c/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files = [tmp_path / name for name in ("a/b/1.png", "a/b/2.png", "a/x/4.png")]
    folders.remove_files(tmp_path, files)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        "a",
        "a/c",
        "a/c/3.png",
    }
    folders.remove_files(tmp_path, [tmp_path / "a/c/3.png"])
    assert tmp_path.is_dir() and list(tmp_path.iterdir()) == []


def test_nothing_is_removed_or_made_behind_a_link(tmp_path):
    elsewhere, job = tmp_path / "elsewhere", tmp_path / "job"
    for folder in (elsewhere, job):
        folder.mkdir()
    (elsewhere / "1.png").write_text("precious")
    (job / "details").symlink_to(elsewhere)
    folders.remove_files(job, [job / "details/1.png", job / "../elsewhere/1.png"])
    assert (elsewhere / "1.png").read_text() == "precious" and (job / "details").is_symlink()
    for names in (["details"], ["details", "0"]):
        with pytest.raises(ValueError, match="must be no link; .*details leads to .*elsewhere;"):
            folders.make_below(job, *names)
    assert [path.name for path in elsewhere.iterdir()] == ["1.png"]
    assert folders.make_below(job, "images", "best") == job / "images/best"
    assert folders.make_below(job, "images", "best").is_dir()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "text", ['{"command": "evaluate"}', "{}", "no JSON", "", "[]", "7", "\xff", "[" * 100_000]
)
def test_folder_of_another_command_is_never_used(tmp_path, text, overwrite):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="holds something else"):
        check(tmp_path, overwrite)


def test_picture_is_whole_from_its_first_byte_to_its_last(tmp_path):
    path = tmp_path / "a.png"
    images.write(path, np.zeros((5, 4, 3)))
    data = path.read_bytes()
    assert folders.is_whole(path)
    for damaged in (b"", b"text", data[:-1], data[1:], data[:8], data[-12:], data + b"\n"):
        path.write_bytes(damaged)
        assert not folders.is_whole(path)
    path.unlink()
    assert not folders.is_whole(path)
    path.mkdir()
    assert not folders.is_whole(path)
    os.mkfifo(tmp_path / "pipe.png")
    assert not folders.is_whole(tmp_path / "pipe.png")


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.webp", "a.tif", "a.bmp", "a.gif"])
def test_picture_of_another_format_is_whole_too(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(path)
    data = path.read_bytes()
    assert folders.is_whole(path)
    for damaged in (b"", b"text", data[: len(data) // 2], data[1:]):
        path.write_bytes(damaged)
        assert not folders.is_whole(path)


def test_results_without_their_pictures_are_forgotten_and_named(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    for path in (a, c):
        images.write(path, np.zeros((5, 4, 3)))
    done = {name: {} for name in "abcd"}
    folders.forget_damaged(tmp_path, done, {"a": [a], "c": [a, c]})
    assert list(done) == ["a", "b", "c", "d"] and not caplog.messages
    folders.forget_damaged(tmp_path, done, {"a": [a], "b": [a, b], "c": [c, b]})
    assert list(done) == ["a", "d"]
    (text,) = caplog.messages
    assert text.startswith(f"2 of the results in {tmp_path} are") and f"such as {b}." in text


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(ValueError, match="must be a folder that can be written"):
            check(folder)


def test_claim_refuses_only_its_own_names(tmp_path):
    (tmp_path / "other.txt").write_text("")
    folders.claim(tmp_path, ["grid.png"], overwrite=False)
    (tmp_path / "grid.png").write_text("")
    with pytest.raises(ValueError, match="has grid.png; choose another, or pass --overwrite"):
        folders.claim(tmp_path, ["latents.npz", "grid.png"], overwrite=False)
    folders.claim(tmp_path, ["grid.png"], overwrite=True)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_files_are_written_all_or_none(tmp_path, error):
    names = ["grid.png", "latents.npz", "exploration.json"]
    (tmp_path / "latents.npz").write_text("old")
    with pytest.raises(error), folders.all_or_none(tmp_path, names):
        (tmp_path / "grid.png").write_text("")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["latents.npz"]
    with folders.all_or_none(tmp_path, names):
        (tmp_path / "grid.png").write_text("")
    assert {path.name for path in tmp_path.iterdir()} == {"grid.png", "latents.npz"}


class TestUrl:
    """The output folder at a URL."""

    @pytest.fixture
    def url(self, tmp_path):
        """The path of the URL, whose folder is empty."""
        return to_path(f"memory:/{tmp_path}")

    def test_job_is_checked_as_on_this_machine(self, url):
        """A new folder, the same job, and other files."""
        check(url)
        folders.begin(url, SETTINGS)
        check(url)
        with pytest.raises(ValueError, match="differs in steps"):
            check(url, steps=6)
        with pytest.raises(ValueError, match="holds something else"):
            folders.check(url, SETTINGS | {"command": "client"}, {}, True)

    def test_signs_of_a_pattern_are_refused(self):
        """A driver would write into other folders."""
        for sign in "*?[":
            with pytest.raises(ValueError) as error:
                check(to_path(f"memory://a{sign}/b"))
            assert_one_sentence(error.value, [f"memory://a{sign}/b"])

    def test_exactly_the_given_files_are_removed(self, url):
        """A name may have the signs of a pattern, and a file may be missing."""
        for name in ("a[1].png", "a1.png", "b/c.png", "b/d.png"):
            (url / name).write_bytes(b"a")
        names = ["a[1].png", "b/c.png", "missing.png", "missing[1].png"]
        folders.remove_files(url, [url / name for name in names])
        assert sorted(path.name for path in url.iterdir()) == ["a1.png", "b"]
        assert [path.name for path in (url / "b").iterdir()] == ["d.png"]

    def test_missing_and_empty_pictures_are_damaged(self, url):
        """A store shows whole files only, so the others are not read."""
        for name, data in {"a.png": b"a", "b.png": b""}.items():
            (url / name).write_bytes(data)
        done = {name: {"completion": name} for name in ("a.png", "b.png", "c.png")}
        folders.forget_damaged(url, done, folders.completion_paths(url, done, done))
        assert list(done) == ["a.png"]
        folders.forget_damaged(url / "x", done, folders.completion_paths(url / "x", done, done))
        assert not done

    def test_a_file_is_written_as_a_whole_or_not_at_all(self, url):
        """The temporary file is on this machine."""
        with pytest.raises(KeyboardInterrupt), images.atomic(url / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
        assert not (url / "a.txt").exists() and not temporary.exists()
        with images.atomic(url / "a.txt") as temporary:
            temporary.write_text("whole")
            assert not (url / "a.txt").exists() and temporary.suffix == ".txt"
        assert (url / "a.txt").read_text() == "whole" and not temporary.exists()
