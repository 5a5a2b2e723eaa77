"""Jobs whose images are completed in place, because their masks have their own sizes."""

import functools

import numpy as np
import pytest
from photographs import FRAMINGS, HOLES, SHAPES, known_of, noise, photograph, to_gray
from PIL import Image
from small_completions import assert_same_job, contents, new_run_folder, rows, run, untimed_rows
from tiny import SIZE, picture

from tf_inpaint.completion import sheet
from tf_inpaint.completion.job import Job
from tf_inpaint.compositing import blending, large_images
from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import GRAY
from tf_inpaint.latent_search import objective
from tf_inpaint.metrics import pairwise
from tf_inpaint.runs import run_directory


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, and RGB photographs with a mask for each. One photograph has the network's size."""
    folder = new_run_folder(tmp_path_factory.mktemp("in_place"))
    for stem in SHAPES:
        for name, pixels in (("photos", photograph(stem)), ("masks", known_of(stem) * 2 - 1)):
            (folder / name).mkdir(exist_ok=True)
            images.write(folder / name / f"{stem}.png", pixels)
    images.write(folder / "photos/own.png", picture(0))
    images.write(folder / "masks/own.png", np.where(picture(1) < 128, np.uint8(0), np.uint8(255)))
    return folder


@pytest.fixture(scope="module")
def job_of(folder, traced_once):
    """Function that returns the folder of a finished job, by framing and blend."""

    @functools.cache
    def finished_job(framing, blend="poisson"):
        out = folder / f"{framing}_{blend}"
        job_settings = settings(folder, framing=framing, blend=blend)
        assert run(folder, out, folder / "photos", **job_settings) == 0
        return out

    return finished_job


def settings(folder, **changes):
    """Returns the settings of a job with the masks of the folder."""
    return {"mask": str(folder / "masks"), "details": 6} | changes


# --- What a job writes.


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("blend", ["poisson", "feather", "paste"])
def test_images_keep_their_size_and_every_known_pixel(job_of, framing, blend):
    """A completion in place differs from its photograph only in the hole."""
    job = job_of(framing, blend)
    for stem, shape in SHAPES.items():
        completion, known = images.read(job / f"{stem}.png"), known_of(stem) > 0
        original = to_gray(photograph(stem))
        assert completion.shape == (*shape, 1)
        np.testing.assert_array_equal(completion[known], original[known])
        assert known.all() or (completion != original)[~known].mean() > 0.5
    assert images.read(job / "own.png").shape == (SIZE, SIZE, 1)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("blend", ["poisson", "feather"])
def test_completions_are_the_generated_pictures_of_the_latents(job_of, folder, framing, blend):
    """The stored z give the completions: generated, put back in place and blended."""
    job, network = job_of(framing, blend), run_directory.load(folder / "run")
    with np.load(job / "latents.npz") as latents:
        stored_files, z = latents["files"].tolist(), latents["z"]
    for stem, shape in SHAPES.items():
        row, known = rows(job)[stem], known_of(stem)
        squares = large_images.squares(known, SIZE, framing)
        indices = [index for index, file in enumerate(stored_files) if file == row["file"]]
        assert len(indices) == row["squares"] == len(squares)
        if not squares:
            continue
        generated = network.generator(z[indices]).numpy()
        # The width of 8 pixels is one at the network's size.
        side = max(square.side for square in squares)
        blends = {
            "poisson": blending.poisson,
            "feather": functools.partial(blending.feather, width=8 * side / SIZE),
        }
        masked = np.where(known > 0, to_gray(photograph(stem)), 0).astype(np.uint8)
        restored = large_images.restore(
            images.to_float(masked), known, squares, generated, blends[blend]
        )
        completion = images.read(job / f"{stem}.png").astype(int)
        assert np.abs(completion - images.to_uint8(restored)).max() <= 1, (stem, shape)


def test_rows_sum_over_the_squares(job_of, folder):
    """The energies of an image are sums over its squares."""
    job, network = job_of("hole"), run_directory.load(folder / "run")
    row, known = rows(job)["broad"], known_of("broad")
    with np.load(job / "latents.npz") as latents:
        z = latents["z"][np.array(latents["files"]) == row["file"]]
    generated = network.generator(z).numpy()
    masked = np.where(known > 0, to_gray(photograph("broad")), 0).astype(np.uint8)
    squares = large_images.squares(known, SIZE, "hole")
    pictures, known = large_images.crops(images.to_float(masked), known, squares, SIZE)
    assert row["squares"] == len(z) == 2
    # The network gets rounded levels, so each pixel may differ by half a level.
    assert row["contextual"] == pytest.approx(
        np.sum(known * np.abs(generated - pictures)), abs=float(known.sum()) / 255
    )
    perceptual = objective.saturating(network.discriminator(generated)).numpy()
    assert row["perceptual"] == pytest.approx(perceptual.sum(), rel=1e-3)
    assert row["energy"] == pytest.approx(row["contextual"] + 0.1 * row["perceptual"], rel=1e-5)
    assert (row["steps"], row["reason"]) == (12, "cap")
    assert "squares" not in rows(job)["own"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_scores_are_those_of_the_full_image(job_of, framing):
    """PSNR and SSIM compare completion and original at the image's own size."""
    for stem in ("broad", "tall", "small", "square"):
        completion = images.to_float(images.read(job_of(framing) / f"{stem}.png"))[None]
        original = images.to_float(to_gray(photograph(stem)))[None]
        row, hole = rows(job_of(framing))[stem], 1 - known_of(stem)[None]
        # The levels in the file are rounded.
        pair = completion, original
        assert row["hole_psnr"] == pytest.approx(pairwise.psnr(*pair, hole)[0], abs=0.1)
        assert row["psnr"] == pytest.approx(pairwise.psnr(*pair)[0], abs=0.1)
        assert row["hole_ssim"] == pytest.approx(pairwise.ssim(*pair, hole)[0], abs=0.01)
        assert row["ssim"] == pytest.approx(pairwise.ssim(*pair)[0], abs=0.01)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_details_are_full_images_and_the_first_generated_picture(job_of, framing):
    """Only the generated picture has the network's size."""
    for stem, shape in SHAPES.items():
        folder, known = job_of(framing) / "details" / stem, known_of(stem)
        parts = {path.stem: images.read(path) for path in folder.iterdir()}
        original = to_gray(photograph(stem))
        np.testing.assert_array_equal(parts["original"], original)
        np.testing.assert_array_equal(parts["masked"], np.where(known > 0, original, GRAY))
        np.testing.assert_array_equal(parts["pasted"][known > 0], original[known > 0])
        assert parts["pasted"].shape == (*shape, 1)
        assert parts["generated"].shape == ((SIZE, SIZE, 1) if HOLES[stem] else (*shape, 1))
    pasted = images.read(job_of(framing, "paste") / "details/broad/pasted.png")
    np.testing.assert_array_equal(pasted, images.read(job_of(framing, "paste") / "broad.png"))


def test_sheet_and_film_show_images_of_all_sizes(job_of):
    """The cells of the sheet are alike, and the film shows squares at the network's size."""
    side = sheet.CELL_SIDE
    pixels = images.read(job_of("hole") / "sheet.png")
    assert pixels.shape == (18 + 6 * side + 5 * 2, 4 * side + 3 * 2, 1)
    with Image.open(job_of("hole") / "search.gif") as film:
        # The first four images have two, none, one and one square.
        assert film.size == (4 * 4 * SIZE + 3 * 2, 3 * 4 * SIZE + 2 * 2)
        assert 4 < film.n_frames <= 13


def test_a_grown_hole_is_filled(folder, tmp_path):
    """The hole grows at the size of the image. A job goes on with the same growth alone."""
    path, changes = folder / "photos/tall.png", settings(folder, grow_mask=4)
    assert run(folder, tmp_path / "out", path, **changes) == 0
    known, original = grow(known_of("tall"), 4), to_gray(photograph("tall"))
    masked = images.read(tmp_path / "out/details/tall/masked.png")
    np.testing.assert_array_equal(masked, np.where(known > 0, original, GRAY))
    with pytest.raises(ValueError, match=r"differs in grow_mask \(4 there\)"):
        run(folder, tmp_path / "out", path, **settings(folder, grow_mask=5))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_hidden_pixels_reach_no_output(folder, tmp_path, framing):
    """Only the copy of the original depends on the hidden pixels."""
    outputs = []
    for name, hidden in (("first", 0), ("second", 255), ("third", noise(60, 100, 3))):
        (tmp_path / name).mkdir()
        scrambled = np.where(known_of("broad") > 0, photograph("broad"), hidden).astype(np.uint8)
        images.write(tmp_path / name / "broad.png", scrambled)
        changes = {"framing": framing, "blend": "poisson", "contextual": "weighted_l1"}
        out = tmp_path / f"{name}_out"
        assert run(folder, out, tmp_path / name, **settings(folder, **changes)) == 0
        files = contents(out)
        # These files hold the original, or the names of the files.
        for file in ("details/broad/original.png", "sheet.png", "latents.npz"):
            assert files.pop(file)
        outputs.append((files, np.load(out / "latents.npz")["z"].tolist()))
    assert outputs[0] == outputs[1] == outputs[2]


# --- Searches.


def test_all_known_comes_back_without_a_search(folder, tmp_path, search_sizes):
    """An image without a hole is written as it is."""
    path, out = folder / "photos/known.png", tmp_path / "out"
    assert run(folder, out, path, **settings(folder)) == 0
    assert search_sizes == []
    np.testing.assert_array_equal(images.read(out / "known.png"), to_gray(photograph("known")))
    row = rows(out)["known"]
    assert (row["squares"], row["steps"], row["reason"], row["energy"]) == (0, 0, None, 0)
    assert (row["psnr"], row["hole_psnr"], row["ssim"]) == (None, None, pytest.approx(1))
    # The job goes on with more images.
    paths = path, folder / "photos/own.png", folder / "photos/tall.png"
    assert run(folder, out, *paths, **settings(folder)) == 0
    assert search_sizes == [2]
    assert list(rows(out)) == ["known", "own", "tall"]
    assert len(np.load(out / "latents.npz")["z"]) == 2


def test_a_search_without_a_known_pixel_still_ends(folder, tmp_path):
    """A search may have no known pixel at the network's size."""
    known = np.zeros((60, 80, 1), np.float32)
    known[:, ::20] = 1
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "mask.png", known * 2 - 1)
    images.write(tmp_path / "in/a.png", noise(60, 80))
    changes = {"mask": str(tmp_path / "mask.png"), "blend": "poisson"}
    assert run(folder, tmp_path / "out", tmp_path / "in", **changes) == 0
    completion = images.read(tmp_path / "out/a.png")
    np.testing.assert_array_equal(completion[:, ::20], noise(60, 80)[:, ::20])
    assert rows(tmp_path / "out")["a"]["contextual"] == 0


def test_rows_of_a_block_go_through_one_search(folder, tmp_path, search_sizes):
    """A block of images is one search of all their squares."""
    out = tmp_path / "out"
    assert run(folder, out, folder / "photos", **settings(folder, framing="hole")) == 0
    counts = [row.get("squares", 1) for row in rows(out).values()]
    assert search_sizes == [sum(counts[:4]), sum(counts[4:])]


def test_an_image_alone_has_the_same_answer(job_of, folder, tmp_path):
    """A completion in place does not depend on the other images."""
    for framing in FRAMINGS:
        out = tmp_path / framing
        for stem in ("broad", "small", "tall"):
            changes = settings(folder, framing=framing, blend="poisson")
            assert run(folder, out, folder / f"photos/{stem}.png", **changes) == 0
            expected = (job_of(framing) / f"{stem}.png").read_bytes()
            assert (out / f"{stem}.png").read_bytes() == expected
            assert untimed_rows(out)[stem] == untimed_rows(job_of(framing))[stem]


# --- Jobs that go on.


@pytest.mark.parametrize("written", [2, 5])  # In the first block and in the second.
def test_killed_job_in_place_goes_on(job_of, folder, tmp_path, monkeypatch, written):
    """A killed job ends like a job that was not killed, and a finished job does nothing more."""
    original, out = Job.append, tmp_path / "out"
    changes = settings(folder, framing="hole", blend="poisson")

    def append(self, row):
        if len(self.done) == written:
            raise KeyboardInterrupt
        original(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", append)
        run(folder, out, folder / "photos", **changes)
    assert run(folder, out, folder / "photos", **changes) == 0
    if written == 2:
        # The first block had no film yet, so the film shows the next search.
        (out / "search.gif").write_bytes((job_of("hole") / "search.gif").read_bytes())
    assert_same_job(out, job_of("hole"))
    assert run(folder, out, folder / "photos", **changes) == 0
    assert_same_job(out, job_of("hole"))


def test_shards_in_place_make_the_job(job_of, folder, tmp_path):
    """Two machines together write what one machine writes."""
    out, parts = tmp_path / "out", {}
    for index in range(2):
        changes = settings(folder, framing="hole", blend="poisson", shard=f"{index}/2")
        assert run(folder, out, folder / "photos", **changes) == 0
        parts |= untimed_rows(out, f"-{index}of2")
    assert parts == untimed_rows(job_of("hole"))
    for stem in SHAPES:
        expected = (job_of("hole") / f"{stem}.png").read_bytes()
        assert (out / f"{stem}.png").read_bytes() == expected


def test_framing_must_stay_the_same(job_of, folder):
    """A job does not go on with another framing."""
    changes = settings(folder, framing="image", blend="poisson")
    with pytest.raises(ValueError, match="framing"):
        run(folder, job_of("hole"), folder / "photos", **changes)
