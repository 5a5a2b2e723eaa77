"""TensorFlow finds and prunes checkpoints below folders whose names look like patterns."""

import pytest
import tensorflow as tf

from tf_inpaint.files.literal_paths import literal_path


def test_usual_folder_stays_as_it_is(tmp_path):
    assert literal_path(tmp_path / "faces, 2024 (ü)") == tmp_path / "faces, 2024 (ü)"


@pytest.mark.parametrize("name", ["faces [2024]", "a*", "what?", "back\\slash", "]["])
def test_checkpoints_are_found_and_pruned(tmp_path, name):
    folder, sibling = tmp_path / name, tmp_path / "a"
    for path in (folder, sibling):
        path.mkdir()
    variable = tf.Variable(1.0)
    for path in (sibling, folder):
        directory = str(literal_path(path) / "checkpoints")
        manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=variable), directory, 1)
        for step in (1, 2):
            variable.assign(float(step))
            manager.save(checkpoint_number=step)
    for path in (sibling, folder):
        names = {file.name for file in (path / "checkpoints").iterdir()}
        assert names == {"checkpoint", "ckpt-2.index", "ckpt-2.data-00000-of-00001"}
    variable.assign(7.0)
    manager.checkpoint.restore(manager.latest_checkpoint).assert_consumed()
    assert variable == 2.0


def test_one_folder_has_one_link(tmp_path, monkeypatch):
    (tmp_path / "a[b]").mkdir()
    monkeypatch.chdir(tmp_path)
    link = literal_path(tmp_path / "a[b]")
    assert link != tmp_path / "a[b]" and link.resolve() == (tmp_path / "a[b]").resolve()
    assert literal_path((tmp_path / "a[b]").relative_to(tmp_path)) == link
