"""Names and settings of the runs that an evaluation compares."""

import pytest
from tiny import new_run

from tf_inpaint.config import EvaluateConfig
from tf_inpaint.evaluation import compared_runs


def test_the_newest_run_is_the_default(folder, monkeypatch):
    """Without --run_dir and --compare, the newest run under runs/ is evaluated."""
    monkeypatch.setattr(compared_runs.run_directory, "newest", lambda: folder / "run")
    assert compared_runs.run_folders(EvaluateConfig()) == [f"{folder}/run"]
    assert compared_runs.run_folders(EvaluateConfig(run_dir="a", compare=("b", "c"))) == list("abc")


def test_a_run_has_the_name_of_its_folder_unless_two_are_equal(tmp_path):
    """With two equal names, the paths are the names."""
    folders = [str(tmp_path / "a" / "run"), str(tmp_path / "b" / "run")]
    assert compared_runs.run_labels([folders[0], str(tmp_path / "other")]) == ["run", "other"]
    names = compared_runs.run_labels(folders)
    assert names == ["_".join([*tmp_path.parts[1:], letter, "run"]) for letter in "ab"]


def test_runs_on_other_images_are_refused(folder, tmp_path):
    """The error names the first setting that differs."""
    folders = [f"{folder}/run", f"{folder}/other"]
    configs = compared_runs.read_configs(folders)
    assert compared_runs.shared_config(configs).run_dir == f"{folder}/run"
    color = new_run(tmp_path / "color", dataset=f"npz:{folder}/data.npz", channels=3)
    with pytest.raises(ValueError, match="runs on the same images.*--channels=1.*color 3"):
        compared_runs.shared_config(compared_runs.read_configs([*folders, color]))


def test_images_of_compared_runs_may_move(folder, tmp_path):
    """With a new place, the runs may have been trained on images at different places."""
    folders = [f"{folder}/run", new_run(tmp_path / "moved", dataset=f"npz:{tmp_path}/data.npz")]
    configs = compared_runs.read_configs(folders)
    with pytest.raises(ValueError, match="runs on the same images.*--dataset="):
        compared_runs.shared_config(configs)
    place = f"npz:{tmp_path}/data.npz"
    assert compared_runs.shared_config(configs, place).dataset == place
