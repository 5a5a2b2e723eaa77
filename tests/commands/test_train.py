"""The train command: what it writes, that it goes on exactly after any stop, and what it refuses."""

import csv
import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from tf_inpaint import train
from tf_inpaint.config import TrainConfig, flags, launch
from tf_inpaint.files import images
from tf_inpaint.gan import callbacks, losses
from tf_inpaint.gan.encoder import EncoderTraining
from tf_inpaint.inputs.named_images import pictures as pictures_of
from tf_inpaint.runs import run_directory

ROOT = Path(__file__).parents[2]
# Logging periods that no checkpoint ends, and a last step at which neither would be saved by itself.
CONFIG = TrainConfig(
    width=2,
    latent_size=5,
    batch_size=4,
    steps=305,
    log_every=7,
    sample_every=75,
    checkpoint_every=30,
    measure=("frechet_random", "sliced_wasserstein"),
    measure_every=80,
    measure_images=4,
    best_by="sliced_wasserstein",
    encoder_steps=4,
    deterministic=True,
)


def start(config):
    """The command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "tf_inpaint.train", *flags.to_flags(config).splitlines()],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_row(process, folder, step):
    """Until `metrics.csv` has the row of a step."""
    while process.poll() is None:
        if (folder / "metrics.csv").exists() and f"\n{step}," in (
            folder / "metrics.csv"
        ).read_text():
            return
        time.sleep(0.005)
    raise AssertionError(f"ended before step {step}: {process.communicate()}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two runs of one config: `whole`, and `stopped`, which was killed, damaged, terminated and continued."""
    folder = tmp_path_factory.mktemp("train")
    pictures = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(folder / "pictures.npz", images=pictures)
    whole, stopped = (
        dataclasses.replace(
            CONFIG, dataset=f"npz:{folder}/pictures.npz", run_dir=str(folder / name)
        )
        for name in ("whole", "stopped")
    )
    alongside = start(whole)

    process = start(stopped)
    wait_for_row(process, folder / "stopped", 63)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (folder / "stopped/samples/.half.png").write_bytes(
        b"\x89PNG, the rest of which was never written"
    )
    newest = Path(tf.train.latest_checkpoint(folder / "stopped/checkpoints"))
    damage_one_byte(newest)

    process = start(stopped)
    wait_for_row(process, folder / "stopped", 161)
    process.terminate()
    output, errors = process.communicate()
    assert f"Checkpoint {newest} cannot be read" in errors
    terminated = SimpleNamespace(output=output, code=process.returncode)
    terminated.checkpoints = sorted(
        path.name for path in (folder / "stopped/checkpoints").glob("*.index")
    )
    terminated.pictures = {path.name for path in (folder / "stopped").glob("training.*")}

    process = start(stopped)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    errors = alongside.communicate()[1]
    assert alongside.returncode == 0, errors
    return SimpleNamespace(
        config=whole, whole=folder / "whole", stopped=folder / "stopped", terminated=terminated
    )


def damage_one_byte(prefix):
    path = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def tensors(folder):
    """Everything in the newest checkpoint of a run but the number of checkpoints saved."""
    reader = tf.train.load_checkpoint(folder / "checkpoints")
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("save_counter", "_"))
    ]
    return {name: reader.get_tensor(name) for name in names}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- a run that is stopped and one that is not


@pytest.mark.slow
def test_stopped_run_ends_as_an_uninterrupted_one(finished):
    assert (finished.stopped / "metrics.csv").read_text() == (
        finished.whole / "metrics.csv"
    ).read_text()
    ours, theirs = tensors(finished.stopped), tensors(finished.whole)
    assert len(theirs) == sum(
        len(part) for part in run_directory.new_gan(finished.config).state.values()
    )
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].tobytes() == array.tobytes(), name
    ours, theirs = (
        {path.name: path.read_bytes() for path in (folder / "samples").glob("0*.png")}
        for folder in (finished.stopped, finished.whole)
    )
    assert ours == theirs


@pytest.mark.slow
def test_sigterm_saves_and_exits(finished):
    code, output = finished.terminated.code, finished.terminated.output
    assert code == 128 + signal.SIGTERM
    assert output.startswith("SIGTERM: saved step ")
    step = int(output.split()[3])
    assert 161 <= step < 305
    assert f"ckpt-{step}.index" in finished.terminated.checkpoints
    assert finished.terminated.pictures == {"training.gif", "training.png"}


@pytest.mark.slow
def test_run_directory(finished):
    folder = finished.whole
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.parent.name != "events"
    }
    saved = [f"checkpoints/ckpt-{step}" for step in (270, 300, 305)]
    drawn = [f"samples/{step:07d}.png" for step in (0, 75, 150, 225, 300)]
    assert names == {
        "checkpoints",
        "checkpoints/checkpoint",
        "best",
        "best/checkpoint",
        *(
            f"best/ckpt-{run_directory.load(folder).step}.{part}"
            for part in ("index", "data-00000-of-00001")
        ),
        "encoder",
        f"encoder/{run_directory.load(folder).step}",
        f"encoder/{run_directory.load(folder).step}/checkpoint",
        *(
            f"encoder/{run_directory.load(folder).step}/ckpt-4.{part}"
            for part in ("index", "data-00000-of-00001")
        ),
        "events",
        *(f"{name}.index" for name in saved),
        *(f"{name}.data-00000-of-00001" for name in saved),
        "config.flags",
        "config.json",
        "metrics.csv",
        "samples",
        *drawn,
        "training.gif",
        "training.png",
    }
    assert run_directory.read_config(folder) == finished.config
    assert flags.parse(TrainConfig, [f"--flagfile={folder}/config.flags"]) == finished.config
    pictures = [images.read(folder / name) for name in drawn]
    side = 6 * 28 + 5 * 2
    assert {picture.shape for picture in pictures} == {(side, side, 1)}
    with Image.open(folder / "training.gif") as film:
        assert (film.n_frames, film.size) == (5, (side, side))
        for frame, picture in enumerate(pictures):
            film.seek(frame)
            np.testing.assert_allclose(np.asarray(film.convert("L")), picture[..., 0], atol=2)


@pytest.mark.slow
def test_encoder_is_of_the_generator_that_is_used(finished):
    run, stopped = run_directory.load(str(finished.whole)), run_directory.load(finished.stopped)
    for one, other in zip(run.encoder.get_weights(), stopped.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    fresh = run_directory.encoder(finished.config).get_weights()
    assert not any(
        np.array_equal(*pair) for pair in zip(fresh, run.encoder.get_weights(), strict=True)
    )
    training, _ = run_directory.encoder_training(run)
    assert training.step == 4


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "used"), [(0, False), (3, True), (4, True), (5, False)])
def test_encoder_is_used_when_it_is_trained_as_long_as_asked(finished, tmp_path, steps, used):
    shutil.copytree(finished.whole, tmp_path / "run")
    config = dataclasses.replace(finished.config, encoder_steps=steps)
    (tmp_path / "run/config.json").write_text(flags.to_json(config))
    assert (run_directory.load(tmp_path / "run").encoder is not None) is used


@pytest.mark.slow
def test_damaged_encoder_is_done_without(finished, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    shutil.copytree(finished.whole, tmp_path / "run")
    (path,) = (tmp_path / "run/encoder").rglob("*.index")
    truncate(".index")(path.with_suffix(""))
    assert run_directory.load(tmp_path / "run").encoder is None
    assert f"{path.with_suffix('')} cannot be read" in caplog.text


@pytest.mark.slow
def test_metrics(finished):
    with (finished.whole / "metrics.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    losses = "discriminator_loss,generator_loss,real_accuracy,fake_accuracy"
    more = "diversity,loss_scale,discriminator_loss_scale,images_per_second,penalty,frechet_random,sliced_wasserstein"
    assert ",".join(header) == f"step,{losses},{more}"
    assert [int(row[0]) for row in rows] == list(range(7, 305, 7))
    table = np.array(rows, float)
    # A period is 7 steps of 4 images, so accuracies are 28ths: averaged over the period and no more.
    np.testing.assert_allclose(table[:, 3:5] * 28, np.rint(table[:, 3:5] * 28), atol=1e-4)
    assert len(np.unique(table[:, 3])) > 3
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
    assert run_directory.load(finished.whole).step == best


def truncate(suffix):
    def damage(prefix):
        path = prefix.with_name(prefix.name + suffix)
        os.truncate(path, path.stat().st_size // 2)

    return damage


def remove(suffix):
    return lambda prefix: prefix.with_name(prefix.name + suffix).unlink()


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
def test_damaged_checkpoints_are_passed_over(finished, tmp_path, damage, caplog):
    shutil.copytree(finished.whole / "checkpoints", tmp_path / "checkpoints")
    gan = run_directory.new_gan(finished.config)
    with caplog.at_level(logging.WARNING, "tf_inpaint"):
        for passed_over, step in enumerate((305, 300, 270)):
            assert run_directory.restore(run_directory.checkpoints(tmp_path, gan.state))
            assert gan.step == step
            assert len(caplog.records) == passed_over
            caplog.clear()
            damage(tmp_path / f"checkpoints/ckpt-{step}")
        assert not run_directory.restore(run_directory.checkpoints(tmp_path, gan.state))


# --- the command in this process


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command with flags: its exit code, and its lines on stderr."""
    for name in ("_log_plainly", "_import_tensorflow"):
        monkeypatch.setattr(launch, name, lambda: None)
    # It would hold for all tests after this one.
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)

    def run(*argv):
        with pytest.raises(SystemExit) as exit_:
            launch.launch(TrainConfig, train.run, "Usage.", argv)
        return exit_.value.code, capsys.readouterr().err.splitlines()

    return run


@pytest.mark.slow
def test_celeba_config_trains_on_what_tfds_gives(tmp_path, command):
    import tensorflow_datasets

    few = ["--steps=2", "--batch_size=4", "--width=2", "--measure_images=2", "--encoder_steps=2"]
    with tensorflow_datasets.testing.mock_data(num_examples=12):
        code, _ = command(
            f"--flagfile={ROOT}/configs/celeba.flags", f"--run_dir={tmp_path}/run", *few
        )
    assert code == 0
    run = run_directory.load(tmp_path / "run")
    assert (run.step, run.config.image_size, run.config.channels, run.config.crop) == (
        2,
        64,
        3,
        108,
    )
    assert images.read(tmp_path / "run/samples/0000000.png").shape == (6 * 64 + 10, 6 * 64 + 10, 3)


@pytest.fixture
def pictures(tmp_path):
    """A folder of 20 colour pictures of uneven sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(20):
        picture = random.integers(0, 256, (30 + index, 40, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


def flags_of(folder, **changes):
    tiny = {"image_size": 32, "channels": 3, "width": 2, "latent_size": 5, "batch_size": 4}
    steps = {
        "steps": 4,
        "encoder_steps": 4,
        "log_every": 2,
        "sample_every": 2,
        "checkpoint_every": 2,
    }
    settings = {**tiny, **steps, "dataset": f"folder:{folder}", **changes}
    return [f"--{name}={value}" for name, value in settings.items()]


@pytest.mark.slow
def test_what_is_written_is_what_the_run_holds(pictures, tmp_path, command):
    folder = tmp_path / "run"
    assert command(*flags_of(pictures, run_dir=folder))[0] == 0
    run = run_directory.load(folder)
    assert (run.directory, run.step) == (folder, 4)
    samples = run.generator(callbacks.fixed_latents(5, 0)).numpy()
    assert samples.shape == (36, 32, 32, 3)
    drawn = images.read(folder / "samples/0000004.png").astype(int)
    np.testing.assert_allclose(drawn, images.grid(samples, columns=6), atol=1)
    last = (folder / "metrics.csv").read_text().splitlines()[-1].split(",")
    assert last[0] == "4"
    assert float(last[5]) == pytest.approx(callbacks.diversity(samples), rel=1e-4)
    assert 0 < float(last[8]) < 1e6

    # Further, with another period: settings that change no step may change.
    assert command(*flags_of(pictures, run_dir=folder, steps=6, sample_every=3))[0] == 0
    assert run_directory.load(folder).step == 6
    assert run_directory.read_config(folder).steps == 6
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "4", "6"]


@pytest.mark.slow
def test_started_again_when_finished_it_changes_nothing(finished, command):
    before = contents(finished.whole)
    assert command(f"--flagfile={finished.whole}/config.flags")[0] == 0
    assert contents(finished.whole) == before


@pytest.mark.slow
def test_run_without_a_readable_checkpoint_is_not_trained_over(finished, tmp_path, command):
    folder = tmp_path / "damaged"
    shutil.copytree(finished.whole, folder)
    for step in (270, 300, 305):
        damage_one_byte(folder / f"checkpoints/ckpt-{step}")
    before = contents(folder)
    code, (error,) = command(f"--flagfile={folder}/config.flags", f"--run_dir={folder}")
    assert code == 2
    assert "--run_dir must hold a checkpoint that can be read" in error
    assert {name: before[name] for name in before if "config" not in name.name}.items() <= contents(
        folder
    ).items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--width=3", "differs in --width (2 there);"),
        ("--latent_size=6", "differs in --latent_size (5 there);"),
        ("--seed=1", "differs in --seed (0 there);"),
        ("--loss=minimax", "differs in --loss (non_saturating there);"),
    ],
)
def test_other_settings_than_the_runs_are_refused(finished, command, flag, words):
    before = contents(finished.whole)
    code, (error,) = command(f"--flagfile={finished.whole}/config.flags", flag)
    assert code == 2
    assert words in error
    assert contents(finished.whole) == before


def test_folder_with_other_things_is_refused(pictures, command):
    before = contents(pictures)
    for run_dir in (pictures, pictures / "3.png"):
        code, (error,) = command(*flags_of(pictures, run_dir=run_dir))
        assert code == 2
        assert (
            f"--run_dir must be a new or empty folder, or a run to continue; {run_dir} holds"
            in error
        )
    assert contents(pictures) == before


def test_damaged_config_is_refused(pictures, tmp_path, command):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"width": 2')
    code, (error,) = command(*flags_of(pictures, run_dir=tmp_path / "run"))
    assert code == 2
    assert "JSON" in error


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("folder:none", "none is not a folder"),
        ("folder:empty", "received none"),
        ("folder:broken", "must be readable"),
        ("npz:none.npz", "none.npz does not exist"),
        ("npz:wrong.npz", "received y;"),
    ],
)
def test_bad_data_leaves_no_run_behind(dataset, words, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "broken"):
        Path(name).mkdir()
    for index in range(20):  # that some, at least, are not held out
        Path(f"broken/{index}.jpg").write_bytes(b"\xff\xd8 a picture that ends here")
    np.savez("wrong.npz", y=np.zeros(3))
    code, errors = command(*flags_of("", dataset=dataset, run_dir="run"))
    assert code == 2
    assert words in errors[-1]
    assert not Path("run").exists()


def test_run_dir_that_a_flagfile_cannot_hold_leaves_nothing_behind(pictures, tmp_path, command):
    code, (error,) = command(*flags_of(pictures, run_dir=f"{tmp_path}/a "))
    assert code == 2
    assert "rename" in error
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


# --- the encoder


@pytest.mark.parametrize(("train_images", "done"), [(0, 0), (9, 3)])
def test_encoder_is_given_this_runs_training_images_and_goes_on_in_their_order(
    train_images, done, tmp_path, monkeypatch
):
    random = np.random.default_rng(0)
    for index in range(40):
        picture = random.integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    settings = {
        "dataset": f"folder:{tmp_path}",
        "train_images": train_images,
        "encoder_steps": 7,
        "batch_size": 8,
    }
    run = run_directory.load(tiny.new_run(tmp_path / "run", **settings))
    source, seen = pictures_of(run.config, "train"), []

    def fit(training, sample_masks, real, callbacks):
        training.counter.assign_add(done)
        seen.append(np.stack(list(real.as_numpy_iterator())))
        callbacks[-1].manager.save(checkpoint_number=training.step)

    monkeypatch.setattr(EncoderTraining, "train", fit)
    for _ in range(2):
        assert train.fit_encoder(run.config, run, source) == 0
    whole, rest = seen
    assert whole.shape == (7, 7, 28, 28, 1)  # of 8 one is a sample
    np.testing.assert_array_equal(rest, whole[done:])
    known = {picture.tobytes() for picture in images.to_float(source.read(np.arange(source.size)))}
    assert {picture.tobytes() for picture in whole.reshape(-1, 28, 28, 1)} == known
    assert (
        len(known) == source.size == (train_images or 40 - pictures_of(run.config, "held_out").size)
    )


# --- runs


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


def test_measurement_leaves_out_what_cannot_be_read_and_does_without(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    random = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(60)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(tmp_path / name)
    config = dataclasses.replace(CONFIG, dataset=f"folder:{tmp_path}", measure_images=9)
    gan = run_directory.new_gan(config)
    held_out = [name for name in names if zlib.crc32(name.encode()) % 10 == 0]
    assert len(held_out) > 2
    (tmp_path / held_out[0]).write_bytes(b"broken")
    assert np.isfinite(train.measurement(config)(gan)).all()
    assert held_out[0] in caplog.text

    for name in held_out:
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="must hold held_out pictures"):
        train.measurement(config)
    assert train.measurement(dataclasses.replace(config, best_by="none")) is None
    assert "Samples are not measured: " in caplog.text


def test_new_gan_is_what_the_config_asks_for():
    settings = {"width": 3, "latent_size": 6, "image_size": 32, "channels": 3, "loss": "minimax"}
    numbers = {
        "discriminator_steps": 2,
        "gradient_penalty": 3.0,
        "r1": 4.0,
        "feature_matching": 5.0,
        "seed": 4,
    }
    optimizer = {
        "learning_rate": 0.25,
        "beta_1": 0.75,
        "beta_2": 0.5,
        "discriminator_norm": "layer",
    }
    augment = {"augment": ("cutout", "color"), "label_smoothing": 0.125, "ema_decay": 0.5}
    config = TrainConfig(**settings, **numbers, **optimizer, **augment, reuse_generated=True)
    gan = run_directory.new_gan(config)
    assert {name: getattr(gan, name) for name in numbers} == numbers
    assert (gan.generator_steps, gan.reuse_generated, gan.ema_decay) == (1, True, 0.5)
    assert gan.generator_loss is losses.minimax
    assert (gan.discriminator_loss.func, gan.discriminator_loss.keywords["label_smoothing"]) == (
        losses.cross_entropy,
        0.125,
    )
    assert gan.policy == ("cutout", "color")
    assert (gan.generator.normalization, gan.discriminator.normalization) == ("batch", "layer")
    for network in (gan.generator, gan.discriminator, gan.ema_generator):
        assert (network.width, network.latent_size, network.image_size, network.channels) == (
            3,
            6,
            32,
            3,
        )
    for one in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert (float(one.learning_rate), one.beta_1, one.beta_2) == (0.25, 0.75, 0.5)
    half = run_directory.new_gan(dataclasses.replace(config, mixed_precision="mixed_float16"))
    assert half.loss_scale > 1


def test_rates_fall_over_each_network_s_own_updates():
    settings = {
        "learning_rate": 0.5,
        "discriminator_learning_rate": 0.25,
        "discriminator_steps": 3,
        "steps": 10,
    }
    for schedule, halfway, last in (("constant", 1, 1), ("linear", 0.5, 0), ("cosine", 0.5, 0)):
        gan = run_directory.new_gan(
            dataclasses.replace(CONFIG, learning_rate_schedule=schedule, **settings)
        )
        for optimizer, start, updates in (
            (gan.generator_optimizer, 0.5, 10),
            (gan.discriminator_optimizer, 0.25, 30),
        ):
            for share, expected in ((0, 1), (0.5, halfway), (1, last)):
                optimizer.iterations.assign(int(share * updates))
                assert float(optimizer.learning_rate) == pytest.approx(start * expected, abs=1e-6)


def test_architecture_is_the_run_s():
    gan = run_directory.new_gan(
        dataclasses.replace(CONFIG, architecture="resnet", discriminator_norm="spectral")
    )
    assert {
        gan.generator.architecture,
        gan.discriminator.architecture,
        gan.ema_generator.architecture,
    } == {"resnet"}
    assert gan.discriminator.normalization == "spectral"


def test_steps_of_a_schedule_are_not_changed_on_the_way(tmp_path):
    config = dataclasses.replace(
        CONFIG, run_dir=str(tmp_path / "run"), learning_rate_schedule="linear"
    )
    run_directory.create(config)
    with pytest.raises(ValueError, match="differs in --steps"):
        run_directory.create(dataclasses.replace(config, steps=9))


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
def test_one_of_the_workers_writes_the_run(jobs, task, writes, tmp_path):
    spec = tf.train.ClusterSpec({job: ["a:1", "b:1"] for job in jobs})
    resolver = SimpleNamespace(cluster_spec=lambda: spec, task_type=task[0], task_id=task[1])
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    with run_directory.created(config, SimpleNamespace(cluster_resolver=resolver)) as folder:
        assert (folder == tmp_path / "run") is (tmp_path / "run").exists() is writes
        assert (folder / "samples").is_dir()


def test_criterion_of_the_best_step_is_not_changed_on_the_way(tmp_path):
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"))
    run_directory.create(config)
    for best_by in ("frechet_random", "none"):
        with pytest.raises(ValueError, match=r"differs in --best_by \(sliced_wasserstein there\);"):
            run_directory.create(dataclasses.replace(config, best_by=best_by))


def test_several_workers_need_their_addresses(tmp_path, command, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, (error,) = command("--strategy=multi_worker", f"--run_dir={tmp_path}/run")
    assert code == 2 and "TF_CONFIG; it is not set" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": ["a:1"], "task": 0}',
    ],
)
def test_malformed_addresses_are_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError) as refusal:
        run_directory.strategy(dataclasses.replace(CONFIG, strategy="multi_worker"))
    assert f"TF_CONFIG; it is {text}; set it" in str(refusal.value)


def test_seed_fixes_the_first_weights():
    config = dataclasses.replace(CONFIG, seed=3)
    first, again, other = (
        run_directory.new_gan(dataclasses.replace(config, seed=seed)).get_weights()
        for seed in (3, 3, 4)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_load_gives_the_average_in_float32(tmp_path):
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path), mixed_precision="mixed_float16")
    run_directory.create(config)
    with pytest.raises(
        FileNotFoundError, match="must hold a checkpoint that can be read.*train on"
    ):
        run_directory.load(tmp_path)
    gan = run_directory.new_gan(config)
    for variable in gan.ema_generator.variables:
        variable.assign(variable + 0.5)
    gan.counter.assign(17)
    run_directory.checkpoints(tmp_path, gan.state).save()
    run = run_directory.load(tmp_path)
    assert (run.step, run.config) == (17, config)
    for network, expected in (
        (run.generator, gan.ema_generator),
        (run.discriminator, gan.discriminator),
    ):
        assert network.dtype_policy.name == "float32"
        for one, other in zip(network.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_newest_is_the_run_written_last_that_has_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match="--run_dir must name a run, and there is none under runs/"
    ):
        run_directory.newest()
    for name in ("a", "b", "begun"):
        run_directory.create(dataclasses.replace(CONFIG, run_dir=f"runs/{name}"))
    for name, seconds in (("a", 2000), ("b", 1000)):
        os.mkdir(f"runs/{name}/checkpoints")
        os.utime(f"runs/{name}/checkpoints", (seconds, seconds))
    assert run_directory.newest() == Path("runs/a")


def test_folder_without_config_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no config.json; train first"):
        run_directory.read_config(tmp_path)


# --- callbacks


def test_rows_beyond_the_checkpoint_are_cut(tmp_path):
    path = tmp_path / "metrics.csv"
    header = ",".join(callbacks.COLUMNS)
    row = ",0.5" * (len(callbacks.COLUMNS) - 1)
    path.write_text(f"{header}\r\n5{row}\r\n10{row}\r\n15{row}\r\n20,0.5,0.")
    for step, kept in ((12, [5, 10]), (10, [5, 10]), (9, [5]), (0, [])):
        file = callbacks.MetricsFile(path, 5, None, 4)
        file.set_model(SimpleNamespace(step=step))
        file.on_train_begin()
        assert path.read_text().splitlines() == [header, *(f"{step}{row}" for step in kept)]


def test_damaged_checkpoint_of_the_last_step_is_written_anew(tmp_path):
    for value in (1, 2):  # the second process comes to the same step from an earlier checkpoint
        manager = run_directory.checkpoints(tmp_path, {"part": [tf.Variable(value)]})
        saving = callbacks.Checkpoints(manager, period=10)
        saving.set_model(SimpleNamespace(step=15))
        saving.on_train_begin()
        saving.on_train_end()
    restored = tf.Variable(0)
    assert run_directory.restore(run_directory.checkpoints(tmp_path, {"part": [restored]}))
    assert int(restored) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_fixed_latents_are_the_seeds_and_no_steps():
    z = callbacks.fixed_latents(5, 3).numpy()
    assert z.shape == (36, 5)
    np.testing.assert_array_equal(callbacks.fixed_latents(5, 3), z)
    assert not np.array_equal(callbacks.fixed_latents(5, 4), z)


def test_diversity_by_hand():
    same = np.full((4, 2, 2, 1), 0.3)
    assert callbacks.diversity(same) == pytest.approx(0)
    opposite = np.concatenate([-np.ones((2, 2, 2, 1)), np.ones((2, 2, 2, 1))])
    assert callbacks.diversity(opposite) == pytest.approx(1)
    opposite[:, 0] = 0.5  # half of the pixels alike
    assert callbacks.diversity(opposite) == pytest.approx(0.5)
