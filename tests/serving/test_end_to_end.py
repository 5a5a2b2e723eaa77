"""The client, and gRPC's messages, against the test double of the server with an exported model behind it."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import grpc
import grpc_front
import numpy as np
import pytest
import requests
import tensorflow as tf
import tiny
from google.protobuf import json_format
from PIL import Image
from serving_double import serving
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from tf_inpaint import client
from tf_inpaint.client import Client
from tf_inpaint.config import ClientConfig
from tf_inpaint.files import images

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def double(model):
    with serving(model.run, model.signatures, "digits") as double:
        yield double


@pytest.fixture(scope="module")
def stub(double):
    with grpc_front.connected(double) as stub:
        yield stub


@pytest.fixture
def it(double):
    with Client(double.url, "digits", batch_size=2) as it:
        yield it


@pytest.fixture
def photos(tmp_path):
    """Three pictures of several sizes, each with a mask of its stem."""
    for number, (name, side) in enumerate({"a": 24, "b": 40, "more": 28}.items()):
        known = np.full((side, side), 255, np.uint8)
        known[6:14, 5:15] = 0
        for folder, levels in (("photos", tiny.picture(number, side)[..., 0]), ("masks", known)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(levels).save(tmp_path / folder / f"{name}.png")
    return tmp_path / "photos"


def config(double, photos, **settings):
    """Of a job with `photos` and their masks that writes beside them."""
    paths = {
        "images": (str(photos),),
        "mask": str(photos.parent / "masks"),
        "out_dir": str(photos.parent / "out"),
    }
    return ClientConfig(**{"url": double.url, "model": "digits"} | paths | settings)


def completions(settings):
    """{name: bytes} of what a job wrote."""
    lines = (Path(settings.out_dir) / "completions.jsonl").read_text().splitlines()
    names = [json.loads(line)["completion"] for line in lines]
    return {name: (Path(settings.out_dir) / name).read_bytes() for name in names}


def predicted(stub, signature, inputs, model="digits"):
    """A signature's outputs, by messages of gRPC."""
    request = predict_pb2.PredictRequest(
        inputs={key: tf.make_tensor_proto(each) for key, each in inputs.items()}
    )
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return {key: tf.make_ndarray(proto) for key, proto in stub.Predict(request).outputs.items()}


# --- the library behind the server


@pytest.mark.parametrize("form", ["column", "row"])
def test_complete_is_the_library(exported, model, double, form):
    inputs = tiny.rows(5)
    with Client(double.url, "digits", batch_size=2, form=form) as it:
        found = it.complete(inputs["images"], inputs["masks"], inputs["seeds"])
    for name, values in model.run("complete", inputs).items():
        wanted = [text.decode() for text in values] if name == "errors" else values
        np.testing.assert_array_equal(getattr(found, name), wanted)
    if form == "column":
        wanted = tiny.completed(exported[0], "complete", inputs)
        assert np.abs(found.images - wanted.images).mean() < 1e-3 and np.array_equal(
            found.steps, wanted.steps
        )


def test_networks_and_metadata(model, it):
    z = np.random.default_rng(0).uniform(-1, 1, (2, 4)).astype(np.float32)
    pictures = it.generate(z)
    assert np.array_equal(pictures, model.run("generate", {"z": z})["images"])
    assert np.array_equal(
        it.discriminate(pictures)[0], model.run("discriminate", {"images": pictures})["logits"]
    )
    assert set(it.metadata()) == set(model.signatures)


def test_a_single_input_needs_no_name_and_the_default_signature_none(double):
    def asked(**body):
        return requests.post(f"{double.url}/v1/models/digits:predict", json=body).json()

    z = np.random.default_rng(0).uniform(-1, 1, (2, 4)).tolist()
    bodies = [
        {"instances": z},
        {"instances": [{"z": row} for row in z]},
        {"inputs": z},
        {"inputs": {"z": z}},
    ]
    answers = [next(iter(asked(signature_name="generate", **body).values())) for body in bodies]
    assert np.shape(answers[0]) == (2, 28, 28, 1) and answers.count(answers[0]) == 4
    rows = {name: values.tolist() for name, values in tiny.rows(1).items()}
    assert asked(inputs=rows) == asked(inputs=rows, signature_name="complete")
    assert "expecting an object as multiple input tensors" in asked(inputs=z)["error"]


# --- the command


def test_command_completes_files(double, photos):
    settings = config(double, photos)
    flags = [f"--{name}={getattr(settings, name)}" for name in ("url", "model", "mask", "out_dir")]
    command = [sys.executable, "-m", "tf_inpaint.client", *flags, str(photos)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "3 of 3 images are complete" in done.stdout, done.stderr
    assert set(completions(settings)) == {"a.png", "b.png", "more.png"}
    for name in completions(settings):
        original, answer = images.read(photos / name), images.read(Path(settings.out_dir) / name)
        known = images.read(photos.parent / "masks" / name) > 0
        assert np.array_equal(answer[known], original[known]) and answer[~known].std() > 0


def test_a_file_and_a_seed_have_one_answer_whatever_goes_with_them(double, photos):
    def completed(*names, **settings):
        paths = tuple(str(photos / name) for name in names)
        settings = config(
            double,
            photos,
            images=paths,
            overwrite=True,
            signature="complete_fast_encoded",
            **settings,
        )
        assert client.run(settings) == 0
        return completions(settings)

    together = completed("a.png", "b.png", "more.png")
    assert completed("more.png", "b.png", batch_size=1) == {
        name: together[name] for name in ("b.png", "more.png")
    }
    assert completed(".") == together
    assert completed("b.png", seed=1)["b.png"] != together["b.png"]


# --- the server's words


def test_refusals_reach_the_user_and_the_next_request_is_answered(it):
    inputs = tiny.rows(2)
    with pytest.raises(ValueError, match=r"400: .*images must have the shape \[B, 28, 28, 1\]"):
        it.complete(inputs["images"][:, 4:], inputs["masks"][:, 4:])
    inputs["images"][1] = np.nan
    with pytest.raises(ValueError, match="1 of 2 cannot; row 1: images must be finite"):
        it.complete(**inputs, signature="complete_fast")
    assert not any(it.complete(**tiny.rows(2), signature="complete_fast").errors)


def test_a_file_that_the_server_cannot_take_is_named_with_its_reason(
    double, photos, caplog, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    Image.new("L", (400, 300)).save(photos / "large.png")
    settings = config(double, photos, mask="center", signature="complete_fast_encoded")
    assert client.run(settings) == 1 and set(completions(settings)) == {
        "a.png",
        "b.png",
        "more.png",
    }
    (told,) = [record.getMessage() for record in caplog.records]
    assert str(photos / "large.png") in told and "claims 400 x 300 pixels" in told


# --- gRPC


def test_grpc_answers_as_rest(stub, it):
    inputs = tiny.rows(2)
    found, wanted = predicted(stub, "complete", inputs), it.complete(**inputs)
    assert set(found) == set(wanted._fields)
    for name in ("images", "uncertainties", "energies", "steps"):
        assert found[name].dtype == getattr(wanted, name).dtype
        assert np.array_equal(found[name], getattr(wanted, name))
    files = {
        f"{name}_bytes": [tiny.png(tiny.picture(0)), tiny.png(tiny.picture(1))]
        for name in ("image", "mask")
    }
    found = predicted(stub, "complete_fast_encoded", files | {"seeds": np.int32([0, 1])})
    wanted = it.complete_encoded(*files.values(), [0, 1], signature="complete_fast_encoded")
    assert list(found["image_bytes"]) == wanted.image_bytes and np.array_equal(
        found["energies"], wanted.energies
    )


def test_grpc_describes_the_model_as_rest(stub, it):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "digits"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    written = json_format.MessageToDict(
        signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for name, signature in it.metadata().items():
        assert signature.items() <= written["signature_def"][name].items()


@pytest.mark.parametrize(
    ("model_name", "signature", "change", "code", "words"),
    [
        ("nobody", "complete_fast", {}, "NOT_FOUND", "Latest(nobody)"),
        ("digits", "complete_slow", {}, "FAILED_PRECONDITION", '"complete_slow" not found'),
        (
            "digits",
            "complete_fast",
            {"seeds": np.int32([[0]])},
            "INVALID_ARGUMENT",
            "seeds must have the shape [B]",
        ),
        (
            "digits",
            "complete_fast",
            {"seeds": np.int64([0])},
            "INVALID_ARGUMENT",
            "to be int32 but int64",
        ),
        ("digits", "complete_fast", {"more": np.int32([0])}, "INVALID_ARGUMENT", "'more'"),
    ],
)
def test_grpc_refuses_with_the_servers_codes(stub, model_name, signature, change, code, words):
    with pytest.raises(grpc.RpcError) as refusal:
        predicted(stub, signature, tiny.rows(1) | change, model_name)
    assert refusal.value.code().name == code and words in refusal.value.details()
