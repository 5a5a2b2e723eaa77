"""Workers of Ray that end, fail and log."""

import os
import sys
import types
from pathlib import Path

import pytest
import ray
from sentences import assert_one_sentence

from tf_inpaint.cluster import worker_pool
from tf_inpaint.cluster.ray_cluster import connected
from tf_inpaint.cluster.worker_pool import Surroundings, WorkerDiedError, do_tasks

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Bare(Surroundings):
    """Surroundings of a worker that needs no TensorFlow, which takes seconds to import."""

    def __init__(self):
        self.threads, self.gpus, self.max_starts = 1, 0.0, 2

    def enter(self):
        """Prepares nothing."""


class Work:
    """Does a task that is a word and a file."""

    def __call__(self, task):
        word, path = task
        with Path(path).open("a") as file:
            file.write(f"{os.getpid()}\n")
        tries = Path(path).read_text().count("\n")
        if word == "always" or (word == "once" and tries == 1):
            os.kill(os.getpid(), 9)
        if word == "bug":
            raise ZeroDivisionError
        if word == "disk":
            raise OSError(28, "No space left on device", "/full")
        return word.upper(), tries


@pytest.fixture(scope="module")
def cluster():
    """A Ray on this machine, with two workers at most."""
    with pytest.MonkeyPatch.context() as patches, connected("") as cluster:
        patches.setenv("RAY_ADDRESS", "")
        yield cluster


def results_of(cluster, words, folder, surroundings=None):
    """Returns the result of each task by its word, with two workers."""
    tasks = [(word, str(folder / word)) for word in words]
    done = do_tasks(tasks, Work, surroundings or Bare(), cluster, 2)
    return {task[0]: result for task, result in done}


def test_task_of_a_killed_worker_is_done_again(cluster, tmp_path):
    """A task whose workers always die ends too."""
    words = ["a", "once", "b", "always", "c", "d"]
    results = results_of(cluster, words, tmp_path)
    died = results.pop("always")
    assert isinstance(died, WorkerDiedError) and "at least 2 times" in str(died)
    assert (tmp_path / "always").read_text().count("\n") == 3
    expected = {word: (word.upper(), 1) for word in "abcd"} | {"once": ("ONCE", 2)}
    assert results == expected


def test_worker_that_waits_for_room_gets_it_at_last(cluster, tmp_path):
    """Its task, which it holds from the beginning, is done when the other worker has ended."""
    large = Bare()
    large.threads = int(cluster.resources["CPU"])
    assert results_of(cluster, "abc", tmp_path, large) == {
        word: (word.upper(), 1) for word in "abc"
    }


def test_errors_of_the_user_are_raised_as_they_are(cluster, tmp_path):
    with pytest.raises(OSError, match="No space left on device") as refusal:
        results_of(cluster, ["disk"], tmp_path)
    assert refusal.value.filename == "/full"
    with pytest.raises(ray.exceptions.RayTaskError, match="ZeroDivisionError"):
        results_of(cluster, ["bug"], tmp_path)


def test_worker_that_cannot_start_is_one_sentence(cluster, tmp_path, monkeypatch):
    """Such as on a machine without this package."""
    missing = types.ModuleType("module_that_is_missing")
    missing.Actor = type("Actor", (worker_pool.Actor,), {"__module__": missing.__name__})
    monkeypatch.setitem(sys.modules, missing.__name__, missing)
    monkeypatch.setattr(worker_pool, "Actor", missing.Actor)
    with pytest.raises(ValueError) as refusal:
        results_of(cluster, ["a"], tmp_path)
    assert_one_sentence(str(refusal.value), ["A worker of Ray must be able to start"])
    assert "module_that_is_missing" in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"older"])
def test_machine_that_sees_other_files_is_one_sentence(cluster, tmp_path, content):
    """The file is missing there, or is another one."""
    path = tmp_path / "config.json"
    path.write_text("{}")
    surroundings = Surroundings([path], threads=1, gpus=0.0)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError) as refusal:
        results_of(cluster, ["a"], tmp_path, surroundings)
    assert_one_sentence(str(refusal.value), ["All machines of a cluster must see the same files"])
    assert str(path) in str(refusal.value)


def test_no_task_needs_no_worker(cluster, tmp_path):
    assert results_of(cluster, [], tmp_path) == {}
