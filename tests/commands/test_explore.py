"""Tests of the command `explore`: every kind, reproducible files, and bad input."""

import errno
import subprocess
import sys

import explored_run
import pytest
from explored_run import TILE, explore_run
from films import frames_of

from tf_inpaint import explore
from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.flags import parse

LABELS = ("--a=label:0", "--b=1,2,3", "--c=label:1")
KINDS = {
    # Flags besides --kind, and (frames, height, width) of the picture or film.
    "grid": (("--count=5", "--columns=3"), (1, 2 * (TILE + 18) + 4, 3 * TILE + 8)),
    "interpolation": (("--count=2", "--pictures=4"), (1, 18 + 2 * TILE + 2, 4 * TILE + 6)),
    "arithmetic": (
        (*LABELS, "--steps=4", "--restarts=1"),
        (1, 18 + 3 * TILE + 4, 8 * TILE + 28 + 12),
    ),
    "neighbourhood": ((), (1, 18 + 3 * TILE + 4, 5 * (3 * TILE + 4) + 4 * 16)),
    "nearest": (
        ("--count=2", "--neighbours=3"),
        (1, 18 + 2 * (TILE + 18) + 2, 2 * (4 * TILE + 6) + 28),
    ),
    "walk": (("--count=3", "--frames=4"), (12, 280, 280)),
    "film": ((), (3, 356 + 24, 356)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, a run with labels and a run without, and image files."""
    return explored_run.make_files(tmp_path_factory.mktemp("explore"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(folder, tmp_path, kind):
    flags, (count, height, width) = KINDS[kind]
    numbers = explore_run(folder, tmp_path / "one", f"--kind={kind}", *flags)
    name = f"{kind}.gif" if count > 1 else f"{kind}.png"
    frames = frames_of(tmp_path / "one" / name)
    assert len(frames) == count
    for frame in frames:
        assert frame.shape == (height, width, 3) and frame.std() > 10
    assert numbers["settings"]["kind"] == kind and "out_dir" not in numbers["settings"]
    files = {path.name for path in (tmp_path / "one").iterdir()}
    extra = {"film": set()}.get(kind, {"latents.npz"})
    assert files == {name, "exploration.json"} | extra

    explore_run(folder, tmp_path / "again", f"--kind={kind}", *flags)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    if kind != "film":
        explore_run(folder, tmp_path / "other", f"--kind={kind}", *flags, "--seed=1")
        assert (tmp_path / "other" / name).read_bytes() != (tmp_path / "one" / name).read_bytes()


@pytest.mark.parametrize(
    ("run", "flags", "message"),
    [
        ("run", ["--kind=film", "--every=75"], "multiple of the 50 steps .* pass --every=50"),
        ("run", ["--kind=film", "--every=200"], "received 200"),
        ("unlabeled", ["--kind=film"], "two sample grids or more; .* has 0"),
        ("run", ["--kind=arithmetic", *LABELS, "--c=label:7"], "label:7 has 0; choose among 0, 1"),
        ("unlabeled", ["--kind=arithmetic", *LABELS], "must have data with labels"),
        (
            "run",
            ["--kind=nearest", "--neighbours=21"],
            "at most the number of training images; received 21 for 20",
        ),
        (
            "run",
            ["--kind=interpolation", "--between=held_out", "--count=5"],
            "has 8 for 5 strips; lower --count",
        ),
        ("run", ["--kind=interpolation", "FOLDER", "FOLDER"], "is a folder; name files in it"),
    ],
)
def test_bad_input_is_a_sentence(folder, tmp_path, run, flags, message):
    with pytest.raises(ValueError, match=message) as error:
        explore_run(
            folder,
            tmp_path / "out",
            *[str(folder) if flag == "FOLDER" else flag for flag in flags],
            run=run,
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_missing_image_is_a_sentence(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        explore_run(
            folder, tmp_path, "--kind=interpolation", f"{folder}/0.png", f"{folder}/gone.png"
        )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--kind=dance"], "--kind must be one of grid"),
        (["--kind=arithmetic"], "three seeds, three files or label:NAME"),
        (["--kind=arithmetic", "--a=1,2", "--b=1,2,3", "--c=1,2,3"], "received '1,2'"),
        (["--kind=grid", "--a=1,2,3"], "--a must go with --kind=arithmetic; received --kind=grid"),
        (["--kind=grid", "one.png", "two.png"], "image files must go with --kind=interpolation"),
        (["--kind=walk", "--count=1"], "at least 2 for a walk"),
        (["--kind=interpolation", "one.png"], "number of images must be even"),
        (["--kind=interpolation", "one.png", "two.png", "--count=2"], "without images"),
        (["--kind=interpolation", "--path=curve"], "--path must be"),
        (["--noise=0.3"], "--noise must go with --kind=arithmetic or neighbourhood"),
    ],
)
def test_bad_flag_is_refused(flags, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(ExploreConfig, flags)
    assert "\n" not in str(error.value)


def test_nothing_is_overwritten_unless_asked(folder, tmp_path):
    (tmp_path / "grid.png").write_text("other")
    with pytest.raises(ValueError, match=r"has grid\.png; choose another, or pass --overwrite"):
        explore_run(folder, tmp_path, "--kind=grid")
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]
    assert (tmp_path / "grid.png").read_text() == "other"
    explore_run(folder, tmp_path, "--kind=grid", "--overwrite")
    assert frames_of(tmp_path / "grid.png")[0].std() > 10


def test_command_starts_again_after_a_full_disk(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(explore.folders, "write_json", full)
        explore_run(folder, tmp_path, "--kind=grid", "--count=2")
    assert list(tmp_path.iterdir()) == []
    explore_run(folder, tmp_path, "--kind=grid", "--count=2")


def test_help_imports_no_tensorflow():
    code = (
        "import sys; from tf_inpaint import explore; from tf_inpaint.config.launch import launch\n"
        "try: launch(explore.ExploreConfig, explore.run, explore.__doc__, ['--help'])\n"
        "finally: assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "--kind=grid" in process.stdout and "--frames_per_second" in process.stdout
