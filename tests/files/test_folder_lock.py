"""The lock on an output folder: held, refused, released, and where the system does not lock."""

import errno
import logging
import signal
import subprocess
import sys

import pytest

from tf_inpaint.files import folder_lock
from tf_inpaint.files.folder_lock import locked


@pytest.fixture
def logged(caplog, monkeypatch):
    """Records of what the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    return caplog


def test_second_command_is_refused_until_the_first_ends(tmp_path, logged):
    """The error names the folder, and the refused command leaves the lock as it is."""
    for _ in range(2):
        with locked(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == [".lock"]
            for _ in range(2):
                with pytest.raises(ValueError, match=f"writing into {tmp_path}; wait"):
                    with locked(tmp_path):
                        pytest.fail("The lock must be refused.")
            with locked(tmp_path, ".other"):
                pass
        assert list(tmp_path.iterdir()) == []
    assert not logged.messages


def test_new_folder_is_removed_if_nothing_was_written(tmp_path):
    """A command that fails leaves nothing, and a command that writes leaves its folder."""
    with pytest.raises(KeyError), locked(tmp_path / "a/b"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a/b"):
        (tmp_path / "a/b/result").write_text("")
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["result"]
    with locked(tmp_path / "a/c"):
        pass
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_killed_process_leaves_no_lock(tmp_path):
    """The system releases the lock, and the next command removes the file."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tf_inpaint.files.folder_lock import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(ValueError, match="one command at a time"), locked(tmp_path):
            pytest.fail("The lock must be refused.")
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_system_without_locks_is_said_once(tmp_path, logged, monkeypatch):
    """The command goes on without a lock."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder_lock.fcntl, "flock", refuse)
    with locked(tmp_path):
        pass
    (text,) = logged.messages
    assert text.startswith(f"{tmp_path} cannot be locked ([Errno {errno.ENOLCK}] No locks")
    logged.clear()
    monkeypatch.setattr(folder_lock, "fcntl", None)
    with locked(tmp_path):
        pass
    assert len(logged.messages) == 1 and list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made_is_left_to_the_command(tmp_path, logged):
    """The command runs, so that it can say what is wrong."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(KeyError), locked(folder):
            raise KeyError
    assert not logged.messages and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """A lock on a file that the command before has removed would exclude nobody."""
    original, calls = folder_lock.lock, []

    def remove_first(file, folder):
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / ".lock").unlink()
        original(file, folder)

    monkeypatch.setattr(folder_lock, "lock", remove_first)
    with locked(tmp_path):
        assert len(calls) == 2 and (tmp_path / ".lock").exists()
        with pytest.raises(ValueError, match="one command at a time"), locked(tmp_path):
            pytest.fail("The lock must be refused.")
