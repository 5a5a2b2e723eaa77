"""The output folder of `complete`: jobs that were killed, finished, continued or shared."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image
from small_completions import (
    assert_same_job,
    contents,
    new_config,
    rows,
    run,
    save,
    untimed_rows,
)

from tf_inpaint import complete
from tf_inpaint.completion.job import Job
from tf_inpaint.config.flags import to_flags
from tf_inpaint.runs import from_config, run_directory
from tf_inpaint.settings.device_defaults import default_block_size

# --- Jobs that go on.


@pytest.mark.parametrize("written", [2, 6])  # In the first block and in the second.
def test_killed_job_goes_on_where_it_stopped(
    finished_job, run_folder, tmp_path, monkeypatch, search_sizes, written
):
    """A killed job ends like a job that was not killed."""
    original, out = Job.append, tmp_path / "out"

    def append(self, row):
        if len(self.done) == written:
            raise KeyboardInterrupt
        original(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", append)
        run(run_folder, out, run_folder / "in")
    assert not (out / "completions.jsonl").exists()
    with (out / ".journal.jsonl").open("a") as journal:
        journal.write('{"file": "cut sho')
    search_sizes.clear()
    assert run(run_folder, out, run_folder / "in") == 0
    assert sum(search_sizes) == 17 - written
    assert_same_job(out, finished_job)


@pytest.mark.slow
def test_killed_process_goes_on(run_folder, tmp_path):
    """A process that was killed outright leaves a journal from which the job goes on."""
    settings = {"steps": 200, "details": 2}
    assert run(run_folder, tmp_path / "whole", run_folder / "in", **settings) == 0
    config = new_config(run_folder, tmp_path / "out", run_folder / "in", **settings)
    (tmp_path / "flags").write_text(to_flags(config))
    command = [sys.executable, "-m", "tf_inpaint.complete", f"--flagfile={tmp_path}/flags"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
    journal = tmp_path / "out/.journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 4):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the job was over before it could be killed"
    assert journal.exists() and not (tmp_path / "out/completions.jsonl").exists()
    assert complete.run(config) == 0
    assert_same_job(tmp_path / "out", tmp_path / "whole")


def test_finished_job_does_nothing_more(finished_job, run_folder, search_sizes):
    """A job that is started again after its end changes no file."""
    before, stamp = contents(finished_job), (finished_job / "00.png").stat().st_mtime_ns
    text = (finished_job / "completions.jsonl").read_text()
    assert run(run_folder, finished_job, run_folder / "in") == 0
    assert search_sizes == []
    assert contents(finished_job) == before
    assert (finished_job / "completions.jsonl").read_text() == text
    assert (finished_job / "00.png").stat().st_mtime_ns == stamp


def test_added_images_are_completed(finished_job, run_folder, tmp_path, search_sizes):
    """A later call with more images completes the new images alone."""
    out = tmp_path / "out"
    assert run(run_folder, out, run_folder / "in/01.png", run_folder / "in/00.png") == 0
    assert run(run_folder, out, run_folder / "in", details=0) == 0
    assert search_sizes == [2, 4, 4, 4, 3]
    assert untimed_rows(out) == untimed_rows(finished_job)
    for index in range(17):
        name = f"{index:02}.png"
        assert (out / name).read_bytes() == (finished_job / name).read_bytes()


def test_added_images_take_no_name_that_is_taken(run_folder, tmp_path):
    """An image that is done keeps its name."""
    first, second, third = (
        save(tmp_path / name, 1) for name in ("in/x/b.png", "in/b.png", "other/b.png")
    )
    out = tmp_path / "out"
    assert run(run_folder, out, Path(first).parent) == 0
    before = (out / "b.png").read_bytes()
    assert run(run_folder, out, tmp_path / "in") == 0
    assert run(run_folder, out, third, tmp_path / "in") == 0
    assert (out / "b.png").read_bytes() == before
    assert {Path(row["file"]): stem for stem, row in rows(out).items()} == {
        Path(first).resolve(): "b",
        Path(second).resolve(): "b_2",
        Path(third).resolve(): "other_b",
    }


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"steps": 13}, "steps (12 there)"),
        ({"mask": "left", "seed": 1}, "mask (random there), seed (0 there)"),
        ({"block_size": 5}, "block_size (4 there)"),
    ],
)
def test_job_is_not_continued_with_other_settings(finished_job, run_folder, change, difference):
    """The error names the settings that differ."""
    before = contents(finished_job)
    with pytest.raises(ValueError) as error:
        run(run_folder, finished_job, run_folder / "in", **change)
    assert difference in str(error.value) and "--overwrite" in str(error.value)
    assert contents(finished_job) == before


def test_job_of_before_the_deeper_steps_goes_on_without_them(finished_job, run_folder, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished_job, out)
    settings = json.loads((out / "config.json").read_text())
    assert settings.pop("deeper_steps") == 0
    (out / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"deeper_steps \(0 there\)"):
        run(run_folder, out, run_folder / "in", deeper_steps=None)
    assert run(run_folder, out, run_folder / "in") == 0


def test_job_keeps_its_block_size(run_folder, tmp_path):
    """Where none is given, on another device too. A job of before the setting for XLA goes on."""
    out, inputs = tmp_path / "out", run_folder / "in"
    assert run(run_folder, out, inputs / "00.png", block_size=3) == 0
    settings = json.loads((out / "config.json").read_text())
    del settings["jit_compile"]
    (out / "config.json").write_text(json.dumps(settings))
    assert run(run_folder, out, inputs / "01.png", block_size=None) == 0
    assert {row["block_size"] for row in rows(out).values()} == {3}
    # Another job has the number for this device.
    overwritten = Job(out, new_config(run_folder, out, block_size=None, overwrite=True), "")
    assert overwritten.config.block_size == default_block_size()


def test_job_is_not_continued_with_an_encoder_trained_since(finished_job, run_folder, monkeypatch):
    """The encoder is a part of the networks, which must stay the same."""
    loaded = run_directory.load(run_folder / "run")
    trained = dataclasses.replace(loaded.config, encoder_steps=5)
    monkeypatch.setattr(
        run_directory,
        "load",
        lambda _: loaded._replace(config=trained, encoder=from_config.new_encoder(trained)),
    )
    there = "step 0, no encoder, no mean estimate there"
    with pytest.raises(ValueError, match=rf"differs in networks \({there}\)"):
        run(run_folder, finished_job, run_folder / "in")


def test_job_is_not_continued_with_another_mean_estimate(finished_job, run_folder, tmp_path):
    """A job that an earlier version recorded goes on, for its record names no estimate."""
    out = Path(shutil.copytree(finished_job, tmp_path / "out"))
    config = new_config(run_folder, out, run_folder / "in")
    networks = run_directory.load(run_folder / "run")._replace(directory=tmp_path)
    tiny.write_mean_estimate(networks)

    def record(text):
        settings = json.loads((out / "config.json").read_text())
        (out / "config.json").write_text(json.dumps(settings | {"networks": text}))

    with pytest.raises(ValueError, match=r"differs in networks .*, no mean estimate there\)"):
        Job(out, config, networks.identity)
    for recorded in ("step 0, no encoder", networks.identity):
        record(recorded)
        assert len(Job(out, config, networks.identity).done) == 17
    networks.mean_estimate_file.write_bytes(b"another estimate")
    with pytest.raises(ValueError, match=r"differs in networks .*, mean estimate \w{8} there\)"):
        Job(out, config, networks.identity)


def test_overwrite_begins_again(run_folder, tmp_path, search_sizes):
    """--overwrite removes the results of another job."""
    out, inputs = tmp_path / "out", run_folder / "in"
    assert run(run_folder, out, inputs / "00.png", inputs / "01.png") == 0
    settings = {"steps": 2, "overwrite": True}
    assert run(run_folder, out, inputs / "01.png", inputs / "02.png", **settings) == 0
    assert search_sizes == [2, 2]
    assert {stem: row["steps"] for stem, row in rows(out).items()} == {"01": 2, "02": 2}
    assert {path.name for path in (out / "details").iterdir()} == {"01", "02"}
    with Image.open(out / "search.gif") as film:
        assert 1 < film.n_frames <= 3
    assert run(run_folder, out, inputs / "01.png", steps=2) == 0
    assert search_sizes == [2, 2]


def test_overwrite_leaves_the_files_of_others(run_folder, tmp_path):
    """--overwrite deletes and replaces only what an earlier job wrote."""
    out, inputs = tmp_path / "out", run_folder / "in"
    assert run(run_folder, out, inputs / "00.png", inputs / "01.png") == 0
    precious = [out / "notes.txt", out / "details/precious.txt", out / "details/00/notes.txt"]
    for path in precious:
        path.write_text("precious")
    assert run(run_folder, out, inputs / "02.png", steps=2, overwrite=True) == 0
    assert [path.read_text() for path in precious] == ["precious"] * 3
    assert not (out / "00.png").exists() and not (out / "details/00/masked.png").exists()
    assert not (out / "details/01").exists() and (out / "details/02").is_dir()


@pytest.mark.parametrize("link", ["details", "details/00"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_link_in_place_of_a_folder_is_not_followed(run_folder, tmp_path, link, overwrite):
    """Nothing is written or deleted behind a link in the output folder."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    assert run(run_folder, out, run_folder / "in/01.png") == 0
    elsewhere.mkdir()
    (elsewhere / "masked.png").write_text("precious")
    if link == "details":
        shutil.rmtree(out / "details")
    (out / link).symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"must be no link; .*{link} leads to"):
        run(run_folder, out, run_folder / "in/00.png", overwrite=overwrite)
    assert [path.read_text() for path in elsewhere.iterdir()] == ["precious"]


def test_damaged_record_is_refused(finished_job, run_folder, tmp_path):
    """Without its record, it is unknown what an earlier job wrote: nothing is deleted."""
    for name in ("completions.jsonl", ".journal.jsonl"):
        out = tmp_path / name
        shutil.copytree(finished_job, out)
        (out / name).write_bytes(b"\x89PNG\n")
        before = {path.name for path in out.iterdir()}
        for overwrite in (False, True):
            with pytest.raises(ValueError, match=f"JSON object on every line; .*{name} has"):
                run(run_folder, out, run_folder / "in/00.png", overwrite=overwrite)
        assert {path.name for path in out.iterdir()} == before


# --- Shards.


def test_shards_make_the_job(finished_job, run_folder, tmp_path):
    """Two machines together write what one machine writes."""
    out = tmp_path / "out"
    for index in range(2):
        assert run(run_folder, out, run_folder / "in", shard=f"{index}/2") == 0
    for index in range(17):
        name = f"{index:02}.png"
        assert (out / name).read_bytes() == (finished_job / name).read_bytes()
    parts = [untimed_rows(out, f"-{index}of2") for index in range(2)]
    assert list(parts[0]) == [f"{index:02}" for index in range(0, 17, 2)]
    assert parts[0] | parts[1] == untimed_rows(finished_job)

    def z_of(path):
        with np.load(path) as latents:
            return dict(zip(latents["files"].tolist(), latents["z"].tolist(), strict=True))

    z = z_of(finished_job / "latents.npz")
    for index in range(2):
        shard_z = z_of(out / f"latents-{index}of2.npz")
        assert shard_z and {file: z[file] for file in shard_z} == shard_z
        assert (out / f"sheet-{index}of2.png").exists()


def test_two_identical_jobs_at_once_make_one(finished_job, run_folder, tmp_path, monkeypatch):
    """A job that another process starts and ends meanwhile changes nothing."""
    original, out, sizes = Job.append, tmp_path / "out", []

    def append(self, row):
        if len(self.done) == 2 and not sizes:
            sizes.append(len(self.done))
            assert run(run_folder, out, run_folder / "in") == 0
            assert (out / "completions.jsonl").exists()
        original(self, row)

    monkeypatch.setattr(Job, "append", append)
    assert run(run_folder, out, run_folder / "in") == 0
    assert sizes == [2]
    assert_same_job(out, finished_job)


def test_shard_without_an_image_has_nothing_to_do(run_folder, tmp_path):
    """A shard without an image makes no folder."""
    assert run(run_folder, tmp_path / "out", run_folder / "in/00.png", shard="1/2") == 0
    assert not (tmp_path / "out").exists()
