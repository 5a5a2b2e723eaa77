"""Jobs that write other formats than PNG, and pictures with transparency."""

import json

import numpy as np
import pytest
from photographs import known_of, noise, photograph, to_gray
from PIL import Image
from small_completions import rows, run, save, save_mask, untimed_rows

from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import GRAY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three photographs of other formats with their masks."""
    folder = tmp_path_factory.mktemp("formats")
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for stem, name in (("broad", "broad.JPG"), ("tall", "tall.tif"), ("small", "small.webp")):
        Image.fromarray(photograph(stem)).save(folder / "photos" / name)
        images.write(folder / f"masks/{stem}.png", known_of(stem) * 2 - 1)
    return folder


def files_of(out):
    """Returns the names of the completions of a job by their stem."""
    return {stem: row["completion"] for stem, row in rows(out).items()}


def test_job_in_the_format_of_its_inputs(run_folder, folder, tmp_path, search_sizes, logged):
    """Rows, sheet, damaged files and --overwrite go by the names with their suffixes."""
    out, settings = tmp_path / "out", {"mask": str(folder / "masks"), "block_size": 4}
    assert run(run_folder, out, folder / "photos", format="same", **settings) == 0
    names = {"broad": "broad.JPG", "small": "small.webp", "tall": "tall.tif"}
    assert files_of(out) == names
    assert sum("changes known pixels" in text for text in logged.messages) == 2
    for stem, name in names.items():
        completion, original = images.read(out / name), images.read(folder / "photos" / name)
        change = np.abs(completion[..., :1].astype(int) - to_gray(original))
        assert change[known_of(stem) > 0].max() <= (30 if stem != "tall" else 0)
        assert (out / f"details/{stem}/masked.png").exists()
    sheet = images.read(out / "sheet.png")
    assert sheet.shape == (18 + 3 * 256 + 2 * 2, 4 * 256 + 3 * 2, 1)
    # The finished job does nothing more, but does again what was damaged.
    first, expected = untimed_rows(out), (out / "broad.JPG").read_bytes()
    assert run(run_folder, out, folder / "photos", format="same", **settings) == 0
    assert len(search_sizes) == 1
    (out / "broad.JPG").write_bytes(expected[:-40])
    (out / "small.webp").write_bytes((out / "small.webp").read_bytes()[:-40])
    assert run(run_folder, out, folder / "photos", format="same", **settings) == 0
    assert search_sizes[1:] == [2] and (out / "broad.JPG").read_bytes() == expected
    assert untimed_rows(out) == first
    # Another format is another job, which leaves nothing of the first one.
    with pytest.raises(ValueError, match=r"differs in format \(same there\)"):
        run(run_folder, out, folder / "photos", **settings)
    assert run(run_folder, out, folder / "photos", overwrite=True, **settings) == 0
    assert files_of(out) == {stem: f"{stem}.png" for stem in names}
    assert not any((out / name).exists() for name in names.values())


def test_a_record_of_an_earlier_version_goes_on(run_folder, tmp_path, search_sizes):
    """It has no entries of the settings that came later."""
    out, path = tmp_path / "out", run_folder / "in/00.png"
    assert run(run_folder, out, path) == 0
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(
        json.dumps({name: config[name] for name in config if name not in ("format", "grow_mask")})
    )
    assert run(run_folder, out, path) == 0
    assert len(search_sizes) == 1


@pytest.fixture
def cut_out(tmp_path):
    """A picture whose erased part is transparent, with a soft edge, beside one without alpha."""
    levels = np.dstack([noise(40, 60, 3), np.full((40, 60), 255, np.uint8)])
    levels[10:30, 20:40, 3] = 100
    levels[12:28, 22:38, 3] = 0
    levels[0, 0, 3] = 200
    (tmp_path / "in").mkdir()
    Image.fromarray(levels).save(tmp_path / "in/erased.png")
    Image.fromarray(levels[..., :3]).save(tmp_path / "in/opaque.png")
    return levels


@pytest.mark.parametrize("invert", [False, True])
def test_transparency_is_the_mask(run_folder, tmp_path, cut_out, invert, logged):
    """The filled picture is opaque, and its known pixels have their colors, not those on white."""
    settings = {"mask": "alpha", "invert_mask": invert, "framing": "hole"}
    assert run(run_folder, tmp_path / "out", tmp_path / "in", **settings) == 1
    (reason,) = [text for text in logged.messages if text.startswith("Not completed")]
    assert "--mask=alpha must go with pictures that have transparency" in reason
    assert "opaque.png has none; " in reason
    (row,) = rows(tmp_path / "out").values()
    assert (row["completion"], row["mask"]) == ("erased.png", "alpha")
    known = (cut_out[..., 3:] >= 128) != invert
    completion, colors = images.read(tmp_path / "out/erased.png"), to_gray(cut_out[..., :3])
    with Image.open(tmp_path / "out/erased.png") as file:
        assert file.mode == "L"
    np.testing.assert_array_equal(completion[known], colors[known])
    assert (completion != colors)[~known].mean() > 0.5
    masked = images.read(tmp_path / "out/details/erased/masked.png")
    np.testing.assert_array_equal(masked, np.where(known, colors, GRAY))
    # The file of the mask is that of the image.
    assert set(row["inputs"]) == {"image"}


def test_transparency_stays_under_another_mask(run_folder, tmp_path, cut_out):
    """At the image's own size as it is, and at the network's size as it was resized."""
    hole = np.full((40, 60, 1), 255, np.uint8)
    hole[5:20, 5:30] = 0
    images.write(tmp_path / "hole.png", hole)
    path = tmp_path / "in/erased.png"
    assert run(run_folder, tmp_path / "own", path, mask=str(tmp_path / "hole.png")) == 0
    with Image.open(tmp_path / "own/erased.png") as file:
        colors, alpha = np.split(np.asarray(file.convert("LA")), 2, axis=2)
    np.testing.assert_array_equal(alpha, cut_out[..., 3:])
    known = hole > 0
    np.testing.assert_array_equal(colors[known], to_gray(cut_out[..., :3])[known])
    assert run(run_folder, tmp_path / "resized", path, mask="center") == 0
    with Image.open(tmp_path / "resized/erased.png") as file:
        resized = np.asarray(file.convert("LA"))[..., 1:]
    np.testing.assert_array_equal(resized, images.fit(cut_out[..., 3:].copy(), 28, 1))


def test_transparency_of_the_run_s_own_images_is_refused(run_folder, tmp_path):
    """They have none."""
    with pytest.raises(ValueError, match="--mask=alpha must go with images, .* name image files"):
        run(run_folder, tmp_path / "out", mask="alpha")


def test_masks_beside_their_pictures(run_folder, tmp_path, logged):
    """They are no pictures, in the call that goes on too. Two that fit are refused by name."""
    for number, name in enumerate(("a", "b")):
        save(tmp_path / f"in/{name}.png", number)
    save_mask(tmp_path / "in/a_mask.png", 5)
    save_mask(tmp_path / "in/b.mask.bmp", 6)
    settings = {"mask": str(tmp_path / "in")}
    for _ in range(2):
        assert run(run_folder, tmp_path / "out", tmp_path / "in", **settings) == 0
        masks = {stem: row["mask"] for stem, row in rows(tmp_path / "out").items()}
        expected = {"a": "a_mask.png", "b": "b.mask.bmp"}
        assert masks == {stem: str(tmp_path / "in" / name) for stem, name in expected.items()}
    save_mask(tmp_path / "in/mask_b.png", 6)
    assert run(run_folder, tmp_path / "other", tmp_path / "in", **settings) == 1
    assert "has 2 that fit b.png, such as b.mask.bmp and mask_b.png; keep one" in logged.text
