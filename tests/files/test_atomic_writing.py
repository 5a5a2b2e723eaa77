"""Files that are written as a whole, and what a killed process leaves of them."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from tf_inpaint.files import atomic_writing, images
from tf_inpaint.files.atomic_writing import PREFIX, atomic, remove_leftovers, remove_unlocked


def names(folder):
    """Sorted names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_atomic_keeps_the_old_file_if_writing_fails(tmp_path):
    """A reader sees the old file or the new file, and no temporary file is left."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), images.atomic(path) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".csv" and path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    with images.atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_file_of_a_killed_process_is_removed(tmp_path):
    """The next process that writes removes it, but never before the kill."""
    code = (
        "import sys\n"
        "from tf_inpaint.files.atomic_writing import atomic\n"
        "with atomic(sys.argv[1]) as path:\n"
        "    path.write_text('half')\n"
        "    print(path.name, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        name = process.stdout.readline().strip()
        assert name.startswith(PREFIX)
        remove_leftovers.__wrapped__(tmp_path)
        assert names(tmp_path) == [name]
        process.send_signal(signal.SIGKILL)
    assert names(tmp_path) == [name]
    with atomic(tmp_path / "b.txt") as path:
        path.write_text("")
    assert names(tmp_path) == ["b.txt"]


def test_two_files_of_one_process_are_no_leftovers(tmp_path):
    """A process does not remove what it is writing itself."""
    with atomic(tmp_path / "a.txt") as first:
        first.write_text("a")
        remove_leftovers.__wrapped__(tmp_path)
        with atomic(tmp_path / "b.txt") as second:
            second.write_text("b")
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_other_hidden_files_stay(tmp_path):
    """Only names that this package gives are removed, in this folder alone."""
    (tmp_path / "below").mkdir()
    for name in (f"{PREFIX}1.png", f"{PREFIX}2", ".1234.png", "a.png", f"below/{PREFIX}3.png"):
        (tmp_path / name).write_text("")
    (tmp_path / f"{PREFIX}folder").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to("gone")
    remove_leftovers.__wrapped__(tmp_path)
    assert names(tmp_path) == [".1234.png", f"{PREFIX}folder", f"{PREFIX}link", "a.png", "below"]
    assert names(tmp_path / "below") == [f"{PREFIX}3.png"]


def test_folder_is_looked_through_once(tmp_path):
    """A folder with many files is not listed for each file that is written."""
    for name in ("a", "b"):
        with atomic(tmp_path / name) as path:
            path.write_text("")
        (tmp_path / f"{PREFIX}1").write_text("")
    assert names(tmp_path) == [f"{PREFIX}1", "a", "b"]


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    """Where a system does not lock, a leftover cannot be told from a file at work."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    def write(name):
        (tmp_path / f"{PREFIX}1").write_text("")
        remove_leftovers.cache_clear()
        with atomic(tmp_path / name) as path:
            path.write_text(name)

    with monkeypatch.context() as patch:
        patch.setattr(atomic_writing.fcntl, "flock", refuse)
        write("a")
    with monkeypatch.context() as patch:
        patch.setattr(atomic_writing, "fcntl", None)
        write("b")
    assert names(tmp_path) == [f"{PREFIX}1", "a", "b"]
    write("c")
    assert names(tmp_path) == ["a", "b", "c"]


def test_temporary_file_that_was_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    """Another process may take the new file for a leftover before it has its lock."""
    original, calls = atomic_writing.fcntl.flock, []

    def remove_first(file, operation):
        calls.append(operation)
        if len(calls) == 1:
            os.unlink(file.name)
        original(file, operation)

    monkeypatch.setattr(atomic_writing.fcntl, "flock", remove_first)
    with atomic(tmp_path / "a") as path:
        remove_unlocked(path)
        path.write_text("whole")
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "whole"


def test_missing_folder_is_named(tmp_path):
    """The error of a folder that does not exist is that of the system."""
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "gone/a.png"):
        pytest.fail("The folder does not exist.")


def test_folders_go_with_their_lock(tmp_path):
    """A lock that a process holds protects its folders, and a lock that does not exist too."""
    (tmp_path / "work/below").mkdir(parents=True)
    lock = tmp_path / ".lock"
    remove_unlocked(lock, [tmp_path / "work"])
    with lock.open("w") as file:
        atomic_writing.fcntl.flock(file, atomic_writing.fcntl.LOCK_EX)
        remove_unlocked(lock, [tmp_path / "work"])
        assert names(tmp_path) == [".lock", "work"]
    remove_unlocked(lock, [tmp_path / "work"])
    assert names(tmp_path) == []
