"""The train command in processes: the run directory, and exact continuation after any stop."""

import csv
import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_training import CONFIG, file_contents, train_exit

from tf_inpaint.config import TrainConfig, flags
from tf_inpaint.files import images
from tf_inpaint.runs import from_config, run_directory

ROOT = Path(__file__).parents[2]


def start(config):
    """Starts the command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "tf_inpaint.train", *flags.to_flags(config).splitlines()],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_row(process, folder, step):
    """Waits until `metrics.csv` has the row of a step."""
    path = folder / "metrics.csv"
    while process.poll() is None:
        if path.exists() and f"\n{step}," in path.read_text():
            return
        time.sleep(0.005)
    raise AssertionError(f"ended before step {step}: {process.communicate()}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two runs with one config: `uninterrupted` and `stopped`.

    The second run was killed, its newest checkpoint was damaged, it was continued, terminated, and
    continued again.
    """
    # Start both runs.
    folder = tmp_path_factory.mktemp("train")
    pictures = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(folder / "pictures.npz", images=pictures)
    uninterrupted, stopped = (
        dataclasses.replace(
            CONFIG, dataset=f"npz:{folder}/pictures.npz", run_dir=str(folder / name)
        )
        for name in ("uninterrupted", "stopped")
    )
    parallel_process = start(uninterrupted)

    # Kill the second run, and damage its newest checkpoint.
    process = start(stopped)
    wait_for_row(process, folder / "stopped", 63)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (folder / "stopped/samples/.half.png").write_bytes(b"\x89PNG, and the rest is missing")
    newest = Path(tf.train.latest_checkpoint(folder / "stopped/checkpoints"))
    damage_one_byte(newest)

    # Continue and terminate it.
    process = start(stopped)
    wait_for_row(process, folder / "stopped", 161)
    process.terminate()
    output, errors = process.communicate()
    assert f"Checkpoint {newest} cannot be used" in errors
    terminated = SimpleNamespace(output=output, code=process.returncode)
    terminated.checkpoints = sorted(
        path.name for path in (folder / "stopped/checkpoints").glob("*.index")
    )
    terminated.pictures = {path.name for path in (folder / "stopped").glob("training.*")}

    # Continue it to the end.
    process = start(stopped)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    errors = parallel_process.communicate()[1]
    assert parallel_process.returncode == 0, errors
    return SimpleNamespace(
        config=uninterrupted,
        folder=folder / "uninterrupted",
        stopped=folder / "stopped",
        terminated=terminated,
    )


def damage_one_byte(prefix):
    """Changes one byte of the checkpoint with this prefix."""
    path = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(suffix):
    """A function that halves a file of a checkpoint."""

    def damage(prefix):
        path = prefix.with_name(prefix.name + suffix)
        os.truncate(path, path.stat().st_size // 2)

    return damage


def remove(suffix):
    """A function that removes a file of a checkpoint."""
    return lambda prefix: prefix.with_name(prefix.name + suffix).unlink()


def tensors(folder):
    """The tensors of the newest checkpoint of a run, except the number of saved checkpoints."""
    reader = tf.train.load_checkpoint(folder / "checkpoints")
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("save_counter", "_"))
    ]
    return {name: reader.get_tensor(name) for name in names}


# --- a stopped run and an uninterrupted run


@pytest.mark.slow
def test_stopped_run_ends_like_an_uninterrupted_run(finished):
    # Metrics.
    metrics, expected_metrics = (
        (folder / "metrics.csv").read_text() for folder in (finished.stopped, finished.folder)
    )
    assert metrics == expected_metrics

    # Checkpoints.
    arrays, expected_arrays = tensors(finished.stopped), tensors(finished.folder)
    assert len(expected_arrays) == sum(
        len(part) for part in from_config.new_gan(finished.config).state.values()
    )
    assert arrays.keys() == expected_arrays.keys()
    for name, array in expected_arrays.items():
        assert arrays[name].tobytes() == array.tobytes(), name

    # Samples.
    samples, expected_samples = (
        {path.name: path.read_bytes() for path in (folder / "samples").glob("0*.png")}
        for folder in (finished.stopped, finished.folder)
    )
    assert samples == expected_samples


@pytest.mark.slow
def test_sigterm_saves_and_exits(finished):
    code, output = finished.terminated.code, finished.terminated.output
    assert code == 128 + signal.SIGTERM
    line = output.splitlines()[-1]
    assert line.startswith("SIGTERM: saved step ")
    step = int(line.split()[3])
    assert 161 <= step < 305
    assert f"ckpt-{step}.index" in finished.terminated.checkpoints
    assert finished.terminated.pictures == {"training.gif", "training.png"}


@pytest.mark.slow
def test_run_directory(finished):
    # Names.
    folder, best_step = finished.folder, run_directory.load(finished.folder).step
    parts = ("index", "data-00000-of-00001")
    samples = [f"samples/{step:07d}.png" for step in (0, 75, 150, 225, 300)]
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.parent.name != "events"
    }
    assert names == {
        "checkpoints",
        "checkpoints/checkpoint",
        *(f"checkpoints/ckpt-{step}.{part}" for step in (270, 300, 305) for part in parts),
        "best",
        "best/checkpoint",
        *(f"best/ckpt-{best_step}.{part}" for part in parts),
        "encoder",
        f"encoder/{best_step}",
        f"encoder/{best_step}/checkpoint",
        *(f"encoder/{best_step}/ckpt-4.{part}" for part in parts),
        "events",
        "config.flags",
        "config.json",
        "data.json",
        "metrics.csv",
        "samples",
        *samples,
        "training.gif",
        "training.png",
    }

    # Settings.
    assert run_directory.read_config(folder) == finished.config
    assert flags.parse(TrainConfig, [f"--flagfile={folder}/config.flags"]) == finished.config

    # Pictures.
    pictures = [images.read(folder / name) for name in samples]
    side = 6 * 28 + 5 * 2
    assert {picture.shape for picture in pictures} == {(side, side, 1)}
    with Image.open(folder / "training.gif") as film:
        assert (film.n_frames, film.size) == (5, (side, side))
        for frame, picture in enumerate(pictures):
            film.seek(frame)
            np.testing.assert_allclose(np.asarray(film.convert("L")), picture[..., 0], atol=2)


@pytest.mark.slow
def test_encoder_belongs_to_the_generator_of_the_best_step(finished):
    run, stopped = run_directory.load(str(finished.folder)), run_directory.load(finished.stopped)
    weights = run.encoder.get_weights()
    for array, expected in zip(weights, stopped.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)
    fresh = from_config.new_encoder(finished.config).get_weights()
    assert not any(np.array_equal(*pair) for pair in zip(fresh, weights, strict=True))
    training, _ = run_directory.encoder_training(run)
    assert training.step == 4


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "used"), [(0, False), (3, True), (4, True), (5, False)])
def test_encoder_is_used_if_all_its_steps_are_done(finished, tmp_path, steps, used):
    shutil.copytree(finished.folder, tmp_path / "run")
    config = dataclasses.replace(finished.config, encoder_steps=steps)
    (tmp_path / "run/config.json").write_text(flags.to_json(config))
    assert (run_directory.load(tmp_path / "run").encoder is not None) is used


@pytest.mark.slow
def test_damaged_encoder_is_not_used(finished, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    shutil.copytree(finished.folder, tmp_path / "run")
    (path,) = (tmp_path / "run/encoder").rglob("*.index")
    truncate(".index")(path.with_suffix(""))
    assert run_directory.load(tmp_path / "run").encoder is None
    assert f"{path.with_suffix('')} cannot be used" in caplog.text


@pytest.mark.slow
def test_metrics(finished):
    # The columns and the steps.
    with (finished.folder / "metrics.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    losses = "discriminator_loss,generator_loss,real_accuracy,fake_accuracy"
    scales = "diversity,loss_scale,discriminator_loss_scale,images_per_second,penalty"
    assert ",".join(header) == f"step,{losses},{scales},frechet_random,sliced_wasserstein"
    assert [int(row[0]) for row in rows] == list(range(7, 305, 7))
    table = np.array(rows, float)

    # A period is 7 steps with 4 images: accuracies over the period, and no more, are 28ths.
    np.testing.assert_allclose(table[:, 3:5] * 28, np.rint(table[:, 3:5] * 28), atol=1e-4)
    assert len(np.unique(table[:, 3])) > 3

    # The other columns.
    assert table[0, 1] == pytest.approx(2 * np.log(2), rel=0.05)
    assert table[0, 2] == pytest.approx(np.log(2), rel=0.05)
    assert ((table[:, 5] > 0) & (table[:, 5] < 1)).all()
    assert (table[:, 6:8] == 1).all()
    assert np.isnan(table[:, 8]).all()
    assert (table[:, 9] == 0).all()
    measured = table[:, 0][np.isfinite(table[:, 10:]).all(axis=1)]
    assert measured.tolist() == [84, 161, 245]
    assert (table[np.isin(table[:, 0], measured), 10:] > 0).all()
    best = measured[np.argmin(table[np.isin(table[:, 0], measured), 11])]
    assert run_directory.load(finished.folder).step == best


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        damage_one_byte,
        *(
            kind(suffix)
            for kind in (truncate, remove)
            for suffix in (".index", ".data-00000-of-00001")
        ),
    ],
)
def test_damaged_checkpoints_are_skipped(finished, tmp_path, damage, caplog):
    shutil.copytree(finished.folder / "checkpoints", tmp_path / "checkpoints")
    gan = from_config.new_gan(finished.config)
    with caplog.at_level(logging.WARNING, "tf_inpaint"):
        for skipped, step in enumerate((305, 300, 270)):
            assert run_directory.restore(run_directory.checkpoints(tmp_path, gan.state))
            assert gan.step == step
            assert len(caplog.records) == skipped
            caplog.clear()
            damage(tmp_path / f"checkpoints/ckpt-{step}")
        assert not run_directory.restore(run_directory.checkpoints(tmp_path, gan.state))


# --- the command on a finished run


@pytest.mark.slow
def test_finished_run_does_not_change_when_it_is_started_again(finished, capsys):
    before = file_contents(finished.folder)
    assert train_exit(capsys, f"--flagfile={finished.folder}/config.flags")[0] == 0
    assert file_contents(finished.folder) == before


@pytest.mark.slow
def test_run_without_a_readable_checkpoint_is_not_overwritten(finished, tmp_path, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(finished.folder, folder)
    for step in (270, 300, 305):
        damage_one_byte(folder / f"checkpoints/ckpt-{step}")
    before = file_contents(folder)
    flagfile = f"--flagfile={folder}/config.flags"
    code, (error,) = train_exit(capsys, flagfile, f"--run_dir={folder}")
    assert code == 2
    assert "--run_dir must hold a checkpoint that can be read" in error
    kept = {path: before[path] for path in before if "config" not in path.name}
    assert kept.items() <= file_contents(folder).items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--width=3", "differs in --width (2 there);"),
        ("--latent_size=6", "differs in --latent_size (5 there);"),
        ("--seed=1", "differs in --seed (0 there);"),
        ("--loss=minimax", "differs in --loss (non_saturating there);"),
    ],
)
def test_settings_that_differ_from_the_run_are_refused(finished, capsys, flag, message):
    before = file_contents(finished.folder)
    code, (error,) = train_exit(capsys, f"--flagfile={finished.folder}/config.flags", flag)
    assert code == 2
    assert message in error
    assert file_contents(finished.folder) == before
