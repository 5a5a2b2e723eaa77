"""What a command works on: images with their names, and the mask of each.

Files given on the command line, or held-out images of the run's own data. An image's seed is made from its
path relative to the folder that was given: the same wherever it stands in the list.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_inpaint import images
from tf_inpaint.config import TrainConfig
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.inpainting import masks

GRAY = np.uint8(127)
"""Painted over what is hidden."""

log = logging.getLogger("tf_inpaint")


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


class Example(NamedTuple):
    """One image at the network's size, uint8 `[S, S, C]`, and what is known of it."""

    input: Input
    original: np.ndarray
    masked: np.ndarray
    """What is given: the original with gray in the hole, or its box averages."""
    known: np.ndarray
    """`[S, S, 1]` float32."""


def pictures(config: TrainConfig, split: str) -> Source:
    """The images of one split, `train` or `held_out`, of a run's data."""
    limit = config.train_images if split == "train" else 0
    data_dir = config.data_dir or None
    return open_source(config.dataset, config.image_size, config.channels, config.crop, split, data_dir, limit)


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
    return [Input(key, key, stem, reader(index)) for key, stem, index in zip(keys, stems(keys), indices, strict=True)]


def files(paths: Sequence[str], leave_out: Path) -> list[Input]:
    """The image files among `paths` and in the folders among them, each once; none from below `leave_out`.

    A path that does not exist is listed too: its `read` says so.
    """
    found: dict[Path, tuple[str, str]] = {}
    for path in map(Path, paths):
        folder, keys = (path, images.list_files(path)) if path.is_dir() else (path.parent, [path.name])
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
    levels = [[spelling.casefold() for spelling in level] for level in zip(*map(spellings, keys), strict=True)]
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


def untaken(stem: str, taken: set[str]) -> str:
    """The stem, with a number behind it if it is among `taken`, to which it is added."""
    numbered = (f"{stem}_{number}" for number in count(2))
    stem = next(choice for choice in chain([stem], numbered) if choice.casefold() not in taken)
    taken.add(stem.casefold())
    return stem


class Masks:
    """The masks of a job: of one name, one file, or a folder with a file for each image's stem.

    Args:
        mask: a name of `masks.NAMES`, a file or a folder. White is known.
        size: S, of the network's images.
        channels: C, of the network's images.
        crop: of the centre of an image, before it is resized.
        seed: of masks that are drawn.
        scale: how large the hole is, for a name.
        invert: in a file, white is the hole.

    Raises:
        ValueError, FileNotFoundError: no such name, file or folder, a file that is no picture, or a setting
            that this kind of mask does not have.
    """

    def __init__(self, mask: str, size: int, channels: int, crop: int, seed: int, scale: float | None, invert: bool):
        self.mask = mask
        self.size = size
        self.channels = channels
        self.seed = seed
        self.scale = scale
        self.invert = invert
        self.crop = crop
        self.low_resolution_factor = None
        self.file, self.folder = None, None
        self.said: set[str] = set()
        path = Path(mask)
        if mask in masks.NAMES:
            if invert:
                raise ValueError(f"--invert_mask must go with a mask file or folder; received {mask}; leave it out.")
            if mask == "lowres":
                self.low_resolution_factor = factor = masks.low_resolution_factor(scale)
                if size % factor:
                    raise ValueError(
                        f"--mask_scale must give boxes that divide the image; received boxes of {factor} for "
                        f"{size} pixels; 0.5 gives boxes of 2 and 0.75 of 4."
                    )
        elif scale is not None:
            raise ValueError(f"--mask_scale must go with a mask's name; received {scale} with {mask}; leave it out.")
        elif path.is_dir():
            self.folder = {Path(name).stem: path / name for name in images.list_files(path)}
        elif path.exists():
            self.file = masks.from_picture(images.read(path), invert)
        else:
            raise FileNotFoundError(
                f"--mask must be one of {', '.join(masks.NAMES)}, a file or a folder; received {mask!r}; "
                "choose one of these or check the path."
            )

    def named(self, key: str) -> str:
        """What the results call the mask of this image."""
        return str(self.in_folder(key)) if self.folder is not None else self.mask

    def example(self, item: Input) -> Example:
        """The image read, masked and brought to the network's size.

        Raises:
            ValueError, OSError: it or its mask cannot be read, or the mask has another size.
        """
        picture = item.read()
        original = images.fit(picture, self.size, self.channels, self.crop)
        if picture.shape != original.shape:
            self.say_once(
                logging.INFO,
                "Images are cropped to a square, resized and made %s, as the run's are; %s is %s.",
                *(described(original), item.key, described(picture)),
            )
        if self.low_resolution_factor:
            known = masks.make(self.mask, self.size, self.size, 0)
            return Example(item, original, box_averages(original, self.low_resolution_factor), known)
        known = self.file
        if self.mask in masks.NAMES:
            known = masks.make(self.mask, self.size, self.size, item.seeds(self.seed), self.scale)
        elif self.folder is not None:
            known = masks.from_picture(images.read(self.in_folder(item.key)), self.invert)
        if known.shape[:2] == (self.size, self.size):
            return self.masked(item, original, original, known)
        if known.shape[:2] != picture.shape[:2]:
            raise ValueError(
                f"A mask must have its image's size or the network's, {self.size} x {self.size}; {item.key} "
                f"is {size_of(picture)} and its mask {size_of(known)}; resize the mask."
            )
        # Resizing mixes neighbours: hidden pixels are painted over before it, and a pixel counts as known
        # only if nothing hidden went into it. At random values, for the filter's weights can add up to 0.
        painted = images.fit(np.where(known > 0, picture, GRAY), self.size, self.channels, self.crop)
        hidden = (1 - known) * np.random.default_rng(0).uniform(1, 2, known.shape)
        mixed = images.resize(images.centre(hidden, self.crop), self.size)
        return self.masked(item, original, painted, (np.abs(mixed) < 1e-6).astype(np.float32))

    def masked(self, item: Input, original: np.ndarray, given: np.ndarray, known: np.ndarray) -> Example:
        """The example of which `known` is given."""
        share = masks.hole_share(known)
        if self.mask not in masks.NAMES and share > 0.9:
            self.say_once(
                logging.WARNING,
                "The mask %s reads as %.0f %% hole, white being %s; if it is meant the other way round, %s.",
                self.named(item.key),
                100 * share,
                *(("hole", "drop --invert_mask") if self.invert else ("known", "pass --invert_mask")),
            )
        return Example(item, original, np.where(known > 0, given, GRAY), known)

    def say_once(self, level: int, message: str, *values) -> None:
        if message not in self.said:
            self.said.add(message)
            log.log(level, message, *values)

    def in_folder(self, key: str) -> Path:
        stem = Path(key).stem
        if stem not in self.folder:
            raise ValueError(
                f"A mask folder must hold a file for every image; {self.mask} has none with the stem {stem!r}; add it."
            )
        return self.folder[stem]


def box_averages(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture with every `factor` x `factor` box replaced by its mean."""
    height, width, channels = picture.shape
    boxes = picture.reshape(height // factor, factor, width // factor, factor, channels)
    means = np.rint(boxes.mean(axis=(1, 3), keepdims=True)).astype(np.uint8)
    return np.broadcast_to(means, boxes.shape).reshape(picture.shape)


def size_of(picture: np.ndarray) -> str:
    """Width x height, as viewers write it."""
    return f"{picture.shape[1]} x {picture.shape[0]}"


def described(picture: np.ndarray) -> str:
    """Size and colours."""
    return f"{size_of(picture)} {'gray' if picture.shape[2] == 1 else 'RGB'}"
