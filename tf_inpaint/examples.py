"""What is given of each image of a command: its mask, and both at the network's size."""

import logging
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_inpaint import images
from tf_inpaint.inpainting import masks
from tf_inpaint.inputs import Input

GRAY = np.uint8(127)
"""Painted over what is hidden."""

log = logging.getLogger("tf_inpaint")


class Example(NamedTuple):
    """One image at the network's size, uint8 `[S, S, C]`, and what is known of it."""

    input: Input
    original: np.ndarray
    masked: np.ndarray
    """What is given: the original with gray in the hole, or its box averages."""
    known: np.ndarray
    """`[S, S, 1]` float32."""


class Masks:
    """The masks of a job: of one name, one file, or a folder of files.

    Args:
        mask: a name of `masks.NAMES`, a file or a folder. White is known.
        size: S, of the network's images.
        channels: C, of the network's images.
        crop: of the centre of an image, before it is resized.
        seed: of masks that are drawn.
        scale: how large the hole is, for a name.
        invert: in a file, white is the hole.
        dealt: an image takes any file of the folder, by its seed, and files may have any size; else it takes the
            file of its own stem, which must have its size or the network's.

    Raises:
        ValueError, FileNotFoundError: no such name, file or folder, a file that is no picture, or a setting
            that this kind of mask does not have.
    """

    def __init__(
        self,
        mask: str,
        size: int,
        channels: int,
        crop: int,
        seed: int,
        scale: float | None = None,
        invert: bool = False,
        dealt: bool = False,
    ):
        self.mask = mask
        self.size = size
        self.channels = channels
        self.seed = seed
        self.scale = scale
        self.invert = invert
        self.crop = crop
        self.dealt = dealt
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
            if dealt and not self.folder:
                raise ValueError(f"A mask folder must hold image files; {mask} holds none; check the path.")
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
        if self.dealt and self.mask not in masks.NAMES:
            known = reduced(known, self.size)
        if known.shape[:2] == (self.size, self.size):
            return self.masked(item, original, original, known)
        if known.shape[:2] != picture.shape[:2]:
            raise ValueError(
                f"A mask must have its image's size or the network's, {self.size} x {self.size}; {item.key} "
                f"is {size_of(picture)} and its mask {size_of(known)}; resize the mask."
            )
        # Resizing mixes neighbours: hidden pixels are painted over before it.
        painted = images.fit(np.where(known > 0, picture, GRAY), self.size, self.channels, self.crop)
        return self.masked(item, original, painted, reduced(known, self.size, self.crop))

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
        if self.dealt:
            files = list(self.folder.values())
            return files[zlib.crc32(f"{self.seed} {key}".encode()) % len(files)]
        stem = Path(key).stem
        if stem not in self.folder:
            raise ValueError(
                f"A mask folder must hold a file for every image; {self.mask} has none with the stem {stem!r}; add it."
            )
        return self.folder[stem]


def reduced(known: np.ndarray, size: int, crop: int = 0) -> np.ndarray:
    """`known` `[H, W, 1]` as `images.fit` resizes an image: a pixel is known only if nothing hidden went into it."""
    # At random values, for the filter's weights can add up to 0.
    hidden = (1 - known) * np.random.default_rng(0).uniform(1, 2, known.shape)
    mixed = images.resize(images.centre(hidden, crop), size)
    return (np.abs(mixed) < 1e-6).astype(np.float32)


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
