"""The images that a command works on, with their names.

The images are files from the command line, or held-out images of the run's own data. The seeds of
an image are made from its path relative to the given folder, so that they do not depend on the
other images.
"""

import dataclasses
import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.config import TrainConfig
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.files import image_folders, images, paths
from tf_inpaint.inputs.seeds import image_seeds

RESERVED = {"sheet", "search", "details", "completions", "latents", "config"}
"""Names without suffix that no image may take, because the commands write files of these names."""

MAX_STEM_BYTES = 250
"""Maximum length of an output's name without suffix. With .webp it has 255 bytes, the most that
file systems take."""

log = logging.getLogger("tf_inpaint")


class Input(NamedTuple):
    """One image to work on."""

    file: str
    """Name of the image in the results: an absolute path, because two folders may hold files with
    the same key."""
    key: str
    """Path of the image relative to the given folder. The seeds of the image are made from it."""
    stem: str
    """Name of the image's output without suffix. No other image has the same."""
    read: Callable[[], np.ndarray]
    """Function that returns the pixels, uint8 `[H, W, 1 or 3]`. Its ValueError or OSError is one
    sentence."""
    path: Any = None
    """Path of the file that `read` reads; None: an image of the run's own data."""

    def seeds(self, seed: int) -> tuple[int, int]:
        """Returns the seeds of the image's mask and search; `seed` is that of the command."""
        return image_seeds(seed, self.key)


def pictures(config: TrainConfig, split: str, limit: int = 0) -> Source:
    """Returns the images of one split of a run's data.

    Args:
        config: settings of the run.
        split: "train" or "held_out".
        limit: maximum number of images; 0: all.
    """
    if split == "train" and config.train_images:
        limit = min(limit or config.train_images, config.train_images)
    data_dir = config.data_dir or None
    return open_source(
        config.dataset, config.image_size, config.channels, config.crop, split, data_dir, limit
    )


def with_dataset(config: TrainConfig, dataset: str) -> TrainConfig:
    """Returns the settings of a run whose images are at another place now, and warns of it.

    Args:
        config: settings of the run.
        dataset: place of the images; empty: the place in the settings.

    Raises:
        ValueError: the place has no known form.
    """
    if dataset in ("", config.dataset):
        return config
    data_dir = config.data_dir if dataset.startswith("tfds:") else ""
    moved = dataclasses.replace(config, dataset=dataset, data_dir=data_dir)
    log.warning(
        "The run was trained on %s, and its images are read from %s now. They must be the same "
        "images with the same names below that place; otherwise the run may have been trained on "
        "images that count as held-out.",
        config.dataset,
        dataset,
    )
    return moved


def held_out(source: Source, count: int) -> list[Input]:
    """Returns `count` images from all over a held-out split, or all images if there are fewer.

    Data sets are often sorted. Therefore the images come in the order of their indices' reversed
    binary digits (van der Corput 1935), in which the first few images already come from all over
    the split. A larger `count` only adds images.
    """
    width = (source.size - 1).bit_length()
    indices = sorted(range(source.size), key=lambda index: f"{index:0{width}b}"[::-1])[:count]

    def reader(index):
        def read():
            picture = source.read(np.array([index]))[0]
            if source.name(index) in source.unreadable:
                raise ValueError(source.unreadable[source.name(index)])
            return picture

        return read

    keys = [source.name(index) for index in indices]
    return [
        Input(key, key, stem, reader(index))
        for key, stem, index in zip(keys, stems(keys), indices, strict=True)
    ]


def files(
    places: Sequence[str],
    leave_out: Any,
    max_pixels: int = images.MAX_PIXELS,
    over_white: bool = True,
) -> list[Input]:
    """Returns the image files among `places` and in the folders among them, each file once.

    The list also holds a path that does not exist, and a folder that cannot be listed: the `read`
    of such an entry raises an error.

    Args:
        places: files and folders, as paths or URLs.
        leave_out: path of a folder whose files are not returned.
        max_pixels, over_white: see `images.read`.
    """
    # Find all files, with a short and a longer key.
    left_out = paths.real(leave_out)
    keys_of: dict[Any, tuple[str, str]] = {}
    read_of: dict[Any, Callable[[], np.ndarray]] = {}
    for place in places:
        folder, keys, unlisted = list_path(paths.to_path(place, keep_listings=True), left_out)
        for key in keys:
            # Path.resolve fails for a link to itself.
            file = paths.real(folder / key)
            if paths.relative(file, left_out) is None and file not in keys_of:
                keys_of[file] = key, f"{paths.real(folder).name}/{key}".lstrip("/")
                # In this form, the function can be sent to another process.
                read_of[file] = functools.partial(
                    read_file, folder / key, unlisted.get(key), max_pixels, over_white
                )
    # Name the outputs.
    counts = Counter(key for key, _ in keys_of.values())
    names = stems([key if counts[key] == 1 else longer for key, longer in keys_of.values()])
    return [
        Input(str(file), key, stem, read_of[file], file)
        for (file, (key, _)), stem in zip(keys_of.items(), names, strict=True)
    ]


def list_path(path: Any, left_out: Any) -> tuple[Any, list[str], dict[str, str]]:
    """Returns the images of a path that a command is given.

    Args:
        path: path of a file or folder, on this machine or of a URL.
        left_out: folder that is not listed.

    Returns:
        the folder of the images, their paths relative to it, and the reason for each of these paths
        that is a folder that cannot be listed.
    """
    if not paths.is_dir(path):
        return path.parent, [path.name], {}
    try:
        listing = image_folders.scan(path, left_out)
    except OSError as error:
        if not isinstance(path, os.PathLike):
            raise
        path = Path(os.path.realpath(path))
        return path.parent, [path.name], {path.name: str(error)}
    image_folders.log_others(path, listing.others)
    return path, sorted([*listing.images, *listing.unlisted]), listing.unlisted


def read_file(path: Any, error: str | None, max_pixels: int, over_white: bool) -> np.ndarray:
    """Reads an image, or raises `error` as an OSError."""
    if error:
        raise OSError(error)
    return images.read(path, max_pixels=max_pixels, over_white=over_white)


def stems(keys: Sequence[str]) -> list[str]:
    """Returns a file name without suffix for each key.

    The name is the key's stem, with as much of its path as makes the name unique.

    >>> stems(["a.jpg", "b.jpg", "x/b.jpg", "a.png"])
    ['a_jpg', 'b', 'x_b', 'a_png']
    """

    def spellings(key):
        path = Path(key)
        full = "_".join(path.with_suffix("").parts)
        return [path.stem, full, f"{full}_{path.suffix[1:]}"]

    # A file system may take "A.png" and "a.png" for one file.
    levels = [
        [spelling.casefold() for spelling in level]
        for level in zip(*map(spellings, keys), strict=True)
    ]
    counts = [Counter(level) for level in levels]
    names: list[str] = []
    taken = set(RESERVED)
    for index, key in enumerate(keys):
        choices = spellings(key)
        unique = (
            choice
            for choice, level, number in zip(choices, levels, counts, strict=True)
            if number[level[index]] == 1 and level[index] not in taken
        )
        names.append(claim_name(next(unique, choices[-1]), taken))
    return names


def rename_for_job(items: list[Input], done: Mapping[str, Mapping]) -> list[Input]:
    """Returns the images with stems that fit to the outputs of a job.

    An image that is done keeps its stem, and no other image takes it.

    Args:
        items: the images.
        done: rows of the job's results, by the `file` of the image. In a row, "completion" is the
            name of the output.
    """
    stem_of = {file: Path(row["completion"]).stem for file, row in done.items()}
    taken = RESERVED | {stem.casefold() for stem in stem_of.values()}
    return [
        item._replace(stem=stem_of.get(item.file) or claim_name(item.stem, taken)) for item in items
    ]


def claim_name(stem: str, taken: set[str]) -> str:
    """Returns the stem, with a number behind it if it is in `taken`, and adds it to `taken`.

    The stem is cut at its end so that a file system takes its file name.
    """
    endings = chain([""], (f"_{number}" for number in count(2)))
    choices = (shorten(stem, MAX_STEM_BYTES - len(ending)) + ending for ending in endings)
    stem = next(choice for choice in choices if choice.casefold() not in taken)
    taken.add(stem.casefold())
    return stem


def shorten(text: str, size: int) -> str:
    """Returns the first characters of a text that have at most `size` bytes in a file name."""
    while len(os.fsencode(text)) > size:
        text = text[:-1]
    return text
