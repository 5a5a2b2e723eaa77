"""A run directory: its place, the settings it keeps, its checkpoints, and loading it."""

import dataclasses
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny
from small_training import CONFIG

from tf_inpaint.config import TrainConfig
from tf_inpaint.config.flags import to_json
from tf_inpaint.runs import from_config, run_directory


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "runs/digits"),
        ({"dataset": "tfds:mnist"}, "runs/mnist"),
        ({"dataset": "folder:my/faces/"}, "runs/faces"),
        ({"dataset": "npz:a/b.npz"}, "runs/b"),
        ({"dataset": "npz:a/b.npz", "run_dir": "c/d"}, "c/d"),
    ],
)
def test_directory(settings, expected):
    assert run_directory.directory(TrainConfig(**settings)) == Path(expected)


@pytest.mark.parametrize(
    ("jobs", "task", "writes"),
    [
        (["worker"], ("worker", 0), True),
        (["worker"], ("worker", 1), False),
        (["chief", "worker"], ("chief", 0), True),
        (["chief", "worker"], ("worker", 0), False),
        ([], (None, None), True),
    ],
)
def test_only_one_worker_writes_the_run(jobs, task, writes, tmp_path):
    spec = tf.train.ClusterSpec({job: ["a:1", "b:1"] for job in jobs})
    resolver = SimpleNamespace(cluster_spec=lambda: spec, task_type=task[0], task_id=task[1])
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    with run_directory.created(config, SimpleNamespace(cluster_resolver=resolver)) as folder:
        assert (folder == tmp_path / "run") is (tmp_path / "run").exists() is writes
        assert (folder / "samples").is_dir()


def test_steps_of_a_schedule_may_not_change(tmp_path):
    config = dataclasses.replace(
        CONFIG, run_dir=str(tmp_path / "run"), learning_rate_schedule="linear"
    )
    run_directory.create(config)
    with pytest.raises(ValueError, match="differs in --steps"):
        run_directory.create(dataclasses.replace(config, steps=9))


def test_criterion_of_the_best_step_may_not_change(tmp_path):
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    run_directory.create(config)
    for best_by in ("frechet_random", "none"):
        with pytest.raises(ValueError, match=r"differs in --best_by \(sliced_wasserstein there\);"):
            run_directory.create(dataclasses.replace(config, best_by=best_by))


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("folder:OLD", "folder:new", True),
        ("npz:OLD", "npz:new.npz", True),
        ("folder:.", "folder:new", False),
        ("folder:OLD", "npz:new.npz", False),
        ("tfds:mnist", "tfds:fashion_mnist", False),
        ("folder:OLD", "digits", False),
    ],
)
def test_images_may_move_if_nothing_is_left_at_the_old_place(
    tmp_path, caplog, monkeypatch, old, new, allowed
):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    old = old.replace("OLD", str(tmp_path / "old"))
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"), dataset=old)
    run_directory.create(config)
    moved = dataclasses.replace(config, dataset=new)
    if allowed:
        run_directory.create(moved)
        (text,) = caplog.messages
        assert f"with the images in {new}, for nothing is left at {old}." in text
    else:
        with pytest.raises(ValueError, match=f"differs in --dataset .{old} there"):
            run_directory.create(moved)
    assert run_directory.read_config(tmp_path / "run") == (moved if allowed else config)


def test_another_number_of_training_images_is_said(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    for size in (20, 20, 21, 21):
        run_directory.record_size(tmp_path, size)
    (text,) = caplog.messages
    assert text.startswith(f"{tmp_path} was trained on 20 images, and goes on with 21.")


def test_load_returns_the_averaged_generator_in_float32(tmp_path):
    # A run without a checkpoint is refused.
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path), mixed_precision="mixed_float16")
    run_directory.create(config)
    with pytest.raises(
        FileNotFoundError, match="must hold a checkpoint that can be read.*train on"
    ):
        run_directory.load(tmp_path)

    # With a checkpoint, the run has its networks.
    gan = from_config.new_gan(config)
    for variable in gan.ema_generator.variables:
        variable.assign(variable + 0.5)
    gan.counter.assign(17)
    run_directory.checkpoints(tmp_path, gan.state).save(17)
    run = run_directory.load(tmp_path)
    assert (run.step, run.config) == (17, config)
    for network, expected_network in (
        (run.generator, gan.ema_generator),
        (run.discriminator, gan.discriminator),
    ):
        assert network.dtype_policy.name == "float32"
        pairs = zip(network.get_weights(), expected_network.get_weights(), strict=True)
        for weight, expected in pairs:
            np.testing.assert_array_equal(weight, expected)


def test_newest_run_is_the_last_written_run_with_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match="--run_dir must name a run, and there is none under runs/"
    ):
        run_directory.newest()
    for name in ("a", "b", "no_checkpoint"):
        run_directory.create(dataclasses.replace(CONFIG, run_dir=f"runs/{name}"))
    for name, seconds in (("a", 2000), ("b", 1000)):
        os.mkdir(f"runs/{name}/checkpoints")
        os.utime(f"runs/{name}/checkpoints", (seconds, seconds))
    assert run_directory.newest() == Path("runs/a")


def test_folder_without_config_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no config.json; train first"):
        run_directory.read_config(tmp_path)


def test_run_in_a_folder_whose_name_looks_like_a_pattern(tmp_path):
    """Checkpoints are found, and old ones are deleted."""
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "faces [2024]*"))
    folder = run_directory.create(config)
    gan = from_config.new_gan(config)
    manager = run_directory.checkpoints(folder, gan.state, 2)
    for step in (1, 2, 3):
        manager.save(checkpoint_number=step)
    names = {path.name for path in (folder / "checkpoints").glob("*.index")}
    assert names == {"ckpt-2.index", "ckpt-3.index"}
    run = run_directory.load(folder)
    for variable, expected in zip(
        run.generator.variables, gan.ema_generator.variables, strict=True
    ):
        np.testing.assert_array_equal(variable, expected)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf{}", '{"width": 3}'.encode("utf-16"), b"{}"])
def test_encodings_of_unicode_are_read(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    assert run_directory.read_config(tmp_path).width == (3 if b"w" in content else 32)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe\x80",
        b'{"dataset": "digits \xe9"}',
        b"[" * 990 + b"]" * 990,
        b"[" * 100_000,
        b"null",
        b'{"a": 1}',
        *(
            b'{"%s": %s}' % (name, value)
            for name in (b"width", b"r1", b"measure", b"dataset", b"discriminator_learning_rate")
            for value in (b"1e999", b"NaN", b"1" + 4000 * b"0", b"1" + 5000 * b"0", b"true", b"{}")
        ),
        b'{"width": "3"}',
        b'{"width": -0}',
        b'{"width": null}',
        b'{"measure": [1]}',
        b'{"measure": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
def test_damaged_settings_are_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    sentence = f"^{tmp_path}/config.json.* must (be|have) .*; .*; .*\\.$"
    with pytest.raises(ValueError, match=sentence) as error:
        run_directory.read_config(tmp_path)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_settings_that_are_no_file_make_no_run(tmp_path, make):
    make(tmp_path / "config.json")
    with pytest.raises(FileNotFoundError, match="has no config.json; train first"):
        run_directory.read_config(tmp_path)


SAVED = {"image_size": 16, "encoder_steps": 1}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with an encoder."""
    folder = tmp_path_factory.mktemp("saved") / "run"
    run_dir = tiny.new_run(folder, **SAVED)
    run_directory.encoder_training(run_directory.load(run_dir))[1].save(checkpoint_number=1)
    return folder


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 3}, "received --width=3, which is 2 there ("),
        ({"channels": 3}, "received --channels=3, which is 1 there ("),
        ({"latent_size": 5}, "received --latent_size=5, which is 4 there ("),
        ({"latent_size": 5, "width": 1}, "--latent_size=5, which is 4 there and --width=1, which"),
        ({"image_size": 28}, "received another --image_size, --architecture or --discr"),
        ({"discriminator_norm": "layer"}, "received another --image_size, --architecture or --"),
        ({"architecture": "resnet"}, "received another --image_size, --architecture or --"),
    ],
)
def test_settings_must_fit_the_checkpoint(saved, tmp_path, settings, sentence, capfd, caplog):
    """One sentence for loading and for a continued training, without warnings of the framework."""
    run_dir = shutil.copytree(saved, tmp_path / "run")
    config = TrainConfig(**{"width": 2, "latent_size": 4} | SAVED | settings)
    (run_dir / "config.json").write_text(to_json(config))
    with pytest.raises(ValueError) as loading:
        run_directory.load(run_dir)
    with pytest.raises(ValueError) as training:
        run_directory.restore(run_directory.checkpoints(run_dir, from_config.new_gan(config).state))
    for error in loading, training:
        assert sentence in str(error.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_encoder_must_fit_its_checkpoint(saved, tmp_path):
    run = run_directory.load(shutil.copytree(saved, tmp_path / "run"))
    assert run.encoder
    other = tiny.new_run(tmp_path / "other", **SAVED | {"channels": 3})
    shutil.copytree(tmp_path / "run/encoder", tmp_path / "other/encoder")
    with pytest.raises(ValueError, match="received .*encoder/.* for .*/encoder/"):
        run_directory.load(other)


def test_damaged_list_of_the_encoder(saved, tmp_path):
    run_dir = shutil.copytree(saved, tmp_path / "run")
    (run_dir / "encoder/0/checkpoint").write_bytes(b"")
    (run_dir / "checkpoints/checkpoint").unlink()
    assert run_directory.load(run_dir).encoder
