"""The export command: what it writes, its version numbers, and what it leaves when it fails."""

import dataclasses
import json
import re

import pytest
import tensorflow as tf
from sentences import assert_one_sentence
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tf_inpaint import export
from tf_inpaint.config import ExportConfig, launch
from tf_inpaint.exporting.signatures import resolved_settings
from tf_inpaint.files import folder_lock
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import frozen_networks

PRESETS = ("complete", "complete_fast", "complete_best")


def test_version_is_complete_and_described(exported):
    config, folder = exported
    assert [path.name for path in folder.iterdir()] == ["1"]
    about = json.loads((folder / "1" / "assets.extra" / "export.json").read_text())
    assert about["export"]["steps"] == 6 and about["run"]["latent_size"] == 4
    assert (
        about["presets"]["complete"]["steps"] == 6
        and about["presets"]["complete"]["sampling"]["samples"] == 2
    )
    assert (
        about["presets"]["complete_best"]["estimate"] == "mean"
        and about["presets"]["complete_fast"]["samples"] == 0
    )
    assert set(about["versions"]) == {"tf_inpaint", "tensorflow", "keras", "numpy"}


def test_description_says_what_was_not_given(exported):
    """A run without an encoder takes 100 steps, and its loss has a prior of its own."""
    config = dataclasses.replace(exported[0], steps=None, samples=0)
    run = run_directory.load(config.run_dir)
    networks = frozen_networks(run)
    about = {
        name: resolved_settings(Inpainter(networks, one))
        for name, one in config.presets(False, False).items()
    }
    json.dumps(about, allow_nan=False)
    assert [about[name]["steps"] for name in PRESETS] == [100, 2, 100]
    assert run.config.loss == "non_saturating" and {one["prior"] for one in about.values()} == {
        "saturating"
    }
    assert about["complete"]["sampling"] is None and about["complete_best"]["sampling"] == {
        "samples": 4,
        "descent_steps": 18,
        "adapt_steps": 2,
        "steps": 4,
        "leapfrog_steps": 1,
        "temperature": None,
        "temperature_share": 0.03,
    }


def test_next_version_is_the_next_number_and_none_is_overwritten(tmp_path):
    for name in ("1", "7", ".8abc", "notes"):
        (tmp_path / name).mkdir()
    assert export.next_version(tmp_path, None) == 8
    assert export.next_version(tmp_path, 3) == 3
    with pytest.raises(ValueError, match="7; leave it out for 8"):
        export.next_version(tmp_path, 7)
    # A server ignores versions above its int64.
    (tmp_path / str(10**25)).mkdir()
    (tmp_path / str(2**63 - 1)).mkdir()
    assert export.next_version(tmp_path, None) == 8
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="must be a folder that can be written"):
            export.next_version(folder, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": "encoder"}, ["--start=encoder", "a run without an encoder"]),
        ({"signatures": ("encode",)}, ["--signatures", "encode for a run without an encoder"]),
        ({"max_pixels": 783}, ["--max_pixels must be at least 784", "783", "raise it"]),
    ],
)
def test_refused_settings_leave_no_folder(changes, words, exported, tmp_path):
    config = dataclasses.replace(exported[0], export_dir=str(tmp_path / "digits"), **changes)
    with pytest.raises(ValueError) as refusal:
        export.run(config)
    assert_one_sentence(refusal.value, words)
    assert not (tmp_path / "digits").exists()


def test_second_export_of_one_version_is_refused(exported, tmp_path, monkeypatch):
    """Two exports at once may write two versions, but not the same one."""

    def end(*_):
        raise OSError("the end")

    monkeypatch.setattr("tf_inpaint.exporting.signatures.ServedModel.save", end)
    monkeypatch.setattr("tf_inpaint.exporting.signatures.ServedModel.__init__", lambda *_: None)
    config = dataclasses.replace(exported[0], export_dir=str(tmp_path))
    with folder_lock.locked(tmp_path, ".1.lock"):
        with pytest.raises(ValueError, match=f"is writing into {tmp_path}; wait"):
            export.run(config)
        (tmp_path / ".7.lock").touch()
        with pytest.raises(OSError, match="the end"):
            export.run(dataclasses.replace(config, version=2))
        assert [path.name for path in tmp_path.iterdir()] == [".1.lock"]
    assert list(tmp_path.iterdir()) == []


def test_what_killed_exports_left_is_removed(tmp_path):
    """The lock and the unfinished version go, and those of an export that is at work stay."""
    for name in (".1.lock", ".1.kill", ".2.lock", ".2.work", "3", ".4.other", ".notes.lock"):
        path = tmp_path / name
        path.touch() if path.suffix == ".lock" else (path / "variables").mkdir(parents=True)
    with folder_lock.locked(tmp_path, ".2.lock"):
        export.remove_leftovers(tmp_path)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == [".2.lock", ".2.work", ".4.other", ".notes.lock", "3"]


def test_failed_export_leaves_nothing(exported, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("tf_inpaint.exporting.signatures.ServedModel.save", fail)
    monkeypatch.setattr("tf_inpaint.exporting.signatures.ServedModel.__init__", lambda *_: None)
    config = dataclasses.replace(exported[0], export_dir=str(tmp_path / "digits"))
    with pytest.raises(OSError, match="disk full"):
        export.run(config)
    assert list((tmp_path / "digits").iterdir()) == []


def test_export_that_answers_otherwise_is_one_sentence_and_leaves_nothing(
    exported, tmp_path, monkeypatch, capsys
):
    """Its own check finds a generator that was tampered with on the way to the file."""
    monkeypatch.setattr(
        "tf_inpaint.exporting.signatures.ServedModel.generate",
        lambda self, z: {"images": -self.generator(z)},
    )
    monkeypatch.setattr(launch, "_log_plainly", lambda: None)
    flags = [
        f"--run_dir={exported[0].run_dir}",
        f"--export_dir={tmp_path / 'digits'}",
        "--signatures=generate",
    ]
    with pytest.raises(SystemExit) as ended:
        launch.launch(ExportConfig, export.run, "", flags)
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.count("\n") == 1 and "generate gives other images" in told
    assert list((tmp_path / "digits").iterdir()) == []


def test_export_to_a_folder_whose_name_looks_like_a_pattern(exported, tmp_path):
    folder = tmp_path / "digits [2024]"
    config = ExportConfig(
        run_dir=exported[0].run_dir, export_dir=str(folder), signatures=("generate",)
    )
    assert export.run(config) == 0
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_chosen_signatures_alone_are_written_and_described(exported_with_encoder, tmp_path, capsys):
    """The file has about the size that the whole export says for its largest signature."""
    config, whole_folder = exported_with_encoder
    names = ("encode", "generate")
    config = dataclasses.replace(config, export_dir=str(tmp_path / "small"), signatures=names)
    assert export.run(config) == 0
    line, path = capsys.readouterr().out, tmp_path / "small" / "1"
    assert re.search(r"1: generate \(0.0 MB\), encode \(2.3 MB\); 2.3 MB together, checked", line)
    about, whole = (
        json.loads((folder / "assets.extra" / "export.json").read_text())
        for folder in (path, whole_folder / "1")
    )
    assert about["presets"] == {} and set(about["signature_bytes"]) == set(names)
    size = (path / "saved_model.pb").stat().st_size
    assert whole["signature_bytes"]["encode"] == pytest.approx(size, rel=0.03)
    assert max(whole["signature_bytes"].values()) > 2 * size
    records = tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests"))
    requests = [
        PredictionLog.FromString(record).predict_log.request
        for record in records.as_numpy_iterator()
    ]
    assert {request.model_spec.signature_name for request in requests} == set(names)
    assert set(tf.saved_model.load(str(path)).signatures) == set(names)


def test_unknown_signature_is_refused():
    with pytest.raises(ValueError, match="--signatures must be any of generate,.*'render'"):
        ExportConfig(signatures=("encode", "render"))
