"""What a command works on: images with their names.

Files given on the command line, or held-out images of the run's own data. An image's seed is made from its
path relative to the folder that was given: the same wherever it stands in the list.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_inpaint.config import TrainConfig
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.files import images


class Input(NamedTuple):
    """One image to work on."""

    file: str
    """Known by this in results: a whole path, for two folders may hold files of one key."""
    key: str
    """Its path relative to the folder that was given; fixes its seed."""
    stem: str
    """What its output is called, unlike any other's."""
    read: Callable[[], np.ndarray]
    """Gives uint8 `[H, W, 1 or 3]`; raises ValueError or OSError with a sentence."""

    def seeds(self, seed: int) -> tuple[int, int]:
        return seed, zlib.crc32(self.key.encode())


def pictures(config: TrainConfig, split: str, limit: int = 0) -> Source:
    """The images of one split, `train` or `held_out`, of a run's data; at most `limit`, if that is not 0."""
    if split == "train" and config.train_images:
        limit = min(limit or config.train_images, config.train_images)
    data_dir = config.data_dir or None
    return open_source(
        config.dataset, config.image_size, config.channels, config.crop, split, data_dir, limit
    )


def held_out(source: Source, count: int) -> list[Input]:
    """The first `count` images of a held-out split (all, if fewer), in an order whose every beginning is spread.

    Data sets are often sorted; in the order of the indices' reversed binary digits (van der Corput 1935) the first
    few images already come from all over the split. A larger `count` only adds images.
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


def files(paths: Sequence[str], leave_out: Path) -> list[Input]:
    """The image files among `paths` and in the folders among them, each once; none from below `leave_out`.

    A path that does not exist is listed too: its `read` says so.
    """
    found: dict[Path, tuple[str, str]] = {}
    for path in map(Path, paths):
        folder, keys = (
            (path, images.list_files(path)) if path.is_dir() else (path.parent, [path.name])
        )
        for key in keys:
            place = (folder / key).resolve()
            if not place.is_relative_to(leave_out.resolve()):
                found.setdefault(place, (key, f"{folder.resolve().name}/{key}".lstrip("/")))
    counts = Counter(key for key, _ in found.values())
    names = stems([key if counts[key] == 1 else longer for key, longer in found.values()])

    def reader(place):
        return lambda: images.read(place)

    return [
        Input(str(place), key, stem, reader(place))
        for (place, (key, _)), stem in zip(found.items(), names, strict=True)
    ]


RESERVED = {"sheet", "search", "details", "completions", "latents", "config"}


def stems(keys: Sequence[str]) -> list[str]:
    """A file name without suffix for each key: its stem, and as much of its path as tells it from the others.

    >>> stems(["a.jpg", "b.jpg", "x/b.jpg", "a.png"])
    ['a_jpg', 'b', 'x_b', 'a_png']
    """

    def spellings(key):
        path = Path(key)
        whole = "_".join(path.with_suffix("").parts)
        return [path.stem, whole, f"{whole}_{path.suffix[1:]}"]

    # A file system may take "A.png" and "a.png" for one.
    levels = [
        [spelling.casefold() for spelling in level]
        for level in zip(*map(spellings, keys), strict=True)
    ]
    result: list[str] = []
    taken = set(RESERVED)
    counts = [Counter(level) for level in levels]
    for index, key in enumerate(keys):
        choices = spellings(key)
        alone = (
            choice
            for choice, level, number in zip(choices, levels, counts, strict=True)
            if number[level[index]] == 1 and level[index] not in taken
        )
        result.append(untaken(next(alone, choices[-1]), taken))
    return result


def named(items: list[Input], done: dict[str, dict]) -> list[Input]:
    """The items by names that go with what is done: it keeps its own, and no other image takes that.

    Args:
        done: the lines of a job's results, by file; "completion" is what was written.
    """
    own = {file: line["completion"].removesuffix(".png") for file, line in done.items()}
    taken = RESERVED | {stem.casefold() for stem in own.values()}
    return [item._replace(stem=own.get(item.file) or untaken(item.stem, taken)) for item in items]


def untaken(stem: str, taken: set[str]) -> str:
    """The stem, with a number behind it if it is among `taken`, to which it is added."""
    numbered = (f"{stem}_{number}" for number in count(2))
    stem = next(choice for choice in chain([stem], numbered) if choice.casefold() not in taken)
    taken.add(stem.casefold())
    return stem
