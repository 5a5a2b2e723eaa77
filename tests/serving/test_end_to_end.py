"""The client and gRPC's messages against the test double, with an exported model behind it."""

import json
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

from tf_inpaint import client as command
from tf_inpaint.client import Client
from tf_inpaint.config import ClientConfig
from tf_inpaint.files import images

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def double(model):
    """A server with the exported model, as a `ServerDouble`."""
    with serving(model.run, model.signatures, "digits") as double:
        yield double


@pytest.fixture(scope="module")
def stub(double):
    """The service of gRPC with the same model."""
    with grpc_front.connected(double) as stub:
        yield stub


@pytest.fixture
def client(double):
    """A client of the exported model."""
    with Client(double.url, "digits", batch_size=2) as client:
        yield client


@pytest.fixture
def photos(tmp_path):
    """A folder of three pictures of several sizes, with a folder of their masks beside it."""
    for number, (name, side) in enumerate({"a": 24, "b": 40, "more": 28}.items()):
        known = np.full((side, side), 255, np.uint8)
        known[6:14, 5:15] = 0
        for folder, levels in (("photos", tiny.picture(number, side)[..., 0]), ("masks", known)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(levels).save(tmp_path / folder / f"{name}.png")
    return tmp_path / "photos"


def new_config(double, photos, **settings):
    """Returns the settings of a job with all photos and their masks, which writes beside them."""
    defaults = {
        "images": (str(photos),),
        "mask": str(photos.parent / "masks"),
        "out_dir": str(photos.parent / "out"),
        "url": double.url,
        "model": "digits",
    }
    return ClientConfig(**defaults | settings)


def completions(config):
    """Returns the bytes of the completions that a job wrote, by their names."""
    lines = (Path(config.out_dir) / "completions.jsonl").read_text().splitlines()
    names = [json.loads(line)["completion"] for line in lines]
    return {name: (Path(config.out_dir) / name).read_bytes() for name in names}


def predict_by_grpc(stub, signature, inputs, model="digits"):
    """Returns the outputs of a signature, by messages of gRPC."""
    request = predict_pb2.PredictRequest(
        inputs={key: tf.make_tensor_proto(value) for key, value in inputs.items()}
    )
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return {key: tf.make_ndarray(proto) for key, proto in stub.Predict(request).outputs.items()}


# --- The library behind the server.


@pytest.mark.parametrize("form", ["column", "row"])
def test_complete_is_the_library(exported, model, double, form):
    """The client gives what the model gives, and what the library gives up to rounding."""
    inputs = tiny.rows(5)
    with Client(double.url, "digits", batch_size=2, form=form) as client:
        completion = client.complete(inputs["images"], inputs["masks"], inputs["seeds"])
    for name, values in model.run("complete", inputs).items():
        expected = [text.decode() for text in values] if name == "errors" else values
        np.testing.assert_array_equal(getattr(completion, name), expected)
    if form == "column":
        expected = tiny.completed(exported[0], "complete", inputs)
        assert np.abs(completion.images - expected.images).mean() < 1e-3
        assert np.array_equal(completion.steps, expected.steps)


def test_networks_and_metadata(model, client):
    """The networks can be called too, and the metadata lists all signatures."""
    z = np.random.default_rng(0).uniform(-1, 1, (2, 4)).astype(np.float32)
    pictures = client.generate(z)
    assert np.array_equal(pictures, model.run("generate", {"z": z})["images"])
    logits = model.run("discriminate", {"images": pictures})["logits"]
    assert np.array_equal(client.discriminate(pictures)[0], logits)
    assert set(client.metadata()) == set(model.signatures)


def test_a_single_input_and_the_default_signature_need_no_name(double):
    """The server knows a single input without its name, in both forms."""

    def post(**body):
        return requests.post(f"{double.url}/v1/models/digits:predict", json=body).json()

    z = np.random.default_rng(0).uniform(-1, 1, (2, 4)).tolist()
    bodies = [
        {"instances": z},
        {"instances": [{"z": row} for row in z]},
        {"inputs": z},
        {"inputs": {"z": z}},
    ]
    answers = [next(iter(post(signature_name="generate", **body).values())) for body in bodies]
    assert np.shape(answers[0]) == (2, 28, 28, 1) and answers.count(answers[0]) == 4
    rows = {name: values.tolist() for name, values in tiny.rows(1).items()}
    assert post(inputs=rows) == post(inputs=rows, signature_name="complete")
    assert "expecting an object as multiple input tensors" in post(inputs=z)["error"]


# --- The command.


def test_command_completes_files(double, photos):
    """The hole of each photo is filled, and its known pixels stay."""
    config = new_config(double, photos)
    flags = [f"--{name}={getattr(config, name)}" for name in ("url", "model", "mask", "out_dir")]
    arguments = [sys.executable, "-m", "tf_inpaint.client", *flags, str(photos)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "3 of 3 images are complete" in done.stdout, done.stderr
    assert set(completions(config)) == {"a.png", "b.png", "more.png"}
    for name in completions(config):
        original, completion = images.read(photos / name), images.read(Path(config.out_dir) / name)
        known = images.read(photos.parent / "masks" / name) > 0
        assert np.array_equal(completion[known], original[known])
        assert completion[~known].std() > 0


def test_a_file_and_a_seed_have_one_answer_whatever_goes_with_them(double, photos):
    """A completion does not depend on the other images."""

    def complete(*names, **settings):
        paths = tuple(str(photos / name) for name in names)
        defaults = {"overwrite": True, "signature": "complete_fast_encoded"}
        config = new_config(double, photos, images=paths, **defaults | settings)
        assert command.run(config) == 0
        return completions(config)

    together = complete("a.png", "b.png", "more.png")
    expected = {name: together[name] for name in ("b.png", "more.png")}
    assert complete("more.png", "b.png", batch_size=1) == expected
    assert complete(".") == together
    assert complete("b.png", seed=1)["b.png"] != together["b.png"]


# --- The server's errors.


def test_refusals_reach_the_user_and_the_next_request_is_answered(client):
    """A refused request does no harm to the server."""
    inputs = tiny.rows(2)
    with pytest.raises(ValueError, match=r"400: .*images must have the shape \[B, 28, 28, 1\]"):
        client.complete(inputs["images"][:, 4:], inputs["masks"][:, 4:])
    inputs["images"][1] = np.nan
    with pytest.raises(ValueError, match="1 of 2 cannot; row 1: images must be finite"):
        client.complete(**inputs, signature="complete_fast")
    assert not any(client.complete(**tiny.rows(2), signature="complete_fast").errors)


def test_a_file_that_the_server_refuses_is_named_with_the_reason(double, photos, logged):
    """The other files are complete."""
    Image.new("L", (400, 300)).save(photos / "large.png")
    config = new_config(double, photos, mask="center", signature="complete_fast_encoded")
    assert command.run(config) == 1
    assert set(completions(config)) == {"a.png", "b.png", "more.png"}
    (text,) = logged.messages
    assert str(photos / "large.png") in text and "claims 400 x 300 pixels" in text


# --- gRPC.


def test_grpc_answers_as_rest(stub, client):
    """Both APIs give the same outputs."""
    inputs = tiny.rows(2)
    outputs, expected = predict_by_grpc(stub, "complete", inputs), client.complete(**inputs)
    assert set(outputs) == set(expected._fields)
    for name in ("images", "uncertainties", "energies", "steps"):
        assert outputs[name].dtype == getattr(expected, name).dtype
        assert np.array_equal(outputs[name], getattr(expected, name))
    pictures = [tiny.picture(0), tiny.picture(1)]
    files = {
        "image_bytes": [tiny.png(levels) for levels in pictures],
        "mask_bytes": [tiny.png(np.uint8(255 * (levels > 127))) for levels in pictures],
    }
    signature, seeds = "complete_fast_encoded", np.int32([0, 1])
    outputs = predict_by_grpc(stub, signature, files | {"seeds": seeds})
    expected = client.complete_encoded(*files.values(), seeds, signature=signature)
    assert list(outputs["image_bytes"]) == expected.image_bytes
    assert np.array_equal(outputs["energies"], expected.energies)


def test_grpc_describes_the_model_as_rest(stub, client):
    """Both APIs give the same metadata."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "digits"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    written = json_format.MessageToDict(
        signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for name, signature in client.metadata().items():
        assert signature.items() <= written["signature_def"][name].items()


@pytest.mark.parametrize(
    ("model_name", "signature", "change", "code", "reason"),
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
def test_grpc_refuses_with_the_server_s_codes(stub, model_name, signature, change, code, reason):
    """An error has the code and the text that the server gives."""
    with pytest.raises(grpc.RpcError) as refusal:
        predict_by_grpc(stub, signature, tiny.rows(1) | change, model_name)
    assert refusal.value.code().name == code and reason in refusal.value.details()
