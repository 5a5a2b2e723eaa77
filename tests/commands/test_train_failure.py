"""A training that fails stops, keeps its good checkpoints, and can go on with a lower rate."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from small_training import train_exit
from tiny import picture

from tf_inpaint.gan import callbacks
from tf_inpaint.runs import from_config, run_directory


@pytest.fixture
def flags(tmp_path):
    """A tiny training of six steps with a checkpoint after every second one."""
    np.savez(tmp_path / "data.npz", x_train=np.stack([picture(seed) for seed in range(12)]))
    settings = {
        "run_dir": tmp_path / "run",
        "dataset": f"npz:{tmp_path}/data.npz",
        "width": 2,
        "latent_size": 3,
        "batch_size": 4,
        "steps": 6,
        "log_every": 2,
        "sample_every": 2,
        "checkpoint_every": 2,
        "measure_every": 0,
        "encoder_steps": 0,
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def steps_of(folder):
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.index"))


def test_weights_that_are_not_finite_stop_the_training(flags, tmp_path, capsys, monkeypatch):
    original = callbacks.SampleGrid.on_period

    def on_period(self, step):
        original(self, step)
        if step == 4:
            weight = self.model.generator.trainable_variables[0]
            weight.assign(tf.fill(weight.shape, np.nan))

    with monkeypatch.context() as patches:
        patches.setattr(callbacks.SampleGrid, "on_period", on_period)
        code, log = train_exit(capsys, *flags)
    assert code == 2
    assert "at step 4 of" in log[-1] and "it goes on from step 2." in log[-1]
    assert steps_of(tmp_path / "run") == ["ckpt-2"]
    # The same command with a lower rate does what the sentence says.
    code, log = train_exit(capsys, *flags, "--learning_rate=1e-4")
    assert code == 0
    assert steps_of(tmp_path / "run") == ["ckpt-2", "ckpt-4", "ckpt-6"]
    run = run_directory.load(tmp_path / "run")
    assert (run.step, run.config.learning_rate) == (6, 1e-4)


def test_lower_rate_reaches_both_optimizers(flags, tmp_path, capsys, caplog):
    assert train_exit(capsys, *flags, "--steps=2")[0] == 0
    with caplog.at_level(logging.INFO, "tf_inpaint"):
        more = "--learning_rate=1e-5", "--discriminator_learning_rate=3e-5"
        assert train_exit(capsys, *flags, *more)[0] == 0
    assert "goes on with --learning_rate=1e-05; until now it was 0.0002." in caplog.text
    config = run_directory.read_config(tmp_path / "run")
    gan = from_config.new_gan(config)
    assert run_directory.restore(run_directory.checkpoints(tmp_path / "run", gan.state))
    rates = gan.generator_optimizer.learning_rate, gan.discriminator_optimizer.learning_rate
    assert [float(rate) for rate in rates] == pytest.approx([1e-5, 3e-5])


def test_checkpoint_that_is_not_finite_is_skipped(flags, tmp_path, capsys, caplog):
    assert train_exit(capsys, *flags)[0] == 0
    gan = from_config.new_gan(run_directory.read_config(tmp_path / "run"))
    manager = run_directory.checkpoints(tmp_path / "run", gan.state, 3)
    run_directory.restore(manager)
    weight = gan.ema_generator.variables[0]
    weight.assign(tf.fill(weight.shape, np.inf))
    gan.state["step"][0].assign(8)
    manager.save(checkpoint_number=8)
    assert run_directory.load(tmp_path / "run").step == 6
    assert "ckpt-8 cannot be used (its weights are not finite.); trying" in caplog.text
