"""explore: every kind end to end on a tiny run, the same for one seed, and bad input in a sentence."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny import SIZE, picture

from tf_inpaint import explore
from tf_inpaint.config import ExploreConfig, TrainConfig
from tf_inpaint.config.flags import parse
from tf_inpaint.files import images
from tf_inpaint.runs import run_directory

TILE = 2 * SIZE
LABELS = ("--a=label:0", "--b=1,2,3", "--c=label:1")
KINDS = {
    # flags beyond --kind: (frames, height, width) of what they write
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


def new_run(folder, dataset):
    """As `tiny.new_run`, but with pictures of contrast: the averaged generator has no trainable variables."""
    config = TrainConfig(run_dir=str(folder), width=2, latent_size=4, dataset=dataset)
    gan = run_directory.new_gan(config)
    for variable in gan.ema_generator.variables:
        if "kernel" in variable.name:
            variable.assign(15 * variable)
    run_directory.checkpoints(run_directory.create(config), gan.state, 1).save(checkpoint_number=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on 20 training and 8 held-out images of two classes, with three sample grids, and some files."""
    folder = tmp_path_factory.mktemp("explore")
    data = np.stack([picture(seed) for seed in range(28)])
    np.savez(
        folder / "data.npz",
        x_train=data[:20],
        x_test=data[20:],
        y_train=np.arange(20) % 2,
        y_test=np.arange(8) % 2,
    )
    new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    np.savez(folder / "bare.npz", x_train=data[:20], x_test=data[20:])
    new_run(folder / "bare", dataset=f"npz:{folder}/bare.npz")
    for step in (0, 50, 100):
        sheet = np.stack([picture(step + index) for index in range(36)])
        images.write(folder / f"run/samples/{step:07d}.png", images.grid(sheet, 6))
    for index in range(3):
        images.write(folder / f"{index}.png", picture(index, 40, 3))
    return folder


def explored(folder, out_dir, *flags, run="run"):
    config = parse(ExploreConfig, [f"--run_dir={folder}/{run}", f"--out_dir={out_dir}", *flags])
    assert explore.run(config) == 0
    return json.loads((out_dir / "exploration.json").read_text())


def frames_of(path):
    with Image.open(path) as film:
        frames = []
        for index in range(getattr(film, "n_frames", 1)):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB")).astype(int))
    return frames


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(folder, tmp_path, kind):
    flags, (count, height, width) = KINDS[kind]
    told = explored(folder, tmp_path / "one", f"--kind={kind}", *flags)
    name = f"{kind}.gif" if count > 1 else f"{kind}.png"
    frames = frames_of(tmp_path / "one" / name)
    assert len(frames) == count
    for frame in frames:
        assert frame.shape == (height, width, 3) and frame.std() > 10
    assert told["settings"]["kind"] == kind and "out_dir" not in told["settings"]
    files = {path.name for path in (tmp_path / "one").iterdir()}
    extra = {"film": set()}.get(kind, {"latents.npz"})
    assert files == {name, "exploration.json"} | extra

    explored(folder, tmp_path / "again", f"--kind={kind}", *flags)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    if kind != "film":
        explored(folder, tmp_path / "other", f"--kind={kind}", *flags, "--seed=1")
        assert (tmp_path / "other" / name).read_bytes() != (tmp_path / "one" / name).read_bytes()


@pytest.mark.parametrize(
    "flags", [("--between=held_out", "--count=1"), ("0.png", "1.png")], ids=["held_out", "files"]
)
def test_between_real_images(folder, tmp_path, flags):
    flags = [f"{folder}/{flag}" if flag.endswith(".png") else flag for flag in flags]
    told = explored(
        folder,
        tmp_path,
        "--kind=interpolation",
        "--pictures=3",
        "--steps=4",
        "--restarts=1",
        *flags,
    )
    assert len(told["images"]) == 2 and all(
        0 < one["mean_absolute_error"] < 1 for one in told["images"]
    )
    (sheet,) = frames_of(tmp_path / "interpolation.png")
    assert sheet.shape == (18 + TILE, 5 * TILE + 8, 3)
    if "--count=1" not in flags:
        first, last = (
            images.enlarge(images.fit(picture(n, 40, 3), SIZE, 1)[None], TILE)[0] for n in (0, 1)
        )
        np.testing.assert_array_equal(sheet[18:, :TILE], first.repeat(3, axis=2))
        np.testing.assert_array_equal(sheet[18:, -TILE:], last.repeat(3, axis=2))
    z = np.load(tmp_path / "latents.npz")
    np.testing.assert_allclose(z["z"][0, [0, -1]], z["ends"], atol=1e-6)


def test_the_search_finds_a_picture_of_the_generators_own(folder, tmp_path):
    from tf_inpaint.exploration import kinds, latents
    from tf_inpaint.inputs.named_images import Input

    run = run_directory.load(folder / "run")
    own = kinds.generate(run, latents.draw([5], 4))[0]
    config = ExploreConfig(kind="interpolation", steps=200)
    _, z, told = kinds.find(config, run, [Input("own", "own", "own", lambda: own)])
    assert told[0]["mean_absolute_error"] < 0.02
    assert z.shape == (1, 4)


def test_concepts_by_files(folder, tmp_path):
    paths = ",".join(f"{folder}/{index}.png" for index in range(3))
    flags = [
        f"--a={paths}",
        "--b=4,5,6",
        f"--c={','.join(3 * [f'{folder}/1.png'])}",
        "--steps=4",
        "--restarts=1",
    ]
    told = explored(folder, tmp_path, "--kind=arithmetic", *flags)
    assert len(told["images"]) == 6
    z = np.load(tmp_path / "latents.npz")
    np.testing.assert_allclose(
        z["z"][4], z["a"].mean(0) - z["b"].mean(0) + z["c"].mean(0), atol=1e-6
    )
    assert np.abs(z["z"] - z["z"][4]).max() <= 0.25
    np.testing.assert_allclose(z["c"], np.tile(z["a"][1], (3, 1)), atol=1e-6)
    assert np.ptp(z["a"], axis=0).max() > 0.1


def test_seeds_of_the_grid_are_those_of_concepts(folder, tmp_path):
    explored(folder, tmp_path / "grid", "--kind=grid", "--count=4", "--seed=10")
    explored(
        folder, tmp_path / "sum", "--kind=arithmetic", "--a=10,11,12", "--b=13,10,11", "--c=1,2,3"
    )
    z, terms = (np.load(tmp_path / name / "latents.npz") for name in ("grid", "sum"))
    np.testing.assert_array_equal(terms["a"], z["z"][:3])
    np.testing.assert_array_equal(terms["b"][0], z["z"][3])


def test_nearest_numbers(folder, tmp_path, capsys):
    told = explored(folder, tmp_path, "--kind=nearest", "--count=2", "--neighbours=3")
    numbers = json.loads((tmp_path / "exploration.json").read_text())
    assert (
        numbers["training_images"] == 20
        and len(numbers["held_out"]) == 8
        and len(numbers["samples"]) == 256
    )
    medians = numbers["median_distance"]
    assert medians["samples"] == pytest.approx(np.median([row[0] for row in numbers["samples"]]))
    assert numbers["ratio_of_medians"] == pytest.approx(medians["samples"] / medians["held_out"])
    assert told["ratio_of_medians"] == numbers["ratio_of_medians"]
    assert f"{numbers['ratio_of_medians']:.2f} times as far" in capsys.readouterr().out


def test_film_at_an_interval_shows_the_grids_that_are_there(folder, tmp_path):
    told = explored(
        folder, tmp_path, "--kind=film", "--every=100", "--format=webp", "--frames_per_second=5"
    )
    assert told["steps"] == [0, 100]
    frames = frames_of(tmp_path / "film.webp")
    for step, frame in zip((0, 100), frames, strict=True):
        grid = images.enlarge(images.read(folder / f"run/samples/{step:07d}.png")[None], 256)[0]
        np.testing.assert_array_equal(frame[:-24], grid.repeat(3, axis=2))
    assert np.abs(frames[0][-24:] - frames[1][-24:]).max() > 100, "the step is written below"
    with Image.open(tmp_path / "film.webp") as film:
        assert film.info["loop"] == 0


@pytest.mark.parametrize(
    ("run", "flags", "message"),
    [
        ("run", ["--kind=film", "--every=75"], "multiple of the 50 steps .* pass --every=50"),
        ("run", ["--kind=film", "--every=200"], "received 200"),
        ("bare", ["--kind=film"], "two sample grids or more; .* has 0"),
        ("run", ["--kind=arithmetic", *LABELS, "--c=label:7"], "label:7 has 0; choose among 0, 1"),
        ("bare", ["--kind=arithmetic", *LABELS], "must have data with labels"),
        (
            "run",
            ["--kind=nearest", "--neighbours=21"],
            "at most the training images; received 21 for 20",
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
        explored(
            folder,
            tmp_path / "out",
            *[str(folder) if flag == "FOLDER" else flag for flag in flags],
            run=run,
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_missing_image_is_a_sentence(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        explored(folder, tmp_path, "--kind=interpolation", f"{folder}/0.png", f"{folder}/gone.png")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--kind=dance"], "--kind must be one of grid"),
        (["--kind=arithmetic"], "three seeds, three files or label:NAME"),
        (["--kind=arithmetic", "--a=1,2", "--b=1,2,3", "--c=1,2,3"], "received '1,2'"),
        (["--kind=grid", "--a=1,2,3"], "--a must go with --kind=arithmetic; received --kind=grid"),
        (["--kind=grid", "one.png", "two.png"], "image files must go with --kind=interpolation"),
        (["--kind=walk", "--count=1"], "at least 2 for a walk"),
        (["--kind=interpolation", "one.png"], "by twos"),
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
    (tmp_path / "grid.png").write_text("mine")
    with pytest.raises(ValueError, match=r"has grid\.png; choose another, or pass --overwrite"):
        explored(folder, tmp_path, "--kind=grid")
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"] and (
        tmp_path / "grid.png"
    ).read_text() == "mine"
    explored(folder, tmp_path, "--kind=grid", "--overwrite")
    assert frames_of(tmp_path / "grid.png")[0].std() > 10


def test_help_imports_no_tensorflow():
    code = (
        "import sys; from tf_inpaint import explore; from tf_inpaint.launch import launch\n"
        "try: launch(explore.ExploreConfig, explore.run, explore.__doc__, ['--help'])\n"
        "finally: assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--kind=grid" in done.stdout and "--frames_per_second" in done.stdout
