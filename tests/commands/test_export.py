"""The exporter and the signatures it writes, run as a SavedModel."""

import dataclasses
import io
import json
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from tf_inpaint import export
from tf_inpaint.config import ExportConfig, launch
from tf_inpaint.exporting.signatures import difference, resolved
from tf_inpaint.files import images
from tf_inpaint.inpainting import batch_graph, blending, encoded_images, large_images
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import Networks, new_inpainter

SIDE = tiny.SIZE
PRESETS = ("complete", "complete_fast", "complete_best")


@pytest.fixture(scope="module")
def signatures(exported):
    loaded = tf.saved_model.load(str(exported[1] / "1"))
    return lambda name, **inputs: {
        key: value.numpy()
        for key, value in loaded.signatures[name](
            **{key: tf.constant(value) for key, value in inputs.items()}
        ).items()
    }


def part(inputs, which):
    return {name: values[which] for name, values in inputs.items()}


def test_version_is_complete_and_described(exported):
    config, folder = exported
    assert [path.name for path in folder.iterdir()] == ["1"]
    about = json.loads((folder / "1" / "assets.extra" / "export.json").read_text())
    assert about["export"]["steps"] == 6 and about["run"]["latent_size"] == 4
    assert (
        about["presets"]["complete"]["steps"] == 6
        and about["presets"]["complete"]["sampling"]["samples"] == 2
    )
    assert (
        about["presets"]["complete_best"]["estimate"] == "mean"
        and about["presets"]["complete_fast"]["samples"] == 0
    )
    assert set(about["versions"]) == {"tf_inpaint", "tensorflow", "keras", "numpy"}


def test_description_says_what_was_not_given(exported):
    """A run without an encoder takes 100 steps, and its loss has a prior of its own."""
    config = dataclasses.replace(exported[0], steps=None, samples=0)
    networks = Networks(run_directory.load(config.run_dir))
    about = {
        name: resolved(new_inpainter(one, networks))
        for name, one in config.presets(encoder=False).items()
    }
    json.dumps(about, allow_nan=False)
    assert [about[name]["steps"] for name in PRESETS] == [100, 2, 100]
    assert networks.run.config.loss == "non_saturating" and {
        one["prior"] for one in about.values()
    } == {"saturating"}
    assert about["complete"]["sampling"] is None and about["complete_best"]["sampling"] == {
        "samples": 4,
        "descent_steps": 18,
        "adapt_steps": 2,
        "steps": 4,
        "leapfrog_steps": 1,
        "temperature": None,
        "temperature_share": 0.03,
    }


def test_next_version_is_the_next_number_and_none_is_overwritten(tmp_path):
    for name in ("1", "7", ".8abc", "notes"):
        (tmp_path / name).mkdir()
    assert export.version(tmp_path, None) == 8
    assert export.version(tmp_path, 3) == 3
    with pytest.raises(ValueError, match="7; leave it out for 8"):
        export.version(tmp_path, 7)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder"):
        export.version(tmp_path / "file", None)


def test_failed_export_leaves_nothing(exported, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("tf_inpaint.exporting.signatures.save", fail)
    monkeypatch.setattr("tf_inpaint.exporting.signatures.Model", lambda *_: None)
    config = dataclasses.replace(exported[0], export_dir=str(tmp_path / "digits"))
    with pytest.raises(OSError, match="disk full"):
        export.run(config)
    assert list((tmp_path / "digits").iterdir()) == []


def test_export_that_answers_otherwise_is_one_sentence_and_leaves_nothing(
    exported, tmp_path, monkeypatch, capsys
):
    """Its own check finds a generator that was tampered with on the way to the file."""
    monkeypatch.setattr(ExportConfig, "presets", lambda self, encoder: {"complete": self})
    monkeypatch.setattr(
        "tf_inpaint.exporting.signatures.Model.generate",
        lambda self, z: {"images": -self.generator(z)},
    )
    monkeypatch.setattr(launch, "_log_plainly", lambda: None)
    flags = [
        f"--run_dir={exported[0].run_dir}",
        f"--export_dir={tmp_path / 'digits'}",
        "--steps=1",
        "--samples=0",
    ]
    with pytest.raises(SystemExit) as ended:
        launch.launch(ExportConfig, export.run, "", flags)
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.count("\n") == 1 and "generate gives other images" in told
    assert list((tmp_path / "digits").iterdir()) == []


@pytest.mark.parametrize(
    ("output", "change", "words"),
    [
        ("images", 0.05, "gives other images, 0.05"),
        ("uncertainties", 0.05, "gives other uncertainties"),
        ("energies", 0.5, "gives other energies"),
        ("steps", 1, "gives other steps"),
    ],
)
def test_check_compares_every_output(output, change, words):
    inputs = tiny.rows(3)
    shape = inputs["masks"].shape
    wanted = {
        "images": inputs["images"],
        "uncertainties": np.full(shape, -1.0),
        "energies": np.ones(3),
    }
    wanted["steps"] = np.full(3, 25, np.int32)
    found = wanted | {"errors": np.array([b""] * 3, object)}
    assert difference(inputs, found, wanted, 0.01) == ""
    assert words in difference(inputs, found | {output: found[output] + change}, wanted, 0.01)
    assert "shape [2" in difference(inputs, found | {output: found[output][:2]}, wanted, 0.01)
    refused = difference(
        inputs, found | {"errors": np.array([b"", b"no", b""], object)}, wanted, 0.01
    )
    assert refused == "refuses a good row: no"


@pytest.mark.parametrize("channels", [1, 3])
def test_check_looks_at_known_pixels(channels):
    levels, known = tiny.picture(1, channels=channels), np.full((SIDE, SIDE, 1), 255, np.uint8)
    known[5:9] = 0
    files = {"image_bytes": [tiny.png(levels)], "mask_bytes": [tiny.png(known)]}
    for row, words in ((6, ""), (9, "changes known pixels")):
        changed = levels.copy()
        changed[row, 3] ^= 1
        assert difference(files, {"image_bytes": [tiny.png(changed)]}, {}, 0.01) == words
        pictures = {"images": images.to_float(levels[None]), "masks": np.float32(known[None] > 0)}
        assert difference(pictures, {"images": images.to_float(changed[None])}, {}, 0.01) == words


@pytest.mark.parametrize("preset", ["complete", "complete_fast"])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_served_equals_library(exported, signatures, preset, count):
    inputs = tiny.rows(count)
    wanted = tiny.completed(exported[0], preset, inputs)
    found = signatures(preset, **inputs)
    np.testing.assert_allclose(found["images"], wanted.images, atol=1e-4)
    np.testing.assert_allclose(found["energies"], wanted.energy, rtol=1e-4)
    assert np.array_equal(found["steps"], wanted.steps)
    assert not any(found["errors"])
    assert np.array_equal(
        found["images"][inputs["masks"][..., 0] > 0], inputs["images"][inputs["masks"][..., 0] > 0]
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_merged_rows_answer_as_alone(signatures, preset):
    inputs = tiny.rows(11)
    together = signatures(preset, **inputs)
    for which in (slice(0, 1), slice(4, 9), slice(10, 11)):
        alone = signatures(preset, **part(inputs, which))
        for name, values in alone.items():
            assert np.array_equal(values, together[name][which]), name


def test_uncertainty_is_zero_where_known_and_minus_one_without_samples(signatures):
    inputs = tiny.rows(2)
    found = signatures("complete", **inputs)["uncertainties"]
    assert np.all(found[inputs["masks"] > 0] == 0)
    assert found[inputs["masks"] == 0].max() > 0
    assert np.all(signatures("complete_fast", **inputs)["uncertainties"] == -1)


def test_seed_fixes_an_answer(signatures):
    inputs = tiny.rows(1)
    first = signatures("complete", **inputs)["images"]
    assert np.array_equal(first, signatures("complete", **inputs)["images"])
    assert not np.array_equal(
        first, signatures("complete", **inputs | {"seeds": np.int32([77])})["images"]
    )


def test_what_is_hidden_is_not_read(signatures):
    inputs = tiny.rows(3)
    hidden = np.where(inputs["masks"] > 0, inputs["images"], np.float32(np.nan))
    for preset in PRESETS:
        found, wanted = (
            signatures(preset, **inputs | {"images": hidden}),
            signatures(preset, **inputs),
        )
        for name, values in wanted.items():
            assert np.array_equal(found[name], values), name


def test_bad_rows_say_so_and_leave_the_others_alone(signatures):
    inputs = tiny.rows(6)
    wanted = signatures("complete_fast", **inputs)
    inputs["images"][1] = np.nan
    inputs["images"][2] *= 255
    inputs["masks"][4] = 0.5
    inputs["masks"][5] = np.nan
    found = signatures("complete_fast", **inputs)
    sentences = [text.decode() for text in found["errors"]]
    assert [bool(text) for text in sentences] == [False, True, True, False, True, True]
    assert (
        "finite" in sentences[1] and "[-1, 1]" in sentences[2] and "masks must be 0" in sentences[4]
    )
    for row in (1, 2, 4, 5):
        assert np.array_equal(found["images"][row], inputs["images"][row], equal_nan=True)
    for row in (0, 3):
        assert all(np.array_equal(found[name][row], values[row]) for name, values in wanted.items())


@pytest.mark.parametrize("value", [1.0001, 1.0000001, 255.0])
def test_a_value_that_is_refused_is_described_as_other_than_allowed(value):
    ones = np.ones([1, 4, 4, 1], np.float32)
    for pictures, known in ((ones * np.float32(value), ones), (ones, ones * np.float32(value))):
        (sentence,) = batch_graph.faults(tf.constant(pictures), tf.constant(known)).numpy()
        assert np.float32(sentence.decode().split(" of size ")[1].split(";")[0]) == np.float32(
            value
        )


def test_all_known_is_the_image_and_all_hole_a_sample(signatures):
    inputs = tiny.rows(2)
    inputs["masks"] = np.stack(
        [np.ones_like(inputs["masks"][0]), np.zeros_like(inputs["masks"][0])]
    )
    found = signatures("complete", **inputs)
    assert np.array_equal(found["images"][0], inputs["images"][0])
    assert found["images"][1].std() > 0.01 and not np.any(found["images"][1] == inputs["images"][1])
    assert not any(found["errors"])


def test_generate_and_discriminate_are_the_networks(exported, signatures):
    run = run_directory.load(exported[0].run_dir)
    z = np.random.default_rng(0).uniform(-1, 1, [5, 4]).astype(np.float32)
    pictures = signatures("generate", z=z)["images"]
    np.testing.assert_allclose(pictures, run.generator(z), atol=1e-5)
    found = signatures("discriminate", images=pictures)
    np.testing.assert_allclose(found["logits"], run.discriminator(pictures), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found["probabilities"], 1 / (1 + np.exp(-found["logits"])), atol=1e-6
    )


def test_encoded_answers_have_the_files_size_and_known_levels(signatures):
    colour = np.random.default_rng(3).integers(0, 256, (37, 90, 3), dtype=np.uint8)
    pictures = [tiny.picture(1), tiny.picture(2, 60), colour]
    holes = []
    for levels, left in zip(
        pictures, (8, 8, 26), strict=True
    ):  # the last touches its square's edge
        known = np.full((*levels.shape[:2], 1), 255, np.uint8)
        known[5:15, left : left + 12] = 0
        holes.append(known)
    files = np.array([tiny.png(levels) for levels in pictures], object)
    mask_files = np.array([tiny.png(hole) for hole in holes], object)
    found = signatures(
        "complete_fast_encoded",
        image_bytes=list(files),
        mask_bytes=list(mask_files),
        seeds=np.arange(3, dtype=np.int32),
    )
    assert [text.decode() for text in found["errors"]] == ["", "", ""]
    for levels, hole, file in zip(pictures, holes, found["image_bytes"], strict=True):
        answer = images.read(io.BytesIO(file))
        gray = np.asarray(Image.fromarray(levels.squeeze()).convert("L"))[..., None]
        assert answer.shape == gray.shape
        assert np.array_equal(answer[hole > 0], gray[hole > 0])
        hidden = hole == 0
        assert answer[hidden].std() > 0 and not np.array_equal(answer[hidden], gray[hidden])


def test_a_hole_that_the_network_does_not_see_is_not_filled(signatures):
    file, known = tiny.png(tiny.picture(1, 60)[:37]), np.full((37, 60, 1), 255, np.uint8)
    known[5:15, 8:20] = 0
    found = signatures(
        "complete_fast_encoded",
        image_bytes=[file],
        mask_bytes=[tiny.png(known)],
        seeds=np.int32([0]),
    )
    assert found["image_bytes"][0] == file and found["energies"] == 0
    assert found["errors"][0].decode() == (
        "mask_bytes must have its hole within the image's middle square, rows 0 to 36 and columns 11 to 47; received "
        "one with a part outside, in rows 5 to 14 and columns 8 to 10; crop the image around the hole first."
    )


@pytest.mark.parametrize("crop", [0, 20, 99])
@pytest.mark.parametrize("shape", [(37, 60), (60, 37), (30, 31)])
def test_what_the_network_does_not_see_is_what_lies_outside_of_the_square(shape, crop):
    (seen,) = large_images.squares(np.zeros((*shape, 1)), 28, crop=crop)
    known = np.ones((*shape, 1), np.float32)
    seen.of(known)[...] = 0
    assert encoded_images.unseen(tf.constant(known), crop) == b""
    for row, column in ((seen.top - 1, seen.left), (seen.top, seen.left + seen.side)):
        if 0 <= row < shape[0] and column < shape[1]:
            outside = known.copy()
            outside[row, column] = 0
            words = f"outside, in rows {row} to {row} and columns {column} to {column};"
            assert words in encoded_images.unseen(tf.constant(outside), crop).numpy().decode()


def test_encoded_at_the_networks_size_is_complete(signatures):
    inputs = tiny.rows(2)
    levels = images.to_uint8(inputs["images"])
    files = (
        [tiny.png(one) for one in levels],
        [tiny.png(np.uint8(255 * one)) for one in inputs["masks"]],
    )
    found = signatures(
        "complete_encoded", image_bytes=files[0], mask_bytes=files[1], seeds=inputs["seeds"]
    )
    wanted = images.to_uint8(signatures("complete", **inputs)["images"])
    for file, picture in zip(found["image_bytes"], wanted, strict=True):
        assert np.abs(images.read(io.BytesIO(file)).astype(int) - picture).max() <= 1


def huge_png(side):
    """A small file that decodes to `side` x `side` pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return encoded_images.PNG + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_bad_files_say_so_and_leave_the_others_alone(signatures):
    good, mask = tiny.png(tiny.picture(1)), tiny.png(np.eye(SIDE, dtype=np.uint8)[..., None] * 255)
    jpeg = io.BytesIO()
    Image.fromarray(tiny.picture(5).squeeze()).save(jpeg, "JPEG")
    bad = [
        b"",
        b"GIF89a",
        good[:60],
        huge_png(20_000),
        jpeg.getvalue()[:300],
        encoded_images.PNG,
        b"\xff\xd8\xff",
    ]
    files = [good, *bad, good]
    found = signatures(
        "complete_fast_encoded",
        image_bytes=files,
        mask_bytes=[mask] * len(files),
        seeds=np.zeros(len(files), np.int32),
    )
    sentences = [text.decode() for text in found["errors"]]
    assert sentences[0] == sentences[-1] == ""
    assert all(text.startswith("image_bytes must") for text in sentences[1:-1]), sentences
    neither = ["its beginning is that of neither" in text for text in sentences[1:-1]]
    assert neither == [True, True, False, False, False, False, False]
    assert (
        all("header is damaged" in text for text in sentences[6:8])
        and "20000 x 20000" in sentences[4]
    )
    assert list(found["image_bytes"][1:-1]) == bad
    assert found["image_bytes"][0] == found["image_bytes"][-1] != good


def test_bad_masks_say_so(signatures):
    good = tiny.png(tiny.picture(1))
    small = tiny.png(np.zeros((5, 6, 1), np.uint8))
    found = signatures(
        "complete_fast_encoded",
        image_bytes=[good] * 2,
        mask_bytes=[small, b"x"],
        seeds=np.zeros(2, np.int32),
    )
    sentences = [text.decode() for text in found["errors"]]
    assert "the image has 28 x 28 and the mask 6 x 5" in sentences[0]
    assert sentences[1].startswith("mask_bytes must be a PNG or JPEG")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_png_reads_as_pillow_does(mode):
    random = np.random.default_rng(0).integers(0, 256, (9, 11, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(random, "RGBA").convert(mode).save(file, "PNG")
    levels, error = encoded_images.decoded(tf.constant(file.getvalue()), "image_bytes", 1000)
    assert error == b""
    wanted = images.read(io.BytesIO(file.getvalue()))
    # Pillow rounds a blend over white in two steps.
    assert np.abs(levels.numpy() - wanted).max() <= (1 if "A" in mode else 0)


@pytest.mark.parametrize("quality", [60, 95])
def test_jpeg_reads_as_pillow_does(quality):
    file = io.BytesIO()
    Image.fromarray(tiny.picture(0, 48, 3)).save(file, "JPEG", quality=quality)
    levels, error = encoded_images.decoded(tf.constant(file.getvalue()), "image_bytes", 10_000)
    assert error == b"" and np.array_equal(levels, images.read(io.BytesIO(file.getvalue())))


@pytest.mark.parametrize("shape", [(28, 28), (50, 80), (130, 61)])
def test_framing_and_restoring_are_those_of_large_images(shape):
    random = np.random.default_rng(2)
    levels = random.integers(0, 256, (*shape, 3)).astype(np.int32)
    known = np.ones((*shape, 1), np.float32)
    known[4:20, 9:26] = 0
    generated = random.uniform(-1, 1, (28, 28, 3)).astype(np.float32)
    image = images.to_float(levels.astype(np.uint8))
    chosen = large_images.squares(known, 28)
    wanted, shown = large_images.crops(image, known, chosen, 28)
    small, given = encoded_images.framed(tf.constant(levels), tf.constant(known), 28, 0)
    assert np.array_equal(given, shown[0])
    np.testing.assert_allclose(small, wanted[0], atol=1e-5)
    whole = encoded_images.restored(
        tf.constant(levels), tf.constant(known), tf.constant(generated), 0, blending.poisson
    )
    wanted = images.to_uint8(large_images.restore(image, known, chosen, generated[None]))
    assert np.abs(whole.numpy() - wanted).max() <= 1
    assert np.array_equal(whole.numpy()[known[..., 0] > 0], levels[known[..., 0] > 0])


def test_restoring_without_a_hole_changes_nothing():
    levels = tiny.picture(3, 40).astype(np.int32)
    known = np.ones((40, 40, 1), np.float32)
    whole = encoded_images.restored(
        tf.constant(levels), tf.constant(known), tf.zeros([28, 28, 1]), 0, blending.poisson
    )
    assert np.array_equal(whole, levels)


@pytest.mark.parametrize("blend", [blending.poisson, blending.feather])
def test_blending_of_free_size_is_that_of_a_fixed_one(blend):
    random = np.random.default_rng(1)
    given, generated = random.uniform(-1, 1, (2, 2, 33, 21, 3)).astype(np.float32)
    known = (random.random((2, 33, 21, 1)) > 0.5).astype(np.float32)
    free = tf.function(
        blend, input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)] * 3
    )
    np.testing.assert_allclose(
        free(given, known, generated), blend(given, known, generated), atol=3e-3
    )


@pytest.mark.parametrize("count", [1, 4, 7])
def test_blocks_are_filled_up_and_cut_again(count):
    seen = []

    def function(block):
        seen.append(block.shape[0])
        return block * 2, tf.reduce_sum(block, axis=1)

    values = np.arange(3.0 * count, dtype=np.float32).reshape(count, 3)
    doubled, sums = batch_graph.in_blocks(function, 4, [tf.constant(values)])
    assert set(seen) == {4}
    assert np.array_equal(doubled, 2 * values) and np.array_equal(sums, values.sum(1))
