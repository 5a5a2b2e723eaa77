"""The files of one answer: its numbers, and the pictures of its samples."""

import numpy as np
import pytest
from photographs import HOLES, SHAPES, example_under, known_of, photograph
from small_completions import mask_of, rows, run
from tiny import SIZE, picture

from tf_inpaint.completion.answer_files import answer_row, search_numbers, write_details
from tf_inpaint.completion.job import Job
from tf_inpaint.compositing import blending
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import images
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


@pytest.mark.parametrize("count", [0, 2, 6])
def test_samples_that_an_estimate_needed_are_reported(tmp_path, count):
    """Samples that only the estimate needs appear in the row, in the sheet and on the page."""
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
        samples=np.zeros((1, count, SIZE, SIZE, 1), np.float32),
        uncertainty=0.25 * (1 - example.known[None]),
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
    expected = (0.25, 0.5) if count else (None, None)
    assert (row.get("uncertainty"), row.get("acceptance")) == expected
    columns = 4 + (min(count, 4) + 1 if count else 0)
    assert images.read(tmp_path / "out/sheet.png").shape[1] == columns * (4 * SIZE + 2) - 2
    page = (tmp_path / "out/index.html").read_text()
    has_samples, has_column = (
        "Samples: other answers" in page,
        '<th scope="col">uncertainty' in page,
    )
    assert has_samples == has_column == (count > 0)


def test_samples_are_written_for_images_with_details(run_folder, finished_job, tmp_path):
    """Samples keep the known pixels, and their uncertainty is 0 there."""
    settings = {"samples": 2, "estimate": "mean", "details": 1}
    paths = run_folder / "in/00.png", run_folder / "in/01.png"
    assert run(run_folder, tmp_path / "out", *paths, **settings) == 0
    assert not (tmp_path / "out/details/01").exists()
    parts = {path.stem: images.read(path) for path in (tmp_path / "out/details/00").iterdir()}
    known = mask_of(0) > 0
    first, second, uncertainty = (parts[name] for name in ("sample_0", "sample_1", "uncertainty"))
    for completion in (first, second, parts["pasted"]):
        np.testing.assert_array_equal(completion[known], picture(0)[known])
    assert (first != second).any() and (uncertainty[known] == 0).all()
    sheet, side = images.read(tmp_path / "out/sheet.png"), 4 * SIZE
    assert sheet.shape[1] == 7 * (side + 2) - 2
    np.testing.assert_array_equal(sheet[18:, -side:], images.enlarge(uncertainty[None])[0])
    row = rows(tmp_path / "out")["00"]
    assert row["uncertainty"] == pytest.approx(uncertainty[~known].mean() / 255, abs=0.01)
    assert "uncertainty" not in next(iter(rows(finished_job).values()))


def test_uncertainty_in_place_is_a_picture_of_the_image_s_size(tmp_path):
    """White is an uncertainty of half the range from black to white, in all color channels."""
    example = example_under(
        tmp_path / "mask.png", photograph("broad"), known_of("broad"), channels=3, framing="hole"
    )
    pictures = np.zeros((2, SIZE, SIZE, 3), np.float32)
    values = np.reshape([0.2, 0.7], (2, 1, 1, 1))
    parts = dict.fromkeys(Completions._fields, np.zeros(2, np.float32))
    parts |= {"generated": pictures, "samples": pictures[:, None]}
    parts["uncertainty"] = values * np.ones((2, SIZE, SIZE, 1), np.float32)
    write_details(tmp_path / "out", example, Completions(**parts), blending.paste)
    levels = images.read(tmp_path / "out/details/a/uncertainty.png")
    assert levels.shape == (*SHAPES["broad"], 3)
    expected = np.zeros_like(known_of("broad"))
    for (top, left, bottom, right), value in zip(HOLES["broad"], (0.2, 0.7), strict=True):
        expected[top:bottom, left:right] = value
    expected = images.to_uint8(2 * expected - 1).repeat(3, axis=2).astype(int)
    assert np.abs(levels - expected).max() <= 1
