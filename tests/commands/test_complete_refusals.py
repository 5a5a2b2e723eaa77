"""complete: images, masks, settings and folders that it refuses, each in one sentence."""

import dataclasses
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_completions import new_config, rows, run, save, save_mask
from tiny import SIZE, picture

from tf_inpaint import complete
from tf_inpaint.config import CompleteConfig
from tf_inpaint.config.flags import to_flags
from tf_inpaint.config.launch import launch
from tf_inpaint.files import images

pytestmark = pytest.mark.usefixtures("traced_once")

REASONS = {
    "missing": "does not exist",
    "huge": "claims more than 100,000,000 pixels",
    "text": "is empty or none of",
    "empty": "is empty or none of",
    "truncated": "cannot be decoded",
}
"""Part of the error for each kind of file of `damage`."""


def damage(path, kind):
    """Writes a file that is no image, of one of the kinds in `REASONS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "missing":
        return path
    if kind == "huge":
        images.write(path, picture(0))
        png = path.read_bytes()
        header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + png[24:29]
        path.write_bytes(png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:])
        return path
    levels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(levels).save(path, "JPEG")
    jpeg = path.read_bytes()
    path.write_bytes({"text": b"no image", "empty": b"", "truncated": jpeg[: len(jpeg) // 2]}[kind])
    return path


# --- Images and masks.


@pytest.mark.parametrize("kind", REASONS)
def test_bad_image_alone_is_refused(run_folder, tmp_path, launch_exit, kind):
    """Exit code 2, and nothing is written."""
    path = damage(tmp_path / "in/a.jpg", kind)
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", path))
    assert code == 2
    assert f"{path} {REASONS[kind]}" in log[-1] and "none of 1 can" in log[-1]
    assert not any("Traceback" in line for line in log)
    assert not (tmp_path / "out").exists()


def test_good_images_are_completed_beside_bad_ones(run_folder, tmp_path, launch_exit):
    """Exit code 1, and the reason for each bad image."""
    paths = [damage(tmp_path / f"in/{kind}.jpg", kind) for kind in REASONS]
    for index in (0, 1, 2):
        paths.insert(2 * index, save(tmp_path / f"in/good{index}.png", index))
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", *paths))
    assert code == 1
    assert list(rows(tmp_path / "out")) == ["good0", "good1", "good2"]
    for index in (0, 1, 2):
        completion = images.read(tmp_path / f"out/good{index}.png")
        assert completion.shape == (SIZE, SIZE, 1)
    listed = [line for line in log if line.startswith("Not completed: ")]
    assert len(listed) == len(REASONS)
    for kind, line in zip(REASONS, listed, strict=True):
        assert f"{kind}.jpg {REASONS[kind]}" in line
    assert (tmp_path / "out/sheet.png").exists()


def test_one_entry_of_a_folder_does_not_end_the_job(run_folder, tmp_path, launch_exit):
    """Pipes and links that lead nowhere are named, and a name that is not UTF-8 is no obstacle."""
    out = tmp_path / os.fsdecode(b"out\xe9")
    names = ["good", os.fsdecode(b"caf\xe9")]
    for index, name in enumerate(names):
        save(tmp_path / f"in/{name}.png", index)
    os.mkfifo(tmp_path / "in/pipe.png")
    (tmp_path / "in/itself.png").symlink_to("itself.png")
    (tmp_path / "in/nothing.png").symlink_to("gone.png")
    (tmp_path / "in/notes.heic").touch()
    config = new_config(run_folder, out, tmp_path / "in")
    for _ in range(2):
        code, log = launch_exit(config)
        assert code == 1
        assert sorted(rows(out)) == sorted(names)
        assert all((out / f"{name}.png").exists() for name in names)
        listed = [line for line in log if line.startswith("Not completed: ")]
        reasons = ["itself.png cannot be decoded", "nothing.png leads nowhere", "no regular file"]
        for reason, line in zip(reasons, listed, strict=True):
            assert reason in line
        assert sum("1 entry of" in line and ".heic (1)" in line for line in log) == 1
    assert b"caf?.png" in (out / "index.html").read_bytes()
    # Another job of the folder replaces both.
    assert launch_exit(dataclasses.replace(config, overwrite=True))[0] == 1
    assert sorted(rows(out)) == sorted(names)


def test_image_above_max_pixels_is_left_out_until_the_limit_is_raised(
    run_folder, tmp_path, launch_exit
):
    """The job goes on with another limit. A mask above the limit is refused at once."""
    small = save(tmp_path / "in/small.png", 0)
    large = tmp_path / "in/large.png"
    Image.new("L", (SIZE, SIZE + 1)).save(large)
    config = new_config(run_folder, tmp_path / "out", small, large, max_pixels=SIZE * SIZE)
    code, log = launch_exit(config)
    assert code == 1 and list(rows(tmp_path / "out")) == ["small"]
    (line,) = (line for line in log if line.startswith("Not completed: "))
    assert "large.png claims more than 784 pixels; make it smaller, or raise --max_pixels" in line
    assert launch_exit(dataclasses.replace(config, max_pixels=10**6))[0] == 0
    assert sorted(rows(tmp_path / "out")) == ["large", "small"]
    config = new_config(run_folder, tmp_path / "new", small, mask=str(large), max_pixels=784)
    code, log = launch_exit(config)
    assert code == 2 and "large.png claims more than 784 pixels" in log[-1]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["image", "mask"])
def test_pipe_is_refused(run_folder, tmp_path, launch_exit, place):
    """A pipe alone, as the image or the mask, is an error."""
    os.mkfifo(tmp_path / "pipe.png")
    image = tmp_path / "pipe.png" if place == "image" else run_folder / "in/00.png"
    mask = str(tmp_path / "pipe.png") if place == "mask" else "center"
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", image, mask=mask))
    assert code == 2 and "pipe.png" in log[-1] and "no regular file" in log[-1]
    assert not (tmp_path / "out").exists()


def test_mask_folder_lacking_a_file(run_folder, tmp_path, launch_exit):
    """Only the image without a mask fails."""
    for stem in ("00", "02"):
        save_mask(tmp_path / f"masks/{stem}.png", 5)
    paths = [run_folder / f"in/{stem}.png" for stem in ("00", "01", "02")]
    mask = str(tmp_path / "masks")
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", *paths, mask=mask))
    assert code == 1
    assert {stem: row["mask"] for stem, row in rows(tmp_path / "out").items()} == {
        stem: str(tmp_path / f"masks/{stem}.png") for stem in ("00", "02")
    }
    (listed,) = (line for line in log if line.startswith("Not completed: "))
    assert "none with the stem '01'" in listed
    code, log = launch_exit(new_config(run_folder, tmp_path / "none", paths[1], mask=mask))
    assert code == 2 and "none with the stem '01'" in log[-1]
    assert not (tmp_path / "none").exists()


def test_empty_folder_is_refused(run_folder, tmp_path, launch_exit):
    """A folder without images is an error."""
    (tmp_path / "in").mkdir()
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", tmp_path / "in"))
    assert code == 2 and f"{tmp_path}/in holds none" in log[-1]
    assert not (tmp_path / "out").exists()


# --- Settings and runs.


def edited_run(run_folder, tmp_path, **changes):
    """Copies the run, and changes its settings."""
    shutil.copytree(run_folder / "run", tmp_path / "run")
    path = tmp_path / "run/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return str(tmp_path / "run")


def unknown_mask(run_folder, tmp_path):
    return {"mask": "centre"}


def bad_mask_file(run_folder, tmp_path):
    return {"mask": str(damage(tmp_path / "mask.jpg", "truncated"))}


def bad_mask_size(run_folder, tmp_path):
    return {"mask": save_mask(tmp_path / "mask.png", 0, 40)}


def inverted_name(run_folder, tmp_path):
    return {"invert_mask": True}


def framed_name(run_folder, tmp_path):
    return {"mask": "center", "framing": "hole"}


def bad_box_side(run_folder, tmp_path):
    return {"mask": "lowres", "mask_scale": 0.8}


def no_run(run_folder, tmp_path):
    return {"run_dir": str(tmp_path)}


def no_encoder(run_folder, tmp_path):
    return {"start": "encoder"}


def no_checkpoint(run_folder, tmp_path):
    run_dir = edited_run(run_folder, tmp_path)
    shutil.rmtree(Path(run_dir) / "checkpoints")
    return {"run_dir": run_dir}


def damaged_config(run_folder, tmp_path):
    run_dir = edited_run(run_folder, tmp_path)
    (Path(run_dir) / "config.json").write_text("{")
    return {"run_dir": run_dir}


def changed_width(run_folder, tmp_path):
    return {"run_dir": edited_run(run_folder, tmp_path, width=3)}


def changed_size(run_folder, tmp_path):
    return {"run_dir": edited_run(run_folder, tmp_path, image_size=64)}


@pytest.mark.parametrize(
    ("settings_of", "sentence"),
    [
        (unknown_mask, "--mask must be one of center"),
        (bad_mask_file, "mask.jpg cannot be decoded"),
        (bad_mask_size, "00.png is 28 x 28 and its mask 40 x 40; resize the mask"),
        (inverted_name, "--invert_mask must go with a mask file or folder"),
        (framed_name, "--framing=hole must go with a mask file or folder; received center"),
        (bad_box_side, "boxes of 5 for 28 pixels"),
        (no_run, "has no config.json; train first or name another"),
        (no_encoder, "--start=encoder must have an encoder"),
        (no_checkpoint, "--run_dir must hold a checkpoint that can be read"),
        (damaged_config, "A config must be JSON"),
        (changed_width, "received --width=3, which is 2 there (discriminator/0 is [4, 4, 1, 2]"),
        (changed_size, "received another --image_size, --architecture or --discriminator_norm"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_job_that_cannot_begin_leaves_nothing(
    run_folder, tmp_path, launch_exit, settings_of, sentence
):
    """Exit code 2, one sentence, and no output folder."""
    settings = settings_of(run_folder, tmp_path)
    config = new_config(run_folder, tmp_path / "out", run_folder / "in/00.png", **settings)
    code, log = launch_exit(config)
    assert code == 2
    assert sentence in log[-1]
    assert not any("Traceback" in line for line in log)
    assert not (tmp_path / "out").exists()


def test_contradictory_flags_are_refused(capsys):
    """Flags that contradict each other are refused before TensorFlow starts."""
    for flags, sentence in [
        (["--count=3", "a.png"], "--count must go without images"),
        (["--restarts=9", "--start_draws=8"], "--start_draws must be at least --restarts"),
        (["--solver=lbfgs", "--latent_constraint=stochastic"], "--solver=lbfgs must have"),
        (["--shard=2/2"], "--shard must be i/n"),
        (["--mask_scale=1"], "--mask_scale must be"),
    ]:
        with pytest.raises(SystemExit) as exit_:
            launch(CompleteConfig, complete.run, "Usage.", flags)
        error = capsys.readouterr().err
        assert exit_.value.code == 2 and sentence in error and error.count("\n") == 1


def test_process_refuses_in_one_sentence(run_folder, tmp_path):
    """`python -m tf_inpaint.complete` shows no traceback."""
    (tmp_path / "in").mkdir()
    flags = to_flags(new_config(run_folder, tmp_path / "out", tmp_path / "in")).splitlines()
    finished = subprocess.run(
        [sys.executable, "-m", "tf_inpaint.complete", *flags],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert finished.returncode == 2
    *_, last = finished.stderr.splitlines()
    assert last.startswith("tf_inpaint.complete: error: Image files are required; ")
    assert "Traceback" not in finished.stderr
    assert finished.stdout == "" and not (tmp_path / "out").exists()


# --- Output folders.


@pytest.mark.parametrize("place", ["file", "below_file", "foreign", "foreign_json", "run"])
def test_output_folder_that_cannot_be_used(run_folder, tmp_path, launch_exit, place):
    """A folder with something else stays as it is, even with --overwrite."""
    (tmp_path / "file").write_text("mine")
    for name, file in (("foreign", "notes.txt"), ("foreign_json", "config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{mine")
    shutil.copytree(run_folder / "run", tmp_path / "run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    out = tmp_path / place.replace("below_", "") / ("below" if place == "below_file" else "")
    # A run has a config.json too, and cannot be read without it.
    for overwrite in (False, True):
        config = new_config(run_folder, out, run_folder / "in/00.png", overwrite=overwrite)
        code, log = launch_exit(config)
        assert code == 2
        assert "--out_dir must be" in log[-1] and "choose another" in log[-1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="needs a file system in which nothing can be made"
)
def test_output_folder_that_cannot_be_made(run_folder, launch_exit):
    """The error names the folder."""
    code, log = launch_exit(new_config(run_folder, "/proc/completions", run_folder / "in/00.png"))
    assert code == 2
    assert "/proc/completions" in log[-1] and not any("Traceback" in line for line in log)


def test_empty_output_folder_is_used(run_folder, tmp_path):
    """A folder with hidden files only is as good as new."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.0123.json").write_text("another machine's config.json, not yet renamed")
    assert run(run_folder, tmp_path / "out", run_folder / "in/00.png", mask="full") == 0
    assert (tmp_path / "out/00.png").exists()
