"""client: the command completes files, goes on with a job, and refuses in one sentence."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_model import assert_refused, predict
from PIL import Image
from serving_double import Refusal, error_body

from tf_inpaint import client
from tf_inpaint.config import ClientConfig
from tf_inpaint.files import folder_lock, images
from tf_inpaint.inputs.masked_images import GRAY

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path):
    """A folder of pictures of several sizes, kinds and depths."""
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name, shape in {"a.png": (9, 12, 3), "b.bmp": (8, 8, 1), "more/a.png": (20, 16, 3)}.items():
        picture = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(picture[..., 0] if shape[2] == 1 else picture).save(folder / name)
    turned = Image.Exif()
    turned[274] = 6  # A quarter turn.
    smooth = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((20, 12))
    smooth.save(folder / "c.jpg", exif=turned)
    return folder


def new_config(double, photos, **settings):
    """Returns the settings of a job over all photos, which writes beside them."""
    defaults = {
        "images": (str(photos),),
        "url": double.url,
        "model": "faces",
        "out_dir": str(photos.parent / "out"),
    }
    return ClientConfig(**defaults | settings)


def rows(out_dir):
    """Returns the rows of a job's results."""
    text = (Path(out_dir) / "completions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


# --- What is sent and written.


def test_known_pixels_stay_and_no_hidden_pixel_is_sent(double, photos, capsys):
    """The command writes a completion of every image at its own size."""
    config = new_config(double, photos, batch_size=3, mask="left")
    assert client.run(config) == 0
    assert "4 of 4 images are complete" in capsys.readouterr().out
    out = Path(config.out_dir)
    names = sorted(row["completion"] for row in rows(out))
    assert names == ["a.png", "b.png", "c.png", "more_a.png"]
    for row in rows(out):
        original, completion = images.read(row["file"]), images.read(out / row["completion"])
        half = round(original.shape[1] / 2)
        assert completion.shape == original.shape
        np.testing.assert_array_equal(completion[:, half:], original[:, half:])
        assert (completion[:, :half] == row["seed"] % 251).all()
        assert row["energy"] == pytest.approx(row["seed"] / 7, rel=1e-6)
    for request in double.requests:
        for value in request["inputs"]["image_bytes"]:
            picture = images.read(io.BytesIO(base64.b64decode(value["b64"])))
            assert (picture[:, : round(picture.shape[1] / 2)] == GRAY).all()
    assert not [path for path in out.iterdir() if path.name[0] == "."]


def test_seed_does_not_depend_on_the_other_images(double, photos):
    """The seed of an image depends on its path and on --seed."""

    def seeds(paths, **settings):
        paths = tuple(map(str, paths))
        config = new_config(double, photos, images=paths, overwrite=True, **settings)
        assert client.run(config) == 0
        return {Path(row["file"]).name: row["seed"] for row in rows(config.out_dir)}

    paths = [photos / "b.bmp", photos / "a.png"]
    first, second = seeds(paths), seeds(paths[::-1], batch_size=1)
    assert first == second and len(set(first.values())) == 2
    assert not set(seeds(paths, seed=1).values()) & set(first.values())


def test_mask_file_and_its_inverse(double, photos):
    """White is known, or with --invert_mask black."""
    known = np.zeros((9, 12), np.uint8)
    known[:, :5] = 255
    Image.fromarray(known).save(photos.parent / "mask.png")
    settings = {"images": (str(photos / "a.png"),), "mask": str(photos.parent / "mask.png")}
    original = images.read(photos / "a.png")
    for invert in (False, True):
        config = new_config(double, photos, **settings, invert_mask=invert, overwrite=True)
        assert client.run(config) == 0
        completion = images.read(Path(config.out_dir) / "a.png")
        unchanged = (completion == original).all(axis=2)[0]
        np.testing.assert_array_equal(unchanged, (known[0] > 0) != invert)


# --- Failures.


def test_one_entry_of_a_folder_does_not_end_the_job(double, photos, logged):
    """Pipes and links that lead nowhere are named, and a name that is not UTF-8 is no obstacle."""
    name = os.fsdecode(b"caf\xe9.png")
    (photos / "a.png").rename(photos / name)
    os.mkfifo(photos / "pipe.png")
    (photos / "itself.png").symlink_to("itself.png")
    (photos / "nothing.png").symlink_to("gone.png")
    config = new_config(double, photos)
    assert client.run(config) == 1
    completions = {Path(row["file"]).name: row["completion"] for row in rows(config.out_dir)}
    assert len(completions) == 4 and completions[name] == name
    for part in ("pipe.png cannot", "itself.png cannot", "nothing.png leads nowhere"):
        assert sum("Not completed" in text and part in text for text in logged.messages) == 1


def test_bad_files_are_reported_and_the_others_completed(double, photos, logged):
    """Exit code 1, and a reason for every image that failed."""
    (photos / "broken.png").write_bytes(b"no picture")
    masks = photos.parent / "masks"
    masks.mkdir()
    sizes = {"a.png": (9, 12), "b.png": (8, 8), "c.png": (7, 7), "broken.png": (8, 8)}
    for name, shape in sizes.items():
        known = np.full(shape, 255, np.uint8)
        known[2:5, 2:5] = 0
        Image.fromarray(known).save(masks / name)
    config = new_config(double, photos, mask=str(masks))
    assert client.run(config) == 1
    assert sorted(Path(row["file"]).name for row in rows(config.out_dir)) == ["a.png", "b.bmp"]
    assert len(logged.messages) == 3
    for name, reason in (
        ("photos/broken.png", "is empty or none of"),
        ("photos/c.jpg", "the image is 12 x 20 and the mask 7 x 7"),
        ("photos/more/a.png", "the image is 16 x 20 and the mask 12 x 9"),
    ):
        assert any(name in text and reason in text for text in logged.messages), name


def test_image_above_max_pixels_is_left_out_until_the_limit_is_raised(double, photos, logged):
    """The larger of the photos are not sent, and the job goes on with another limit."""
    config = new_config(double, photos, max_pixels=20 * 16 - 1)
    assert client.run(config) == 1
    (text,) = logged.messages
    assert "photos/more/a.png claims more than 319 pixels; make it smaller" in text
    assert client.run(new_config(double, photos)) == 0 and len(rows(config.out_dir)) == 4


def test_request_that_fails_does_not_end_the_job(double, photos, logged, monkeypatch):
    """The job goes on with the image that failed when it is started again."""

    def fail_once(signature, inputs):
        if len(double.requests) == 2:
            raise Refusal(500, "Matrix is not invertible")
        return predict(signature, inputs)

    monkeypatch.setattr(double, "predict", fail_once)
    config = new_config(double, photos, batch_size=1, workers=1)
    assert client.run(config) == 1
    assert len(rows(config.out_dir)) == 3
    (text,) = logged.messages
    assert "500: Matrix is not invertible" in text and str(photos) in text
    assert client.run(config) == 0 and len(rows(config.out_dir)) == 4


def test_server_that_goes_away_ends_the_job(double, photos, waits, logged, monkeypatch):
    """The remaining images have one reason together."""
    original = double.answer

    def stop_after_two(method, path, body):
        if len(double.requests) >= 2:
            double.failures += [(503, {}, error_body("stopping"))] * 50
        return original(method, path, body)

    monkeypatch.setattr(double, "answer", stop_after_two)
    config = new_config(double, photos, batch_size=1, workers=1, retries=1)
    assert client.run(config) == 1
    assert 1 <= len(rows(config.out_dir)) <= 3
    (text,) = logged.messages
    assert "stopping" in text and "in all" in text


def test_row_errors_and_unreadable_answers_are_failures_of_their_image(double, photos, monkeypatch):
    """The other images are complete."""

    def predict_badly(signature, inputs):
        outputs = predict(signature, inputs)
        outputs["errors"][0] = b"the image is too plain; take another"
        outputs["image_bytes"][1] = b"no picture"
        return outputs

    monkeypatch.setattr(double, "predict", predict_badly)
    config = new_config(double, photos)
    assert client.run(config) == 1
    assert len(rows(config.out_dir)) == 2


def test_mask_folder_is_checked_before_anything_is_sent(double, photos, logged):
    """The first file of a mask folder must be readable, and may be inverted."""
    masks = photos.parent / "masks"
    masks.mkdir()
    Image.fromarray(np.zeros((9, 12), np.uint8)).save(masks / "a.png")
    (masks / "b.png").write_bytes(b"no picture")
    config = new_config(double, photos, mask=str(masks))
    client.check_masks(client.find_masks(config))
    (text,) = logged.messages
    assert f"{masks}/a.png reads as 100 % hole" in text and "pass --invert_mask" in text
    (masks / "a.png").write_bytes(b"no picture")
    assert_refused(ValueError, lambda: client.run(config), "a.png is empty")
    assert double.requests == [] and not (photos.parent / "out").exists()


# --- Jobs and settings.


def test_job_goes_on_where_it_stopped_and_overwrites_only_if_asked(double, photos):
    """A job completes what is missing, and keeps the rest."""
    first = new_config(double, photos, images=(str(photos / "more"),))
    assert client.run(first) == 0
    (name,) = [row["completion"] for row in rows(first.out_dir)]
    done = Path(first.out_dir) / name
    images.write(done, np.zeros((2, 3, 1)))
    mine = done.read_bytes()
    double.requests.clear()
    assert client.run(new_config(double, photos, batch_size=8, workers=1)) == 0
    assert done.read_bytes() == mine and len(rows(first.out_dir)) == 4
    assert sum(len(request["inputs"]["seeds"]) for request in double.requests) == 3
    assert len({row["completion"] for row in rows(first.out_dir)}) == 4
    other_mask = new_config(double, photos, mask="right")
    parts = "mask (center there)", "--overwrite"
    assert_refused(ValueError, lambda: client.run(other_mask), *parts)
    assert client.run(new_config(double, photos, mask="right", overwrite=True)) == 0
    assert done.read_bytes() != mine
    assert {row["mask"] for row in rows(first.out_dir)} == {"right"}
    elsewhere = new_config(double, photos, out_dir=str(photos))  # It is not empty.
    assert_refused(ValueError, lambda: client.run(elsewhere), "--out_dir", "something else")


def test_deleted_and_damaged_completions_are_done_again(double, photos, logged):
    """A row of a completion that was deleted or damaged since does not count."""
    config = new_config(double, photos)
    assert client.run(config) == 0
    first, out = rows(config.out_dir), Path(config.out_dir)
    contents = {row["completion"]: (out / row["completion"]).read_bytes() for row in first}
    (out / "a.png").unlink()
    (out / "more_a.png").write_text("text")
    double.requests.clear()
    assert client.run(config) == 0
    assert sum(len(request["inputs"]["seeds"]) for request in double.requests) == 2
    assert {name: (out / name).read_bytes() for name in contents} == contents
    assert sorted(map(str, rows(out))) == sorted(map(str, first))
    (text,) = logged.messages
    assert text.startswith(f"2 of the results in {out} are not complete")


def test_edited_images_and_masks_are_done_again(double, photos, logged):
    """A row counts only if its image and its mask file are the same as then."""
    mask = photos.parent / "mask.png"
    picture = np.full((9, 12), 255, np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(picture).save(photos / name)
    picture[:, :5] = 0
    Image.fromarray(picture).save(mask)
    paths = [str(photos / "a.png"), str(photos / "b.png")]
    config = new_config(double, photos, images=tuple(paths), mask=str(mask))
    out = Path(config.out_dir)
    assert client.run(config) == 0
    first = rows(out)
    Image.fromarray(picture).save(photos / "b.png")
    double.requests.clear()
    assert client.run(config) == 0
    assert [len(request["inputs"]["seeds"]) for request in double.requests] == [1]
    assert rows(out)[0] == first[0] and rows(out)[1] != first[1] and len(rows(out)) == 2
    assert (images.read(out / "b.png")[:, :5] == rows(out)[1]["seed"] % 251).all()
    picture[4:] = 255
    Image.fromarray(picture).save(mask)
    assert client.run(config) == 0
    assert len(double.requests) == 2 and len(rows(out)) == 2
    texts = [text for text in logged.messages if "do not count" in text]
    assert [text[0] for text in texts] == ["1", "2"]
    assert client.run(config) == 0 and len(double.requests) == 2


@pytest.mark.parametrize("line", ["{}", '{"file": "a", "completion": 7}', "[]", "\x00"])
def test_damaged_record_is_one_sentence(double, photos, line):
    """A line of completions.jsonl that is no row is named, and nothing is sent."""
    config = new_config(double, photos)
    assert client.run(config) == 0
    (Path(config.out_dir) / "completions.jsonl").write_text(line + "\n")
    double.requests.clear()
    assert_refused(ValueError, lambda: client.run(config), "out/completions.jsonl", "restore")
    assert double.requests == []


def test_second_client_in_one_folder_is_refused(double, photos):
    """Only one client at a time writes into a folder, and leaves no hidden file."""
    config = new_config(double, photos)
    with folder_lock.locked(Path(config.out_dir)):
        assert_refused(ValueError, lambda: client.run(config), "one command at a time", "/out;")
    assert double.requests == [] and not Path(config.out_dir).exists()
    assert client.run(config) == 0


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"model": ""}, ["model"]),
        ({"model": "nobody"}, ["404", "Latest(nobody)"]),
        (
            {"signature": "complete_fast"},
            ["--signature", "image_bytes", "complete_encoded", "'complete_fast'"],
        ),
        ({"mask": "lowres"}, ["--mask", "lowres"]),
        ({"mask": "absent.png"}, ["--mask", "'absent.png'", "center"]),
        ({"mask": "center", "invert_mask": True}, ["--invert_mask", "center"]),
        ({"images": ()}, ["none"]),
    ],
)
def test_bad_settings_are_refused_before_anything_is_sent(double, photos, settings, parts):
    """No request is sent, and nothing is written."""
    config = new_config(double, photos, **settings)
    assert_refused((ValueError, OSError), lambda: client.run(config), *parts)
    assert double.requests == [] and not (photos.parent / "out").exists()


def test_no_usable_image_is_refused(double, photos):
    """A job without a usable image writes nothing."""
    config = new_config(double, photos, images=("absent.png",))
    assert_refused(ValueError, lambda: client.run(config), "none of 1", "absent.png")
    assert not (photos.parent / "out").exists()


# --- The process.


def test_process_needs_nothing_but_what_the_readme_installs(double, photos):
    """The client runs without TensorFlow, and without all other packages of the extras."""
    readme = (ROOT / "export" / "README.md").read_text()
    (packages,) = re.findall(r"pip install (.+) && pip install --no-deps \.", readme)
    assert set(packages.split()) == {"absl-py", "numpy", "pillow", "requests", "tqdm"}
    blocked = {
        "tensorflow",
        "tensorflow_serving",
        "grpc",
        "keras",
        "tensorflow_datasets",
        "importlib_resources",
    }
    blocked |= {"scipy", "mlxtend", "pandas", "matplotlib", "cv2", "skimage", "gradio"}
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked}))\n"  # None: their import fails.
        "try:\n"
        "    runpy.run_module('tf_inpaint.client', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as exit_:\n"
        "    assert not exit_.code, exit_.code\n"
    )
    out_dir = photos.parent / "out"
    flags = [f"--url={double.url}", "--model=faces", f"--out_dir={out_dir}", str(photos)]
    environment = os.environ | {"KERAS_BACKEND": "jax"}  # The command does not use Keras.
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 images are complete" in done.stdout and len(rows(out_dir)) == 4


def test_refusal_of_the_process_is_one_line():
    """`python -m tf_inpaint.client` shows no traceback."""
    flags = ["--url=http://127.0.0.1:1", "--model=faces", "--retries=0", "absent.png"]
    command = [sys.executable, "-m", "tf_inpaint.client", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    expected = "tf_inpaint.client: error: A running server is required; http://127.0.0.1:1/"
    assert done.stderr.startswith(expected)
