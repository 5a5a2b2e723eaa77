"""evaluate: every method against every mask, resumed, extended, compared."""

import dataclasses
import json
import types
from pathlib import Path

import numpy as np
import pytest
from tiny import SIZE, new_run, picture

from tf_inpaint import evaluate
from tf_inpaint.config import EvaluateConfig
from tf_inpaint.config.evaluate_config import PUBLISHED
from tf_inpaint.config.flags import to_flags
from tf_inpaint.evaluation import methods, results, scores
from tf_inpaint.files import images
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.metrics import features
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import Networks

METHODS = ("best", "best_paste", "mean_color", "nearest_pixel")
COUNT = 5


class ByBrightness:
    """A classifier: 1 for pictures brighter than gray."""

    def predict(self, pictures):
        return (pictures.mean(axis=(1, 2, 3)) > 0).astype(int)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Searches that search alike share an Inpainter; the classifier is a rule."""
    original, made = methods.new_inpainter, {}

    def shared(settings, networks):
        settings = dataclasses.replace(settings, steps=min(settings.steps or 3, 3), start_draws=3)
        key = networks.run.directory, networks.run.step, to_flags(settings)
        if key not in made:
            made[key] = original(settings, networks)
        return made[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(methods, "new_inpainter", shared)
        patched.setattr(scores.classifier, "train", lambda images, labels: ByBrightness())
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on labelled pictures: the label says whether they are brighter than gray, and is wrong for one of five."""
    folder = tmp_path_factory.mktemp("evaluate")
    data = {
        f"x_{split}": np.stack([picture(seed) for seed in seeds])
        for split, seeds in (("train", range(30)), ("test", range(100, 105)))
    }
    for split in ("train", "test"):
        data[f"y_{split}"] = ByBrightness().predict(images.to_float(data[f"x_{split}"]))
    data["y_test"][0] ^= 1
    np.savez(folder / "data.npz", **data)
    for name, seed in (("run", 0), ("other", 1)):
        new_run(folder / name, dataset=f"npz:{folder}/data.npz", seed=seed)
    return folder


def config(folder, out_dir, **settings):
    defaults = {
        "methods": METHODS,
        "masks": ("center", "random"),
        "measure": ("sliced_wasserstein",),
        "steps": 3,
    }
    return EvaluateConfig(
        run_dir=f"{folder}/run", out_dir=str(out_dir), count=COUNT, **defaults | settings
    )


@pytest.fixture(scope="module")
def done(folder):
    assert evaluate.run(config(folder, folder / "done")) == 0
    return folder / "done"


def contents(out):
    return json.loads((out / "evaluation.json").read_text())


def rows(out):
    return {(row["method"], row["mask"], row["image"]): row for row in contents(out)["results"]}


def untimed(out):
    return {
        key: {
            name: value
            for name, value in row.items()
            if name not in ("seconds_per_image", "peak_memory_mb")
        }
        for key, row in rows(out).items()
    }


def test_a_row_and_a_picture_for_every_method_mask_and_image(done):
    found = rows(done)
    assert len(found) == len(contents(done)["results"]) == len(METHODS) * 2 * COUNT
    assert {key[:2] for key in found} == {
        (method, mask) for method in METHODS for mask in ("center", "random")
    }
    for (method, mask, _), row in found.items():
        completion, original, masked = (
            images.to_float(images.read(done / "images" / name / mask / row["file"]))
            for name in (method, "original", "masked")
        )
        hole = (images.to_uint8(masked) == 127) & (images.to_uint8(original) != 127)
        np.testing.assert_array_equal(completion[~hole], original[~hole])
        # On disk are whole levels.
        assert row["l1"] == pytest.approx(np.abs(completion - original).mean(), abs=2 / 255)
        assert row["hole_share"] == pytest.approx(0.25 if mask == "center" else 0.8, abs=0.01)
        assert ("contextual" in row) == (method in ("best", "best_paste"))
        assert row["seconds_per_image"] > 0
    assert not list(done.glob(".*"))


def test_the_summary_is_of_the_rows(done):
    all_rows, summary = rows(done), contents(done)["summary"]
    for method in METHODS:
        for mask in ("center", "random"):
            mine = [row for key, row in all_rows.items() if key[:2] == (method, mask)]
            assert summary[method][mask]["images"] == COUNT
            for name in ("hole_psnr", "ssim", "seconds_per_image"):
                assert summary[method][mask][name] == pytest.approx(
                    np.mean([row[name] for row in mine])
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


def test_labels_are_those_of_the_pictures(done):
    for method in METHODS:
        assert contents(done)["summary"][method]["center"]["original_label_agreement"] == 0.8
    for (method, mask, _), row in rows(done).items():
        completion = images.to_float(images.read(done / "images" / method / mask / row["file"]))
        assert row["label_agreement"] == float((completion.mean() > 0) == row["label"])


def test_picture_has_a_row_an_image_and_a_column_a_method(done):
    sheet = images.read(done / "evaluation.png")
    side = 4 * SIZE
    assert sheet.shape == (36 + 6 * (side + 2) - 2, (2 + len(METHODS)) * (side + 2) - 2, 1)
    first = images.enlarge(images.read(done / "images/original/center/0.png")[None])[0]
    np.testing.assert_array_equal(sheet[36 : 36 + side, :side], first)


def test_both_blendings_are_of_one_search(done):
    found = rows(done)
    for image in {key[2] for key in found}:
        poisson, paste = (found[method, "center", image] for method in ("best", "best_paste"))
        assert paste["contextual"] == poisson["contextual"] and paste["psnr"] != poisson["psnr"]


def test_killed_it_goes_on_and_ends_alike(folder, done, tmp_path, monkeypatch):
    original, answered = results.Results.write, []

    def write(self, method, *rest):
        if len(answered) == 5:
            raise KeyboardInterrupt
        answered.append(method)
        original(self, method, *rest)

    monkeypatch.setattr(results.Results, "write", write)
    with pytest.raises(KeyboardInterrupt):
        evaluate.run(config(folder, tmp_path / "out"))
    journal = tmp_path / "out/.journal.jsonl"
    journal.write_text(journal.read_text()[:-20])  # in the middle of a line
    answered.clear()
    monkeypatch.setattr(
        results.Results, "write", lambda *given: (answered.append(given[1:3]), original(*given))
    )
    assert evaluate.run(config(folder, tmp_path / "out")) == 0
    assert answered == [("best", "random"), *((name, "random") for name in METHODS[1:])]
    assert untimed(tmp_path / "out") == untimed(done)


def test_later_calls_add_images_masks_and_methods(folder, done, tmp_path):
    out = tmp_path / "out"
    assert (
        evaluate.run(config(folder, out, methods=("mean_color",), masks=("random",), measure=()))
        == 0
    )
    (out / "images/mean_color/random/0.png").write_bytes(b"kept")
    (out / "images/mean_color/random/0.png").write_bytes(
        (done / "images/mean_color/random/0.png").read_bytes()
    )
    before = rows(out)
    assert (
        evaluate.run(
            config(folder, out, methods=("mean_color", "nearest_pixel"), masks=("center", "random"))
        )
        == 0
    )
    found = rows(out)
    assert {key: found[key] for key in before} == before, "times and all"
    chosen = {
        key: row for key, row in untimed(done).items() if key[0] in ("mean_color", "nearest_pixel")
    }
    assert untimed(out) == chosen


def test_the_default_folder_may_also_be_named(folder):
    few = {"methods": ("mean_color",), "masks": ("center",), "measure": ()}
    assert evaluate.run(config(folder, "", **few)) == 0
    before = rows(folder / "run/evaluation")
    assert evaluate.run(config(folder, folder / "run/evaluation", **few)) == 0
    assert rows(folder / "run/evaluation") == before


def test_another_job_or_folder_is_refused_and_overwritten_only_when_asked(folder, tmp_path):
    few = {"methods": ("mean_color",), "masks": ("center",), "measure": ()}
    assert evaluate.run(config(folder, tmp_path / "out", **few)) == 0
    with pytest.raises(ValueError, match=r"differs in seed \(0 there\)"):
        evaluate.run(config(folder, tmp_path / "out", seed=1, **few))
    assert evaluate.run(config(folder, tmp_path / "out", seed=1, overwrite=True, **few)) == 0
    with pytest.raises(ValueError, match="holds something else"):
        evaluate.run(config(folder, folder / "run", overwrite=True, **few))


def test_a_run_that_has_another_encoder_since_is_another(folder, tmp_path, monkeypatch):
    few = {"methods": ("mean_color",), "masks": ("center",), "measure": ()}
    run = run_directory.load(folder / "run")

    def load(steps):
        trained = dataclasses.replace(run.config, encoder_steps=steps)
        loaded = run._replace(
            config=trained, encoder=run_directory.encoder(trained) if steps else None
        )
        monkeypatch.setattr(run_directory, "load", lambda _: loaded)

    for out, first, there in (("none", 0, "no encoder"), ("some", 5, "encoder of 5 steps")):
        load(first)
        assert evaluate.run(config(folder, tmp_path / out, **few)) == 0
        assert evaluate.run(config(folder, tmp_path / out, **few)) == 0
        load(6)
        with pytest.raises(
            ValueError, match=rf"differs in runs \({{'run': 'step 0, {there}'}} there\)"
        ):
            evaluate.run(config(folder, tmp_path / out, **few))


def test_published_searches_complete_a_few_by_their_own_settings(folder, tmp_path):
    assert (
        evaluate.run(
            config(folder, tmp_path, methods=("ancestor", "mean_color"), few=2, masks=("left",))
        )
        == 0
    )
    summary = contents(tmp_path)["summary"]
    assert (summary["ancestor"]["left"]["images"], summary["mean_color"]["left"]["images"]) == (
        2,
        COUNT,
    )
    assert "sliced_wasserstein" not in summary["ancestor"]["left"]
    own = config(folder, tmp_path, restarts=2, blend="feather", prior_weight=5.0, block_size=3)
    for name, settings in PUBLISHED.items():
        asked = methods.searches(name, own)
        assert dataclasses.asdict(asked) == settings | {"block_size": 3}, (
            "whatever a default may become"
        )
    assert methods.searches("best", own).restarts == 2
    assert methods.searches("best_paste", own) == dataclasses.replace(
        methods.searches("best", own), blend="paste"
    )


def test_a_method_of_the_user_s_own_sees_no_hidden_pixel(folder, tmp_path, monkeypatch):
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
    asked = config(folder, tmp_path / "out", methods=("own_methods:bright",), masks=("center",))
    assert evaluate.run(asked) == 0
    done = images.read(tmp_path / "out/images/own_methods.bright/center/0.png")
    assert (done[10:18, 10:18] == images.to_uint8(np.float32(0.5))).all()
    with pytest.raises(ValueError, match="completions of the images' shape"):
        evaluate.run(dataclasses.replace(asked, methods=("own_methods:small",)))
    for name in ("own_methods:gone", "own_methods:number", "gone:bright"):
        with pytest.raises(ValueError, match=f"received {name}: .*; correct the name"):
            evaluate.run(dataclasses.replace(asked, methods=(name,)))


def in_place(images, known):
    images[:] = 7
    known[:] = 0
    return images


def test_a_method_s_answer_is_what_is_written():
    given, known = np.full((2, 4, 4, 1), 0.25, np.float32), np.ones((2, 4, 4, 1), np.float32)
    known[:, :2] = 0
    answer = methods.plain(in_place)(given, known, None).completions
    assert (answer[:, :2] == 1).all() and (answer[:, 2:] == 0.25).all()
    assert (given == 0.25).all() and (known[:, 2:] == 1).all()
    bad = np.full_like(given, np.nan)
    bad[0] = np.where(known[0] > 0, np.inf, 0)  # where it is known nothing is taken
    with pytest.raises(
        ValueError, match="must give finite completions; .* NaN or infinity in 1 of 2"
    ):
        methods.plain(lambda images, known: bad)(given, known, None)


def test_masks_of_a_folder_are_dealt_out(folder, tmp_path):
    for name, side in (("a", SIZE), ("b", 2 * SIZE)):
        mask = np.full((side, side, 1), 255, np.uint8)
        mask[: side // (2 if name == "a" else 4)] = 0
        (tmp_path / "holes").mkdir(exist_ok=True)
        images.write(tmp_path / f"holes/{name}.png", mask)
    asked = config(
        folder, tmp_path / "out", methods=("mean_color",), masks=(f"{tmp_path}/holes", "center")
    )
    assert evaluate.run(asked) == 0
    shares = [row["hole_share"] for key, row in rows(tmp_path / "out").items() if key[1] == "holes"]
    assert len(shares) == COUNT and len({round(share, 1) for share in shares}) == 2
    assert min(shares) >= 0.25, "a pixel into which a hidden one went is hidden"
    assert max(shares) == 0.5


def test_masks_of_one_name_do_not_mix(folder, tmp_path):
    for name in ("a/holes", "b/holes", "center"):
        (tmp_path / name).mkdir(parents=True)
        images.write(tmp_path / name / "mask.png", np.eye(SIZE)[..., None] * -2 + 1)
    out, few = tmp_path / "out", {"methods": ("mean_color",), "measure": ()}
    for masks in (("center", f"{tmp_path}/a/holes"), ("left",), (f"{tmp_path}/b/../a/holes/",)):
        assert evaluate.run(config(folder, out, masks=masks, **few)) == 0
    before = rows(out)
    for name, was in (("b/holes", f"{tmp_path}/a/holes"), ("center", "center")):
        there = rf"has {Path(name).name} of {was}, and now it is {tmp_path}/{name}; rename it"
        with pytest.raises(ValueError, match=there):
            evaluate.run(config(folder, out, masks=(f"{tmp_path}/{name}",), **few))
    assert rows(out) == before
    assert (
        evaluate.run(config(folder, out, masks=(f"{tmp_path}/b/holes",), overwrite=True, **few))
        == 0
    )
    assert {key[1] for key in rows(out)} == {"holes"}


def test_two_runs_stand_side_by_side(folder, tmp_path):
    asked = dataclasses.replace(
        config(folder, tmp_path, methods=("best", "mean_color"), masks=("center",)),
        run_dir="",
        compare=(f"{folder}/run", f"{folder}/other"),
    )
    assert evaluate.run(asked) == 0
    summary = contents(tmp_path)["summary"]
    assert list(summary) == ["best@run", "best@other", "mean_color"]
    assert (
        summary["best@run"]["center"]["contextual"] != summary["best@other"]["center"]["contextual"]
    )
    new_run(folder / "color", dataset=f"npz:{folder}/data.npz", channels=3)
    with pytest.raises(ValueError, match="runs on the same images.*--channels=1.*color 3"):
        evaluate.run(dataclasses.replace(asked, compare=(f"{folder}/run", f"{folder}/color")))


def test_images_that_cannot_be_read_are_reported_and_the_others_done(tmp_path, caplog):
    for index in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / f"in/{index}.png", picture(index))
    new_run(tmp_path / "run", dataset=f"folder:{tmp_path}/in")
    trained = run_directory.read_config(tmp_path / "run")
    source = evaluate.pictures(trained, "held_out")
    (tmp_path / "in" / source.name(0)).write_bytes(b"no picture")
    caplog.set_level("ERROR")
    assert (
        evaluate.run(config(tmp_path, tmp_path / "out", methods=("mean_color",), masks=("center",)))
        == 1
    )
    assert len(rows(tmp_path / "out")) == min(COUNT, source.size) - 1
    assert source.name(0) in caplog.text
    assert "label_agreement" not in contents(tmp_path / "out")["results"][0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ("best", "magic")}, "--methods must be any of best,.*received 'magic'"),
        ({"methods": ("best", "best")}, "name each once"),
        ({"masks": ()}, "--masks must be at least one"),
        ({"masks": ("a/x", "b/x/")}, "name each once"),
        ({"masks": ("lowres",)}, "received lowres"),
        ({"measure": ("fid",)}, "--measure must be any of"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EvaluateConfig(**settings)


def test_a_missing_library_is_named_at_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        evaluate.importlib.util, "find_spec", lambda name: None if name == "cv2" else types
    )
    with pytest.raises(ValueError, match=r"cv2 is required.*tf_inpaint\[eval\]"):
        evaluate.run(config(folder, tmp_path / "out", methods=("telea",)))
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_noticed_at_once(folder, tmp_path, monkeypatch):
    def offline(**_):
        raise OSError("no network")

    monkeypatch.setattr(features.keras.applications, "InceptionV3", offline)
    features._inception_network.cache_clear()
    with pytest.raises(ValueError, match="InceptionV3 weights.*no network"):
        evaluate.run(
            config(
                folder, tmp_path / "out", methods=("mean_color",), measure=("frechet_inception",)
            )
        )
    assert not (tmp_path / "out").exists()


def test_searches_are_made_as_asked(folder):
    networks = Networks(run_directory.load(folder / "run"))
    made = methods.new_method("best_paste", config(folder, "out"), {"run": networks}, None)
    inpainter = made.complete.args[0]
    assert isinstance(inpainter, Inpainter) and made.cost == 3


@pytest.mark.parametrize(
    "labels", [{"y_train": np.zeros(30, int), "y_test": np.zeros(5, int)}, {"y_test": np.arange(5)}]
)
def test_labels_that_tell_nothing_are_left_out(folder, tmp_path, labels):
    with np.load(folder / "data.npz") as data:
        np.savez(tmp_path / "data.npz", x_train=data["x_train"], x_test=data["x_test"], **labels)
    new_run(tmp_path / "run", dataset=f"npz:{tmp_path}/data.npz")
    assert (
        evaluate.run(
            config(tmp_path, tmp_path / "out", methods=("mean_color",), masks=("left",), measure=())
        )
        == 0
    )
    assert contents(tmp_path / "out")["summary"]["mean_color"]["left"]["label_agreement"] is None
