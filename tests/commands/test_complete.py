"""complete: all that a job writes, jobs that were killed, shared or continued, and bad input."""

import dataclasses
import inspect
import json
import logging
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import SIZE, new_run, picture

from tf_inpaint import complete
from tf_inpaint.config import CompleteConfig
from tf_inpaint.config.flags import to_flags
from tf_inpaint.config.launch import launch
from tf_inpaint.files import images
from tf_inpaint.inpainting import masks
from tf_inpaint.inpainting.inpainter import Completions, Inpainter
from tf_inpaint.inputs.masked_images import Masks
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.latent_search import curvature, objective
from tf_inpaint.metrics import pairwise
from tf_inpaint.runs import inpainters, run_directory

SEARCH = {
    "steps": 12,
    "solver": "adam",
    "start_draws": 3,
    "block_size": 4,
    "details": 3,
    "blend": "paste",
}


def saved(path, *arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, picture(*arguments))
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """Jobs that search alike share an Inpainter, for tracing one takes longer than these searches."""
    original, made = inpainters.new_inpainter, {}

    def shared(settings, networks, factor=None):
        names = {
            "run_dir",
            *inspect.signature(Inpainter).parameters,
            "learning_rate",
            "latent_constraint",
            "start",
            "samples",
        }
        key = (
            factor,
            networks.encoder,
            networks.run.config.loss,
            *((name, getattr(settings, name, None)) for name in sorted(names)),
        )
        if key not in made:
            made[key] = original(settings, networks, factor)
        return made[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inpainters, "new_inpainter", shared)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds a run and 17 images, more than four blocks."""
    folder = tmp_path_factory.mktemp("complete")
    test = np.stack([picture(seed) for seed in range(100, 112)])
    np.savez(folder / "data.npz", x_train=test, x_test=test)
    new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    for index in range(17):
        saved(folder / f"in/{index:02}.png", index)
    return folder


@pytest.fixture(scope="module")
def job(folder):
    """A finished job over all 17 images."""
    assert run(folder, folder / "out", folder / "in") == 0
    return folder / "out"


def config(folder, out_dir, *paths, **settings):
    return CompleteConfig(
        images=tuple(map(str, paths)),
        **{"run_dir": f"{folder}/run", "out_dir": str(out_dir), "mask": "random"}
        | SEARCH
        | settings,
    )


def run(*arguments, **settings):
    return complete.run(config(*arguments, **settings))


def lines(out_dir, part=""):
    found = map(json.loads, (out_dir / f"completions{part}.jsonl").read_text().splitlines())
    return {Path(line["completion"]).stem: line for line in found}


def timeless(out_dir, part=""):
    return {stem: line | {"seconds": 0} for stem, line in lines(out_dir, part).items()}


def contents(out_dir):
    """Every file's bytes, but for those that hold times or the folder's own name, or were never finished."""
    paths = [path for path in out_dir.rglob("*") if path.is_file() and path.name[0] != "."]
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in paths
        if path.name not in ("completions.jsonl", "config.json", "index.html")
    }


def assert_same_job(first, second):
    assert timeless(first) == timeless(second)
    assert list(lines(first)) == list(lines(second))
    assert not (first / ".journal.jsonl").exists()
    one, other = contents(first), contents(second)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def mask_of(index):
    seeds = complete.files([f"x/{index:02}.png"], Path("out"))[0].seeds(0)
    return masks.make("random", SIZE, SIZE, seeds)


@pytest.fixture
def searched(monkeypatch):
    """How many images each call of the search was given."""
    counts, original = [], Inpainter.complete

    def counted(self, pictures, *arguments):
        counts.append(len(pictures))
        return original(self, pictures, *arguments)

    monkeypatch.setattr(Inpainter, "complete", counted)
    return counts


@pytest.fixture
def refused(capsys):
    """Runs the command as `python -m` does; gives the exit code and the lines on stderr."""
    logger = logging.getLogger("tf_inpaint")
    before = logger.handlers, logger.level, logger.propagate

    def launched(settings):
        with pytest.raises(SystemExit) as exit_:
            launch(CompleteConfig, complete.run, "Usage.", to_flags(settings).splitlines())
        return exit_.value.code, capsys.readouterr().err.replace("\r", "\n").splitlines()

    yield launched
    logger.handlers, logger.level, logger.propagate = before


# --- what a job writes


def test_every_file_is_there_and_no_other(job):
    stems = [f"{index:02}" for index in range(17)]
    names = {f"{stem}.png" for stem in stems}
    names |= {
        "details",
        "sheet.png",
        "search.gif",
        "completions.jsonl",
        "latents.npz",
        "config.json",
        "index.html",
    }
    assert {path.name for path in job.iterdir()} == names
    assert {path.name for path in (job / "details").iterdir()} == set(stems[:3])
    for stem in stems[:3]:
        parts = {"original.png", "masked.png", "generated.png", "pasted.png"}
        assert {path.name for path in (job / "details" / stem).iterdir()} == parts
    assert list(lines(job)) == stems


def test_known_pixels_are_the_inputs(job):
    for index in range(17):
        found, given = images.read(job / f"{index:02}.png"), mask_of(index) > 0
        np.testing.assert_array_equal(found[given], picture(index)[given])
        assert (found != picture(index)).any()


def test_details_are_the_steps_between(job):
    for index in range(3):
        parts = {path.stem: images.read(path) for path in (job / f"details/{index:02}").iterdir()}
        given = mask_of(index) > 0
        np.testing.assert_array_equal(parts["original"], picture(index))
        np.testing.assert_array_equal(parts["masked"], np.where(given, picture(index), 127))
        np.testing.assert_array_equal(
            parts["pasted"], np.where(given, picture(index), parts["generated"])
        )
        np.testing.assert_array_equal(parts["pasted"], images.read(job / f"{index:02}.png"))


def test_latents_and_lines_agree_with_the_networks(job, folder):
    network = run_directory.load(folder / "run")
    with np.load(job / "latents.npz") as latents:
        stored, z = latents["files"].tolist(), latents["z"]
    assert stored == [line["file"] for line in lines(job).values()]
    assert z.shape == (17, 4) and np.abs(z).max() <= 1
    generated = network.generator(z).numpy()
    logits = network.discriminator(generated)
    for index, line in enumerate(lines(job).values()):
        known, original = mask_of(index), images.to_float(picture(index))
        assert line["contextual"] == pytest.approx(
            np.sum(known * np.abs(generated[index] - original)), rel=1e-4
        )
        assert line["perceptual"] == pytest.approx(
            float(objective.saturating(logits)[index]), rel=1e-3
        )
        assert line["energy"] == pytest.approx(
            line["contextual"] + 0.1 * line["perceptual"], rel=1e-5
        )
        if index < 3:
            drawn = images.read(job / f"details/{index:02}/generated.png").astype(int)
            assert np.abs(drawn - images.to_uint8(generated[index])).max() <= 1


def test_lines_say_all_about_an_image(job, folder):
    for index, line in enumerate(lines(job).values()):
        assert line["file"] == str(folder.resolve() / f"in/{index:02}.png")
        assert (line["completion"], line["mask"]) == (f"{index:02}.png", "random")
        assert (line["steps"], line["seed"], line["block_size"]) == (12, 0, 4)
        assert line["seconds"] > 0
        # From the file, whose levels are rounded.
        pair = [
            images.to_float(part)[None]
            for part in (images.read(job / f"{index:02}.png"), picture(index))
        ]
        hole = 1 - mask_of(index)[None]
        for name, score, weights in [
            ("hole_psnr", pairwise.psnr, hole),
            ("psnr", pairwise.psnr, None),
            ("hole_ssim", pairwise.ssim, hole),
            ("ssim", pairwise.ssim, None),
        ]:
            assert line[name] == pytest.approx(float(score(*pair, weights)[0]), abs=0.02), name


def test_sheet_shows_original_masked_generated_completed(job):
    sheet = images.read(job / "sheet.png")
    cell = 4 * SIZE
    assert sheet.shape == (18 + 3 * cell + 2 * 2, 4 * cell + 3 * 2, 1)
    assert sheet[:18].min() < 100, "the captions"
    for row in range(3):
        parts = [f"details/{row:02}/{name}.png" for name in ("original", "masked", "generated")]
        for column, name in enumerate([*parts, f"{row:02}.png"]):
            top, left = 18 + row * (cell + 2), column * (cell + 2)
            shown = sheet[top : top + cell : 4, left : left + cell : 4]
            np.testing.assert_array_equal(shown, images.read(job / name))


def test_film_runs_from_the_start_to_the_answer(job):
    with Image.open(job / "search.gif") as film:
        assert 4 < film.n_frames <= 13  # one a step; like ones are one
        assert film.size == (4 * 4 * SIZE + 3 * 2, 3 * 4 * SIZE + 2 * 2)
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("L")))
    for column in range(3):
        left = column * (4 * SIZE + 2)
        cells = [frame[:, left : left + 4 * SIZE : 4] for frame in frames]
        masked, generated, completed = (
            cells[-1][row * (4 * SIZE + 2) :][: 4 * SIZE : 4, :, None] for row in range(3)
        )
        np.testing.assert_array_equal(masked, images.read(job / f"details/{column:02}/masked.png"))
        drawn = images.read(job / f"details/{column:02}/generated.png").astype(int)
        assert np.abs(generated - drawn).max() <= 1
        np.testing.assert_array_equal(completed, np.where(mask_of(column) > 0, masked, generated))


def test_image_alone_has_the_answer_it_has_in_its_folder(job, folder, tmp_path):
    assert run(folder, tmp_path / "out", folder / "in/06.png") == 0
    assert (tmp_path / "out/06.png").read_bytes() == (job / "06.png").read_bytes()
    assert timeless(tmp_path / "out")["06"] == timeless(job)["06"]


def test_held_out_images_without_any_given(folder, tmp_path):
    assert run(folder, tmp_path / "out", count=3, mask="center") == 0
    found = lines(tmp_path / "out")
    assert {stem: line["file"] for stem, line in found.items()} == {
        str(index): f"x_test/{index}" for index in (0, 4, 8)
    }
    for index in (0, 4, 8):
        given = masks.make("center", SIZE, SIZE, 0) > 0
        original = picture(100 + index)
        np.testing.assert_array_equal(
            images.read(tmp_path / f"out/{index}.png")[given], original[given]
        )


def test_newest_run_and_its_folder_are_the_defaults(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for age, name in [(100, "old"), (0, "new")]:
        shutil.copytree(folder / "run", f"runs/{name}")
        os.utime(f"runs/{name}/checkpoints", (time.time() - age,) * 2)
    assert run(folder, "", run_dir="", count=1, mask="full") == 0
    assert Path("runs/new/completions/0.png").exists()
    assert json.loads(Path("runs/new/completions/config.json").read_text())["run_dir"] == "runs/new"


def test_all_known_is_the_image_and_all_hole_a_sample(folder, tmp_path):
    for mask in ("full", "empty"):
        assert run(folder, tmp_path / mask, folder / "in/03.png", mask=mask, blend="poisson") == 0
    full, empty = lines(tmp_path / "full")["03"], lines(tmp_path / "empty")["03"]
    np.testing.assert_array_equal(images.read(tmp_path / "full/03.png"), picture(3))
    # JSON has no infinity, and there is no hole.
    assert (full["psnr"], full["hole_psnr"], full["hole_ssim"]) == (None, None, None)
    assert full["ssim"] == pytest.approx(1)
    sample = images.read(tmp_path / "empty/03.png")
    np.testing.assert_array_equal(sample, images.read(tmp_path / "empty/details/03/generated.png"))
    assert empty["contextual"] == 0 and empty["hole_psnr"] == pytest.approx(empty["psnr"])


def test_lowres_completes_from_box_averages(folder, tmp_path):
    assert run(folder, tmp_path / "out", folder / "in/03.png", mask="lowres", mask_scale=0.5) == 0
    masked = images.read(tmp_path / "out/details/03/masked.png")
    averages = np.rint(picture(3).reshape(14, 2, 14, 2).mean(axis=(1, 3)))
    np.testing.assert_array_equal(masked[::2, ::2, 0], averages)
    np.testing.assert_array_equal(masked[1::2, 1::2, 0], averages)
    generated = images.read(tmp_path / "out/details/03/generated.png")
    np.testing.assert_array_equal(images.read(tmp_path / "out/03.png"), generated)


def test_photograph_is_turned_as_a_viewer_shows_it(folder, tmp_path):
    turned = Image.fromarray(picture(3)[..., 0])
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "a.png", exif=exif)
    assert run(folder, tmp_path / "out", tmp_path / "a.png", mask="left") == 0
    found = images.read(tmp_path / "out/a.png")
    np.testing.assert_array_equal(found[:, 14:], np.rot90(picture(3), 2)[:, 14:])


def test_hidden_pixels_of_a_file_reach_no_output(folder, tmp_path):
    # In place, at twice the network's size; only the original's own copy and scores may differ.
    known = masks.make("strokes", 2 * SIZE, 2 * SIZE, 1, 0.3)
    images.write(tmp_path / "mask.png", known * 2 - 1)
    whole = picture(3, 2 * SIZE)
    answers = []
    for name, hidden in [("first", whole), ("second", 255 - whole)]:
        (tmp_path / name).mkdir()
        images.write(tmp_path / name / "a.png", np.where(known > 0, whole, hidden))
        out = tmp_path / f"{name}_out"
        settings = {
            "mask": str(tmp_path / "mask.png"),
            "contextual": "weighted_l1",
            "blend": "poisson",
        }
        assert run(folder, out, tmp_path / name / "a.png", **settings) == 0
        found = contents(out)
        assert found.pop("details/a/original.png")
        assert found.pop("sheet.png")
        latents = np.load(out / "latents.npz")["z"]
        del found["latents.npz"]  # which names the file
        energy = lines(out)["a"]["energy"]
        answers.append((found, latents.tolist(), energy))
    assert answers[0] == answers[1]
    originals = [
        (tmp_path / f"{name}_out/details/a/original.png").read_bytes()
        for name in ("first", "second")
    ]
    assert originals[0] != originals[1]


def test_settings_reach_the_search(folder):
    networks = inpainters.Networks(run_directory.load(folder / "run"))
    settings = {"steps": 7, "restarts": 3, "start_draws": 9, "block_size": 6}
    chosen = {"contextual": "weighted_l1", "prior": "non_saturating", "blend": "poisson"}
    chosen |= {
        "prior_weight": 0.5,
        "solver": "adam",
        "learning_rate": 0.5,
        "latent_constraint": "none",
    }
    made = config(folder, "out", **settings, **chosen)
    inpainter = inpainters.new_inpainter(made, networks, 4)
    assert {name: getattr(inpainter, name) for name in settings} == settings
    assert (inpainter.weighted, inpainter.factor, inpainter.latent_size) == (True, 4, 4)
    assert (inpainter.energy.prior, inpainter.energy.prior_weight) == (
        objective.non_saturating,
        0.5,
    )
    assert inpainter.blend is not inpainters.new_inpainter(config(folder, "out"), networks).blend
    point = tf.ones([1, 4])
    for constraint, expected in [("none", 1.5), ("clip", 1.0)]:
        made = config(folder, "out", solver="adam", learning_rate=0.5, latent_constraint=constraint)
        solver = inpainters.new_inpainter(made, networks).search.solver
        _, moved, _ = solver.step(lambda z: -tf.reduce_sum(z, axis=1), point, solver.init(point))
        np.testing.assert_allclose(moved, np.full((1, 4), expected), rtol=1e-5)
    random = inpainters.new_inpainter(config(folder, "out", restarts=2, start="random"), networks)
    assert random.start_draws == 2


def test_search_from_an_encoder_is_shorter(folder):
    networks = inpainters.Networks(run_directory.load(folder / "run"))
    encoded = inpainters.Networks(networks.run)
    encoded.encoder = lambda images, known: tf.zeros([tf.shape(images)[0], 4])
    for of, settings, steps in [
        (networks, {}, 100),
        (encoded, {}, 25),
        (encoded, {"start": "random"}, 100),
        (encoded, {"steps": 7}, 7),
    ]:
        assert (
            inpainters.new_inpainter(config(folder, "out", **{"steps": None} | settings), of).steps
            == steps
        )
    assert inpainters.new_inpainter(config(folder, "out", steps=None), encoded, 4).steps == 100


def test_preconditioned_search_moves_along_the_generator_s_directions(folder):
    networks = inpainters.Networks(run_directory.load(folder / "run"))
    made = config(folder, "out", solver="preconditioned", learning_rate=0.01)
    solver = inpainters.new_inpainter(made, networks).search.solver
    directions = curvature.directions(curvature.curvature(networks.generator, 4))
    # Downhill along every column alike: the first step of Adam is then one column's length along each.
    point, downhill = (
        tf.zeros([1, 4]),
        tf.constant(np.linalg.solve(directions.T, np.ones(4)), tf.float32),
    )
    _, moved, _ = solver.step(lambda z: -tf.linalg.matvec(z, downhill), point, solver.init(point))
    np.testing.assert_allclose(moved[0], 0.01 * directions.sum(axis=1), rtol=1e-3)


def test_lbfgs_begins_along_the_generator_s_metric(folder):
    networks = inpainters.Networks(run_directory.load(folder / "run"))
    solver = inpainters.new_inpainter(
        config(folder, "out", solver="lbfgs", learning_rate=0.02), networks
    ).search.solver
    downhill = np.array([[0.3, -0.2, 0.5, 0.1]])
    point = tf.zeros([1, 4])
    _, moved, _ = solver.step(
        lambda z: -tf.reduce_sum(z * downhill, axis=1), point, solver.init(point)
    )
    expected = downhill @ curvature.metric(networks.curvature)
    np.testing.assert_allclose(moved, expected * 0.02 / np.sqrt(np.mean(expected**2)), rtol=1e-3)


@pytest.mark.parametrize(
    ("loss", "prior"),
    [("minimax", "saturating"), ("non_saturating", "saturating"), ("hinge", "critic")],
)
def test_prior_goes_with_the_loss_that_trained_the_discriminator(folder, loss, prior):
    network = run_directory.load(folder / "run")
    networks = inpainters.Networks(
        network._replace(config=dataclasses.replace(network.config, loss=loss))
    )
    for asked, expected in (("auto", prior), ("non_saturating", "non_saturating")):
        inpainter = inpainters.new_inpainter(config(folder, "out", prior=asked), networks)
        assert inpainter.energy.prior is getattr(objective, expected)


# --- jobs that were killed, finished, continued or shared


@pytest.mark.parametrize("written", [2, 6])  # in the first block and in the second
def test_killed_job_goes_on_where_it_stopped(job, folder, tmp_path, monkeypatch, searched, written):
    original = complete.Job.write

    def write(self, *arguments):
        if len(self.done) == written:
            raise KeyboardInterrupt
        original(self, *arguments)

    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(complete.Job, "write", write)
        run(folder, out, folder / "in")
    assert not (out / "completions.jsonl").exists()
    with (out / ".journal.jsonl").open("a") as journal:
        journal.write('{"file": "cut sho')
    searched.clear()
    assert run(folder, out, folder / "in") == 0
    assert sum(searched) == 17 - written
    if written == 2:  # before the first block's film was written: there is one of the next search
        with Image.open(out / "search.gif") as film:
            assert 4 < film.n_frames <= 13
        shutil.copy(job / "search.gif", out)
    assert_same_job(out, job)


def test_finished_job_does_nothing_more(job, folder, searched):
    before, stamp = contents(job), (job / "00.png").stat().st_mtime_ns
    text = (job / "completions.jsonl").read_text()
    assert run(folder, job, folder / "in") == 0
    assert searched == []
    assert contents(job) == before
    assert (job / "completions.jsonl").read_text() == text
    assert (job / "00.png").stat().st_mtime_ns == stamp


def test_added_images_are_completed(job, folder, tmp_path, searched):
    assert run(folder, tmp_path / "out", folder / "in/01.png", folder / "in/00.png") == 0
    assert run(folder, tmp_path / "out", folder / "in", details=0) == 0
    assert searched == [2, 4, 4, 4, 3]
    assert timeless(tmp_path / "out") == timeless(job)
    for index in range(17):
        assert (tmp_path / f"out/{index:02}.png").read_bytes() == (
            job / f"{index:02}.png"
        ).read_bytes()


def test_added_images_take_no_name_that_is_taken(folder, tmp_path):
    first, second, third = (
        saved(tmp_path / name, 1) for name in ("in/x/b.png", "in/b.png", "other/b.png")
    )
    out = tmp_path / "out"
    assert run(folder, out, Path(first).parent) == 0
    before = (out / "b.png").read_bytes()
    assert run(folder, out, tmp_path / "in") == 0
    assert run(folder, out, third, tmp_path / "in") == 0
    assert (out / "b.png").read_bytes() == before
    assert {Path(line["file"]): stem for stem, line in lines(out).items()} == {
        Path(first).resolve(): "b",
        Path(second).resolve(): "b_2",
        Path(third).resolve(): "other_b",
    }


def test_two_inputs_with_one_stem(folder, tmp_path):
    saved(tmp_path / "in/a.png", 1)
    Image.fromarray(picture(2)[..., 0]).save(tmp_path / "in/a.bmp")
    saved(tmp_path / "more/a.png", 3)
    assert run(folder, tmp_path / "out", tmp_path / "in", tmp_path / "more", mask="left") == 0
    for stem, seed in [("in_a", 1), ("a", 2), ("more_a", 3)]:
        found = images.read(tmp_path / f"out/{stem}.png")
        np.testing.assert_array_equal(found[:, 14:], picture(seed)[:, 14:])
        assert (tmp_path / f"out/details/{stem}/masked.png").exists()
    assert len(lines(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    "change, named",
    [
        ({"steps": 13}, "steps (12 there)"),
        ({"mask": "left", "seed": 1}, "mask (random there), seed (0 there)"),
        ({"block_size": 5}, "block_size (4 there)"),
    ],
)
def test_job_is_not_continued_with_other_settings(job, folder, change, named):
    before = contents(job)
    with pytest.raises(ValueError) as error:
        run(folder, job, folder / "in", **change)
    assert named in str(error.value) and "--overwrite" in str(error.value)
    assert contents(job) == before


def test_job_is_not_continued_with_an_encoder_trained_since(job, folder, monkeypatch):
    loaded = run_directory.load(folder / "run")
    trained = dataclasses.replace(loaded.config, encoder_steps=5)
    monkeypatch.setattr(
        run_directory,
        "load",
        lambda _: loaded._replace(config=trained, encoder=run_directory.encoder(trained)),
    )
    with pytest.raises(ValueError, match=r"differs in networks \(step 0, no encoder there\)"):
        run(folder, job, folder / "in")


def test_overwrite_starts_anew(folder, tmp_path, searched):
    out = tmp_path / "out"
    assert run(folder, out, folder / "in/00.png", folder / "in/01.png") == 0
    assert (
        run(folder, out, folder / "in/01.png", folder / "in/02.png", steps=2, overwrite=True) == 0
    )
    assert searched == [2, 2]
    assert {stem: line["steps"] for stem, line in lines(out).items()} == {"01": 2, "02": 2}
    assert {path.name for path in (out / "details").iterdir()} == {"01", "02"}
    with Image.open(out / "search.gif") as film:
        assert 1 < film.n_frames <= 3
    assert run(folder, out, folder / "in/01.png", steps=2) == 0
    assert searched == [2, 2]


def test_shards_make_the_whole(job, folder, tmp_path):
    out = tmp_path / "out"
    for index in range(2):
        assert run(folder, out, folder / "in", shard=f"{index}/2") == 0
    for index in range(17):
        assert (out / f"{index:02}.png").read_bytes() == (job / f"{index:02}.png").read_bytes()
    parts = [timeless(out, f"-{index}of2") for index in range(2)]
    assert list(parts[0]) == [f"{index:02}" for index in range(0, 17, 2)]
    assert parts[0] | parts[1] == timeless(job)
    z = dict(
        zip(*(np.load(job / "latents.npz")[name].tolist() for name in ("files", "z")), strict=True)
    )
    for index in range(2):
        with np.load(out / f"latents-{index}of2.npz") as latents:
            assert {file: z[file] for file in latents["files"]} == dict(
                zip(latents["files"].tolist(), latents["z"].tolist(), strict=True)
            )
        assert (out / f"sheet-{index}of2.png").exists()


def test_shard_without_an_image_of_its_own_has_nothing_to_do(folder, tmp_path):
    assert run(folder, tmp_path / "out", folder / "in/00.png", shard="1/2") == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_job_killed_outright_goes_on(folder, tmp_path):
    settings = {"steps": 200, "details": 2}
    assert run(folder, tmp_path / "whole", folder / "in", **settings) == 0
    killed = config(folder, tmp_path / "out", folder / "in", **settings)
    (tmp_path / "flags").write_text(to_flags(killed))
    command = [sys.executable, "-m", "tf_inpaint.complete", f"--flagfile={tmp_path}/flags"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
    journal = tmp_path / "out/.journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 4):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the job was over before it could be killed"
    assert journal.exists() and not (tmp_path / "out/completions.jsonl").exists()
    assert complete.run(killed) == 0
    assert_same_job(tmp_path / "out", tmp_path / "whole")


# --- bad input


def spoilt(path, kind):
    """A file that is no image, in one way or another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "missing":
        return path
    if kind == "huge":
        images.write(path, picture(0))
        whole = path.read_bytes()
        header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + whole[24:29]
        path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
        return path
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(
        path, "JPEG"
    )
    whole = path.read_bytes()
    path.write_bytes(
        {"text": b"no image", "empty": b"", "truncated": whole[: len(whole) // 2]}[kind]
    )
    return path


REASONS = {
    "missing": "does not exist",
    "huge": "claims more than 100,000,000 pixels",
    "text": "is empty or none of",
    "empty": "is empty or none of",
    "truncated": "cannot be decoded",
}


@pytest.mark.parametrize("kind", REASONS)
def test_bad_image_alone_is_refused(folder, tmp_path, refused, kind):
    path = spoilt(tmp_path / "in/a.jpg", kind)
    code, said = refused(config(folder, tmp_path / "out", path))
    assert code == 2
    assert f"{path} {REASONS[kind]}" in said[-1] and "none of 1 can" in said[-1]
    assert not any("Traceback" in line for line in said)
    assert not (tmp_path / "out").exists()


def test_good_images_are_completed_beside_bad_ones(folder, tmp_path, refused):
    paths = [spoilt(tmp_path / f"in/{kind}.jpg", kind) for kind in REASONS]
    for index in (0, 1, 2):
        paths.insert(2 * index, saved(tmp_path / f"in/good{index}.png", index))
    code, said = refused(config(folder, tmp_path / "out", *paths))
    assert code == 1
    assert list(lines(tmp_path / "out")) == ["good0", "good1", "good2"]
    for index in (0, 1, 2):
        found = images.read(tmp_path / f"out/good{index}.png")
        assert found.shape == (SIZE, SIZE, 1)
    listed = [line for line in said if line.startswith("Not completed: ")]
    assert len(listed) == len(REASONS)
    for kind, line in zip(REASONS, listed, strict=True):
        assert f"{kind}.jpg {REASONS[kind]}" in line
    assert (tmp_path / "out/sheet.png").exists()


def test_image_of_another_size_and_colour_is_fitted_and_said_once(folder, tmp_path, refused):
    paths = [saved(tmp_path / f"in/{index}.png", index, 40 + 8 * index, 3) for index in range(3)]
    code, said = refused(config(folder, tmp_path / "out", *paths))
    assert code == 0
    (line,) = (line for line in said if "resized" in line)
    assert "28 x 28 gray" in line and "0.png is 40 x 40 RGB" in line
    for index in range(3):
        original = images.read(tmp_path / f"out/details/{index}/original.png")
        np.testing.assert_array_equal(
            original, images.fit(picture(index, 40 + 8 * index, 3), SIZE, 1)
        )


def test_images_are_cropped_as_the_runs_are(tmp_path, folder):
    new_run(tmp_path / "run", dataset=f"npz:{folder}/data.npz", crop=28, channels=3)
    saved(tmp_path / "a.png", 0, 60, 3)
    assert run(tmp_path, tmp_path / "out", tmp_path / "a.png", mask="full") == 0
    np.testing.assert_array_equal(
        images.read(tmp_path / "out/a.png"), picture(0, 60, 3)[16:44, 16:44]
    )


def test_mask_folder_lacking_a_file(folder, tmp_path, refused):
    for stem in ("00", "02"):
        saved(tmp_path / f"masks/{stem}.png", 5)
    paths = [folder / f"in/{stem}.png" for stem in ("00", "01", "02")]
    code, said = refused(config(folder, tmp_path / "out", *paths, mask=str(tmp_path / "masks")))
    assert code == 1
    assert {stem: line["mask"] for stem, line in lines(tmp_path / "out").items()} == {
        stem: str(tmp_path / f"masks/{stem}.png") for stem in ("00", "02")
    }
    (listed,) = (line for line in said if line.startswith("Not completed: "))
    assert "none with the stem '01'" in listed
    code, said = refused(config(folder, tmp_path / "none", paths[1], mask=str(tmp_path / "masks")))
    assert code == 2 and "none with the stem '01'" in said[-1]
    assert not (tmp_path / "none").exists()


def edited_run(folder, tmp_path, **changes):
    shutil.copytree(folder / "run", tmp_path / "run")
    path = tmp_path / "run/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return tmp_path / "run"


def bad_mask_file(folder, tmp_path):
    return {"mask": str(spoilt(tmp_path / "mask.jpg", "truncated"))}


def bad_mask_size(folder, tmp_path):
    return {"mask": saved(tmp_path / "mask.png", 0, 40)}


def no_checkpoint(folder, tmp_path):
    run_dir = edited_run(folder, tmp_path)
    shutil.rmtree(run_dir / "checkpoints")
    return {"run_dir": str(run_dir)}


def damaged_config(folder, tmp_path):
    (edited_run(folder, tmp_path) / "config.json").write_text("{")
    return {"run_dir": str(tmp_path / "run")}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda folder, tmp_path: {"mask": "centre"}, "--mask must be one of center"),
        (bad_mask_file, "mask.jpg cannot be decoded"),
        (bad_mask_size, "00.png is 28 x 28 and its mask 40 x 40; resize the mask"),
        (
            lambda folder, tmp_path: {"invert_mask": True},
            "--invert_mask must go with a mask file or folder",
        ),
        (
            lambda folder, tmp_path: {"mask": "lowres", "mask_scale": 0.8},
            "boxes of 5 for 28 pixels",
        ),
        (
            lambda folder, tmp_path: {"run_dir": str(tmp_path)},
            "has no config.json; train first or name another",
        ),
        (lambda folder, tmp_path: {"start": "encoder"}, "--start=encoder must have an encoder"),
        (no_checkpoint, "--run_dir must hold a checkpoint that can be read"),
        (damaged_config, "a config must be JSON"),
        (
            lambda folder, tmp_path: {"run_dir": str(edited_run(folder, tmp_path, width=3))},
            "--run_dir must hold a checkpoint that can be read",
        ),
        (
            lambda folder, tmp_path: {"run_dir": str(edited_run(folder, tmp_path, image_size=64))},
            "--run_dir must hold a checkpoint that can be read",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_job_that_cannot_begin_leaves_nothing(folder, tmp_path, refused, change, sentence):
    settings = change(folder, tmp_path)
    code, said = refused(config(folder, tmp_path / "out", folder / "in/00.png", **settings))
    assert code == 2
    assert sentence in said[-1]
    assert not any("Traceback" in line for line in said)
    assert not (tmp_path / "out").exists()


def test_empty_folder_is_refused(folder, tmp_path, refused):
    (tmp_path / "in").mkdir()
    code, said = refused(config(folder, tmp_path / "out", tmp_path / "in"))
    assert code == 2 and f"{tmp_path}/in holds none" in said[-1]
    assert not (tmp_path / "out").exists()


def test_contradictory_flags_are_refused(capsys):
    for flags, named in [
        (["--count=3", "a.png"], "--count must go without images"),
        (["--restarts=9", "--start_draws=8"], "--start_draws must be at least --restarts"),
        (["--solver=lbfgs", "--latent_constraint=stochastic"], "--solver=lbfgs must have steps"),
        (["--shard=2/2"], "--shard must be i/n"),
        (["--mask_scale=1"], "--mask_scale must be"),
    ]:
        with pytest.raises(SystemExit) as exit_:
            launch(CompleteConfig, complete.run, "Usage.", flags)
        said = capsys.readouterr().err
        assert exit_.value.code == 2 and named in said and said.count("\n") == 1


@pytest.mark.parametrize("place", ["file", "below_file", "foreign", "foreign_json", "run"])
def test_output_folder_that_cannot_be_used(folder, tmp_path, refused, place):
    (tmp_path / "file").write_text("mine")
    for name in ("foreign", "foreign_json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("config.json" if name == "foreign_json" else "notes.txt")).write_text(
            "{mine"
        )
    shutil.copytree(folder / "run", tmp_path / "run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    out = tmp_path / place.replace("below_", "") / ("below" if place == "below_file" else "")
    # Even when asked to: a config.json is the heart of a run.
    for overwrite in {False, place in ("foreign_json", "run")}:
        code, said = refused(config(folder, out, folder / "in/00.png", overwrite=overwrite))
        assert code == 2
        assert "--out_dir must be" in said[-1] and "choose another" in said[-1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="needs a file system on which nothing can be made"
)
def test_output_folder_that_cannot_be_made(folder, refused):
    code, said = refused(config(folder, "/proc/completions", folder / "in/00.png"))
    assert code == 2
    assert "/proc/completions" in said[-1] and not any("Traceback" in line for line in said)


def test_empty_output_folder_is_used(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.0123.json").write_text("another machine's config.json, not yet renamed")
    assert run(folder, tmp_path / "out", folder / "in/00.png", mask="full") == 0
    assert (tmp_path / "out/00.png").exists()


def test_process_refuses_in_one_sentence(folder, tmp_path):
    (tmp_path / "in").mkdir()
    flags = to_flags(config(folder, tmp_path / "out", tmp_path / "in")).splitlines()
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


@pytest.mark.parametrize("count", [0, 2, 6])
def test_answers_that_an_estimate_needed_are_reported(tmp_path, count):
    example = Masks("center", SIZE, 1, 0, 0).example(Input("a", "a", "a", lambda: picture(0)))
    hole, zero = 1 - example.known[None], np.zeros(1, np.float32)
    drawings = np.zeros((1, SIZE, SIZE, 1), np.float32)
    samples = np.zeros((1, count, SIZE, SIZE, 1), np.float32)
    numbers = zero, zero, zero, np.ones(1, int), np.zeros(1, int)
    found = Completions(
        drawings,
        drawings,
        np.zeros((1, 4), np.float32),
        *numbers,
        samples,
        0.25 * hole,
        np.full((1, count), 0.5),
    )
    job = complete.Job(tmp_path / "out", CompleteConfig(run_dir="run", estimate="mean"), "step 0")
    job.begin()
    job.write(example, found, found.images[0], {}, True, None)
    job.finish(["a"])
    line = lines(tmp_path / "out")["a"]
    assert (line.get("uncertainty"), line.get("acceptance")) == (
        (0.25, 0.5) if count else (None, None)
    )
    columns = 4 + (min(count, 4) + 1 if count else 0)
    assert images.read(tmp_path / "out/sheet.png").shape[1] == columns * (4 * SIZE + 2) - 2
    page = (tmp_path / "out/index.html").read_text()
    assert (
        ("Samples: other answers" in page) == ('<th scope="col">uncertainty' in page) == (count > 0)
    )


def test_several_answers_are_written_where_asked(folder, job, tmp_path):
    settings = {"samples": 2, "estimate": "mean", "details": 1}
    assert (
        run(folder, tmp_path / "out", folder / "in/00.png", folder / "in/01.png", **settings) == 0
    )
    assert not (tmp_path / "out/details/01").exists()
    parts = {path.stem: images.read(path) for path in (tmp_path / "out/details/00").iterdir()}
    given = mask_of(0) > 0
    first, second, uncertainty = (parts[name] for name in ("sample_0", "sample_1", "uncertainty"))
    for picture_of in (first, second, parts["pasted"]):
        np.testing.assert_array_equal(picture_of[given], picture(0)[given])
    assert (first != second).any() and (uncertainty[given] == 0).all()
    sheet, side = images.read(tmp_path / "out/sheet.png"), 4 * SIZE
    assert sheet.shape[1] == 7 * (side + 2) - 2
    np.testing.assert_array_equal(sheet[18:, -side:], images.enlarge(uncertainty[None])[0])
    line = lines(tmp_path / "out")["00"]
    assert line["uncertainty"] == pytest.approx(uncertainty[~given].mean() / 255, abs=0.01)
    assert "uncertainty" not in next(iter(lines(job).values()))
