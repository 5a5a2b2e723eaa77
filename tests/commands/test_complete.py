"""complete: all that a job writes, and the images that it takes."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_completions import (
    contents,
    mask_of,
    new_config,
    rows,
    run,
    save,
    save_mask,
    untimed_rows,
)
from tiny import SIZE, new_run, picture

from tf_inpaint.compositing import masks
from tf_inpaint.files import images
from tf_inpaint.latent_search import objective
from tf_inpaint.metrics import pairwise
from tf_inpaint.runs import run_directory

pytestmark = pytest.mark.usefixtures("traced_once")


# --- What a job writes.


def test_every_file_exists_and_no_other(finished_job):
    """A job writes a completion for every image, and details for the first three."""
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
    assert {path.name for path in finished_job.iterdir()} == names
    assert {path.name for path in (finished_job / "details").iterdir()} == set(stems[:3])
    for stem in stems[:3]:
        parts = {"original.png", "masked.png", "generated.png", "pasted.png"}
        assert {path.name for path in (finished_job / "details" / stem).iterdir()} == parts
    assert list(rows(finished_job)) == stems


def test_known_pixels_are_those_of_the_image(finished_job):
    """A completion differs from its image only in the hole."""
    for index in range(17):
        completion, known = images.read(finished_job / f"{index:02}.png"), mask_of(index) > 0
        np.testing.assert_array_equal(completion[known], picture(index)[known])
        assert (completion != picture(index)).any()


def test_details_are_the_steps_to_a_completion(finished_job):
    """The details show the original, the masked, the generated and the pasted image."""
    for index in range(3):
        folder = finished_job / f"details/{index:02}"
        parts = {path.stem: images.read(path) for path in folder.iterdir()}
        known = mask_of(index) > 0
        np.testing.assert_array_equal(parts["original"], picture(index))
        np.testing.assert_array_equal(parts["masked"], np.where(known, picture(index), 127))
        pasted = np.where(known, picture(index), parts["generated"])
        np.testing.assert_array_equal(parts["pasted"], pasted)
        np.testing.assert_array_equal(
            parts["pasted"], images.read(finished_job / f"{index:02}.png")
        )


def test_latents_and_rows_agree_with_the_networks(finished_job, run_folder):
    """The networks give the same pictures and energies for the stored z."""
    network = run_directory.load(run_folder / "run")
    with np.load(finished_job / "latents.npz") as latents:
        stored_files, z = latents["files"].tolist(), latents["z"]
    assert stored_files == [row["file"] for row in rows(finished_job).values()]
    assert z.shape == (17, 4) and np.abs(z).max() <= 1
    generated = network.generator(z).numpy()
    logits = network.discriminator(generated)
    for index, row in enumerate(rows(finished_job).values()):
        known, original = mask_of(index), images.to_float(picture(index))
        assert row["contextual"] == pytest.approx(
            np.sum(known * np.abs(generated[index] - original)), rel=1e-4
        )
        assert row["perceptual"] == pytest.approx(
            float(objective.saturating(logits)[index]), rel=1e-3
        )
        assert row["energy"] == pytest.approx(row["contextual"] + 0.1 * row["perceptual"], rel=1e-5)
        if index < 3:
            levels = images.read(finished_job / f"details/{index:02}/generated.png").astype(int)
            assert np.abs(levels - images.to_uint8(generated[index])).max() <= 1


def test_rows_hold_the_numbers_of_an_image(finished_job, run_folder):
    """A row names the image, its mask and its search, and holds its scores."""
    for index, row in enumerate(rows(finished_job).values()):
        assert row["file"] == str(run_folder.resolve() / f"in/{index:02}.png")
        assert (row["completion"], row["mask"]) == (f"{index:02}.png", "random")
        assert (row["steps"], row["seed"], row["block_size"]) == (12, 0, 4)
        assert row["seconds"] > 0
        # The levels in the file are rounded.
        completion = images.to_float(images.read(finished_job / f"{index:02}.png"))[None]
        original = images.to_float(picture(index))[None]
        hole = 1 - mask_of(index)[None]
        for name, score, weights in [
            ("hole_psnr", pairwise.psnr, hole),
            ("psnr", pairwise.psnr, None),
            ("hole_ssim", pairwise.ssim, hole),
            ("ssim", pairwise.ssim, None),
        ]:
            expected = float(score(completion, original, weights)[0])
            assert row[name] == pytest.approx(expected, abs=0.02), name


def test_hidden_pixels_of_a_file_reach_no_output(run_folder, tmp_path):
    """Only the copy of the original and its scores depend on the hidden pixels."""
    # The image is completed in place, at twice the network's size.
    known = masks.make("strokes", 2 * SIZE, 2 * SIZE, 1, 0.3)
    images.write(tmp_path / "mask.png", known * 2 - 1)
    original = picture(3, 2 * SIZE)
    settings = {
        "mask": str(tmp_path / "mask.png"),
        "contextual": "weighted_l1",
        "blend": "poisson",
    }
    outputs = []
    for name, hidden in [("first", original), ("second", 255 - original)]:
        (tmp_path / name).mkdir()
        images.write(tmp_path / name / "a.png", np.where(known > 0, original, hidden))
        out = tmp_path / f"{name}_out"
        assert run(run_folder, out, tmp_path / name / "a.png", **settings) == 0
        files = contents(out)
        assert files.pop("details/a/original.png")
        assert files.pop("sheet.png")
        latents = np.load(out / "latents.npz")["z"]
        del files["latents.npz"]  # The file holds the name of the image.
        outputs.append((files, latents.tolist(), rows(out)["a"]["energy"]))
    assert outputs[0] == outputs[1]
    originals = [
        (tmp_path / f"{name}_out/details/a/original.png").read_bytes()
        for name in ("first", "second")
    ]
    assert originals[0] != originals[1]


# --- Which images are completed.


def test_image_alone_has_the_answer_that_it_has_in_its_folder(finished_job, run_folder, tmp_path):
    """A completion does not depend on the other images."""
    assert run(run_folder, tmp_path / "out", run_folder / "in/06.png") == 0
    assert (tmp_path / "out/06.png").read_bytes() == (finished_job / "06.png").read_bytes()
    assert untimed_rows(tmp_path / "out")["06"] == untimed_rows(finished_job)["06"]


def test_held_out_images_are_completed_if_none_are_given(run_folder, tmp_path):
    """Without images, the command takes held-out images of the run."""
    assert run(run_folder, tmp_path / "out", count=3, mask="center") == 0
    file_of = {stem: row["file"] for stem, row in rows(tmp_path / "out").items()}
    assert file_of == {str(index): f"x_test/{index}" for index in (0, 4, 8)}
    for index in (0, 4, 8):
        known = masks.make("center", SIZE, SIZE, 0) > 0
        completion = images.read(tmp_path / f"out/{index}.png")
        np.testing.assert_array_equal(completion[known], picture(100 + index)[known])


def test_newest_run_and_its_folder_are_the_defaults(run_folder, tmp_path, monkeypatch):
    """Without --run_dir and --out_dir, the command takes the newest run below runs/."""
    monkeypatch.chdir(tmp_path)
    for age, name in [(100, "old"), (0, "new")]:
        shutil.copytree(run_folder / "run", f"runs/{name}")
        os.utime(f"runs/{name}/checkpoints", (time.time() - age,) * 2)
    assert run(run_folder, "", run_dir="", count=1, mask="full") == 0
    assert Path("runs/new/completions/full/0.png").exists()
    settings = json.loads(Path("runs/new/completions/full/config.json").read_text())
    assert settings["run_dir"] == "runs/new"


def test_every_mask_has_a_folder_by_default(run_folder, tmp_path):
    """Without --out_dir, a job with another mask is not refused, nor are old jobs touched."""
    run_dir = shutil.copytree(run_folder / "run", tmp_path / "run")
    holes = tmp_path / "my.holes"
    mask = save_mask(holes / "left.half.png", 1)
    settings = {"run_dir": str(run_dir), "count": 1}
    old = {"out_dir": run_dir / "completions", "mask": "left", "seed": 1}
    assert run(run_folder, **old | settings) == 0
    before = contents(run_dir / "completions")
    for name in ("center", "strokes", mask):
        assert run(run_folder, "", mask=name, **settings) == 0
    save_mask(holes / "0.png", 1)
    assert run(run_folder, "", mask=f"{holes}/", **settings) == 0
    assert run(run_folder, "", mask="left", **settings) == 0
    after = contents(run_dir / "completions")
    assert before.items() <= after.items()
    for name in ("center", "strokes", "left.half", "my.holes", "left"):
        assert f"{name}/0.png" in after
    with pytest.raises(ValueError) as refusal:
        run(run_folder, "", mask="left", **settings | {"seed": 2})
    assert re.search(
        r"completions/left differs in seed \(0 there\); choose another --out_dir, or pass "
        r"--overwrite\.$",
        str(refusal.value),
    )


def test_all_known_is_the_image_and_all_hole_a_sample(run_folder, tmp_path):
    """The masks "full" and "empty" are the two extremes."""
    for mask in ("full", "empty"):
        out = tmp_path / mask
        assert run(run_folder, out, run_folder / "in/03.png", mask=mask, blend="poisson") == 0
    full, empty = rows(tmp_path / "full")["03"], rows(tmp_path / "empty")["03"]
    np.testing.assert_array_equal(images.read(tmp_path / "full/03.png"), picture(3))
    # JSON has no infinity, and there is no hole.
    assert (full["psnr"], full["hole_psnr"], full["hole_ssim"]) == (None, None, None)
    assert full["ssim"] == pytest.approx(1)
    sample = images.read(tmp_path / "empty/03.png")
    np.testing.assert_array_equal(sample, images.read(tmp_path / "empty/details/03/generated.png"))
    assert empty["contextual"] == 0 and empty["hole_psnr"] == pytest.approx(empty["psnr"])


def test_lowres_completes_from_box_averages(run_folder, tmp_path):
    """With the mask "lowres", only box averages are given."""
    settings = {"mask": "lowres", "mask_scale": 0.5}
    assert run(run_folder, tmp_path / "out", run_folder / "in/03.png", **settings) == 0
    masked = images.read(tmp_path / "out/details/03/masked.png")
    averages = np.rint(picture(3).reshape(14, 2, 14, 2).mean(axis=(1, 3)))
    np.testing.assert_array_equal(masked[::2, ::2, 0], averages)
    np.testing.assert_array_equal(masked[1::2, 1::2, 0], averages)
    generated = images.read(tmp_path / "out/details/03/generated.png")
    np.testing.assert_array_equal(images.read(tmp_path / "out/03.png"), generated)


def test_photograph_is_turned_as_a_viewer_shows_it(run_folder, tmp_path):
    """The EXIF orientation of a file is applied."""
    turned = Image.fromarray(picture(3)[..., 0])
    exif = turned.getexif()
    exif[0x0112] = 3  # Upside down.
    turned.save(tmp_path / "a.png", exif=exif)
    assert run(run_folder, tmp_path / "out", tmp_path / "a.png", mask="left") == 0
    completion = images.read(tmp_path / "out/a.png")
    np.testing.assert_array_equal(completion[:, 14:], np.rot90(picture(3), 2)[:, 14:])


def test_two_images_with_one_stem(run_folder, tmp_path):
    """Images with the same stem get different names."""
    save(tmp_path / "in/a.png", 1)
    Image.fromarray(picture(2)[..., 0]).save(tmp_path / "in/a.bmp")
    save(tmp_path / "more/a.png", 3)
    paths = tmp_path / "in", tmp_path / "more"
    assert run(run_folder, tmp_path / "out", *paths, mask="left") == 0
    for stem, seed in [("in_a", 1), ("a", 2), ("more_a", 3)]:
        completion = images.read(tmp_path / f"out/{stem}.png")
        np.testing.assert_array_equal(completion[:, 14:], picture(seed)[:, 14:])
        assert (tmp_path / f"out/details/{stem}/masked.png").exists()
    assert len(rows(tmp_path / "out")) == 3


def test_image_of_another_size_and_color_is_fitted_and_logged_once(
    run_folder, tmp_path, launch_exit
):
    """Images become gray and of the network's size."""
    paths = [save(tmp_path / f"in/{index}.png", index, 40 + 8 * index, 3) for index in range(3)]
    code, log = launch_exit(new_config(run_folder, tmp_path / "out", *paths))
    assert code == 0
    (line,) = (line for line in log if "resized" in line)
    assert "28 x 28 gray" in line and "0.png is 40 x 40 RGB" in line
    for index in range(3):
        original = images.read(tmp_path / f"out/details/{index}/original.png")
        expected = images.fit(picture(index, 40 + 8 * index, 3), SIZE, 1)
        np.testing.assert_array_equal(original, expected)


def test_images_are_cropped_as_the_run_s_images_are(run_folder, tmp_path):
    """The crop of the run applies to given images."""
    new_run(tmp_path / "run", dataset=f"npz:{run_folder}/data.npz", crop=28, channels=3)
    save(tmp_path / "a.png", 0, 60, 3)
    assert run(tmp_path, tmp_path / "out", tmp_path / "a.png", mask="full") == 0
    completion = images.read(tmp_path / "out/a.png")
    np.testing.assert_array_equal(completion, picture(0, 60, 3)[16:44, 16:44])
