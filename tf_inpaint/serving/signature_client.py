"""The signatures of an exported model, called on a TensorFlow Serving server without TensorFlow.

    client = Client("http://localhost:8501", "faces")
    completed = client.complete(images, masks).images
    (png,) = client.complete_encoded(["photo.jpg"], ["mask.png"]).image_bytes

A signature is a pure function of its rows: they may be split over requests, which may be repeated and come in any
order.
"""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import requests

from tf_inpaint.serving.rest import Endpoint
from tf_inpaint.serving.thread_pool import in_order

Progress = Callable[[int, int], None]
"""`progress(done, total)` is told how many of all rows are done."""


class Completion(NamedTuple):
    images: np.ndarray
    """`[B, S, S, C]` float32 in [-1, 1]; known pixels as they were sent, bit for bit."""
    uncertainties: np.ndarray
    energies: np.ndarray
    """`[B]` float32."""
    steps: np.ndarray
    """`[B]` int32, of the search."""
    errors: list[str]
    """A sentence a row, empty when it is fine; else its image came back as it was sent."""


class EncodedCompletion(NamedTuple):
    image_bytes: list[bytes]
    """PNG files of the images' own sizes."""
    energies: np.ndarray
    errors: list[str]


class Client:
    """A model on a TensorFlow Serving server. May be used by many threads at a time.

    Batches are split into requests of `batch_size` rows, of which `workers` are under way at a time; results come
    in the order of the rows.

    Args:
        url: of the REST API, such as http://localhost:8501; what a proxy wants before `/v1` may follow the host.
        model: its name on the server.
        version: a number, or a label; None: the newest.
        batch_size: rows in a request. A server that does not merge requests fills each up to its own block of 8.
        workers: requests under way at a time.
        timeout: seconds to wait for an answer.
        retries: how often a request is sent again when the connection fails or the server is busy or unavailable.
        form: "column" or "row", the API's two forms of a batch. Only requests and answers differ.
        session: carries what the server, or a proxy before it, asks for: authentication, certificates.

    Raises:
        ValueError: here and by all methods: what was asked for is refused, or failed, by the server in its own words.
        TimeoutError: by all methods: no answer in time.
        ConnectionError: by all methods: the server cannot be reached, stays unavailable, or is no TensorFlow Serving.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | str | None = None,
        *,
        batch_size: int = 8,
        workers: int = 4,
        timeout: float = 60.0,
        retries: int = 4,
        form: str = "column",
        session: requests.Session | None = None,
    ):
        if form not in ("column", "row"):
            raise ValueError(f"form must be column or row; received {form!r}; choose one.")
        self.endpoint = Endpoint(
            url, model, version, timeout, retries, session, connections=workers
        )
        self.url = self.endpoint.url
        self.batch_size = batch_size
        self.workers = workers
        self.form = form

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.endpoint.session.close()

    def status(self) -> list[dict[str, Any]]:
        """Of each version the server's words: `{"version": "3", "state": "AVAILABLE", "status": {...}}`."""
        return self.endpoint.request("").get("model_version_status", [])

    def metadata(self) -> dict[str, dict[str, Any]]:
        """The model's signatures by name: `{"complete": {"inputs": {"images": {"dtype": ...}}, "outputs": ...}}`."""
        metadata = self.endpoint.request("/metadata").get("metadata", {})
        return metadata.get("signature_def", {}).get("signature_def", {})

    def complete(
        self,
        images: np.ndarray,
        masks: np.ndarray,
        seeds: np.ndarray | int = 0,
        *,
        signature: str = "complete",
        errors: str = "raise",
        progress: Progress | None = None,
    ) -> Completion:
        """Images with their holes filled.

        Args:
            images: `[B, S, S, C]` float in [-1, 1], of the model's size.
            masks: `[B, S, S, 1]`, 1 = the pixel is given, 0 = hole; or one for all, `[S, S, 1]`.
            seeds: int32 `[B]`, which fix each image's answer; or one for all.
            signature: which of the model's presets, such as "complete_fast".
            errors: "raise" where a row has one, or "return" them beside the other rows' results.
            progress: see `Progress`.
        """
        images, masks = np.asarray(images), np.asarray(masks, np.float32)
        if images.ndim != 4 or not len(images) or images.dtype.kind != "f":
            raise ValueError(
                f"images must be floats [B, S, S, C] in [-1, 1]; received {images.dtype} {list(images.shape)}; "
                "pass levels / 127.5 - 1."
            )
        inputs = {
            "images": images.astype(np.float32),
            "masks": _for_all("masks", masks, (*images.shape[:3], 1)),
            "seeds": _for_all("seeds", _int32(seeds), images.shape[:1]),
        }
        found = self.predict(signature, inputs, Completion._fields, progress)
        _check_rows(found["errors"], errors)
        return Completion(
            _floats(found["images"]),
            _floats(found["uncertainties"]),
            _floats(found["energies"]),
            np.asarray(found["steps"], np.int32),
            found["errors"],
        )

    def complete_encoded(
        self,
        image_files: Sequence[bytes | str | os.PathLike],
        mask_files: Sequence[bytes | str | os.PathLike],
        seeds: np.ndarray | int = 0,
        *,
        signature: str = "complete_encoded",
        errors: str = "raise",
        progress: Progress | None = None,
    ) -> EncodedCompletion:
        """Image files of any size with their holes filled.

        Args:
            image_files: PNG or JPEG, each as bytes or as a path.
            mask_files: likewise, one for each image; white is known.
            seeds, signature, errors, progress: see `complete`.
        """
        if len(image_files) != len(mask_files) or not len(image_files):
            raise ValueError(
                "image_files must be at least one, with a mask file for each; received "
                f"{len(image_files)} and {len(mask_files)}; pass as many of both."
            )
        inputs = {
            "image_bytes": [_content(file) for file in image_files],
            "mask_bytes": [_content(file) for file in mask_files],
            "seeds": _for_all("seeds", _int32(seeds), (len(image_files),)),
        }
        found = self.predict(signature, inputs, EncodedCompletion._fields, progress)
        _check_rows(found["errors"], errors)
        return EncodedCompletion(found["image_bytes"], _floats(found["energies"]), found["errors"])

    def generate(self, z: np.ndarray) -> np.ndarray:
        """G(z), `[B, S, S, C]`, for z `[B, Z]`."""
        return _floats(self.predict("generate", {"z": _floats(z)}, ["images"])["images"])

    def discriminate(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """D's logits and probabilities of images `[B, S, S, C]`."""
        found = self.predict(
            "discriminate", {"images": _floats(images)}, ["logits", "probabilities"]
        )
        return _floats(found["logits"]), _floats(found["probabilities"])

    def encode(self, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """The encoder's z, `[B, Z]`, of images `[B, S, S, C]` with masks `[B, S, S, 1]`."""
        return _floats(
            self.predict("encode", {"images": _floats(images), "masks": _floats(masks)}, ["z"])["z"]
        )

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray | Sequence[bytes]],
        outputs: Sequence[str],
        progress: Progress | None = None,
    ) -> dict[str, list]:
        """What a signature gives for any number of rows.

        Args:
            signature: its name.
            inputs: by name; arrays, or for strings lists of bytes. All have as many rows.
            outputs: the names of the signature's outputs; the API leaves out the name of a single one.
            progress: see `Progress`.

        Returns:
            by name, a list of rows: nested lists of numbers, texts, or bytes where the name ends in `_bytes`.
        """
        total = len(next(iter(inputs.values())))
        parts = [
            {name: values[start : start + self.batch_size] for name, values in inputs.items()}
            for start in range(0, total, self.batch_size)
        ]
        found: dict[str, list] = {name: [] for name in outputs}
        for some in in_order(lambda part: self._ask(signature, part, outputs), parts, self.workers):
            for name in outputs:
                found[name] += some[name]
            if progress:
                progress(len(found[outputs[0]]), total)
        return found

    def _ask(self, signature, inputs, outputs):
        columns = {name: _plain(values) for name, values in inputs.items()}
        count = len(next(iter(columns.values())))
        body = {"signature_name": signature}
        if self.form == "row":
            body["instances"] = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
            answer = self.endpoint.request(":predict", body).get("predictions")
        else:
            body["inputs"] = columns
            answer = self.endpoint.request(":predict", body).get("outputs")
        try:
            if len(outputs) > 1 and self.form == "row":
                answer = {name: [row[name] for row in answer] for name in outputs}
            elif len(outputs) == 1:
                answer = {outputs[0]: answer}
            found = {name: _decoded(name, answer[name]) for name in outputs}
            complete = all(len(values) == count for values in found.values())
        except (KeyError, TypeError, ValueError):
            complete = False
        if not complete:
            raise ConnectionError(
                f"{signature} must give {', '.join(outputs)} for each of {count} rows; {self.url} answered otherwise; "
                "check that the model was exported by this version of the package."
            )
        return found


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def _int32(seeds: Any) -> np.ndarray:
    """As int32, of integers that fit: NumPy would cut fractions off and wrap what is too large, or raise."""
    values = np.asarray(seeds)
    if values.dtype.kind not in "iu" or np.any(values < -(2**31)) or np.any(values >= 2**31):
        raise ValueError(
            f"seeds must be whole numbers from -2^31 to 2^31 - 1; received {values.dtype} {values.tolist()!s:.50}; "
            "pass such ones."
        )
    return values.astype(np.int32)


def _plain(values: np.ndarray | Sequence[bytes]) -> list:
    if isinstance(values, np.ndarray):
        return values.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in values]


def _decoded(name: str, values: list) -> list:
    """The rows of an output: where its name says so, strings are binary and written as such."""
    return (
        [base64.b64decode(value["b64"], validate=True) for value in values]
        if name.endswith("_bytes")
        else values
    )


def _for_all(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(
            f"{name} must be {list(shape)}, as the images are; received {list(values.shape)}; pass one for each image."
        ) from None


def _content(file: bytes | str | os.PathLike) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _check_rows(found: list[str], errors: str) -> None:
    bad = [f"row {row}: {words}" for row, words in enumerate(found) if words]
    if bad and errors == "raise":
        raise ValueError(
            f"Images that can be completed are required; {len(bad)} of {len(found)} cannot; {bad[0]}"
        )
