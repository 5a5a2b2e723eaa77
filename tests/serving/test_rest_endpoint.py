"""Requests to the REST API: repeated where that can help, and errors in the server's words."""

import json
import socket
import subprocess

import fake_model
import numpy as np
import pytest
import requests
from fake_model import LATENT, assert_refused, new_batch, new_client
from serving_double import error_body, serving

from tf_inpaint.client import Client

ONE_Z = np.zeros((1, LATENT))

# --- The address.


@pytest.mark.parametrize(
    ("version", "path"), [(3, "/versions/3"), ("3", "/versions/3"), ("stable", "/labels/stable")]
)
def test_version_is_a_number_or_a_label(double, version, path):
    """The path of a request names the version."""
    with new_client(double, version=version) as client:
        assert client.url.endswith("/v1/models/faces" + path) and client.status()
        assert len(client.generate(np.zeros((2, LATENT)))) == 2


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: Client("localhost:8501", "faces"), ["http://", "'localhost:8501'"]),
        (lambda: Client("http://localhost", ""), ["model"]),
        (lambda: Client("http://localhost:99999", "faces", retries=0).status(), ["url"]),
    ],
)
def test_bad_address_is_refused(call, parts):
    """An address that no request can be sent to is an error of one sentence."""
    assert_refused(ValueError, call, *parts)


def test_base_path_and_a_name_with_signs():
    """The url may have a path, and the name of the model any characters."""
    model = "faces, 50%?#"
    signatures = fake_model.SIGNATURES
    with serving(fake_model.predict, signatures, model, base="/ai/one") as double:
        for url in (double.url, double.url + "/"):
            with Client(url, model) as client:
                assert len(client.generate(ONE_Z)) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Folder of a certificate for localhost, and of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "cert"]
    subprocess.run([*command.split(), *options], cwd=folder, check=True, capture_output=True)
    (folder / "both").write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return folder


def test_https(certificate, waits):
    """A certificate must be verified, and the session may bring its own."""
    file = certificate / "both"
    with serving(fake_model.predict, fake_model.SIGNATURES, certificate=file) as double:
        parts = double.url, "certificate", "REQUESTS_CA_BUNDLE"
        assert_refused(ConnectionError, new_client(double).status, *parts)
        session = requests.Session()
        session.verify = str(certificate / "cert")
        with new_client(double, session=session) as client:
            assert len(client.generate(ONE_Z)) == 1
    assert waits == []


# --- Errors.


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (
            lambda client: Client(client.url.split("/v1")[0], "nobody").status(),
            ["/v1/models/nobody", "404", "Latest(nobody)"],
        ),
        (
            lambda client: client.complete(*new_batch(2), signature="complete_slow"),
            [
                "/v1/models/faces:predict",
                "400",
                '"complete_slow" not found in signature def',
                "correct the request",
            ],
        ),
        (
            lambda client: client.complete(np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4, 1))),
            ["400", "images must have the shape [B, 8, 8, 3]"],
        ),
        (
            lambda client: client.predict("generate", {"zz": np.zeros((1, 5))}, ["images"]),
            ["Missing named input: z in 'inputs'"],
        ),
    ],
)
def test_refusal_is_one_sentence_with_the_server_s_words(double, waits, call, parts):
    """A refused request is not repeated."""
    with new_client(double) as client:
        assert_refused(ValueError, lambda: call(client), *parts)
    assert len(double.requests) <= 1 and waits == []


def test_error_that_is_no_json_is_read_too(double):
    """The server escapes its errors as in C."""
    reason = "b'é' is \"not\"\n a \\ number"
    with pytest.raises(ValueError):
        json.loads(error_body(reason))
    double.failures.append((400, {}, error_body(reason)))
    with new_client(double) as client:
        assert_refused(ValueError, client.status, "400: b'é' is \"not\" a \\ number;")


def test_long_error_is_cut_in_its_middle(double):
    """The beginning and the end of an error say most."""
    reason = "JSON Value: " + "[0.5, 0.5], " * 9999 + "is not of type: float"
    double.failures.append((400, {}, error_body(reason)))
    with new_client(double) as client:
        parts = "JSON Value: [0.5", " ... ", "is not of type: float"
        assert len(assert_refused(ValueError, client.status, *parts)) < 1000


@pytest.mark.parametrize("status", [200, 404, 500, 501])
def test_page_of_a_proxy_is_reported_as_such(double, status):
    """An answer that is not the server's is an error."""
    double.failures.append((status, {"Content-Type": "text/html"}, b"<html><h1>Log in</h1></html>"))
    with new_client(double) as client:
        kind = ValueError if status == 500 else ConnectionError
        assert_refused(kind, client.status, double.url, str(status), "text/html", "proxy")


def test_redirection_is_not_followed(double):
    """The error names the other url."""
    double.failures.append((301, {"Location": "https://elsewhere/v1/"}, b""))
    with new_client(double) as client:
        part = "redirects to https://elsewhere/v1/"
        assert_refused(ConnectionError, lambda: client.complete(*new_batch(1)), part)
    assert double.requests == []


# --- Attempts.


@pytest.mark.parametrize("status", [502, 503, 504])
def test_busy_server_is_asked_again_after_longer_and_longer_waits(double, waits, status):
    """Every wait is about twice as long as the one before, and random."""
    reason = "The batch scheduling queue to which this task was submitted is full"
    double.failures += [(status, {}, error_body(reason))] * 3
    with new_client(double) as client:
        assert len(client.generate(ONE_Z)) == 1
    assert len(waits) == 3
    for wait, longest in zip(waits, (0.5, 1, 2), strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(np.round(np.array(waits) / (0.5, 1, 2), 6))) == 3, "the waits are random"


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(
    ("body", "reason"),
    [(error_body("the queue is full"), "the queue is full"), (b"<html>", ""), (b"", "")],
)
def test_server_that_stays_busy_is_given_up(double, waits, status, body, reason):
    """The error says how often the server was asked."""
    double.failures += [(status, {}, body)] * 3
    with new_client(double, retries=2) as client:
        parts = double.url, f"{status}: {reason}", "3 times"
        assert_refused(ConnectionError, client.status, *parts)
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("retry_after", "expected"), [("7", 7), ("999999", 30), ("Fri, 01 Jan 2010 00:00:00 GMT", 0)]
)
def test_server_says_how_long_to_wait(double, waits, retry_after, expected):
    """The wait is at most 30 seconds, whatever the server says."""
    double.failures.append((503, {"Retry-After": retry_after}, b""))
    with new_client(double) as client:
        client.status()
    assert waits == [expected]


def test_retry_after_without_a_time_is_ignored(double, waits):
    """A Retry-After that cannot be read is as good as none."""
    double.failures.append((503, {"Retry-After": "soon"}, b""))
    with new_client(double) as client:
        client.status()
    assert 0.25 <= waits[0] <= 0.5


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 501])
def test_other_refusals_are_final(double, waits, status):
    """Another attempt would be refused too."""
    double.failures.append((status, {"Retry-After": "1"}, error_body("no")))
    with new_client(double) as client:
        kind = ValueError if status <= 500 else ConnectionError
        assert_refused(kind, client.status, f"{status}: no;")
    assert waits == []


def test_answer_that_breaks_off_is_asked_for_again(double, waits):
    """A server that is stopped may break off within an answer."""
    double.failures += [0.0, 0.0]
    with new_client(double) as client:
        assert len(client.generate(np.zeros((3, LATENT)))) == 3
    assert len(waits) == 2


def test_no_server(waits):
    """A server that does not run may start in a moment, so it is asked again."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = Client(url, "faces", retries=3)
        assert_refused(ConnectionError, client.status, url, "Connection refused", "4 times")
    assert len(waits) == 3


def test_time_out_is_not_repeated(double, waits):
    """The server still works on the request that timed out."""
    double.delay = 0.5
    with new_client(double, timeout=0.1) as client:
        assert_refused(TimeoutError, lambda: client.generate(ONE_Z), double.url, "0.1 seconds")
    assert waits == [] and len(double.requests) == 1


def test_time_out_within_the_answer_is_a_time_out_too(double, waits):
    """A server may be silent in the middle of its answer."""
    double.failures.append(0.6)
    with new_client(double, timeout=0.2) as client:
        assert_refused(TimeoutError, lambda: client.generate(ONE_Z), double.url, "0.2 seconds")
    assert waits == [] and double.requests == []
