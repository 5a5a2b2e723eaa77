"""complete: images whose masks have their own size are completed in place."""

import functools
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_complete import (
    assert_same_job,
    contents,
    lines,
    run,
    saved,
    timeless,
)  # noqa: F401
from tiny import SIZE, new_run, picture

from tf_inpaint import complete
from tf_inpaint.completion import job
from tf_inpaint.files import images
from tf_inpaint.inpainting import blending, large_images
from tf_inpaint.inpainting.inpainter import Completions
from tf_inpaint.inputs.masked_images import GRAY, Masks, scaled
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.latent_search import objective
from tf_inpaint.metrics import pairwise
from tf_inpaint.runs import run_directory

SHAPES = {
    "broad": (60, 100),
    "tall": (75, 61),
    "small": (20, 24),
    "known": (40, 50),
    "square": (56, 56),
}
HOLES = {
    "broad": [(5, 5, 15, 20), (40, 70, 55, 90)],
    "tall": [(30, 20, 45, 40)],
    "small": [(3, 4, 9, 9)],
    "known": [],
    "square": [(0, 0, 56, 28)],
}
FRAMINGS = ["image", "hole"]


def photograph(stem, channels=3):
    height, width = SHAPES[stem]
    coarse = np.random.default_rng(len(stem)).integers(40, 216, (5, 5, channels), dtype=np.uint8)
    levels = [
        Image.fromarray(coarse[..., channel]).resize((width, height)) for channel in range(channels)
    ]
    return np.stack(levels, axis=-1)


def known_of(stem):
    known = np.ones((*SHAPES[stem], 1), np.float32)
    for top, left, bottom, right in HOLES[stem]:
        known[top:bottom, left:right] = 0
    return known


def gray(pixels):
    """As `images.fit` makes it."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, RGB photographs and a mask for each; one photograph has the network's size."""
    folder = tmp_path_factory.mktemp("in_place")
    test = np.stack([picture(seed) for seed in range(100, 104)])
    np.savez(folder / "data.npz", x_train=test, x_test=test)
    new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    for stem in SHAPES:
        for name, pixels in (("in", photograph(stem)), ("masks", known_of(stem) * 2 - 1)):
            (folder / name).mkdir(exist_ok=True)
            images.write(folder / name / f"{stem}.png", pixels)
    saved(folder / "in/own.png", 0)
    saved(folder / "masks/own.png", 1)
    return folder


@pytest.fixture(scope="module")
def job_of(folder):
    """Finished jobs over all photographs, by framing and blend."""

    @functools.cache
    def job(framing, blend="poisson"):
        out = folder / f"{framing}_{blend}"
        assert (
            run(folder, out, folder / "in", **settings(folder, framing=framing, blend=blend)) == 0
        )
        return out

    return job


def settings(folder, **more):
    return {"mask": str(folder / "masks"), "details": 6} | more


@pytest.fixture
def said(caplog, monkeypatch):
    """What the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    caplog.set_level(logging.INFO, "tf_inpaint")
    return caplog


def noise(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def item(pixels, key="a.png"):
    return Input(key, key, Path(key).stem, lambda: pixels)


def example_of(tmp_path, pixels, known, channels=1, **more):
    images.write(tmp_path / "mask.png", known * 2 - 1)
    return Masks(
        str(tmp_path / "mask.png"), SIZE, channels, more.pop("crop", 0), 0, **more
    ).example(item(pixels))


# --- what is written


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("blend", ["poisson", "feather", "paste"])
def test_images_keep_their_size_and_every_known_pixel(job_of, framing, blend):
    job = job_of(framing, blend)
    for stem, shape in SHAPES.items():
        found, given = images.read(job / f"{stem}.png"), known_of(stem) > 0
        assert found.shape == (*shape, 1)
        np.testing.assert_array_equal(found[given], gray(photograph(stem))[given])
        assert given.all() or (found != gray(photograph(stem)))[~given].mean() > 0.5
    assert images.read(job / "own.png").shape == (SIZE, SIZE, 1)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("blend", ["poisson", "feather"])
def test_completions_are_the_latents_pictures_put_back(job_of, folder, framing, blend):
    job, network = job_of(framing, blend), run_directory.load(folder / "run")
    with np.load(job / "latents.npz") as latents:
        files, z = latents["files"].tolist(), latents["z"]
    for stem, shape in SHAPES.items():
        line, known = lines(job)[stem], known_of(stem)
        squares = large_images.squares(known, SIZE, framing)
        rows = [row for row, file in enumerate(files) if file == line["file"]]
        assert len(rows) == line["squares"] == len(squares)
        if not squares:
            continue
        generated = network.generator(z[rows]).numpy()
        # A width of 8 is meant at the network's size.
        side = max(square.side for square in squares)
        of = {
            "poisson": blending.poisson,
            "feather": functools.partial(blending.feather, width=8 * side / SIZE),
        }
        given = np.where(known > 0, gray(photograph(stem)), 0).astype(np.uint8)
        whole = large_images.restore(images.to_float(given), known, squares, generated, of[blend])
        levels = np.abs(images.read(job / f"{stem}.png").astype(int) - images.to_uint8(whole))
        assert levels.max() <= 1, (stem, shape)


def test_lines_sum_over_the_squares(job_of, folder):
    job, network = job_of("hole"), run_directory.load(folder / "run")
    with np.load(job / "latents.npz") as latents:
        rows = np.array(latents["files"]) == lines(job)["broad"]["file"]
        z = latents["z"][rows]
    generated = network.generator(z).numpy()
    given = np.where(known_of("broad") > 0, gray(photograph("broad")), 0).astype(np.uint8)
    squares = large_images.squares(known_of("broad"), SIZE, "hole")
    pictures, known = large_images.crops(images.to_float(given), known_of("broad"), squares, SIZE)
    line = lines(job)["broad"]
    assert line["squares"] == len(z) == 2
    # To half a level a pixel: what the network is given is rounded.
    assert line["contextual"] == pytest.approx(
        np.sum(known * np.abs(generated - pictures)), abs=float(known.sum()) / 255
    )
    perceptual = objective.saturating(network.discriminator(generated)).numpy()
    assert line["perceptual"] == pytest.approx(perceptual.sum(), rel=1e-3)
    assert line["energy"] == pytest.approx(line["contextual"] + 0.1 * line["perceptual"], rel=1e-5)
    assert (line["steps"], line["reason"]) == (12, "cap")
    assert "squares" not in lines(job)["own"]
    values = {
        "energy": [1, 2],
        "contextual": [3, 4],
        "perceptual": [-5, 2],
        "steps": [3, 7],
        "reason": [0, 1],
    }
    found = Completions(*(np.array(values.get(name, [0, 0])) for name in Completions._fields))
    expected = {"energy": 3, "contextual": 7, "perceptual": -3, "steps": 7, "reason": "converged"}
    assert job.totals(found) == expected


@pytest.mark.parametrize("framing", FRAMINGS)
def test_scores_are_of_the_whole_image(job_of, framing):
    for stem in ("broad", "tall", "small", "square"):
        found = images.read(job_of(framing) / f"{stem}.png")
        pair = images.to_float(found)[None], images.to_float(gray(photograph(stem)))[None]
        line, hole = lines(job_of(framing))[stem], 1 - known_of(stem)[None]
        # From the file, whose levels are rounded.
        assert line["hole_psnr"] == pytest.approx(pairwise.psnr(*pair, hole)[0], abs=0.1)
        assert line["psnr"] == pytest.approx(pairwise.psnr(*pair)[0], abs=0.1)
        assert line["hole_ssim"] == pytest.approx(pairwise.ssim(*pair, hole)[0], abs=0.01)
        assert line["ssim"] == pytest.approx(pairwise.ssim(*pair)[0], abs=0.01)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_details_are_whole_images_and_the_first_square_s_picture(job_of, framing):
    for stem, shape in SHAPES.items():
        parts = {
            path.stem: images.read(path) for path in (job_of(framing) / "details" / stem).iterdir()
        }
        known = known_of(stem)
        np.testing.assert_array_equal(parts["original"], gray(photograph(stem)))
        np.testing.assert_array_equal(
            parts["masked"], np.where(known > 0, gray(photograph(stem)), GRAY)
        )
        np.testing.assert_array_equal(parts["pasted"][known > 0], parts["original"][known > 0])
        assert parts["pasted"].shape == (*shape, 1)
        assert parts["generated"].shape == ((SIZE, SIZE, 1) if HOLES[stem] else (*shape, 1))
    pasted = images.read(job_of(framing, "paste") / "details/broad/pasted.png")
    np.testing.assert_array_equal(pasted, images.read(job_of(framing, "paste") / "broad.png"))


def test_uncertainty_is_of_every_square_at_the_image_s_size(tmp_path):
    example = example_of(
        tmp_path, photograph("broad", 3), known_of("broad"), channels=3, framing="hole"
    )
    count, values = len(example.squares), (0.2, 0.7)
    fields = np.reshape(values, (2, 1, 1, 1)) * np.ones((2, SIZE, SIZE, 1), np.float32)
    shapes = {"z": (count, 4), "samples": (count, 1, SIZE, SIZE, 3)}
    parts = {name: np.zeros(shapes.get(name, count), np.float32) for name in Completions._fields}
    found = Completions(**parts | {"uncertainty": fields})
    picture_of = dict(job.answers(example, found, blending.paste))["uncertainty"]
    assert picture_of.shape == (*SHAPES["broad"], 3)
    expected = np.zeros_like(known_of("broad"))
    for (top, left, bottom, right), value in zip(HOLES["broad"], values, strict=True):
        expected[top:bottom, left:right] = value
    np.testing.assert_allclose(picture_of, np.repeat(2 * expected - 1, 3, axis=2), atol=1e-6)


def test_sheet_and_film_show_images_of_all_sizes(job_of):
    side = job.CELL
    sheet = images.read(job_of("hole") / "sheet.png")
    assert sheet.shape == (18 + 6 * side + 5 * 2, 4 * side + 3 * 2, 1)
    with Image.open(job_of("hole") / "search.gif") as film:
        # Squares at the network's size: the first four images have two, none, one and one.
        assert film.size == (4 * 4 * SIZE + 3 * 2, 3 * 4 * SIZE + 2 * 2)
        assert 4 < film.n_frames <= 13


@pytest.mark.parametrize(
    "shape", [(300, 200, 3), (1, 900, 1), (28, 28, 1), (40, 60, 3), (256, 256, 1)]
)
def test_a_cell_holds_the_whole_picture(shape):
    shown = job.cell(np.zeros(shape, np.uint8), 256)
    assert shown.shape == (256, 256, shape[2])
    rows, columns = (shown[..., 0] == 0).any(axis=1), (shown[..., 0] == 0).any(axis=0)
    times = 256 / max(shape) if max(shape) > 256 else 256 // max(shape)
    assert rows.sum() == max(1, round(shape[0] * times))
    assert columns.sum() == max(1, round(shape[1] * times))
    for axis in (rows, columns):
        assert abs(axis.argmax() - axis[::-1].argmax()) <= 1


# --- all known, nothing known, beyond the square


def test_all_known_comes_back_without_a_search(folder, tmp_path, searched):  # noqa: F811
    path = folder / "in/known.png"
    assert run(folder, tmp_path / "out", path, **settings(folder)) == 0
    assert searched == []
    np.testing.assert_array_equal(
        images.read(tmp_path / "out/known.png"), gray(photograph("known"))
    )
    line = lines(tmp_path / "out")["known"]
    assert (line["squares"], line["steps"], line["reason"], line["energy"]) == (0, 0, None, 0)
    assert (line["psnr"], line["hole_psnr"], line["ssim"]) == (None, None, pytest.approx(1))
    # Continued, with more images.
    assert (
        run(
            folder,
            tmp_path / "out",
            path,
            folder / "in/own.png",
            folder / "in/tall.png",
            **settings(folder),
        )
        == 0
    )
    assert searched == [2]
    assert list(lines(tmp_path / "out")) == ["known", "own", "tall"]
    assert len(np.load(tmp_path / "out/latents.npz")["z"]) == 2


def test_a_square_without_a_known_pixel_is_warned_of_once(tmp_path, said):
    known = np.ones((4 * SIZE, 4 * SIZE, 1), np.float32)
    known[np.random.default_rng(0).random(known.shape) < 0.8] = 0
    images.write(tmp_path / "mask.png", known * 2 - 1)
    for framing, expected in (("image", 1), ("hole", 0)):
        masks = Masks(str(tmp_path / "mask.png"), SIZE, 1, 0, 0, framing=framing)
        for key in ("a.png", "b.png"):
            example = masks.example(item(noise(*known.shape[:2]), key))
        found = [
            record.message for record in said.records if "nothing known is left" in record.message
        ]
        assert len(found) == expected
        assert (example.rows[1].max() > 0) == (framing == "hole")
        said.clear()


def test_a_search_with_nothing_to_go_by_still_ends(folder, tmp_path):
    known = np.zeros((60, 80, 1), np.float32)
    known[:, ::20] = 1
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "mask.png", known * 2 - 1)
    images.write(tmp_path / "in/a.png", noise(60, 80))
    assert (
        run(
            folder,
            tmp_path / "out",
            tmp_path / "in",
            mask=str(tmp_path / "mask.png"),
            blend="poisson",
        )
        == 0
    )
    found = images.read(tmp_path / "out/a.png")
    np.testing.assert_array_equal(found[:, ::20], noise(60, 80)[:, ::20])
    assert lines(tmp_path / "out")["a"]["contextual"] == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_hole_beyond_the_middle_square_is_warned_of(tmp_path, said, framing):
    known = np.ones((40, 90, 1), np.float32)
    known[10:20, 20:40] = 0
    example = example_of(tmp_path, noise(40, 90), known, framing=framing)
    assert ("a.png reaches beyond the middle square" in said.text) == (framing == "image")
    assert (example.squares[0].of(example.known) == 0).any()
    said.clear()
    known[:, :25] = 1
    example_of(tmp_path, noise(40, 90), known, framing=framing)
    assert "reaches beyond" not in said.text


# --- the search


def test_first_square_keeps_the_image_s_seed_and_others_have_their_own(tmp_path):
    known = known_of("broad")
    for framing, count in (("image", 1), ("hole", 2)):
        example = example_of(tmp_path, photograph("broad", 1), known, framing=framing)
        seeds = example.seeds(3)
        assert len(seeds) == len(set(seeds)) == count
        assert seeds[0] == example.input.seeds(3)


def test_rows_of_a_block_go_through_one_search(folder, tmp_path, searched):  # noqa: F811
    out = tmp_path / "out"
    assert run(folder, out, folder / "in", **settings(folder, framing="hole")) == 0
    order = list(lines(out))
    counts = [lines(out)[stem].get("squares", 1) for stem in order]
    assert searched == [sum(counts[:4]), sum(counts[4:])]


def test_an_image_s_answer_is_the_same_alone(job_of, folder, tmp_path):
    for framing in FRAMINGS:
        out = tmp_path / framing
        for stem in ("broad", "small", "tall"):
            path = folder / f"in/{stem}.png"
            assert run(folder, out, path, **settings(folder, framing=framing, blend="poisson")) == 0
            assert (out / f"{stem}.png").read_bytes() == (
                job_of(framing) / f"{stem}.png"
            ).read_bytes()
            assert timeless(out)[stem] == timeless(job_of(framing))[stem]


def test_crop_frames_the_middle_square(tmp_path):
    example = example_of(tmp_path, noise(60, 90), known_of("broad")[:, :90], crop=50)
    assert example.squares == [large_images.Square(5, 20, 50)]
    assert example.rows[0].shape == (1, SIZE, SIZE, 1)


def test_colours_become_the_network_s(tmp_path, said):
    for channels, pixels in ((1, noise(75, 61, 3)), (3, noise(75, 61, 1))):
        example = example_of(tmp_path, pixels, known_of("tall"), channels)
        expected = gray(pixels) if channels == 1 else pixels.repeat(3, axis=2)
        np.testing.assert_array_equal(example.original, expected)
        assert "Images are made" in said.text and "resized" not in said.text
        said.clear()
    example_of(tmp_path, noise(75, 61, 3), known_of("tall"), 3)
    assert not said.messages


def test_only_a_feather_s_width_grows():
    assert scaled(blending.paste, 3) is blending.paste
    assert scaled(blending.poisson, 3) is blending.poisson
    known = np.ones((1, 9, 240, 1), np.float32)
    known[:, :, 40:] = 0
    fields = np.full_like(known, 0.5), known, np.zeros_like(known)
    # Its correction falls to 1 / e within 8 pixels, or 24.
    for scale in (1, 3):
        found = scaled(blending.feather, scale)(*fields).numpy()[0, 4, 40:, 0]
        assert found[8 * scale - 1] == pytest.approx(0.5 / np.e, abs=0.03)


# --- what reaches no output, and what goes on


@pytest.mark.parametrize("framing", FRAMINGS)
def test_hidden_pixels_reach_no_output(folder, tmp_path, framing):
    answers = []
    for name, hidden in (("first", 0), ("second", 255), ("third", noise(60, 100, 3))):
        (tmp_path / name).mkdir()
        scrambled = np.where(known_of("broad") > 0, photograph("broad"), hidden).astype(np.uint8)
        images.write(tmp_path / name / "broad.png", scrambled)
        more = settings(folder, framing=framing, blend="poisson", contextual="weighted_l1")
        assert run(folder, tmp_path / f"{name}_out", tmp_path / name, **more) == 0
        found = contents(tmp_path / f"{name}_out")
        # Only the original's own copy, and the names of the files.
        assert (
            found.pop("details/broad/original.png")
            and found.pop("sheet.png")
            and found.pop("latents.npz")
        )
        answers.append((found, np.load(tmp_path / f"{name}_out/latents.npz")["z"].tolist()))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("written", [2, 5])  # in the first block and in the second
def test_killed_job_goes_on_where_it_stopped(job_of, folder, tmp_path, monkeypatch, written):
    original, out = complete.Job.write, tmp_path / "out"
    more = settings(folder, framing="hole", blend="poisson")

    def write(self, *arguments):
        if len(self.done) == written:
            raise KeyboardInterrupt
        original(self, *arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(complete.Job, "write", write)
        run(folder, out, folder / "in", **more)
    assert run(folder, out, folder / "in", **more) == 0
    if written == 2:  # before the first block's film was written: there is one of the next search
        (out / "search.gif").write_bytes((job_of("hole") / "search.gif").read_bytes())
    assert_same_job(out, job_of("hole"))
    # And the finished one.
    assert run(folder, out, folder / "in", **more) == 0
    assert_same_job(out, job_of("hole"))


def test_shards_make_the_whole(job_of, folder, tmp_path):
    out, parts = tmp_path / "out", {}
    for index in range(2):
        more = settings(folder, framing="hole", blend="poisson", shard=f"{index}/2")
        assert run(folder, out, folder / "in", **more) == 0
        parts |= timeless(out, f"-{index}of2")
    assert parts == timeless(job_of("hole"))
    for stem in SHAPES:
        assert (out / f"{stem}.png").read_bytes() == (job_of("hole") / f"{stem}.png").read_bytes()


def test_framing_is_not_changed_on_the_way(job_of, folder):
    with pytest.raises(ValueError, match="framing"):
        run(
            folder,
            job_of("hole"),
            folder / "in",
            **settings(folder, framing="image", blend="poisson"),
        )


def test_framing_goes_with_mask_files():
    with pytest.raises(
        ValueError, match="--framing=hole must go with a mask file or folder; received center"
    ):
        Masks("center", SIZE, 1, 0, 0, framing="hole")


# --- memory


def test_blocks_are_bounded_in_pixels_and_in_squares(monkeypatch, tmp_path):
    few, many = (
        example_of(tmp_path, photograph("broad", 1), known_of("broad"), framing=framing)
        for framing in FRAMINGS
    )
    assert (len(few.rows[0]), len(many.rows[0])) == (1, 2)

    def counts(examples, size):
        return [len(block) for block in complete.blocks(iter(examples), size)]

    assert counts([few] * 7, 3) == [3, 3, 1]
    monkeypatch.setattr(complete, "MOST_TURNS", 1)
    assert counts([many] * 7, 3) == [2, 2, 2, 1]
    assert counts([few] * 7, 3) == [3, 3, 1]
    monkeypatch.setattr(complete, "MOST_PIXELS", 60 * 100)
    assert counts([few] * 7, 3) == [2, 2, 2, 1]
    assert counts([], 3) == []
