"""The two forms of a batch as JSON, and answers that lack something."""

import numpy as np
import pytest
from fake_model import LATENT, assert_refused, new_batch, new_client

from tf_inpaint.serving.json_batches import FORMS, output_rows, request_body

INPUTS = {"image_bytes": [b"a", b"b"], "seeds": np.array([1, 2], np.int32)}


def test_body_has_columns_or_rows():
    """Bytes are in base64, in both forms."""
    columns = request_body("f", INPUTS, "column")
    encoded = [{"b64": "YQ=="}, {"b64": "Yg=="}]
    assert columns == {
        "signature_name": "f",
        "inputs": {"image_bytes": encoded, "seeds": [1, 2]},
    }
    rows = request_body("f", INPUTS, "row")
    assert rows == {
        "signature_name": "f",
        "instances": [
            {"image_bytes": encoded[0], "seeds": 1},
            {"image_bytes": encoded[1], "seeds": 2},
        ],
    }


def test_rows_of_an_answer_are_columns():
    """Both forms of an answer give the same rows."""
    values = {"image_bytes": [{"b64": "YQ=="}, {"b64": "Yg=="}], "energies": [0.5, 1.5]}
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    expected = {"image_bytes": [b"a", b"b"], "energies": [0.5, 1.5]}
    assert output_rows({"outputs": values}, [*values], 2, "column") == expected
    assert output_rows({"predictions": rows}, [*values], 2, "row") == expected
    for name in values:
        single = {"outputs": values[name], "predictions": values[name]}
        for form in FORMS:
            assert output_rows(single, [name], 2, form) == {name: expected[name]}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"outputs": {"a": [1]}},
        {"outputs": {"a": [1, 2], "b_bytes": [1, 2]}},
        {"outputs": {"a": [1, 2], "b_bytes": [{"b64": "?"}] * 2}},
        {"outputs": {"a": [1, 2, 3], "b_bytes": [{"b64": ""}] * 3}},
        {"predictions": [{"a": 1, "b_bytes": {"b64": ""}}] * 2},
    ],
)
def test_answer_that_lacks_something_is_none(answer):
    """Missing outputs, rows too few or too many, and strings that are not base64."""
    assert output_rows(answer, ["a", "b_bytes"], 2, "column") is None


@pytest.mark.parametrize(
    "answer", [b'{"outputs": {}}', b'{"outputs": [1, 2]}', b'{"predictions": []}', b"[]", b"null"]
)
def test_answer_of_another_kind_is_refused(double, answer):
    """The client names the server that gave the answer."""
    double.failures.append((200, {"Content-Type": "application/json"}, answer))
    with new_client(double) as client:
        assert_refused(ConnectionError, lambda: client.complete(*new_batch(2)), double.url)


def test_rows_too_few_or_too_many_are_refused(double):
    """An answer must have as many rows as the request."""
    double.failures += [(200, {}, b'{"outputs": [[1.0], [2.0]]}')] * 2
    with new_client(double) as client:
        assert client.generate(np.zeros((2, LATENT))).tolist() == [[1], [2]]
        assert_refused(
            ConnectionError,
            lambda: client.generate(np.zeros((3, LATENT))),
            "generate must give images",
            "3 rows",
        )
