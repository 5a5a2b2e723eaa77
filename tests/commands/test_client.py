"""client: what is asked of the server comes back whole, in order and bit by bit, or as one sentence."""

import base64
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from serving_double import Refusal, error_body, serving

from tf_inpaint import client
from tf_inpaint.client import Client
from tf_inpaint.config import ClientConfig
from tf_inpaint.files import images
from tf_inpaint.serving.thread_pool import in_order

ROOT = Path(__file__).parents[2]
BROKEN = "the image holds a value that is not finite; replace it"
SIZE, CHANNELS, LATENT = 8, 3, 5


def tensors(**kinds):
    """{name: (tensor name, dtype, shape)} of {name: (dtype, *sides)}."""
    return {name: (f"{name}:0", dtype, (-1, *sides)) for name, (dtype, *sides) in kinds.items()}


PICTURES, MASKS, CODES = (
    ("float32", SIZE, SIZE, CHANNELS),
    ("float32", SIZE, SIZE, 1),
    ("float32", LATENT),
)
FLOATS, COLUMN, INTS, STRINGS = ("float32",), ("float32", 1), ("int32",), ("string",)
COMPLETE = (
    tensors(images=PICTURES, masks=MASKS, seeds=INTS),
    tensors(images=PICTURES, uncertainties=MASKS, energies=FLOATS, steps=INTS, errors=STRINGS),
)
SIGNATURES = {
    "serving_default": COMPLETE,
    "complete": COMPLETE,
    "complete_fast": COMPLETE,
    "complete_encoded": (
        tensors(image_bytes=STRINGS, mask_bytes=STRINGS, seeds=INTS),
        tensors(image_bytes=STRINGS, energies=FLOATS, errors=STRINGS),
    ),
    "generate": (tensors(z=CODES), tensors(images=PICTURES)),
    "discriminate": (tensors(images=PICTURES), tensors(logits=COLUMN, probabilities=COLUMN)),
    "encode": (tensors(images=PICTURES, masks=MASKS), tensors(z=CODES)),
}


def encoded(picture, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, form)
    return file.getvalue()


def completed(pictures, known, seeds):
    """Stands for the model: the hole takes a value of the row's seed."""
    return np.where(
        known > 0, pictures, np.float32(1 / (3 + np.asarray(seeds).reshape(-1, 1, 1, 1)))
    )


def model(signature, inputs):
    if signature == "generate":
        return {
            "images": np.tanh(inputs["z"][:, :1, None, None] * np.ones((1, SIZE, SIZE, CHANNELS)))
        }
    if signature == "discriminate":
        logits = inputs["images"].mean(axis=(1, 2, 3))[:, None]
        return {"logits": logits, "probabilities": 1 / (1 + np.exp(-logits))}
    if signature == "encode":
        return {
            "z": (inputs["images"] * inputs["masks"]).sum(axis=(1, 2, 3))[:, None] * np.ones(LATENT)
        }
    seeds = inputs["seeds"]
    if signature == "complete_encoded":
        return completed_files(inputs["image_bytes"], inputs["mask_bytes"], seeds)
    pictures, known = inputs["images"], inputs["masks"]
    if pictures.shape[1:] != PICTURES[1:]:
        raise ValueError(
            f"images must have the shape [B, {SIZE}, {SIZE}, {CHANNELS}]; received {pictures.shape}"
        )
    bad = ~np.isfinite(pictures).all(axis=(1, 2, 3))
    return {
        "images": np.where(bad[:, None, None, None], pictures, completed(pictures, known, seeds)),
        "uncertainties": 1 - known,
        "energies": seeds / 7,
        "steps": np.full(len(seeds), 20 if signature == "complete_fast" else 100),
        "errors": [BROKEN.encode() if each else b"" for each in bad],
    }


def completed_files(image_files, mask_files, seeds):
    files, errors = [], []
    for image_file, mask_file, seed in zip(image_files, mask_files, seeds, strict=True):
        try:
            picture = images.read(io.BytesIO(image_file), "the image")
        except ValueError as error:
            files.append(image_file)
            errors.append(str(error).encode())
            continue
        known = images.read(io.BytesIO(mask_file)) > 127
        files.append(encoded(np.where(known, picture, np.uint8(seed % 251))))
        errors.append(b"")
    return {"image_bytes": files, "energies": np.asarray(seeds) / 7, "errors": errors}


def batch(size, seed=0):
    random = np.random.default_rng(seed)
    pictures = random.uniform(-1, 1, (size, SIZE, SIZE, CHANNELS)).astype(np.float32)
    pictures.flat[::7] = 1e-42  # a denormal number
    pictures.flat[::11] = -0.0
    return pictures, (random.random((size, SIZE, SIZE, 1)) < 0.5).astype(np.float32)


@pytest.fixture
def double():
    with serving(model, SIGNATURES) as double:
        yield double


@pytest.fixture
def waits(monkeypatch):
    """The seconds waited from one attempt to the next, which pass at once."""
    passed = []
    monkeypatch.setattr("tf_inpaint.serving.rest.time", types.SimpleNamespace(sleep=passed.append))
    return passed


def new_client(double, **settings):
    return Client(double.url, "faces", **settings)


def refused(kind, call, *words):
    """The error of a call: one line of one sentence, which holds the words."""
    with pytest.raises(kind) as refusal:
        call()
    text = str(refusal.value)
    assert "\n" not in text and text.count(";") >= 2 and all(word in text for word in words), text
    return text


# --- the two forms, and what they carry


@pytest.mark.parametrize("form", ["column", "row"])
def test_both_forms_give_the_model_s_answer_bit_by_bit(double, form):
    pictures, known = batch(5)
    seeds = np.array([0, -(2**31), 2**31 - 1, 7, 7], np.int32)
    expected = model("complete", {"images": pictures, "masks": known, "seeds": seeds})
    with new_client(double, form=form, batch_size=2) as it:
        found = it.complete(pictures, known, seeds)
    assert [len(request.get("instances", [])) for request in double.requests].count(2) == (
        2 if form == "row" else 0
    )
    chosen = np.broadcast_to(known > 0, pictures.shape)
    assert found.images[chosen].tobytes() == pictures[chosen].tobytes()
    assert found.images.tobytes() == expected["images"].tobytes()
    assert found.uncertainties.tobytes() == (1 - known).tobytes()
    np.testing.assert_array_equal(found.energies, (seeds / 7).astype(np.float32))
    assert found.steps.tolist() == [100] * 5 and found.errors == [""] * 5
    assert (
        found.images.dtype == found.energies.dtype == np.float32 and found.steps.dtype == np.int32
    )


@pytest.mark.parametrize("form", ["column", "row"])
def test_files_go_both_ways_in_base64(double, form, tmp_path):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (size, size + 3, 3), dtype=np.uint8) for size in (5, 8, 31)]
    known = [
        random.integers(0, 2, (*picture.shape[:2], 1), dtype=np.uint8) * 255 for picture in pictures
    ]
    (tmp_path / "third.png").write_bytes(encoded(pictures[2]))
    files = [encoded(pictures[0]), encoded(pictures[1]), tmp_path / "third.png"]
    with new_client(double, form=form, batch_size=2) as it:
        found = it.complete_encoded(files, [encoded(mask) for mask in known], [1, 2, 3])
    sent = double.requests[0]
    row = sent["instances"][0]["image_bytes"] if form == "row" else sent["inputs"]["image_bytes"][0]
    assert set(row) == {"b64"} and sent["signature_name"] == "complete_encoded"
    for file, picture, mask, seed in zip(
        found.image_bytes, pictures, known, (1, 2, 3), strict=True
    ):
        np.testing.assert_array_equal(
            images.read(io.BytesIO(file)), np.where(mask > 0, picture, seed)
        )
    np.testing.assert_allclose(found.energies, [1 / 7, 2 / 7, 3 / 7], rtol=1e-6)


@pytest.mark.parametrize("form", ["column", "row"])
def test_other_signatures(double, form):
    pictures, known = batch(3)
    z = np.random.default_rng(1).uniform(-1, 1, (3, LATENT)).astype(np.float32)
    with new_client(double, form=form, batch_size=2) as it:
        np.testing.assert_allclose(it.generate(z)[:, 0, 0, 0], np.tanh(z[:, 0]), rtol=1e-6)
        logits, probabilities = it.discriminate(pictures)
        assert logits.shape == (3, 1)
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-6)
        np.testing.assert_allclose(
            it.encode(pictures, known)[:, 2], (pictures * known).sum((1, 2, 3)), rtol=1e-4
        )
        assert it.complete(pictures, known, signature="complete_fast").steps.tolist() == [20] * 3


def test_one_mask_and_one_seed_serve_all_images(double):
    pictures, known = batch(3)
    with new_client(double) as it:
        one = it.complete(pictures, known[0], 5)
        each = it.complete(pictures, np.stack([known[0]] * 3), np.full(3, 5))
    assert one.images.tobytes() == each.images.tobytes()


def test_status_and_metadata(double):
    with new_client(double) as it:
        assert [(each["version"], each["state"]) for each in it.status()] == [("3", "AVAILABLE")]
        assert it.metadata()["complete"]["inputs"]["masks"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize(
    ("version", "path"), [(3, "/versions/3"), ("3", "/versions/3"), ("stable", "/labels/stable")]
)
def test_version_is_a_number_or_a_label(double, version, path):
    with new_client(double, version=version) as it:
        assert it.url.endswith("/v1/models/faces" + path) and it.status()
        assert len(it.generate(np.zeros((2, LATENT)))) == 2


# --- errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda it: Client(it.url.split("/v1")[0], "nobody").status(),
            ["/v1/models/nobody", "404", "Latest(nobody)"],
        ),
        (
            lambda it: it.complete(*batch(2), signature="complete_slow"),
            [
                "/v1/models/faces:predict",
                "400",
                '"complete_slow" not found in signature def',
                "correct the request",
            ],
        ),
        (
            lambda it: it.complete(np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4, 1))),
            ["400", "images must have the shape [B, 8, 8, 3]"],
        ),
        (
            lambda it: it.predict("generate", {"zz": np.zeros((1, 5))}, ["images"]),
            ["Missing named input: z in 'inputs'"],
        ),
    ],
)
def test_refusal_is_one_sentence_of_the_server_s_words(double, waits, call, words):
    with new_client(double) as it:
        refused(ValueError, lambda: call(it), *words)
    assert len(double.requests) <= 1 and waits == []


def test_error_that_is_no_json_is_read_all_the_same(double):
    words = "b'é' is \"not\"\n a \\ number"
    with pytest.raises(ValueError):
        json.loads(error_body(words))
    double.failures.append((400, {}, error_body(words)))
    with new_client(double) as it:
        refused(ValueError, it.status, "400: b'é' is \"not\" a \\ number;")


def test_long_error_is_cut_in_its_middle(double):
    double.failures.append(
        (400, {}, error_body("JSON Value: " + "[0.5, 0.5], " * 9999 + "is not of type: float"))
    )
    with new_client(double) as it:
        assert (
            len(
                refused(ValueError, it.status, "JSON Value: [0.5", " ... ", "is not of type: float")
            )
            < 1000
        )


@pytest.mark.parametrize("status", [200, 404, 500, 501])
def test_page_of_a_proxy_is_named_as_what_it_is(double, status):
    double.failures.append((status, {"Content-Type": "text/html"}, b"<html><h1>Log in</h1></html>"))
    with new_client(double) as it:
        kind = ValueError if status == 500 else ConnectionError
        refused(kind, it.status, double.url, str(status), "text/html", "proxy")


@pytest.mark.parametrize(
    "answer", [b'{"outputs": {}}', b'{"outputs": [1, 2]}', b'{"predictions": []}', b"[]", b"null"]
)
def test_answer_of_another_kind_is_refused(double, answer):
    double.failures.append((200, {"Content-Type": "application/json"}, answer))
    with new_client(double) as it:
        refused(ConnectionError, lambda: it.complete(*batch(2)), double.url)


def test_rows_too_few_or_too_many_are_refused(double):
    double.failures += [(200, {}, b'{"outputs": [[1.0], [2.0]]}')] * 2
    with new_client(double) as it:
        assert it.generate(np.zeros((2, LATENT))).tolist() == [[1], [2]]
        refused(
            ConnectionError,
            lambda: it.generate(np.zeros((3, LATENT))),
            "generate must give images",
            "3 rows",
        )


def test_redirection_is_not_followed(double):
    double.failures.append((301, {"Location": "https://elsewhere/v1/"}, b""))
    with new_client(double) as it:
        refused(
            ConnectionError, lambda: it.complete(*batch(1)), "redirects to https://elsewhere/v1/"
        )
    assert double.requests == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Client("localhost:8501", "faces"), ["http://", "'localhost:8501'"]),
        (lambda: Client("http://localhost", ""), ["model"]),
        (lambda: Client("http://localhost", "faces", form="rows"), ["column or row", "'rows'"]),
        (lambda: Client("http://localhost:99999", "faces", retries=0).status(), ["url"]),
        (
            lambda: Client("http://localhost", "f").complete(np.zeros((2, 4, 4, 3), np.uint8), 1),
            ["floats", "uint8"],
        ),
        (
            lambda: Client("http://localhost", "f").complete(np.zeros((0, 4, 4, 3)), 1),
            ["[0, 4, 4, 3]"],
        ),
        (
            lambda: Client("http://localhost", "f").complete(*np.zeros((2, 2, 4, 4, 3))),
            ["masks", "[2, 4, 4, 1]"],
        ),
        (lambda: Client("http://localhost", "f").complete_encoded([b"", b""], [b""]), ["2 and 1"]),
        (
            lambda: Client("http://localhost", "f").complete(*batch(1), 2**31),
            ["seeds", "2147483648"],
        ),
        (
            lambda: Client("http://localhost", "f").complete(*batch(1), [-(2**31) - 1]),
            ["seeds", "-2147483649"],
        ),
        (
            lambda: Client("http://localhost", "f").complete(*batch(1), 2**70),
            ["seeds", "1180591620717411303424"],
        ),
        (
            lambda: Client("http://localhost", "f").complete_encoded([b""], [b""], 1.0),
            ["seeds", "float64 1.0"],
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(call, words):
    refused(ValueError, call, *words)


def test_row_that_fails_is_raised_by_its_words_or_reported_beside_the_others(double):
    pictures, known = batch(5)
    pictures[3] = np.nan
    with new_client(double, batch_size=2) as it:
        refused(ValueError, lambda: it.complete(pictures, known), "1 of 5", "row 3", BROKEN)
        found = it.complete(pictures, known, errors="return")
    assert found.errors == ["", "", "", BROKEN, ""]
    good = [0, 1, 2, 4]
    assert found.images[good].tobytes() == completed(pictures, known, np.zeros(5))[good].tobytes()


# --- attempts


@pytest.mark.parametrize("status", [502, 503, 504])
def test_busy_server_is_asked_again_ever_later(double, waits, status):
    busy = (
        status,
        {},
        error_body("The batch scheduling queue to which this task was submitted is full"),
    )
    double.failures += [busy] * 3
    with new_client(double) as it:
        assert len(it.generate(np.zeros((1, LATENT)))) == 1
    assert len(waits) == 3
    for wait, longest in zip(waits, (0.5, 1, 2), strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(np.round(np.array(waits) / (0.5, 1, 2), 6))) == 3  # at random


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(
    ("body", "words"),
    [(error_body("the queue is full"), "the queue is full"), (b"<html>", ""), (b"", "")],
)
def test_server_that_stays_busy_is_given_up(double, waits, status, body, words):
    double.failures += [(status, {}, body)] * 3
    with new_client(double, retries=2) as it:
        refused(ConnectionError, it.status, double.url, f"{status}: {words}", "3 times")
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7), ("999999", 30), ("Fri, 01 Jan 2010 00:00:00 GMT", 0)]
)
def test_server_says_when_to_come_back(double, waits, asked, waited):
    double.failures.append((503, {"Retry-After": asked}, b""))
    with new_client(double) as it:
        it.status()
    assert waits == [waited]


def test_retry_after_that_says_nothing_is_passed_over(double, waits):
    double.failures.append((503, {"Retry-After": "soon"}, b""))
    with new_client(double) as it:
        it.status()
    assert 0.25 <= waits[0] <= 0.5


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 501])
def test_other_refusals_are_final(double, waits, status):
    double.failures.append((status, {"Retry-After": "1"}, error_body("no")))
    with new_client(double) as it:
        refused(ValueError if status <= 500 else ConnectionError, it.status, f"{status}: no;")
    assert waits == []


def test_answer_that_breaks_off_is_asked_for_again(double, waits):
    double.failures += [0.0, 0.0]
    with new_client(double) as it:
        assert len(it.generate(np.zeros((3, LATENT)))) == 3
    assert len(waits) == 2


def test_nobody_there(waits):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        refused(
            ConnectionError,
            Client(url, "faces", retries=3).status,
            url,
            "Connection refused",
            "4 times",
        )
    assert len(waits) == 3


def test_time_out_is_one_sentence_and_not_repeated(double, waits):
    double.delay = 0.5
    with new_client(double, timeout=0.1) as it:
        refused(TimeoutError, lambda: it.generate(np.zeros((1, LATENT))), double.url, "0.1 seconds")
    assert waits == [] and len(double.requests) == 1


def test_time_out_within_the_answer_is_none_the_less_one(double, waits):
    double.failures.append(0.6)
    with new_client(double, timeout=0.2) as it:
        refused(TimeoutError, lambda: it.generate(np.zeros((1, LATENT))), double.url, "0.2 seconds")
    assert waits == [] and double.requests == []


# --- many at a time


def test_many_under_way_keep_their_order_and_bound(double):
    pictures, known = batch(24)
    seeds = np.random.default_rng(0).permutation(24)
    double.delay = lambda number: 0.06 if number % 3 else 0.12  # later requests overtake
    told = []
    with new_client(double, batch_size=2, workers=4) as it:
        found = it.complete(
            pictures, known, seeds, progress=lambda done, total: told.append((done, total))
        )
    np.testing.assert_array_equal(found.energies, (seeds / 7).astype(np.float32))
    assert found.images.tobytes() == completed(pictures, known, seeds).tobytes()
    assert len(double.requests) == 12 and 2 <= double.most <= 4
    assert told == [(done, 24) for done in range(2, 25, 2)]


def test_connections_are_used_again(double):
    with new_client(double, batch_size=1, workers=3) as it:
        it.generate(np.zeros((30, LATENT)))
    assert len(double.requests) == 30 and double.connections <= 3


def test_pool_reads_ahead_no_further_than_it_must():
    taken, release = [], threading.Event()

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    def work(number):
        if number == 0:
            release.wait(10)
        return number

    results = in_order(work, items(), 3)
    timer = threading.Timer(0.1, release.set)
    timer.start()
    assert next(results) == 0 and len(taken) <= 6
    assert list(results) == list(range(1, 100))


def test_first_failure_ends_the_rest():
    ran, release = [], threading.Event()

    def work(number):
        ran.append(number)
        if number == 0:
            raise ValueError("no")
        release.wait(10)

    threading.Timer(0.2, release.set).start()
    with pytest.raises(ValueError, match="no"):
        list(in_order(work, range(100), 2))
    assert sorted(ran) in ([0, 1], [0, 1, 2])


# --- in front of the server


def test_base_path_and_a_name_with_signs():
    with serving(model, SIGNATURES, "faces, 50%?#", base="/ai/one") as double:
        for url in (double.url, double.url + "/"):
            with Client(url, "faces, 50%?#") as it:
                assert len(it.generate(np.zeros((1, LATENT)))) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [*command.split(), "-keyout", "key", "-out", "cert"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "both").write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return folder


def test_https(certificate, waits):
    with serving(model, SIGNATURES, certificate=certificate / "both") as double:
        refused(
            ConnectionError,
            new_client(double).status,
            double.url,
            "certificate",
            "REQUESTS_CA_BUNDLE",
        )
        session = requests.Session()
        session.verify = str(certificate / "cert")
        with new_client(double, session=session) as it:
            assert len(it.generate(np.zeros((1, LATENT)))) == 1
    assert waits == []


# --- the command


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
    turned[274] = 6  # a quarter turn
    smooth = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((20, 12))
    smooth.save(folder / "c.jpg", exif=turned)
    return folder


def config(double, photos, **settings):
    out_dir = str(photos.parent / "out")
    return ClientConfig(
        **{"images": (str(photos),), "url": double.url, "model": "faces", "out_dir": out_dir}
        | settings
    )


def lines(out_dir):
    return [
        json.loads(line) for line in (Path(out_dir) / "completions.jsonl").read_text().splitlines()
    ]


def test_command_keeps_known_pixels_and_sends_no_hidden_one(double, photos, capsys):
    settings = config(double, photos, batch_size=3, mask="left")
    assert client.run(settings) == 0
    assert "4 of 4 images are complete" in capsys.readouterr().out
    out = Path(settings.out_dir)
    found = lines(out)
    assert sorted(line["completion"] for line in found) == ["a.png", "b.png", "c.png", "more_a.png"]
    for line in found:
        original, completion = images.read(line["file"]), images.read(out / line["completion"])
        half = round(original.shape[1] / 2)
        assert completion.shape == original.shape
        np.testing.assert_array_equal(completion[:, half:], original[:, half:])
        assert (completion[:, :half] == line["seed"] % 251).all()
        assert line["energy"] == pytest.approx(line["seed"] / 7, rel=1e-6)
    sent = [row for request in double.requests for row in request["inputs"]["image_bytes"]]
    for row in sent:
        picture = images.read(io.BytesIO(base64.b64decode(row["b64"])))
        assert (picture[:, : round(picture.shape[1] / 2)] == client.GRAY).all()
    assert not [path for path in out.iterdir() if path.name[0] == "."]


def test_seed_is_the_image_s_own_wherever_it_stands(double, photos):
    def seeds(paths, **settings):
        chosen = config(double, photos, images=tuple(map(str, paths)), overwrite=True, **settings)
        assert client.run(chosen) == 0
        return {Path(line["file"]).name: line["seed"] for line in lines(chosen.out_dir)}

    some = [photos / "b.bmp", photos / "a.png"]
    one, other = seeds(some), seeds(some[::-1], batch_size=1)
    assert one == other and len(set(one.values())) == 2
    assert not set(seeds(some, seed=1).values()) & set(one.values())


def test_bad_files_are_named_and_the_others_completed(double, photos, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    (photos / "broken.png").write_bytes(b"no picture")
    masks = photos.parent / "masks"
    masks.mkdir()
    for name, shape in {
        "a.png": (9, 12),
        "b.png": (8, 8),
        "c.png": (7, 7),
        "broken.png": (8, 8),
    }.items():
        known = np.full(shape, 255, np.uint8)
        known[2:5, 2:5] = 0
        Image.fromarray(known).save(masks / name)
    settings = config(double, photos, mask=str(masks))
    assert client.run(settings) == 1
    assert sorted(Path(line["file"]).name for line in lines(settings.out_dir)) == ["a.png", "b.bmp"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    for name, words in (
        ("photos/broken.png", "is empty or none of"),
        ("photos/c.jpg", "the image is 12 x 20 and the mask 7 x 7"),
        ("photos/more/a.png", "the image is 16 x 20 and the mask 12 x 9"),
    ):
        assert any(name in line and words in line for line in told), (name, told)


def test_request_that_fails_ends_no_job(double, photos, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)

    def failing(signature, inputs):
        if len(double.requests) == 2:
            raise Refusal(500, "Matrix is not invertible")
        return model(signature, inputs)

    monkeypatch.setattr(double, "predict", failing)
    settings = config(double, photos, batch_size=1, workers=1)
    assert client.run(settings) == 1
    assert len(lines(settings.out_dir)) == 3
    (told,) = [record.getMessage() for record in caplog.records]
    assert "500: Matrix is not invertible" in told and str(photos) in told
    assert client.run(settings) == 0 and len(lines(settings.out_dir)) == 4


def test_job_goes_on_where_it_stopped_and_overwrites_only_when_told(double, photos):
    first = config(double, photos, images=(str(photos / "more"),))
    assert client.run(first) == 0
    (name,) = [line["completion"] for line in lines(first.out_dir)]
    kept = Path(first.out_dir) / name
    kept.write_bytes(b"mine")
    double.requests.clear()
    assert client.run(config(double, photos, batch_size=8, workers=1)) == 0
    assert kept.read_bytes() == b"mine" and len(lines(first.out_dir)) == 4
    assert sum(len(request["inputs"]["seeds"]) for request in double.requests) == 3
    assert len({line["completion"] for line in lines(first.out_dir)}) == 4
    refused(
        ValueError,
        lambda: client.run(config(double, photos, mask="right")),
        "mask (center there)",
        "--overwrite",
    )
    assert client.run(config(double, photos, mask="right", overwrite=True)) == 0
    assert kept.read_bytes() != b"mine" and {line["mask"] for line in lines(first.out_dir)} == {
        "right"
    }
    elsewhere = config(double, photos, out_dir=str(photos))  # which is not empty
    refused(ValueError, lambda: client.run(elsewhere), "--out_dir", "something else")


def test_server_that_goes_away_ends_the_job(double, photos, waits, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    original = double.answer

    def dying(method, path, body):
        if len(double.requests) >= 2:
            double.failures += [(503, {}, error_body("stopping"))] * 50
        return original(method, path, body)

    monkeypatch.setattr(double, "answer", dying)
    settings = config(double, photos, batch_size=1, workers=1, retries=1)
    assert client.run(settings) == 1
    assert 1 <= len(lines(settings.out_dir)) <= 3
    (told,) = [record.getMessage() for record in caplog.records]
    assert "stopping" in told and "in all" in told


def test_row_errors_and_strange_answers_are_failures_of_their_own_image(
    double, photos, monkeypatch
):
    def strange(signature, inputs):
        found = model(signature, inputs)
        found["errors"][0], found["image_bytes"][1] = (
            b"the image is too plain; take another",
            b"no picture",
        )
        return found

    monkeypatch.setattr(double, "predict", strange)
    settings = config(double, photos)
    assert client.run(settings) == 1
    assert len(lines(settings.out_dir)) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
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
def test_bad_settings_are_refused_before_anything_is_sent(double, photos, settings, words):
    refused((ValueError, OSError), lambda: client.run(config(double, photos, **settings)), *words)
    assert double.requests == [] and not (photos.parent / "out").exists()


def test_nothing_that_can_be_used_is_a_refusal(double, photos):
    absent = config(double, photos, images=("absent.png",))
    refused(ValueError, lambda: client.run(absent), "none of 1", "absent.png")
    assert not (photos.parent / "out").exists()


def test_mask_file_and_its_inverse(double, photos):
    known = np.zeros((9, 12), np.uint8)
    known[:, :5] = 255
    Image.fromarray(known).save(photos.parent / "mask.png")
    settings = {"images": (str(photos / "a.png"),), "mask": str(photos.parent / "mask.png")}
    original = images.read(photos / "a.png")
    for invert in (False, True):
        chosen = config(double, photos, **settings, invert_mask=invert, overwrite=True)
        assert client.run(chosen) == 0
        completion = images.read(Path(chosen.out_dir) / "a.png")
        np.testing.assert_array_equal(
            (completion == original).all(axis=2)[0], (known[0] > 0) != invert
        )


def test_process_needs_nothing_but_what_the_readme_installs(double, photos):
    (needed,) = re.findall(
        r"pip install (.+) && pip install --no-deps \.", (ROOT / "export" / "README.md").read_text()
    )
    assert set(needed.split()) == {"absl-py", "numpy", "pillow", "requests", "tqdm"}
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
        f"sys.modules.update(dict.fromkeys({blocked}))\n"  # None: their import fails
        "try:\n"
        "    runpy.run_module('tf_inpaint.client', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as exit_:\n"
        "    assert not exit_.code, exit_.code\n"
    )
    flags = [
        f"--url={double.url}",
        "--model=faces",
        f"--out_dir={photos.parent / 'out'}",
        str(photos),
    ]
    environment = os.environ | {"KERAS_BACKEND": "jax"}  # nothing to a command without Keras
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 images are complete" in done.stdout and len(lines(photos.parent / "out")) == 4


def test_refusal_of_the_command_is_one_line():
    command = [
        sys.executable,
        "-m",
        "tf_inpaint.client",
        "--url=http://127.0.0.1:1",
        "--model=faces",
        "--retries=0",
        "absent.png",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "tf_inpaint.client: error: A running server is required; http://127.0.0.1:1/"
    )
