"""The image files of a folder, and what is said of its other entries."""

import os
import socket

import pytest
from PIL import Image

from tf_inpaint.files import images
from tf_inpaint.files.image_folders import EXTENSIONS, list_files, scan
from tf_inpaint.files.paths import to_path


def touch(folder, *names):
    """Makes empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def logged(caplog):
    """The log, INFO included."""
    caplog.set_level("INFO", "tf_inpaint")
    return caplog


def deny(monkeypatch, *denied):
    """Lets nobody list some folders. Permissions would not stop the user root."""
    scandir = os.scandir

    def scan_allowed(folder):
        if str(folder) in map(str, denied):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan_allowed)


def test_list_files(tmp_path, logged):
    """Images are sorted, and hidden files are left out in silence."""
    touch(tmp_path, "b.PNG", "a/2.jpeg", "a/1.webp", "a/c/x.Tiff", ".hidden.png", ".cache/y.png")
    assert list_files(tmp_path) == ["a/1.webp", "a/2.jpeg", "a/c/x.Tiff", "b.PNG"]
    assert not logged.records
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        list_files(tmp_path / "b.PNG")
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        list_files(tmp_path / "nowhere")


def test_extensions_are_those_of_pillow():
    """All names that Pillow has for the formats are taken. DIB is a BMP file without its header."""
    formats = {*images.FORMATS, "DIB"}
    known = {end for end, name in Image.registered_extensions().items() if name in formats}
    assert known <= set(EXTENSIONS)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JFIF", ".dib", ".apng"])
def test_other_names_of_a_format(tmp_path, suffix):
    """The content of a file decides its format."""
    kind = {".dib": "BMP", ".apng": "PNG"}.get(suffix, "JPEG")
    Image.new("L", (4, 3)).save(tmp_path / f"a{suffix}", kind)
    (name,) = list_files(tmp_path)
    assert images.read(tmp_path / name).shape == (3, 4, 1)


def test_other_entries_are_counted_in_one_line(tmp_path, logged):
    """The line has the number and the endings, the most frequent first."""
    touch(tmp_path, "a.png", "x.HEIC", "sub/y.heic", "notes.txt", "png", ".hidden.txt")
    (tmp_path / "linked").symlink_to("sub")
    assert list_files(tmp_path) == ["a.png"]
    (message,) = logged.messages
    assert f"5 entries of {tmp_path}: .heic (2), " in message
    assert all(part in message for part in (".txt (1)", "no ending (1)", "links to folders (1)"))
    touch(tmp_path, *(f"a.{letter}" for letter in "bcdefg"))
    list_files(tmp_path)
    assert "11 entries" in logged.messages[1] and ", more. The" in logged.messages[1]
    assert logged.messages[1].count("(1)") == 4


def test_folder_that_cannot_be_listed(tmp_path, logged, monkeypatch):
    """The other folders are listed."""
    touch(tmp_path, "a/1.png", "b/2.png", "c/d/3.png")
    deny(monkeypatch, tmp_path / "a", tmp_path / "c/d")
    listing = scan(tmp_path)
    assert listing.images == ["b/2.png"] and sorted(listing.unlisted) == ["a", "c/d"]
    assert list_files(tmp_path) == ["b/2.png"]
    for folder, message in zip(("a", "c/d"), sorted(logged.messages), strict=True):
        assert f"{tmp_path}/{folder} cannot (Permission denied); check" in message
    deny(monkeypatch, tmp_path)
    with pytest.raises(PermissionError, match=r"cannot \(Permission denied\); check"):
        scan(tmp_path)


def test_folder_may_be_left_out(tmp_path):
    """A folder of results below the images is not listed, nor are its files counted."""
    touch(tmp_path, "a.png", "out/b.png", "out/c.txt", "other/out/d.png")
    listing = scan(tmp_path, tmp_path / "other/../out")
    assert listing.images == ["a.png", "other/out/d.png"] and not listing.others


def test_entries_that_are_no_regular_files_are_listed(tmp_path):
    """Whoever reads such an entry learns why it is no image."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "itself.png").symlink_to("itself.png")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s.png"))
    names = list_files(tmp_path)
    assert names == ["itself.png", "nothing.png", "pipe.png", "s.png"]
    for name in names:
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            images.read(tmp_path / name)


def test_names_need_not_be_utf8(tmp_path):
    """The bytes of a name are those of the file."""
    name = os.fsdecode(b"caf\xe9.png")
    touch(tmp_path, name)
    assert list_files(tmp_path) == [name]


def test_url_is_listed_as_a_folder_of_this_machine(tmp_path):
    """Also with an object that has the name of the folder, as some stores have."""
    names = ["b.png", "x/a.JPG", "x/y/c.tif", "x/.hidden/d.png", ".e.png", "f.txt", "out/g.png"]
    touch(tmp_path, *names, "h")
    url = to_path(f"memory:/{tmp_path}", keep_listings=True)
    for name in (*names, "h"):
        (url / name).write_bytes(b"")
    url.fs.store[f"{url.path}/x/"] = url.fs.store[f"{url.path}/h"]
    assert scan(url, to_path(str(url / "out"))) == scan(tmp_path, tmp_path / "out")
    assert scan(url).images == scan(tmp_path).images
