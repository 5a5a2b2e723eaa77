"""A run directory: its place, the settings it keeps, its checkpoints, and loading it."""

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_training import CONFIG

from tf_inpaint.config import TrainConfig
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
    run_directory.checkpoints(tmp_path, gan.state).save()
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
