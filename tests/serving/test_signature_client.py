"""The client: both forms of a batch, all signatures, refused arguments, and many requests."""

import io

import numpy as np
import pytest
from fake_model import (
    BROKEN,
    LATENT,
    assert_refused,
    complete_pictures,
    encode,
    new_batch,
    new_client,
    predict,
)

from tf_inpaint.client import Client
from tf_inpaint.files import images

# --- The signatures, in both forms.


@pytest.mark.parametrize("form", ["column", "row"])
def test_both_forms_give_the_model_s_answer_bit_for_bit(double, form):
    """Floats travel as text without loss, denormal numbers and -0.0 too."""
    pictures, known = new_batch(5)
    seeds = np.array([0, -(2**31), 2**31 - 1, 7, 7], np.int32)
    expected = predict("complete", {"images": pictures, "masks": known, "seeds": seeds})
    with new_client(double, form=form, batch_size=2) as client:
        completion = client.complete(pictures, known, seeds)
    lengths = [len(request.get("instances", [])) for request in double.requests]
    assert lengths.count(2) == (2 if form == "row" else 0)
    is_known = np.broadcast_to(known > 0, pictures.shape)
    assert completion.images[is_known].tobytes() == pictures[is_known].tobytes()
    assert completion.images.tobytes() == expected["images"].tobytes()
    assert completion.uncertainties.tobytes() == (1 - known).tobytes()
    np.testing.assert_array_equal(completion.energies, (seeds / 7).astype(np.float32))
    assert completion.steps.tolist() == [100] * 5 and completion.errors == [""] * 5
    assert completion.images.dtype == completion.energies.dtype == np.float32
    assert completion.steps.dtype == np.int32


@pytest.mark.parametrize("form", ["column", "row"])
def test_files_are_sent_in_base64(double, form, tmp_path):
    """Files may be given as bytes or as a path."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (size, size + 3, 3), dtype=np.uint8) for size in (5, 8, 31)]
    masks = [
        random.integers(0, 2, (*picture.shape[:2], 1), dtype=np.uint8) * 255 for picture in pictures
    ]
    (tmp_path / "third.png").write_bytes(encode(pictures[2]))
    files = [encode(pictures[0]), encode(pictures[1]), tmp_path / "third.png"]
    with new_client(double, form=form, batch_size=2) as client:
        completion = client.complete_encoded(files, [encode(mask) for mask in masks], [1, 2, 3])
    body = double.requests[0]
    if form == "row":
        value = body["instances"][0]["image_bytes"]
    else:
        value = body["inputs"]["image_bytes"][0]
    assert set(value) == {"b64"} and body["signature_name"] == "complete_encoded"
    for file, picture, mask, seed in zip(
        completion.image_bytes, pictures, masks, (1, 2, 3), strict=True
    ):
        expected = np.where(mask > 0, picture, seed)
        np.testing.assert_array_equal(images.read(io.BytesIO(file)), expected)
    np.testing.assert_allclose(completion.energies, [1 / 7, 2 / 7, 3 / 7], rtol=1e-6)


@pytest.mark.parametrize("form", ["column", "row"])
def test_other_signatures(double, form):
    """The networks of the model can be called too, and the other presets."""
    pictures, known = new_batch(3)
    z = np.random.default_rng(1).uniform(-1, 1, (3, LATENT)).astype(np.float32)
    with new_client(double, form=form, batch_size=2) as client:
        generated = client.generate(z)[:, 0, 0, 0]
        np.testing.assert_allclose(generated, np.tanh(z[:, 0]), rtol=1e-6)
        logits, probabilities = client.discriminate(pictures)
        assert logits.shape == (3, 1)
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-6)
        encoded = client.encode(pictures, known)[:, 2]
        np.testing.assert_allclose(encoded, (pictures * known).sum((1, 2, 3)), rtol=1e-4)
        fast = client.complete(pictures, known, signature="complete_fast")
        assert fast.steps.tolist() == [20] * 3


def test_one_mask_and_one_seed_serve_all_images(double):
    """A single mask and a single seed are repeated for every image."""
    pictures, known = new_batch(3)
    with new_client(double) as client:
        first = client.complete(pictures, known[0], 5)
        second = client.complete(pictures, np.stack([known[0]] * 3), np.full(3, 5))
    assert first.images.tobytes() == second.images.tobytes()


def test_status_and_metadata(double):
    """The client tells the versions and the signatures of the model."""
    with new_client(double) as client:
        versions = [(version["version"], version["state"]) for version in client.status()]
        assert versions == [("3", "AVAILABLE")]
        assert client.metadata()["complete"]["inputs"]["masks"]["dtype"] == "DT_FLOAT"


# --- Arguments and rows that fail.


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda client: client.complete(np.zeros((2, 4, 4, 3), np.uint8), 1), ["floats", "uint8"]),
        (lambda client: client.complete(np.zeros((0, 4, 4, 3)), 1), ["[0, 4, 4, 3]"]),
        (lambda client: client.complete(*np.zeros((2, 2, 4, 4, 3))), ["masks", "[2, 4, 4, 1]"]),
        (lambda client: client.complete_encoded([b"", b""], [b""]), ["2 and 1"]),
        (lambda client: client.complete(*new_batch(1), 2**31), ["seeds", "2147483648"]),
        (lambda client: client.complete(*new_batch(1), [-(2**31) - 1]), ["seeds", "-2147483649"]),
        (lambda client: client.complete(*new_batch(1), 2**70), ["seeds", "1180591620717411303424"]),
        (lambda client: client.complete_encoded([b""], [b""], 1.0), ["seeds", "float64 1.0"]),
        (lambda client: Client(client.url, "faces", form="rows"), ["column or row", "'rows'"]),
    ],
)
def test_bad_arguments_are_refused(call, parts):
    """Bad arguments are refused before anything is sent."""
    client = Client("http://localhost", "faces")
    assert_refused(ValueError, lambda: call(client), *parts)


def test_row_that_fails_is_an_error_or_is_reported(double):
    """With errors="return", the other rows are complete."""
    pictures, known = new_batch(5)
    pictures[3] = np.nan
    with new_client(double, batch_size=2) as client:
        assert_refused(
            ValueError, lambda: client.complete(pictures, known), "1 of 5", "row 3", BROKEN
        )
        completion = client.complete(pictures, known, errors="return")
    assert completion.errors == ["", "", "", BROKEN, ""]
    good = [0, 1, 2, 4]
    expected = complete_pictures(pictures, known, np.zeros(5))[good]
    assert completion.images[good].tobytes() == expected.tobytes()


# --- Many requests at a time.


def test_many_requests_keep_their_order_and_their_bound(double):
    """At most `workers` requests are sent at a time, and the rows come in order."""
    pictures, known = new_batch(24)
    seeds = np.random.default_rng(0).permutation(24)
    double.delay = lambda number: 0.06 if number % 3 else 0.12  # Later requests overtake.
    reports = []

    def progress(done, total):
        reports.append((done, total))

    with new_client(double, batch_size=2, workers=4) as client:
        completion = client.complete(pictures, known, seeds, progress=progress)
    np.testing.assert_array_equal(completion.energies, (seeds / 7).astype(np.float32))
    assert completion.images.tobytes() == complete_pictures(pictures, known, seeds).tobytes()
    assert len(double.requests) == 12 and 2 <= double.max_active <= 4
    assert reports == [(done, 24) for done in range(2, 25, 2)]


def test_connections_are_used_again(double):
    """There are at most as many connections as workers."""
    with new_client(double, batch_size=1, workers=3) as client:
        client.generate(np.zeros((30, LATENT)))
    assert len(double.requests) == 30 and double.connections <= 3
