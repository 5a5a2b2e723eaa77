"""Completes image files of any size by requests to a server. Hidden pixels are never sent."""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.files import file_details, images
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.masked_images import GRAY, KnownOf
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.seeds import served_seed
from tf_inpaint.serving.signature_client import Client


class FileAnswer(NamedTuple):
    """The server's answer for one image: a completion, or the reason why there is none."""

    input: Input
    png: bytes = b""
    """Completion as a PNG file."""
    energy: float = 0.0
    error: str = ""
    """One sentence; empty: the image is complete."""
    known: np.ndarray | None = None
    """The mask, bool `[H, W, 1]`; None: the image is not complete."""
    details: FileDetails = FileDetails()
    """What the image's file has beside its pixels."""


def request_completions(
    batch: Sequence[Input], known_of: KnownOf, client: Client, signature: str, seed: int
) -> Iterator[FileAnswer]:
    """Yields an answer for each image, after one request for all of them.

    An image that cannot be read is left out of the request.

    Args:
        batch: the images.
        known_of: returns the mask of an image, see `mask_sources.MaskSource`.
        client: connection to the server.
        signature: name of a signature that completes encoded images.
        seed: seed of the command.

    Raises:
        ConnectionError: the server cannot be reached or stays unavailable.
    """
    # Encode the images that can be read.
    readable, image_files, mask_files = [], [], []
    for item in batch:
        try:
            picture, known = masked_picture(item, known_of)
            details = file_details.read(item.path) if item.path else FileDetails()
        except (ValueError, OSError) as error:
            yield FileAnswer(item, error=f"{item.file}: {error}")
            continue
        readable.append(FileAnswer(item, known=known > 0, details=details))
        image_files.append(encode_png(picture))
        mask_files.append(encode_png(images.to_uint8(2 * known - 1)))
    if not readable:
        return
    # Ask the server.
    seeds = np.array([served_seed(seed, answer.input.key) for answer in readable], np.int32)
    try:
        completion = client.complete_encoded(
            image_files, mask_files, seeds, signature=signature, errors="return"
        )
    except (ValueError, TimeoutError) as error:
        for answer in readable:
            yield answer._replace(error=f"{answer.input.file}: {error}")
        return
    # Check the answers.
    for answer, file, energy, error in zip(
        readable, completion.image_bytes, completion.energies, completion.errors, strict=True
    ):
        error = error or file_error(file)
        yield answer._replace(
            png=file, energy=float(energy), error=error and f"{answer.input.file}: {error}"
        )


def masked_picture(item: Input, known_of: KnownOf) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image and its mask at the image's own size H x W.

    Returns:
        the image with gray in its hole, uint8 `[H, W, 1 or 3]`, and `known`, `[H, W, 1]`.

    Raises:
        ValueError, OSError: the image or its mask cannot be read, or their sizes differ.
    """
    picture = item.read()
    height, width = picture.shape[:2]
    known = known_of(item, (height, width))
    if known.shape[:2] != (height, width):
        raise ValueError(
            f"A mask must have its image's size; the image is {width} x {height} and the mask "
            f"{known.shape[1]} x {known.shape[0]}; resize the mask."
        )
    return np.where(known > 0, picture, GRAY), known


def encode_png(picture: np.ndarray) -> bytes:
    """Returns a picture as a PNG file, which is lossless.

    The weak compression takes a third of the time of the default, for a tenth more bytes.
    """
    file = io.BytesIO()
    levels = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    levels.save(file, "PNG", compress_level=1)
    return file.getvalue()


def file_error(file: bytes) -> str:
    """Returns why the picture in a file cannot be read; empty: it can."""
    try:
        images.read(io.BytesIO(file), "the server's answer")
    except ValueError as error:
        return str(error)
    return ""
