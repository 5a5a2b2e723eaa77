"""Calls the signatures of an exported model on a TensorFlow Serving server, without TensorFlow.

    client = Client("http://localhost:8501", "faces")
    completed = client.complete(images, masks).images
    (png,) = client.complete_encoded(["photo.jpg"], ["mask.png"]).image_bytes

A signature is a pure function of its rows. So the rows may be split over requests, and the requests
may be repeated and arrive in any order.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import requests

from tf_inpaint.serving import json_batches
from tf_inpaint.serving.rest_endpoint import Endpoint
from tf_inpaint.serving.thread_pool import map_in_threads

Progress = Callable[[int, int], None]
"""A function `progress(done, total)`. Both arguments are numbers of rows."""


class Completion(NamedTuple):
    """The answers for B images."""

    images: np.ndarray
    """`[B, S, S, C]` float32 in [-1, 1], the images with filled holes. Known pixels are unchanged,
    bit for bit."""
    uncertainties: np.ndarray
    """`[B, S, S, 1]` float32, the standard deviation over several answers."""
    energies: np.ndarray
    """`[B]` float32, the energy of each search."""
    steps: np.ndarray
    """`[B]` int32, the number of steps of each search."""
    errors: list[str]
    """One sentence for each row, empty if the row is complete. If not, its image is unchanged."""


class EncodedCompletion(NamedTuple):
    """The answers for B image files."""

    image_bytes: list[bytes]
    """PNG files, each of the size of its image."""
    energies: np.ndarray
    """`[B]` float32, the energy of each search."""
    errors: list[str]
    """One sentence for each row, empty if the row is complete. If not, its file is unchanged."""


class Client:
    """A connection to a model on a TensorFlow Serving server. Many threads may use it at a time.

    Batches are split into requests of `batch_size` rows. `workers` requests are sent at a time.
    Results come in the order of the rows.

    Args:
        url: url of the REST API, such as http://localhost:8501. The path of a proxy may follow the
            host.
        model: name of the model on the server.
        version: number or label of the version; None: the newest.
        batch_size: number of rows in a request. A server without batching fills each request up to
            its block size of 8.
        workers: number of requests at a time.
        timeout: number of seconds to wait for an answer.
        retries: number of further attempts if the connection fails, or if the server is busy or
            unavailable.
        form: "column" or "row", the two forms of a batch in the REST API. The results are the same.
        session: requests session with the authentication and the certificates that the server or a
            proxy asks for.

    Raises:
        ValueError: (all methods too) the server refuses the request, or fails. The error has the
            words of the server.
        TimeoutError: (methods only) no answer came in time.
        ConnectionError: (methods only) the server cannot be reached, stays unavailable, or is no
            TensorFlow Serving.
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
        if form not in json_batches.FORMS:
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
        """Closes all connections."""
        self.endpoint.session.close()

    def status(self) -> list[dict[str, Any]]:
        """Returns what the server says of each version.

        Such as `{"version": "3", "state": "AVAILABLE", "status": {...}}`.
        """
        return self.endpoint.request("").get("model_version_status", [])

    def metadata(self) -> dict[str, dict[str, Any]]:
        """Returns the model's signatures by name.

        Such as `{"complete": {"inputs": {"images": {"dtype": ...}}, "outputs": ...}}`.
        """
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
        """Returns images with their holes filled.

        Args:
            images: `[B, S, S, C]` float in [-1, 1], of the model's size.
            masks: `[B, S, S, 1]`, 1 = the pixel is given, 0 = hole; or `[S, S, 1]` for all images.
            seeds: int32 `[B]`, the seeds of the searches; or one seed for all images.
            signature: preset of the model, such as "complete_fast".
            errors: "raise" an error if a row has one, or "return" the errors of the rows.
            progress: see `Progress`.
        """
        images, masks = np.asarray(images), np.asarray(masks, np.float32)
        if images.ndim != 4 or not len(images) or images.dtype.kind != "f":
            raise ValueError(
                "images must be floats [B, S, S, C] in [-1, 1]; received "
                f"{images.dtype} {list(images.shape)}; pass levels / 127.5 - 1."
            )
        inputs = {
            "images": images.astype(np.float32),
            "masks": _for_all("masks", masks, (*images.shape[:3], 1)),
            "seeds": _for_all("seeds", _int32(seeds), images.shape[:1]),
        }
        outputs = self.predict(signature, inputs, Completion._fields, progress)
        _check_rows(outputs["errors"], errors)
        return Completion(
            _floats(outputs["images"]),
            _floats(outputs["uncertainties"]),
            _floats(outputs["energies"]),
            np.asarray(outputs["steps"], np.int32),
            outputs["errors"],
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
        """Returns image files of any size with their holes filled.

        Args:
            image_files: PNG or JPEG files, each as bytes or as a path.
            mask_files: PNG or JPEG files, one for each image. White is known.
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
        outputs = self.predict(signature, inputs, EncodedCompletion._fields, progress)
        _check_rows(outputs["errors"], errors)
        return EncodedCompletion(
            outputs["image_bytes"], _floats(outputs["energies"]), outputs["errors"]
        )

    def generate(self, z: np.ndarray) -> np.ndarray:
        """Returns G(z), `[B, S, S, C]`, for z `[B, Z]`."""
        return _floats(self.predict("generate", {"z": _floats(z)}, ["images"])["images"])

    def discriminate(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns D's logits and probabilities, `[B, 1]` each, of images `[B, S, S, C]`."""
        inputs = {"images": _floats(images)}
        outputs = self.predict("discriminate", inputs, ["logits", "probabilities"])
        return _floats(outputs["logits"]), _floats(outputs["probabilities"])

    def encode(self, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Returns the encoder's z, `[B, Z]`, of images `[B, S, S, C]` with masks `[B, S, S, 1]`."""
        inputs = {"images": _floats(images), "masks": _floats(masks)}
        return _floats(self.predict("encode", inputs, ["z"])["z"])

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray | Sequence[bytes]],
        outputs: Sequence[str],
        progress: Progress | None = None,
    ) -> dict[str, list]:
        """Returns the outputs of a signature for any number of rows.

        Args:
            signature: name of the signature.
            inputs: inputs by name, all with the same number of rows. An input is an array, or a
                list of bytes if the signature takes strings.
            outputs: names of the signature's outputs, because the API leaves out the name of a
                single output.
            progress: see `Progress`.

        Returns:
            a list of rows for each output: nested lists of numbers, texts, or bytes if the name of
            the output ends in `_bytes`.
        """
        total = len(next(iter(inputs.values())))
        parts = [
            {name: values[start : start + self.batch_size] for name, values in inputs.items()}
            for start in range(0, total, self.batch_size)
        ]

        def request(part: Mapping[str, np.ndarray | Sequence[bytes]]) -> dict[str, list]:
            return self._request_part(signature, part, outputs)

        rows: dict[str, list] = {name: [] for name in outputs}
        for answer in map_in_threads(request, parts, self.workers):
            for name in outputs:
                rows[name] += answer[name]
            if progress:
                progress(len(rows[outputs[0]]), total)
        return rows

    def _request_part(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray | Sequence[bytes]],
        outputs: Sequence[str],
    ) -> dict[str, list]:
        """Returns the outputs of a signature for the rows of one request; see `predict`."""
        count = len(next(iter(inputs.values())))
        body = json_batches.request_body(signature, inputs, self.form)
        answer = self.endpoint.request(":predict", body)
        rows = json_batches.output_rows(answer, outputs, count, self.form)
        if rows is None:
            raise ConnectionError(
                f"{signature} must give {', '.join(outputs)} for each of {count} rows; {self.url} "
                "answered otherwise; check that the model was exported by this version of the "
                "package."
            )
        return rows


def _floats(values: Any) -> np.ndarray:
    """Returns an array of float32."""
    return np.asarray(values, np.float32)


def _int32(seeds: Any) -> np.ndarray:
    """Returns seeds as int32.

    NumPy's conversion would cut off fractions, and wrap numbers that are too large or raise an
    error. Therefore this function refuses such numbers.
    """
    values = np.asarray(seeds)
    if values.dtype.kind not in "iu" or np.any(values < -(2**31)) or np.any(values >= 2**31):
        raise ValueError(
            "seeds must be whole numbers from -2^31 to 2^31 - 1; received "
            f"{values.dtype} {values.tolist()!s:.50}; pass such ones."
        )
    return values.astype(np.int32)


def _for_all(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the values for all images. A single value is repeated."""
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(
            f"{name} must be {list(shape)}, as the images are; received {list(values.shape)}; "
            "pass one for each image."
        ) from None


def _content(file: bytes | str | os.PathLike) -> bytes:
    """Returns the content of a file that is given as bytes or as a path."""
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _check_rows(row_errors: list[str], errors: str) -> None:
    """Raises a ValueError if a row has an error and `errors` is "raise"."""
    failed = [f"row {row}: {error}" for row, error in enumerate(row_errors) if error]
    if failed and errors == "raise":
        raise ValueError(
            f"Images that can be completed are required; {len(failed)} of {len(row_errors)} "
            f"cannot; {failed[0]}"
        )
