"""The train command in this process: data sets, refusals, the encoder and the measurements."""

import dataclasses
import json
import logging
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image
from rounding import kernel_tolerance
from small_training import CONFIG, file_contents, train_exit

from tf_inpaint import train
from tf_inpaint.data.training_images import TrainingImages
from tf_inpaint.files import images
from tf_inpaint.gan import callbacks
from tf_inpaint.gan.encoder import EncoderTraining
from tf_inpaint.gan.random_numbers import fixed_latents
from tf_inpaint.inputs.named_images import pictures as open_pictures
from tf_inpaint.runs import from_config, run_directory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pictures(tmp_path):
    """A folder of 20 color pictures of different sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(20):
        picture = random.integers(0, 256, (30 + index, 40, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


def flags_for(folder, **changes):
    """The flags of a tiny training on a folder of pictures."""
    networks = {"image_size": 32, "channels": 3, "width": 2, "latent_size": 5, "batch_size": 4}
    steps = {
        "steps": 4,
        "encoder_steps": 4,
        "mean_images": 0,
        "log_every": 2,
        "sample_every": 2,
        "checkpoint_every": 2,
    }
    settings = {**networks, **steps, "dataset": f"folder:{folder}", **changes}
    return [f"--{name}={value}" for name, value in settings.items()]


# --- what a run holds


@pytest.mark.slow
def test_celeba_config_trains_on_the_images_of_tfds(tmp_path, capsys):
    import tensorflow_datasets

    few = ["--steps=2", "--batch_size=4", "--width=2", "--measure_images=2"]
    few += ["--encoder_steps=2", "--mean_images=0"]
    with tensorflow_datasets.testing.mock_data(num_examples=12):
        code, _ = train_exit(
            capsys, f"--flagfile={ROOT}/configs/celeba.flags", f"--run_dir={tmp_path}/run", *few
        )
    assert code == 0
    run = run_directory.load(tmp_path / "run")
    assert run.step == 2
    assert (run.config.image_size, run.config.channels, run.config.crop) == (64, 3, 108)
    assert images.read(tmp_path / "run/samples/0000000.png").shape == (6 * 64 + 10, 6 * 64 + 10, 3)


@pytest.mark.parametrize(
    ("gpus", "arguments", "sentence"),
    [
        ([], ("float32", False, 1), "Training on CPU (2 cores), float32"),
        (
            ["NVIDIA H200"],
            ("mixed_float16", True, 1),
            "Training on GPU NVIDIA H200, mixed_float16, compiled by XLA",
        ),
        (
            ["NVIDIA L4", "NVIDIA L4"],
            ("float32", False, 2),
            "Training on GPU NVIDIA L4, float32, 2 replicas",
        ),
    ],
)
def test_training_says_where_and_how_it_computes(gpus, arguments, sentence, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": gpu}
    )
    assert train.device_sentence(*arguments) == sentence


def test_device_is_said_at_the_start(pictures, tmp_path, capsys):
    changes = {"image_size": 32, "channels": 3, "deterministic": False, "best_by": "none"}
    changes |= {"steps": 1, "encoder_steps": 0, "measure_every": 0}
    config = dataclasses.replace(CONFIG, run_dir=str(tmp_path / "run"), **changes)
    assert train.run(dataclasses.replace(config, dataset=f"folder:{pictures}")) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("Training on ") and "float32" in first
    assert not [line for line in others if "float32" in line]


@pytest.mark.slow
def test_samples_and_metrics_are_those_of_the_saved_networks(pictures, tmp_path, capsys):
    folder = tmp_path / "run"
    assert train_exit(capsys, *flags_for(pictures, run_dir=folder))[0] == 0
    run = run_directory.load(folder)
    assert (run.directory, run.step) == (folder, 4)
    samples = run.generator(fixed_latents(36, 5, 0)).numpy()
    assert samples.shape == (36, 32, 32, 3)
    grid = images.read(folder / "samples/0000004.png").astype(int)
    np.testing.assert_allclose(grid, images.grid(samples, columns=6), atol=1)
    last = (folder / "metrics.csv").read_text().splitlines()[-1].split(",")
    assert last[0] == "4"
    assert float(last[5]) == pytest.approx(callbacks.diversity(samples), rel=1e-4)
    assert 0 < float(last[8]) < 1e6

    # Settings that change no step may change in a continued run, also in one of an older version.
    settings = json.loads((folder / "config.json").read_text())
    del settings["cache_gigabytes"]
    (folder / "config.json").write_text(json.dumps(settings | {"jit_compile": False}))
    changes = {"run_dir": folder, "steps": 6, "sample_every": 3}
    assert train_exit(capsys, *flags_for(pictures, **changes))[0] == 0
    assert run_directory.load(folder).step == 6
    assert run_directory.read_config(folder).steps == 6
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "4", "6"]


def test_run_of_an_earlier_version_goes_on(tmp_path):
    """The run has two steps of commit a474254, which took two more with these losses.

    python -m tf_inpaint.train --dataset=digits --image_size=16 --width=1 --latent_size=2 \\
        --batch_size=4 --steps=2 --encoder_steps=0 --checkpoint_every=2 --sample_every=2 \\
        --log_every=2 --measure_every=0 --learning_rate=0.01
    """
    folder = tmp_path / "run"
    shutil.copytree(Path(__file__).with_name("earlier_run"), folder)
    assert run_directory.load(folder).step == 2
    old = run_directory.read_config(folder)
    assert old.jit_compile == "false"  # It was a boolean.
    config = dataclasses.replace(old, run_dir=str(folder), steps=4, mean_images=0)
    assert train.run(config) == 0
    (row,) = callbacks.read_metrics(folder / "metrics.csv")
    expected = {
        "step": 4,
        "discriminator_loss": 1.3337208032608032,
        "generator_loss": 0.687025785446167,
        "diversity": 5.103618241264485e-05,
    }
    for name, value in expected.items():
        # The samples are nearly equal, so that rounding is a large part of their diversity.
        tolerance = 0.02 if name == "diversity" else kernel_tolerance(1e-3)
        assert row[name] == pytest.approx(value, rel=tolerance), name


# --- refusals


def test_folder_with_other_files_is_refused(pictures, capsys):
    before = file_contents(pictures)
    for run_dir in (pictures, pictures / "3.png"):
        code, (error,) = train_exit(capsys, *flags_for(pictures, run_dir=run_dir))
        assert code == 2
        assert (
            f"--run_dir must be a new or empty folder, or a run to continue; {run_dir} holds"
            in error
        )
    assert file_contents(pictures) == before


def test_damaged_config_is_refused(pictures, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"width": 2')
    code, (error,) = train_exit(capsys, *flags_for(pictures, run_dir=tmp_path / "run"))
    assert code == 2
    assert "JSON" in error


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("folder:none", "none is not a folder"),
        ("folder:empty", "must have train pictures; received none"),
        ("folder:broken", "must be readable"),
        ("npz:none.npz", "none.npz does not exist"),
        ("npz:wrong.npz", "received y;"),
    ],
)
def test_bad_data_leaves_no_run(dataset, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "broken"):
        Path(name).mkdir()
    for index in range(20):  # with 20 files, some are not held out
        Path(f"broken/{index}.jpg").write_bytes(b"\xff\xd8 a picture that ends here")
    np.savez("wrong.npz", y=np.zeros(3))
    code, errors = train_exit(capsys, *flags_for("", dataset=dataset, run_dir="run"))
    assert code == 2
    assert message in errors[-1]
    assert not Path("run").exists()


def test_run_dir_that_a_flagfile_cannot_hold_leaves_no_run(pictures, tmp_path, capsys):
    code, (error,) = train_exit(capsys, *flags_for(pictures, run_dir=f"{tmp_path}/a "))
    assert code == 2
    assert "rename" in error
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_several_workers_need_their_addresses(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, (error,) = train_exit(capsys, "--strategy=multi_worker", f"--run_dir={tmp_path}/run")
    assert code == 2 and "TF_CONFIG; it is not set" in error
    assert not list(tmp_path.iterdir())


# --- the encoder


@pytest.mark.parametrize(("train_images", "done"), [(0, 0), (9, 3)])
def test_encoder_gets_the_training_images_of_the_run_and_continues_in_their_order(
    train_images, done, tmp_path, monkeypatch
):
    # Make a run, and a training that only records the images.
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
    source, recorded = open_pictures(run.config, "train"), []

    training_images = TrainingImages(source, run.config.seed, cache_bytes=10**6)

    def record(training, sample_masks, real, callbacks, images_of):
        training.counter.assign_add(done)
        recorded.append(np.stack([images_of(element) for element in real]))
        callbacks[-1].manager.save(checkpoint_number=training.step)

    # Start it twice.
    monkeypatch.setattr(EncoderTraining, "train", record)
    for _ in range(2):
        assert train.fit_encoder(run.config, run, training_images) == 0
    batches, rest = recorded
    assert batches.shape == (7, 7, 28, 28, 1)  # of 8 rows, one row is a sample
    np.testing.assert_array_equal(rest, batches[done:])
    expected = {
        picture.tobytes() for picture in images.to_float(source.read(np.arange(source.size)))
    }
    assert {picture.tobytes() for picture in batches.reshape(-1, 28, 28, 1)} == expected
    held_out = open_pictures(run.config, "held_out").size
    assert len(expected) == source.size == (train_images or 40 - held_out)


# --- the measurements


def test_measurement_skips_unreadable_images_and_needs_no_held_out_images(
    tmp_path, caplog, monkeypatch
):
    # One held-out image cannot be read.
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    random = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(60)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(tmp_path / name)
    config = dataclasses.replace(CONFIG, dataset=f"folder:{tmp_path}", measure_images=9)
    gan = from_config.new_gan(config)
    held_out = [name for name in names if zlib.crc32(name.encode()) % 10 == 0]
    assert len(held_out) > 2
    (tmp_path / held_out[0]).write_bytes(b"broken")
    assert np.isfinite(train.new_measure(config)(gan)).all()
    assert held_out[0] in caplog.text

    # There is no held-out image.
    for name in held_out:
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="must have held_out pictures"):
        train.new_measure(config)
    assert train.new_measure(dataclasses.replace(config, best_by="none")) is None
    assert "Samples are not measured: " in caplog.text
