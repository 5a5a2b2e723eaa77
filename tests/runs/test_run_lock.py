"""The lock on a run directory: only one training at a time writes into it, and others read it."""

import dataclasses
from types import SimpleNamespace

import pytest
import tensorflow as tf
from small_training import CONFIG

from tf_inpaint.files import folder_lock
from tf_inpaint.runs import run_directory

ALONE = SimpleNamespace(cluster_resolver=None)
"""A strategy of one process."""


def worker(number):
    """Returns the strategy of one of two workers."""
    spec = tf.train.ClusterSpec({"worker": ["a:1", "b:1"]})
    return SimpleNamespace(
        cluster_resolver=SimpleNamespace(
            cluster_spec=lambda: spec, task_type="worker", task_id=number
        )
    )


@pytest.mark.parametrize("strategy", [ALONE, worker(0)], ids=["alone", "chief"])
def test_second_training_in_one_folder_is_refused(tmp_path, strategy):
    """The error names the folder. The folder can be read meanwhile, and is free afterwards."""
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    for _ in range(2):
        with run_directory.created(config, strategy) as folder:
            with pytest.raises(ValueError, match=f"is writing into {tmp_path}/run; wait"):
                with run_directory.created(config, ALONE):
                    pytest.fail("The training must be refused.")
            assert run_directory.read_config(folder) == config
        assert not list(folder.glob(".*"))


def test_other_workers_do_not_lock(tmp_path):
    """The workers of one training write elsewhere, so the lock of the chief does not stop them."""
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    with folder_lock.locked(tmp_path / "run"):
        with run_directory.created(config, worker(1)) as folder:
            assert folder != tmp_path / "run"


def test_refused_training_leaves_nothing(tmp_path):
    """The lock does not stay in a folder of somebody else."""
    (tmp_path / "notes.txt").write_text("")
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path))
    with pytest.raises(ValueError, match="holds something else"):
        with run_directory.created(config, ALONE):
            pytest.fail("The training must be refused.")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
