"""Batches of rows as JSON, in the two forms of TensorFlow Serving's REST API.

A request of the form "column" has one list of values for each input, and one of the form "row" has
one object for each row.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FORMS = ("column", "row")


def request_body(
    signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]], form: str
) -> dict[str, Any]:
    """Returns the JSON object that asks a signature for its outputs.

    Args:
        signature: name of the signature.
        inputs: rows of each input, as an array or as a list of bytes.
        form: one of `FORMS`.
    """
    columns = {name: to_json(values) for name, values in inputs.items()}
    if form == "column":
        return {"signature_name": signature, "inputs": columns}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {"signature_name": signature, "instances": rows}


def output_rows(
    answer: Mapping[str, Any], outputs: Sequence[str], count: int, form: str
) -> dict[str, list] | None:
    """Returns the rows of each output in a server's answer, or None if the answer lacks some.

    Args:
        answer: JSON object that the server answered.
        outputs: names of the outputs. The answer leaves out the name of a single output.
        count: number of rows that were asked for.
        form: form of the request, one of `FORMS`.
    """
    values = answer.get("outputs" if form == "column" else "predictions")
    try:
        if len(outputs) == 1:
            values = {outputs[0]: values}
        elif form == "row":
            values = {name: [row[name] for row in values] for name in outputs}
        rows = {name: from_json(name, values[name]) for name in outputs}
        is_complete = all(len(column) == count for column in rows.values())
    except (KeyError, TypeError, ValueError):
        return None
    return rows if is_complete else None


def to_json(values: np.ndarray | Sequence[bytes]) -> list:
    """Returns the rows of an input as JSON values. Bytes become base64."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in values]


def from_json(name: str, values: list) -> list:
    """Returns the rows of an output. If its name ends in `_bytes`, its strings are base64."""
    if not name.endswith("_bytes"):
        return values
    return [base64.b64decode(value["b64"], validate=True) for value in values]
