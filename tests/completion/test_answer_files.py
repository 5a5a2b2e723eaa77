"""The files of one answer: its numbers, and the pictures of its samples."""

import dataclasses

import numpy as np
import pytest
from photographs import HOLES, SHAPES, example_under, known_of, photograph
from small_completions import mask_of, rows, run
from tiny import SIZE, picture

from tf_inpaint.completion.answer_files import answer_row, search_numbers, start_name, write_details
from tf_inpaint.completion.job import Job
from tf_inpaint.compositing import blending
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import heat_maps, images
from tf_inpaint.inpainting.completions import Completions
from tf_inpaint.inputs.mask_sources import new_mask_source
from tf_inpaint.inputs.masked_images import ExampleMaker
from tf_inpaint.inputs.named_images import Input


def test_numbers_of_several_rows_are_sums():
    """Energies are added, and the steps are those of the longest search."""
    values = {
        "energy": [1, 2],
        "contextual": [3, 4],
        "perceptual": [-5, 2],
        "steps": [3, 7],
        "reason": [0, 1],
    }
    completions = Completions(*(np.array(values.get(name, [0, 0])) for name in Completions._fields))
    expected = {"energy": 3, "contextual": 7, "perceptual": -3, "steps": 7, "reason": "converged"}
    assert search_numbers(completions) == expected
    for from_last, name in (([1, 0], "own"), ([0, 1], "last_frame")):
        assert start_name(completions._replace(from_last_z=np.array(from_last))) == name
    assert start_name(None) is None


@pytest.mark.parametrize(("count", "uncertainty"), [(0, np.nan), (0, 0.25), (2, 0.25), (6, 0.25)])
def test_samples_and_uncertainty_of_an_estimate_are_reported(tmp_path, count, uncertainty):
    """They appear in the row, in the sheet and on the page, one without the other too."""
    item = Input("a", "a", "a", lambda: picture(0))
    example = ExampleMaker(SIZE, 1).example(item, new_mask_source("center", 0).known_of)
    zero = np.zeros(1, np.float32)
    pictures = np.zeros((1, SIZE, SIZE, 1), np.float32)
    completions = Completions(
        images=pictures,
        generated=pictures,
        z=np.zeros((1, 4), np.float32),
        energy=zero,
        contextual=zero,
        perceptual=zero,
        steps=np.ones(1, int),
        reason=np.zeros(1, int),
        from_last_z=np.zeros(1, bool),
        samples=np.zeros((1, count, SIZE, SIZE, 1), np.float32),
        uncertainty=uncertainty * (1 - example.known[None]),
        acceptance=np.full((1, count), 0.5),
    )
    job = Job(tmp_path / "out", CompleteConfig(run_dir="run", estimate="mean"), "step 0")
    job.begin()
    write_details(job.out_dir, example, completions, None)
    images.write(job.out_dir / "a.png", completions.images[0])
    row = answer_row(job.config, example, completions, completions.images[0], {})
    job.append(row | {"completion": "a.png", "z": list(completions.z)})
    job.finish([item], detailed=1)
    row = rows(tmp_path / "out")["a"]
    has_uncertainty = uncertainty == 0.25
    expected = (0.25 if has_uncertainty else None, 0.5 if count else None)
    assert (row.get("uncertainty"), row.get("acceptance")) == expected
    sheet, columns = images.read(tmp_path / "out/sheet.png"), 4 + min(count, 4) + has_uncertainty
    height, scale = 18 + 4 * SIZE, 44 if has_uncertainty else 0
    channels = 3 if has_uncertainty else 1
    assert sheet.shape == (height + scale, columns * (4 * SIZE + 2) - 2, channels)
    files = {path.name for path in (tmp_path / "out/details/a").glob("uncertainty.*")}
    assert files == ({"uncertainty.npy", "uncertainty.png"} if has_uncertainty else set())
    page = (tmp_path / "out/index.html").read_text()
    assert ("Samples: other answers" in page) == (count > 0)
    for text in ('<th scope="col">uncertainty', "Uncertainty: by how much"):
        assert (text in page) == has_uncertainty
    # --overwrite removes all of it.
    Job(tmp_path / "out", dataclasses.replace(job.config, overwrite=True), "step 0").remove()
    assert not (tmp_path / "out/details").exists()


def test_samples_are_written_for_images_with_details(run_folder, finished_job, tmp_path):
    """Samples keep the known pixels, and their uncertainty is 0 there."""
    settings = {"samples": 2, "estimate": "mean", "details": 1}
    paths = run_folder / "in/00.png", run_folder / "in/01.png"
    assert run(run_folder, tmp_path / "out", *paths, **settings) == 0
    assert not (tmp_path / "out/details/01").exists()
    folder, known = tmp_path / "out/details/00", mask_of(0) > 0
    parts = {path.stem: images.read(path) for path in folder.glob("*.png")}
    values = np.load(folder / "uncertainty.npy")
    first, second, uncertainty = (parts[name] for name in ("sample_0", "sample_1", "uncertainty"))
    for completion in (first, second, parts["pasted"]):
        np.testing.assert_array_equal(completion[known], picture(0)[known])
    assert (first != second).any() and values.dtype == np.float32
    assert (values[known[..., 0]] == 0).all() and (values[~known[..., 0]] > 0).any()
    heat_map = heat_maps.uncertainty_map(picture(0), ~known[..., 0], values)
    np.testing.assert_array_equal(uncertainty, heat_map)
    sheet, side = images.read(tmp_path / "out/sheet.png"), 4 * SIZE
    assert sheet.shape[1] == 7 * (side + 2) - 2
    np.testing.assert_array_equal(sheet[18:-44, -side:], images.enlarge(uncertainty[None])[0])
    np.testing.assert_array_equal(sheet[-44:, -side:], heat_maps.scale(side))
    row = rows(tmp_path / "out")["00"]
    assert row["uncertainty"] == pytest.approx(values[~known[..., 0]].mean(), rel=1e-5)
    assert "uncertainty" not in next(iter(rows(finished_job).values()))


def test_uncertainty_in_place_is_a_picture_of_the_image_s_size(tmp_path):
    """The values lie beside the picture, in the hole that each square covers."""
    example = example_under(
        tmp_path / "mask.png", photograph("broad"), known_of("broad"), channels=3, framing="hole"
    )
    pictures = np.zeros((2, SIZE, SIZE, 3), np.float32)
    values = np.reshape([0.2, 0.7], (2, 1, 1, 1))
    parts = dict.fromkeys(Completions._fields, np.zeros(2, np.float32))
    parts |= {"generated": pictures, "samples": pictures[:, None]}
    parts["uncertainty"] = values * np.ones((2, SIZE, SIZE, 1), np.float32)
    write_details(tmp_path / "out", example, Completions(**parts), blending.paste)
    folder, expected = tmp_path / "out/details/a", np.zeros(SHAPES["broad"])
    for (top, left, bottom, right), value in zip(HOLES["broad"], (0.2, 0.7), strict=True):
        expected[top:bottom, left:right] = value
    values = np.load(folder / "uncertainty.npy")
    np.testing.assert_allclose(values, expected, atol=1e-6)
    heat_map = heat_maps.uncertainty_map(photograph("broad"), expected > 0, values)
    np.testing.assert_array_equal(images.read(folder / "uncertainty.png"), heat_map)
