"""file_versions: the content of a file is read only if its size or time has changed."""

import hashlib
import os

import pytest

from tf_inpaint.files import file_versions
from tf_inpaint.files.file_versions import read_version
from tf_inpaint.files.paths import to_path


@pytest.fixture
def path(tmp_path):
    """A file with three bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    return path


def set_time(path, nanoseconds):
    """Sets the modification time of a file."""
    os.utime(path, ns=(0, nanoseconds))


def test_version_is_size_time_and_hash(path):
    """The hash is that of the content."""
    set_time(path, 1_000_000_007)
    assert read_version(path, {}) == {
        "size": 3,
        "mtime_ns": 1_000_000_007,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_content_is_read_only_if_size_or_time_changed(path, monkeypatch):
    """A file with the recorded size and time is not opened."""
    recorded = read_version(path, {})
    with monkeypatch.context() as patches:
        patches.setattr(file_versions, "open", None, raising=False)
        assert read_version(path, recorded) == recorded
    # A copy has another time and the same content.
    set_time(path, 5)
    assert read_version(path, recorded) == recorded | {"mtime_ns": 5}
    # Another content of the same size has another time.
    path.write_bytes(b"abd")
    set_time(path, 6)
    assert read_version(path, recorded)["sha256"] == hashlib.sha256(b"abd").hexdigest()


@pytest.mark.parametrize("recorded", [{}, {"size": []}, {"sha256": None}, {"sha256": 1, "size": 3}])
def test_damaged_record_is_another_version(path, recorded):
    """What was not written by this function is never taken for a version."""
    assert read_version(path, recorded) == read_version(path, {})


def test_only_a_regular_file_has_a_version(tmp_path):
    """A pipe is not opened, for reading it may never end."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "absent", ".", "a\0b"):
        assert read_version(tmp_path / name, {}) is None


def test_version_at_a_url_has_the_stamp_of_its_store(tmp_path, monkeypatch):
    """The content is read only if the stamp is another one, or if the store has none."""
    path = to_path(f"memory:/{tmp_path}/file")
    assert read_version(path, {}) is None
    path.write_bytes(b"abc")
    recorded = read_version(path, {})
    digest = hashlib.sha256(b"abc").hexdigest()
    assert recorded == {"size": 3, "stamp": recorded["stamp"], "sha256": digest}
    with monkeypatch.context() as patches:
        patches.setattr(file_versions, "remember", None)
        assert read_version(path, recorded) == recorded
    path.write_bytes(b"abd")
    changed = read_version(path, recorded)
    assert changed["stamp"] != recorded["stamp"] and changed["sha256"] != digest
    monkeypatch.setattr(file_versions, "STAMPS", ())
    unknown = read_version(path, {})
    path.write_bytes(b"abc")
    assert unknown["stamp"] is None and read_version(path, unknown)["sha256"] == digest
