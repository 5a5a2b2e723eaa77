"""A folder of checkpoints: its list, its pruning, and what is used when something is damaged."""

import logging
import shutil

import pytest
import tensorflow as tf

from tf_inpaint.files.paths import to_path
from tf_inpaint.runs.checkpoint_folder import CheckpointFolder, last_step, restore


def new_folder(tmp_path, keep=None, width=2):
    """The folder of checkpoints of a state with one number and one network."""
    state = {
        "step": [tf.Variable(0, dtype=tf.int64)],
        "discriminator": [tf.Variable(tf.ones([4, 4, 1, width])), tf.Variable(tf.ones([width]))],
    }
    return CheckpointFolder(tmp_path / "checkpoints", state, keep)


def save(folder, *steps):
    for step in steps:
        folder.state["step"][0].assign(step)
        folder.save(step)


def restored_step(tmp_path):
    folder = new_folder(tmp_path)
    assert restore(folder)
    return int(folder.state["step"][0])


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("keep", "kept"), [(None, [9, 10, 11, 100]), (1, [100]), (3, [10, 11, 100])]
)
def test_newest_checkpoints_stay(tmp_path, keep, kept):
    save(new_folder(tmp_path, keep), 9, 10, 11)
    folder = new_folder(tmp_path, keep)  # by another process
    save(folder, 100)
    parts = ("data-00000-of-00001", "index")
    files = sorted(f"ckpt-{step}.{part}" for step in kept for part in parts)
    assert names(tmp_path) == ["checkpoint", *files]
    paths = [f"{tmp_path}/checkpoints/ckpt-{step}" for step in kept]
    assert folder.checkpoints == paths
    assert tf.train.latest_checkpoint(folder.directory) == folder.latest_checkpoint == paths[-1]
    state = tf.train.get_checkpoint_state(folder.directory)
    assert list(state.all_model_checkpoint_paths) == paths
    assert last_step(folder) == restored_step(tmp_path) == 100


def test_what_a_killed_process_left_is_removed(tmp_path):
    save(new_folder(tmp_path), 1)
    part = tmp_path / "checkpoints" / "ckpt-2_temp" / "part-00000-of-00001.data.tempstate17"
    part.parent.mkdir()
    part.write_bytes(b"cut")
    (tmp_path / "checkpoints" / "ckpt-2.index.tempstate17").write_bytes(b"cut")
    (tmp_path / "checkpoints" / "ckpt-notes.txt").write_text("of the user")
    save(new_folder(tmp_path), 2)
    parts = ("data-00000-of-00001", "index")
    files = [f"ckpt-{step}.{part}" for step in (1, 2) for part in parts]
    assert names(tmp_path) == ["checkpoint", *files, "ckpt-notes.txt"]


def test_folder_that_a_manager_of_tensorflow_wrote(tmp_path):
    folder = new_folder(tmp_path)
    manager = tf.train.CheckpointManager(folder.checkpoint, folder.directory, 2)
    for step in (1, 2, 3):
        folder.state["step"][0].assign(step)
        manager.save(checkpoint_number=step)
    assert restored_step(tmp_path) == 3
    save(new_folder(tmp_path, 2), 4)
    assert [path[-1] for path in folder.checkpoints] == ["3", "4"]


def test_checkpoint_of_an_earlier_step_becomes_the_newest(tmp_path):
    """A training whose last checkpoints cannot be used goes on from an earlier one."""
    save(new_folder(tmp_path), 10, 20, 30)
    save(new_folder(tmp_path, 2), 15)
    assert [path[-2:] for path in new_folder(tmp_path).checkpoints] == ["30", "15"]
    assert restored_step(tmp_path) == 15


LISTS = {
    "is missing": lambda path: path.unlink(),
    "is damaged": lambda path: path.write_bytes(b""),
    "is damaged (binary)": lambda path: path.write_bytes(b"\xff\x00\x80"),
    "is damaged (cut)": lambda path: path.write_text("model_checkpoint_path: "),
    "is damaged (a folder)": lambda path: (path.unlink(), path.mkdir()),
    "names ckpt-7, which is gone": lambda path: path.write_text(
        'model_checkpoint_path: "ckpt-7"\nall_model_checkpoint_paths: "ckpt-7"\n'
    ),
}


@pytest.mark.parametrize("problem", LISTS)
def test_files_replace_a_damaged_list(tmp_path, problem, caplog):
    """The newest good checkpoint is used, and one line of the log says so."""
    save(new_folder(tmp_path), 9, 10)
    LISTS[problem](tmp_path / "checkpoints/checkpoint")
    with caplog.at_level(logging.WARNING):
        assert restored_step(tmp_path) == 10
    reason = problem.partition(" (")[0]
    expected = f"{tmp_path}/checkpoints/checkpoint {reason}; ckpt-10 is used."
    assert [record.getMessage() for record in caplog.records] == [expected]


def test_next_checkpoint_repairs_the_list(tmp_path, caplog):
    save(new_folder(tmp_path), 9, 10)
    (tmp_path / "checkpoints/checkpoint").write_text("")
    save(new_folder(tmp_path, 2), 11)
    assert last_step(new_folder(tmp_path)) == restored_step(tmp_path) == 11
    assert not caplog.records
    assert len(names(tmp_path)) == 5


def test_newest_checkpoint_is_gone(tmp_path, caplog):
    save(new_folder(tmp_path), 8, 9, 10)
    for path in (tmp_path / "checkpoints").glob("ckpt-10.*"):
        path.unlink()
    assert restored_step(tmp_path) == 9
    assert "checkpoint names ckpt-10, which is gone; ckpt-9 is used." in caplog.text


def test_no_checkpoint(tmp_path):
    folder = new_folder(tmp_path)
    assert (folder.checkpoints, folder.latest_checkpoint, last_step(folder)) == ([], None, 0)
    assert not restore(folder)
    save(folder, 1)
    shutil.rmtree(folder.directory)
    assert not restore(folder)


def test_other_shapes_are_named(tmp_path, caplog):
    save(new_folder(tmp_path, width=2), 5)
    with pytest.raises(ValueError) as error:
        restore(new_folder(tmp_path, width=3))
    path = f"{tmp_path}/checkpoints/ckpt-5"
    assert str(error.value) == (
        "The settings of a run must fit its checkpoints; received --width=3, which is 2 there "
        f"(discriminator/0 is [4, 4, 1, 2] there and [4, 4, 1, 3] here) for {path}; restore the "
        "config.json of the run."
    )
    assert not caplog.records


def test_folder_at_a_url_is_read_as_a_folder_here(tmp_path, caplog):
    """Only the files of a checkpoint that is tried are copied, and a damaged one is skipped."""
    save(new_folder(tmp_path), 1, 2, 3)
    (tmp_path / "checkpoints/ckpt-3.index").write_bytes(b"cut")
    url = to_path(f"memory:/{tmp_path}/checkpoints")
    url.fs.put(str(tmp_path / "checkpoints"), url.path, recursive=True)
    url.fs.rm_file(f"{url.path}/ckpt-1.index")
    folder = CheckpointFolder(url, new_folder(tmp_path).state, None)
    assert last_step(folder) == 3 and restore(folder)
    assert int(folder.state["step"][0]) == 2
    assert f"{url}/ckpt-3 cannot be used" in caplog.text
