"""An exported model as TensorFlow Serving's C++ loader runs it, in a process without
TensorFlow's Python."""

import io
import json
import os
import re
from pathlib import Path

import cpp_loader
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image
from saved_graph import operations
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tf_inpaint.exporting.export_check import difference
from tf_inpaint.files import images
from tf_inpaint.runs import run_directory

PRESETS = ("complete", "complete_fast", "complete_best")

COMPOSE = Path(__file__).parents[2] / "export" / "compose.yaml"
ERROR_LINE = re.compile(r"^(?:E\d{4} |.*: E (?:external|tensorflow)/).*", re.MULTILINE)
HARMLESS_ERRORS = ("failed call to cuInit", "oneDNN supports ")
"""Errors that TensorFlow logs for any model: where there is no GPU, and on CPUs without AVX-512."""


@pytest.fixture(scope="module")
def older_python():
    """The Python of an environment with the TensorFlow of the newest published server."""
    if python := os.environ.get("TF_INPAINT_SERVING_PYTHON"):
        return python
    pytest.skip(
        "needs a virtual environment with the TensorFlow of export/compose.yaml, which .ci/run "
        "makes; TF_INPAINT_SERVING_PYTHON names its Python"
    )


def files(count, first=0, channels=1):
    """Inputs of `complete_encoded`, each of another size."""
    pictures = [
        tiny.picture(first + number, 24 + 4 * ((first + number) % 5), channels)
        for number in range(count)
    ]
    holes = [np.full((*picture.shape[:2], 1), 255, np.uint8) for picture in pictures]
    for hole in holes:
        hole[6:14, 5:15] = 0
    return {
        "image_bytes": [tiny.png(picture) for picture in pictures],
        "mask_bytes": [tiny.png(hole) for hole in holes],
        "seeds": np.arange(first, first + count, dtype=np.int32),
    }


def inputs_of(model, count):
    """Inputs of every signature of a model."""
    side, channels = model.signatures["complete"][0]["images"][2][2:]
    z = np.random.default_rng(0).uniform(-1, 1, [count, 4]).astype(np.float32)
    everything = tiny.rows(count, 0, side, channels) | files(count, 0, channels) | {"z": z}
    return {
        name: {key: everything[key] for key in inputs}
        for name, (inputs, _) in model.signatures.items()
    }


def errors(log):
    """The lines of a log that tell of an error, without those that come with any model."""
    lines = [match[0] for match in ERROR_LINE.finditer(log)]
    return [line for line in lines if not any(text in line for text in HARMLESS_ERRORS)]


def pixels(files):
    """The pixels of images of any size, in one array on the scale of [-1, 1]."""
    return np.concatenate([images.read(io.BytesIO(file)).ravel() for file in files]) / 127.5


def known_pixels(inputs, outputs):
    """The known pixels of the inputs and of the outputs of a signature that completes images."""
    if "masks" in inputs:
        known = np.broadcast_to(inputs["masks"] > 0, inputs["images"].shape)
        return inputs["images"][known], outputs["images"][known]
    channels = len(pixels(inputs["image_bytes"])) // len(pixels(inputs["mask_bytes"]))
    known = np.repeat(pixels(inputs["mask_bytes"]) > 1, channels)
    return pixels(inputs["image_bytes"])[known], pixels(outputs["image_bytes"])[known]


def equal(found, wanted):
    return all(np.array_equal(found[name], values) for name, values in wanted.items())


def test_every_signature_is_there(model, model_with_encoder):
    wanted = {
        "serving_default",
        "generate",
        "discriminate",
        *PRESETS,
        *(f"{name}_encoded" for name in PRESETS),
    }
    assert set(model.signatures) == wanted and set(model_with_encoder.signatures) == wanted | {
        "encode"
    }
    for inputs, outputs in model.signatures.values():
        assert all(shape[0] == -1 for _, _, shape in [*inputs.values(), *outputs.values()])
    assert set(model.signatures["complete"][1]) == {
        "images",
        "uncertainties",
        "energies",
        "steps",
        "errors",
    }


@pytest.mark.parametrize("count", [1, 3, 17])
@pytest.mark.parametrize("preset", PRESETS)
def test_complete_is_the_library(exported, model, preset, count):
    inputs = tiny.rows(count)
    wanted = tiny.completed(exported[0], preset, inputs)
    found = model.run(preset, inputs)
    assert np.abs(found["images"] - wanted.images).mean() < 1e-3
    assert np.array_equal(found["steps"], wanted.steps)
    known = np.broadcast_to(inputs["masks"] > 0, inputs["images"].shape)
    assert np.array_equal(found["images"][known], inputs["images"][known])


@pytest.mark.parametrize("count", [1, 3, 17])
def test_networks_are_the_librarys(exported, model, count):
    run = run_directory.load(exported[0].run_dir)
    z = np.random.default_rng(0).uniform(-1, 1, [count, 4]).astype(np.float32)
    found = model.run("generate", {"z": z})["images"]
    np.testing.assert_allclose(found, run.generator(z), atol=1e-5)
    found = model.run("discriminate", {"images": found})
    np.testing.assert_allclose(
        found["logits"], run.discriminator(run.generator(z)), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("count", [1, 3, 17])
def test_encoded_answers_keep_what_is_known(model, count):
    inputs = files(count)
    found = model.run("complete_encoded", inputs)
    assert found["errors"] == [b""] * count
    for image, mask, answer in zip(
        inputs["image_bytes"], inputs["mask_bytes"], found["image_bytes"], strict=True
    ):
        image, mask, answer = (images.read(io.BytesIO(file)) for file in (image, mask, answer))
        assert answer.shape == image.shape
        assert np.array_equal(answer[mask > 0], image[mask > 0])
        assert not np.array_equal(answer[mask == 0], image[mask == 0])


@pytest.mark.parametrize("count", [1, 3, 17])
def test_colours_and_an_encoder_are_the_librarys(exported_with_encoder, model_with_encoder, count):
    """Every signature."""
    config, run = exported_with_encoder[0], run_directory.load(exported_with_encoder[0].run_dir)
    inputs = inputs_of(model_with_encoder, count)
    found = {name: model_with_encoder.run(name, rows) for name, rows in inputs.items()}
    pictures, known = inputs["encode"]["images"], inputs["encode"]["masks"]
    z = run.encoder(np.where(known > 0, pictures, np.float32(0)), known)
    assert count == 1 or np.std(z, axis=0).max() > 0.01
    np.testing.assert_allclose(
        found["generate"]["images"], run.generator(inputs["generate"]["z"]), atol=1e-4
    )
    np.testing.assert_allclose(
        found["discriminate"]["logits"], run.discriminator(pictures), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(found["encode"]["z"], z, atol=1e-4)
    for preset in PRESETS:
        wanted = tiny.completed(config, preset, inputs[preset])
        assert np.abs(found[preset]["images"] - wanted.images).mean() < 1e-3
        assert np.array_equal(found[preset]["steps"], wanted.steps) and not any(
            found[preset]["errors"]
        )
        shown = np.broadcast_to(known > 0, pictures.shape)
        assert np.array_equal(found[preset]["images"][shown], pictures[shown])
        sent, answers = inputs[f"{preset}_encoded"], found[f"{preset}_encoded"]
        for image, mask, answer in zip(
            sent["image_bytes"], sent["mask_bytes"], answers["image_bytes"], strict=True
        ):
            image, mask, answer = (images.read(io.BytesIO(file)) for file in (image, mask, answer))
            given = mask[..., 0] > 0
            assert answer.shape == image.shape == (*given.shape, 3) and np.array_equal(
                answer[given], image[given]
            )
            assert answer[~given].std() > 0 and not np.array_equal(answer[~given], image[~given])


@pytest.mark.parametrize("preset", PRESETS)
def test_encoded_colours_at_the_networks_size_are_those_of_rows(model_with_encoder, preset):
    rows = inputs_of(model_with_encoder, 3)[preset]
    sent = {
        "image_bytes": [tiny.png(picture) for picture in images.to_uint8(rows["images"])],
        "mask_bytes": [tiny.png(np.uint8(255 * mask)) for mask in rows["masks"]],
        "seeds": rows["seeds"],
    }
    found = model_with_encoder.run(f"{preset}_encoded", sent)["image_bytes"]
    wanted = images.to_uint8(model_with_encoder.run(preset, rows)["images"])
    found = np.stack([images.read(io.BytesIO(file)) for file in found])
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("name", ["model", "model_with_encoder"])
def test_no_error_is_logged(name, request):
    """Neither a signature nor a request that is refused makes TensorFlow log an error."""
    model = request.getfixturevalue(name)
    for signature, rows in inputs_of(model, 1).items():
        model.run(signature, rows)
    assert "onednn" in model.log().lower() and errors(model.log()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "_with_encoder"])
def test_published_server_answers_as_this_tensorflow(older_python, name, request):
    """Every signature, by the libraries of the server of `compose.yaml`, without its errors."""
    path = request.getfixturevalue(f"exported{name}")[1] / "1"
    model = request.getfixturevalue(f"model{name}")
    server_version = re.search(r"VERSION:-(\d+\.\d+\.)", COMPOSE.read_text())[1]
    with cpp_loader.process(path, older_python) as older:
        assert older.version().startswith(server_version)
        assert operations(path) <= older.operations()
        for signature, rows in inputs_of(model, 3).items():
            found, wanted = older.run(signature, rows), model.run(signature, rows)
            if "seeds" in rows:
                assert found.pop("errors") == wanted.pop("errors") == [b""] * 3
                assert np.array_equal(*known_pixels(rows, found)), signature
            if "image_bytes" in found:
                found, wanted = (
                    outputs | {"image_bytes": pixels(outputs["image_bytes"])}
                    for outputs in (found, wanted)
                )
            assert difference({}, found, wanted, 1e-3) == "", signature
        assert errors(older.log()) == []


def test_description_says_how_many_steps_follow_the_encoder(exported_with_encoder):
    about = json.loads(
        (exported_with_encoder[1] / "1" / "assets.extra" / "export.json").read_text()
    )
    assert about["export"]["steps"] is None
    assert [about["presets"][name]["steps"] for name in PRESETS] == [10, 2, 10]
    assert [about["presets"][name]["deeper_steps"] for name in PRESETS] == [15, 0, 15]
    assert about["presets"]["complete_fast"]["start"] == "encoder"
    # The mean estimate of the run needs no samples.
    assert [about["presets"][name]["samples"] for name in PRESETS] == [2, 0, 0]


def test_warm_up_requests_are_of_every_signature_and_run(exported, model):
    path, names = exported[1] / "1" / "assets.extra" / "tf_serving_warmup_requests", []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        name = request.model_spec.signature_name
        found = model.run(
            name, {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        )
        assert request.model_spec.name == "digits" and not any(found.get("errors", []))
        for key, (_, _, shape) in model.signatures[name][1].items():
            assert np.shape(found[key]) == (1, *shape[1:]), (name, key)
        names.append(name)
    assert sorted(names) == sorted(model.signatures)


def test_default_is_complete(model):
    inputs = tiny.rows(2)
    assert equal(model.run("serving_default", inputs), model.run("complete", inputs))


@pytest.mark.parametrize("name", ["model", "model_with_encoder"])
def test_rows_of_different_callers_answer_as_alone(name, request):
    model = request.getfixturevalue(name)
    merged = inputs_of(model, 17)
    for signature in merged:
        together = model.run(signature, merged[signature])
        for part in (slice(0, 1), slice(1, 5), slice(5, 7), slice(7, 16), slice(16, 17)):
            alone = model.run(
                signature, {name: values[part] for name, values in merged[signature].items()}
            )
            assert equal({name: values[part] for name, values in together.items()}, alone), (
                signature
            )


def test_many_requests_at_once_answer_as_alone(model):
    kinds = [
        (name, tiny.rows(count, count))
        for name in ("complete", "complete_fast")
        for count in (1, 3)
    ]
    kinds += [
        ("complete_fast_encoded", files(2)),
        ("generate", {"z": np.zeros([5, 4], np.float32)}),
    ]
    alone = [model.run(*kind) for kind in kinds]
    order = np.random.default_rng(0).integers(0, len(kinds), 500)
    for which, found in zip(
        order, model.run_many([kinds[which] for which in order], threads=16), strict=True
    ):
        assert not isinstance(found, Exception), found
        assert equal(found, alone[which])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: {"images": rows["images"][0]}, "images must have the shape"),
        (lambda rows: {"images": rows["images"][:, :20]}, "images must have the shape"),
        (
            lambda rows: {"images": np.repeat(rows["images"], 3, axis=3)},
            "images must have the shape",
        ),
        (lambda rows: {"masks": rows["masks"][..., 0]}, "masks must have the shape"),
        (
            lambda rows: {"masks": rows["masks"][:1]},
            "masks must have at least one row, and as many rows as images",
        ),
        (lambda rows: {"seeds": rows["seeds"][:, None]}, "seeds must have the shape"),
        (lambda rows: {name: values[:0] for name, values in rows.items()}, "at least one row"),
    ],
)
def test_wrong_shapes_are_refused_and_the_next_request_is_answered(model, change, words):
    inputs = tiny.rows(2)
    with pytest.raises(ValueError, match=words):
        model.run("complete_fast", inputs | change(inputs))
    assert not any(model.run("complete_fast", inputs)["errors"])


@pytest.mark.parametrize(
    ("name", "dtype", "words"),
    [
        ("images", np.int32, r"arg\[0\] to be float but int32"),
        ("images", np.float64, r"arg\[0\] to be float but double"),
        ("masks", np.int32, r"arg\[1\] to be float but int32"),
        ("seeds", np.int64, r"arg\[2\] to be int32 but int64"),
    ],
)
def test_wrong_dtypes_are_refused_by_the_inputs_number_in_alphabetical_order(
    model, name, dtype, words
):
    """TensorFlow compares them before any op of the model runs, and knows no name there."""
    inputs = tiny.rows(2)
    with pytest.raises(ValueError, match=words):
        model.run("complete_fast", inputs | {name: inputs[name].astype(dtype)})


def test_bad_rows_fail_nobody_and_use_no_memory(model):
    good, bad = files(2), files(1)
    everything = {
        name: [*good[name], *([bad[name][0]] * 2)] for name in ("image_bytes", "mask_bytes")
    }
    huge = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(huge, "PNG")
    assert len(huge.getvalue()) < 100_000
    everything["image_bytes"][2] = huge.getvalue()
    everything["image_bytes"][3] = bad["image_bytes"][0][:70]
    everything["seeds"] = np.int32([0, 1, 2, 3])
    wanted = model.run("complete_fast_encoded", good)
    model.run("complete_fast_encoded", everything)
    before = model.memory()["peak"]
    for _ in range(10):
        found = model.run("complete_fast_encoded", everything)
    assert model.memory()["peak"] - before < 50e6
    assert equal({name: values[:2] for name, values in found.items()}, wanted)
    assert b"20000 x 20000" in found["errors"][2] and b"damaged" in found["errors"][3]
    assert found["image_bytes"][2:] == everything["image_bytes"][2:]
