"""evaluate: rows, pictures and summary, evaluations that are extended, and methods of the user."""

import dataclasses
import types

import numpy as np
import pytest
import small_evaluations
from small_evaluations import COUNT, METHODS, ONE_METHOD, contents, new_config, rows, untimed_rows
from tiny import SIZE, new_run, picture

from tf_inpaint import evaluate
from tf_inpaint.config import EvaluateConfig
from tf_inpaint.evaluation import methods
from tf_inpaint.files import images
from tf_inpaint.inputs import named_images
from tf_inpaint.runs import run_directory


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Makes all evaluations of this file quick."""
    with small_evaluations.quick_evaluations():
        yield


@pytest.fixture
def folder(tmp_path_factory):
    """Folder of two runs, see `small_evaluations.runs_folder`."""
    return small_evaluations.runs_folder(tmp_path_factory.getbasetemp())


@pytest.fixture
def done(folder):
    """Output folder of a finished evaluation."""
    return small_evaluations.finished_evaluation(folder)


def test_a_row_and_a_picture_for_every_method_mask_and_image(done):
    """The numbers of a row are those of its pictures, and completions keep the known pixels."""
    all_rows = rows(done)
    assert len(all_rows) == len(contents(done)["results"]) == len(METHODS) * 2 * COUNT
    assert {key[:2] for key in all_rows} == {
        (method, mask) for method in METHODS for mask in ("center", "random")
    }
    for (method, mask, _), row in all_rows.items():
        completion, original, masked = (
            images.to_float(images.read(done / "images" / name / mask / row["file"]))
            for name in (method, "original", "masked")
        )
        hole = (images.to_uint8(masked) == 127) & (images.to_uint8(original) != 127)
        np.testing.assert_array_equal(completion[~hole], original[~hole])
        # Pictures have 256 levels.
        assert row["l1"] == pytest.approx(np.abs(completion - original).mean(), abs=2 / 255)
        assert row["hole_share"] == pytest.approx(0.25 if mask == "center" else 0.8, abs=0.01)
        assert ("contextual" in row) == (method in ("best", "best_paste"))
        assert row["seconds_per_image"] > 0
    assert not list(done.glob(".*"))


def test_the_summary_is_that_of_the_rows(done):
    """Means and intervals are those of the rows, and stand in evaluation.md and on the page."""
    all_rows, summary = rows(done), contents(done)["summary"]
    for method in METHODS:
        for mask in ("center", "random"):
            group = [row for key, row in all_rows.items() if key[:2] == (method, mask)]
            assert summary[method][mask]["images"] == COUNT
            for name in ("hole_psnr", "ssim", "seconds_per_image"):
                assert summary[method][mask][name] == pytest.approx(
                    np.mean([row[name] for row in group])
                )
            low, high = contents(done)["intervals"][method][mask]["hole_psnr"]
            assert low < summary[method][mask]["hole_psnr"] < high
            assert summary[method][mask]["sliced_wasserstein"] > 0
    text = (done / "evaluation.md").read_text()
    assert text.count("## ") == 3 and "lpips" not in text.lower()
    assert f"{summary['best']['center']['hole_psnr']:.1f}" in text
    page = (done / "index.html").read_text()
    assert page.count("<h3>") == 3 and page.count("data:image/png;base64,") == 1
    assert f"{summary['best']['center']['hole_psnr']:.1f}" in page


def test_both_blendings_are_of_one_search(done):
    """Two blendings of the same search have the same contextual term."""
    all_rows = rows(done)
    for image in {key[2] for key in all_rows}:
        poisson, paste = (all_rows[method, "center", image] for method in ("best", "best_paste"))
        assert paste["contextual"] == poisson["contextual"] and paste["psnr"] != poisson["psnr"]


def test_later_evaluations_add_masks_and_methods(folder, done, tmp_path):
    """Existing rows stay, with their times, and the result equals that of a single evaluation."""
    out = tmp_path / "out"
    first = new_config(folder, out, methods=("mean_color",), masks=("random",), measure=())
    assert evaluate.run(first) == 0
    (out / "images/mean_color/random/0.png").write_bytes(b"kept")
    (out / "images/mean_color/random/0.png").write_bytes(
        (done / "images/mean_color/random/0.png").read_bytes()
    )
    before = rows(out)
    assert evaluate.run(new_config(folder, out, methods=("mean_color", "nearest_pixel"))) == 0
    assert {key: rows(out)[key] for key in before} == before, "times and all"
    expected = {
        key: row
        for key, row in untimed_rows(done).items()
        if key[0] in ("mean_color", "nearest_pixel")
    }
    assert untimed_rows(out) == expected


def test_the_default_folder_may_also_be_named(folder):
    """The default folder is evaluation/ in the run."""
    assert evaluate.run(new_config(folder, "", **ONE_METHOD)) == 0
    before = rows(folder / "run/evaluation")
    assert evaluate.run(new_config(folder, folder / "run/evaluation", **ONE_METHOD)) == 0
    assert rows(folder / "run/evaluation") == before


def test_published_searches_complete_fewer_images(folder, tmp_path):
    """A method without all images has no distance between sets."""
    config = new_config(
        folder, tmp_path, methods=("ancestor", "mean_color"), few=2, masks=("left",)
    )
    assert evaluate.run(config) == 0
    ancestor, mean_color = (
        contents(tmp_path)["summary"][method]["left"] for method in ("ancestor", "mean_color")
    )
    assert (ancestor["images"], mean_color["images"]) == (2, COUNT)
    assert "sliced_wasserstein" not in ancestor


def test_a_function_of_the_user_sees_no_hidden_pixel(folder, tmp_path, monkeypatch):
    """A function in the current folder is a method, and a wrong function is refused."""
    (tmp_path / "own_methods.py").write_text(
        "import numpy as np\n"
        "def bright(images, known):\n"
        "    hidden = images[np.broadcast_to(known == 0, images.shape)]\n"
        "    assert np.ptp(hidden) == 0 and abs(hidden[0]) < 0.01\n"
        "    return np.full_like(images, 0.5)\n"
        "def small(images, known):\n"
        "    return images[:, 1:]\n"
        "number = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    config = new_config(
        folder, tmp_path / "out", methods=("own_methods:bright",), masks=("center",)
    )
    assert evaluate.run(config) == 0
    completion = images.read(tmp_path / "out/images/own_methods.bright/center/0.png")
    assert (completion[10:18, 10:18] == images.to_uint8(np.float32(0.5))).all()
    with pytest.raises(ValueError, match="completions of the images' shape"):
        evaluate.run(dataclasses.replace(config, methods=("own_methods:small",)))
    for name in ("own_methods:gone", "own_methods:number", "gone:bright"):
        with pytest.raises(ValueError, match=f"received {name}: .*; correct the name"):
            evaluate.run(dataclasses.replace(config, methods=(name,)))


def test_each_image_picks_a_mask_of_a_folder(folder, tmp_path):
    """Masks of a folder are resized, and an image takes one of them by its seed."""
    for name, side in (("a", SIZE), ("b", 2 * SIZE)):
        mask = np.full((side, side, 1), 255, np.uint8)
        mask[: side // (2 if name == "a" else 4)] = 0
        (tmp_path / "holes").mkdir(exist_ok=True)
        images.write(tmp_path / f"holes/{name}.png", mask)
    masks = (f"{tmp_path}/holes", "center")
    config = new_config(folder, tmp_path / "out", methods=("mean_color",), masks=masks)
    assert evaluate.run(config) == 0
    shares = [row["hole_share"] for key, row in rows(tmp_path / "out").items() if key[1] == "holes"]
    assert len(shares) == COUNT and len({round(share, 1) for share in shares}) == 2
    assert min(shares) >= 0.25, "a pixel with a hidden part is hidden"
    assert max(shares) == 0.5


def test_two_runs_stand_side_by_side(folder, tmp_path):
    """A search is evaluated with each run, and a baseline once."""
    config = dataclasses.replace(
        new_config(folder, tmp_path, methods=("best", "mean_color"), masks=("center",)),
        run_dir="",
        compare=(f"{folder}/run", f"{folder}/other"),
    )
    assert evaluate.run(config) == 0
    summary = contents(tmp_path)["summary"]
    assert list(summary) == ["best@run", "best@other", "mean_color"]
    contextual = [summary[name]["center"]["contextual"] for name in ("best@run", "best@other")]
    assert contextual[0] != contextual[1]
    new_run(folder / "color", dataset=f"npz:{folder}/data.npz", channels=3)
    with pytest.raises(ValueError, match="runs on the same images.*--channels=1.*color 3"):
        evaluate.run(dataclasses.replace(config, compare=(f"{folder}/run", f"{folder}/color")))


def test_images_that_cannot_be_read_are_reported(tmp_path, caplog):
    """The other images are evaluated, and the exit code is 1."""
    for index in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / f"in/{index}.png", picture(index))
    new_run(tmp_path / "run", dataset=f"folder:{tmp_path}/in")
    trained = run_directory.read_config(tmp_path / "run")
    source = named_images.pictures(trained, "held_out")
    (tmp_path / "in" / source.name(0)).write_bytes(b"no picture")
    caplog.set_level("ERROR")
    config = new_config(tmp_path, tmp_path / "out", methods=("mean_color",), masks=("center",))
    assert evaluate.run(config) == 1
    assert len(rows(tmp_path / "out")) == min(COUNT, source.size) - 1
    assert source.name(0) in caplog.text
    assert "label_agreement" not in contents(tmp_path / "out")["results"][0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ("best", "magic")}, "--methods must be any of best,.*received 'magic'"),
        ({"methods": ("best", "best")}, "pass every name once"),
        ({"masks": ()}, "--masks must be at least one"),
        ({"masks": ("a/x", "b/x/")}, "pass every name once"),
        ({"masks": ("lowres",)}, "received lowres"),
        ({"measure": ("fid",)}, "--measure must be any of"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    """The error names the flag and what was received."""
    with pytest.raises(ValueError, match=message):
        EvaluateConfig(**settings)


def test_a_missing_library_is_named_at_the_start(folder, tmp_path, monkeypatch):
    """Nothing is written if a method cannot run."""
    monkeypatch.setattr(
        methods.importlib.util, "find_spec", lambda name: None if name == "cv2" else types
    )
    with pytest.raises(ValueError, match=r"cv2 is required.*tf_inpaint\[eval\]"):
        evaluate.run(new_config(folder, tmp_path / "out", methods=("telea",)))
    assert not (tmp_path / "out").exists()
