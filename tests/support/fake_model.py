"""A model without networks for `serving_double`, whose answers are easy to compute, and clients."""

import io

import numpy as np
import pytest
from PIL import Image

from tf_inpaint.client import Client
from tf_inpaint.files import images

SIZE, CHANNELS, LATENT = 8, 3, 5
BROKEN = "the image holds a value that is not finite; replace it"
"""Error of an image that holds NaN."""


def tensors(**kinds):
    """Returns {name: (tensor name, dtype, shape)} of {name: (dtype, *sides)}."""
    return {name: (f"{name}:0", dtype, (-1, *sides)) for name, (dtype, *sides) in kinds.items()}


PICTURES = ("float32", SIZE, SIZE, CHANNELS)
MASKS = ("float32", SIZE, SIZE, 1)
CODES = ("float32", LATENT)
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
"""Signatures of the model, as `serving_double.serving` takes them."""


def predict(signature, inputs):
    """Returns the outputs of a signature, as arrays or lists of bytes by name."""
    if signature == "generate":
        pictures = np.ones((1, SIZE, SIZE, CHANNELS))
        return {"images": np.tanh(inputs["z"][:, :1, None, None] * pictures)}
    if signature == "discriminate":
        logits = inputs["images"].mean(axis=(1, 2, 3))[:, None]
        return {"logits": logits, "probabilities": 1 / (1 + np.exp(-logits))}
    if signature == "encode":
        sums = (inputs["images"] * inputs["masks"]).sum(axis=(1, 2, 3))
        return {"z": sums[:, None] * np.ones(LATENT)}
    if signature == "complete_encoded":
        return complete_files(inputs["image_bytes"], inputs["mask_bytes"], inputs["seeds"])
    pictures, known, seeds = inputs["images"], inputs["masks"], inputs["seeds"]
    if pictures.shape[1:] != PICTURES[1:]:
        raise ValueError(
            f"images must have the shape [B, {SIZE}, {SIZE}, {CHANNELS}]; received {pictures.shape}"
        )
    broken = ~np.isfinite(pictures).all(axis=(1, 2, 3))
    completions = complete_pictures(pictures, known, seeds)
    return {
        "images": np.where(broken[:, None, None, None], pictures, completions),
        "uncertainties": 1 - known,
        "energies": seeds / 7,
        "steps": np.full(len(seeds), 20 if signature == "complete_fast" else 100),
        "errors": [BROKEN.encode() if is_broken else b"" for is_broken in broken],
    }


def complete_pictures(pictures, known, seeds):
    """Returns pictures whose holes have a value that depends on the seed of the row."""
    values = np.float32(1 / (3 + np.asarray(seeds).reshape(-1, 1, 1, 1)))
    return np.where(known > 0, pictures, values)


def complete_files(image_files, mask_files, seeds):
    """Returns the outputs of `complete_encoded`: files whose holes have a level of the seed."""
    files, errors = [], []
    for image_file, mask_file, seed in zip(image_files, mask_files, seeds, strict=True):
        try:
            picture = images.read(io.BytesIO(image_file), "the image")
        except ValueError as error:
            files.append(image_file)
            errors.append(str(error).encode())
            continue
        known = images.read(io.BytesIO(mask_file)) > 127
        files.append(encode(np.where(known, picture, np.uint8(seed % 251))))
        errors.append(b"")
    return {"image_bytes": files, "energies": np.asarray(seeds) / 7, "errors": errors}


def encode(picture, form="PNG"):
    """Returns a picture as the bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, form)
    return file.getvalue()


def new_batch(size, seed=0):
    """Returns random images, some of them with unusual numbers, and masks."""
    random = np.random.default_rng(seed)
    pictures = random.uniform(-1, 1, (size, SIZE, SIZE, CHANNELS)).astype(np.float32)
    pictures.flat[::7] = 1e-42  # A denormal number.
    pictures.flat[::11] = -0.0
    return pictures, (random.random((size, SIZE, SIZE, 1)) < 0.5).astype(np.float32)


def new_client(double, **settings):
    """Returns a client of the model on a `ServerDouble`."""
    return Client(double.url, "faces", **settings)


def assert_refused(kind, call, *parts):
    """Checks that a call raises an error of one line, which holds the parts; returns its text."""
    with pytest.raises(kind) as refusal:
        call()
    text = str(refusal.value)
    assert "\n" not in text and text.count(";") >= 2, text
    assert all(part in text for part in parts), text
    return text
