"""Output folder of an evaluation: killed, continued, refused and overwritten."""

import dataclasses
import logging
import re
from pathlib import Path

import numpy as np
import pytest
from small_evaluations import (
    COUNT,
    METHODS,
    ONE_METHOD,
    contents,
    new_config,
    rows,
    untimed_rows,
)
from tiny import SIZE

from tf_inpaint import evaluate
from tf_inpaint.evaluation import results
from tf_inpaint.evaluation.batches import read_examples
from tf_inpaint.files import folder_lock, folders, images
from tf_inpaint.inputs.masked_images import ExampleMaker
from tf_inpaint.inputs.named_images import held_out, pictures
from tf_inpaint.runs import from_config, run_directory


@pytest.fixture
def logged(caplog, monkeypatch):
    """Records of what the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    return caplog


def test_a_killed_evaluation_continues_and_ends_alike(folder, done, tmp_path, monkeypatch):
    """Rows of the journal are not computed again, apart from a line that was cut short."""
    original, calls = results.Results.write, []

    def write(self, method, *arguments):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(method)
        original(self, method, *arguments)

    monkeypatch.setattr(results.Results, "write", write)
    with pytest.raises(KeyboardInterrupt):
        evaluate.run(new_config(folder, tmp_path / "out"))
    journal = tmp_path / "out/.journal.jsonl"
    journal.write_text(journal.read_text()[:-20])  # In the middle of a line.
    calls.clear()

    def write_and_record(*arguments):
        calls.append(arguments[1:3])
        original(*arguments)

    monkeypatch.setattr(results.Results, "write", write_and_record)
    assert evaluate.run(new_config(folder, tmp_path / "out")) == 0
    assert calls == [("best", "random"), *((name, "random") for name in METHODS[1:])]
    assert untimed_rows(tmp_path / "out") == untimed_rows(done)


def test_originals_are_written_once(folder, done, tmp_path, monkeypatch):
    """All methods share the original and the masked pictures of a mask."""
    original, written = images.write, []

    def write(path, picture):
        written.append(Path(path).relative_to(tmp_path / "images").parts[0])
        original(path, picture)

    monkeypatch.setattr(results.images, "write", write)
    existing = results.Results(tmp_path, contents(done)["settings"], False)
    examples = evaluated_examples(folder)
    for method in ("first", "second"):
        completions = np.zeros((COUNT, SIZE, SIZE, 1), np.float32)
        existing.write(method, "center", examples, completions, None, {})
    assert [written.count(name) for name in ("original", "masked", "first", "second")] == [
        COUNT
    ] * 4
    for name in ("original", "masked"):
        files = sorted((tmp_path / "images" / name / "center").iterdir())
        assert len(files) == COUNT
        for path in files:
            assert path.read_bytes() == (done / path.relative_to(tmp_path)).read_bytes()
    files = [path.name for path in files]
    originals = existing.originals("center", files)
    assert existing.originals("center", list(files)) is originals
    np.testing.assert_array_equal(originals, existing.pictures("original", "center", files))
    assert existing.originals("center", files[:2]).shape == (2, SIZE, SIZE, 1)


def test_mask_that_leads_to_itself_is_refused_in_a_sentence(folder, tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    config = new_config(folder, tmp_path / "out", methods=("mean_color",), masks=(str(loop),))
    with pytest.raises((ValueError, OSError), match="loop.png"):
        evaluate.run(config)
    assert not (tmp_path / "out").exists()


def evaluated_examples(folder):
    """Returns the held-out images of a run under the mask `center`."""
    masks = evaluate.mask_sources(new_config(folder, "", masks=("center",)))
    source = pictures(run_directory.read_config(folder / "run"), "held_out")
    examples, _ = read_examples(held_out(source, COUNT), masks, ExampleMaker(SIZE, 1))
    return [by_mask["center"] for by_mask in examples]


def test_another_job_or_folder_is_refused_and_overwritten_only_when_asked(folder, tmp_path):
    """An evaluation with another seed needs --overwrite, and a run is never overwritten."""
    assert evaluate.run(new_config(folder, tmp_path / "out", **ONE_METHOD)) == 0
    with pytest.raises(ValueError, match=r"differs in seed \(0 there\)"):
        evaluate.run(new_config(folder, tmp_path / "out", seed=1, **ONE_METHOD))
    overwriting = new_config(folder, tmp_path / "out", seed=1, overwrite=True, **ONE_METHOD)
    assert evaluate.run(overwriting) == 0
    with pytest.raises(ValueError, match="holds something else"):
        evaluate.run(new_config(folder, folder / "run", overwrite=True, **ONE_METHOD))


def test_a_run_with_another_encoder_is_another_run(folder, tmp_path, monkeypatch):
    """An evaluation is not continued after the encoder was trained or trained further."""
    run = run_directory.load(folder / "run")

    def load(steps):
        trained = dataclasses.replace(run.config, encoder_steps=steps)
        loaded = run._replace(
            config=trained, encoder=from_config.new_encoder(trained) if steps else None
        )
        monkeypatch.setattr(run_directory, "load", lambda _: loaded)

    for out, first, existing in (("none", 0, "no encoder"), ("some", 5, "encoder of 5 steps")):
        load(first)
        config = new_config(folder, tmp_path / out, **ONE_METHOD)
        assert evaluate.run(config) == 0
        assert evaluate.run(config) == 0
        load(6)
        with pytest.raises(
            ValueError, match=rf"differs in runs \({{'run': 'step 0, {existing}, no mean"
        ):
            evaluate.run(config)


def test_masks_with_the_same_name_do_not_mix(folder, tmp_path):
    """A folder of masks and a mask may not have the name of another mask in the same evaluation."""
    for name in ("a/holes", "b/holes", "center"):
        (tmp_path / name).mkdir(parents=True)
        images.write(tmp_path / name / "mask.png", np.eye(SIZE)[..., None] * -2 + 1)
    out, settings = tmp_path / "out", {"methods": ("mean_color",), "measure": ()}
    for masks in (("center", f"{tmp_path}/a/holes"), ("left",), (f"{tmp_path}/b/../a/holes/",)):
        assert evaluate.run(new_config(folder, out, masks=masks, **settings)) == 0
    before = rows(out)
    for name, source in (("b/holes", f"{tmp_path}/a/holes"), ("center", "center")):
        message = rf"has {Path(name).name} of {source}, and now it is {tmp_path}/{name}; rename it"
        with pytest.raises(ValueError, match=message):
            evaluate.run(new_config(folder, out, masks=(f"{tmp_path}/{name}",), **settings))
    assert rows(out) == before
    other = new_config(folder, out, masks=(f"{tmp_path}/b/holes",), overwrite=True, **settings)
    assert evaluate.run(other) == 0
    assert {key[1] for key in rows(out)} == {"holes"}


def test_metrics_of_equal_images_and_of_no_hole():
    """PSNR has a maximum, an empty hole gives NaN, and JSON has None instead."""
    pictures, known = np.full((1, 16, 16, 1), 0.5, np.float32), np.ones((1, 16, 16, 1), np.float32)
    metrics = results.image_metrics(pictures, known, pictures, pictures)
    assert (metrics["psnr"], metrics["l1"], metrics["contextual"]) == (results.MAX_PSNR, 0, 0)
    assert metrics["hole_share"] == 0 and np.isnan(metrics["hole_psnr"])
    assert results.finite(metrics["hole_psnr"][0]) is None
    assert results.finite(metrics["psnr"][0]) == results.MAX_PSNR
    assert "contextual" not in results.image_metrics(pictures, known, pictures, None)


# --- Files that were deleted or damaged.


def test_rows_without_their_pictures_are_computed_again(folder, tmp_path, logged):
    """A row counts only if its completion and its originals are whole."""
    config = new_config(
        folder, tmp_path / "out", **ONE_METHOD | {"methods": ("mean_color", "telea")}
    )
    assert evaluate.run(config) == 0
    before = untimed_rows(tmp_path / "out")
    pictures = {path: path.read_bytes() for path in (tmp_path / "out/images").rglob("*.png")}
    (tmp_path / "out/images/mean_color/center/0.png").unlink()
    (tmp_path / "out/images/original/center/1.png").write_text("text")
    assert evaluate.run(config) == 0
    (text,) = [text for text in logged.messages if "not complete" in text]
    assert text.startswith(f"3 of the results in {tmp_path}/out are")
    assert {path: path.read_bytes() for path in pictures} == pictures
    assert untimed_rows(tmp_path / "out") == before


def test_rows_of_edited_images_and_masks_are_computed_again(folder, tmp_path, logged):
    """A row counts only if its image and its mask are the same as then."""
    holes = tmp_path / "holes"
    holes.mkdir()
    images.write(holes / "mask.png", np.eye(SIZE)[..., None] * -2 + 1)
    settings = {"masks": ("center", str(holes)), "methods": ("mean_color",), "measure": ()}
    config, out = new_config(folder, tmp_path / "out", **settings), tmp_path / "out"
    assert evaluate.run(config) == 0
    before = untimed_rows(out)
    images.write(holes / "mask.png", np.eye(SIZE)[::-1, :, None] * -2 + 1)
    assert evaluate.run(config) == 0
    (text,) = [text for text in logged.messages if "do not count" in text]
    assert text.startswith(f"{COUNT} of the results in {out} do") and ", mask holes." in text
    assert evaluate.run(new_config(folder, tmp_path / "new", **settings)) == 0
    after = untimed_rows(out)
    assert after == untimed_rows(tmp_path / "new")
    assert {key[1] for key in after if after[key] != before[key]} == {"holes"}
    for path in (tmp_path / "new/images").rglob("*.png"):
        assert (out / path.relative_to(tmp_path / "new")).read_bytes() == path.read_bytes()
    # A row of an earlier version of this package counts.
    examples = [{"center": example} for example in evaluated_examples(folder)]
    existing = results.Results(out, contents(out)["settings"], overwrite=False)
    for key in list(existing.rows)[:2]:
        existing.rows[key] = {"method": "x"} if key[2].endswith("0") else {"input_sha256": "x"}
    existing.forget_edited(examples)
    assert len(existing.rows) == 2 * COUNT - 1


ROW = '{"method": "a", "mask": "center", "image": "0", "file": "0.png", "hole_share": 0.5}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("evaluation.json", ""),
        ("evaluation.json", "\x89PNG"),
        ("evaluation.json", "[]"),
        ("evaluation.json", "{}"),
        ("evaluation.json", '{"results": {}}'),
        ("evaluation.json", '{"results": [7]}'),
        ("evaluation.json", f'{{"results": [{ROW}, {{}}]}}'),
        ("evaluation.json", '{"results": [' + ROW.replace("0.5", "null") + "]}"),
        ("evaluation.json", "[" * 100_000),
        (".journal.jsonl", "{}\n"),
        (".journal.jsonl", ROW.replace('"0"', "0") + "\n"),
        ("config.json", "[]"),
        ("config.json", '{"command": "evaluate", "mask_sources": [], "seed": 0}'),
    ],
    ids=lambda value: value[:30],
)
def test_damaged_files_are_one_sentence(tmp_path, name, text):
    """The sentence names the file, and the file stays."""
    settings = {"command": "evaluate", "mask_sources": {}, "seed": 0}
    folders.begin(tmp_path, settings)
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError) as refusal:
        results.Results(tmp_path, settings, overwrite=False)
    message = str(refusal.value)
    assert re.fullmatch(
        rf"[^;]+; [^;]*{tmp_path}/{name}.*; restore the file, or choose .*\.", message
    )
    assert (tmp_path / name).read_bytes() == text.encode("latin-1")


def test_second_evaluation_in_one_folder_is_refused(folder, tmp_path):
    """Only one evaluation at a time writes into a folder. A refusal leaves nothing."""
    config = new_config(folder, tmp_path / "out", **ONE_METHOD)
    with folder_lock.locked(tmp_path / "out"):
        with pytest.raises(ValueError, match=f"is writing into {tmp_path}/out; wait"):
            evaluate.run(config)
    assert list(tmp_path.iterdir()) == []
    assert evaluate.run(config) == 0
    assert not list((tmp_path / "out").glob(".*"))


def test_an_evaluation_keeps_its_block_size(folder, tmp_path):
    """Where none is given. An evaluation of before the setting for XLA is continued."""
    out = tmp_path / "out"
    assert evaluate.run(new_config(folder, out, **ONE_METHOD | {"block_size": 3})) == 0
    settings = folders.read_object(out / "config.json")
    del settings["jit_compile"]
    folders.write_json(out / "config.json", settings)
    later = new_config(folder, out, **ONE_METHOD | {"block_size": None, "masks": ("left",)})
    assert evaluate.run(later) == 0
    assert folders.read_object(out / "config.json")["block_size"] == 3
