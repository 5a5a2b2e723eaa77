"""What is given of each image of a command: the image and its mask, at the network's size or in place at their own."""

import functools
import inspect
import logging
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.files import images
from tf_inpaint.inpainting import masks
from tf_inpaint.inputs.named_images import Input

if TYPE_CHECKING:  # it imports TensorFlow
    from tf_inpaint.inpainting.large_images import Square

GRAY = np.uint8(127)
"""Painted over what is hidden."""

log = logging.getLogger("tf_inpaint")


class Example(NamedTuple):
    """One image, uint8 `[H, W, C]`, and what is known of it. H = W = S, the network's, unless it is done in place."""

    input: Input
    original: np.ndarray
    masked: np.ndarray
    """What is given: the original with gray in the hole, or its box averages."""
    known: np.ndarray
    """`[H, W, 1]` float32."""
    squares: "Sequence[Square] | None" = None
    """Done in place: the N squares of the image that are completed, none if all is known."""
    crops: tuple[np.ndarray, np.ndarray] | None = None
    """Done in place: the squares at the network's size, as `rows`."""

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What the network is given: masked, uint8 `[N, S, S, C]`, and known, float32 `[N, S, S, 1]`."""
        return self.crops or (self.masked[None], self.known[None])

    def seeds(self, seed: int) -> list[tuple[int, int]]:
        """A seed for each row; the first one's is the image's."""
        own = self.input.key
        keys = (f"{own} {number}" if number else own for number in range(len(self.rows[0])))
        return [self.input._replace(key=key).seeds(seed) for key in keys]

    def filled(self, generated: np.ndarray, blend: Callable) -> np.ndarray:
        """The image that is done in place, its holes filled from the squares' pictures: `[H, W, C]` float32.

        Args:
            generated: `[N, S, S, C]` in [-1, 1].
            blend: of `blending`. Widths in it are pixels of the network's size.
        """
        from tf_inpaint.inpainting import large_images

        scale = max((square.side for square in self.squares), default=1) / self.rows[0].shape[1]
        given = images.to_float(self.masked)
        return large_images.restore(
            given, self.known, self.squares, generated, scaled(blend, scale)
        )


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
            file of its own stem, which must have its size or the network's. With its own it is done in place.
        framing: of images that are done in place, see `large_images.squares`.

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
        framing: str = "image",
    ):
        self.mask = mask
        self.size = size
        self.channels = channels
        self.seed = seed
        self.scale = scale
        self.invert = invert
        self.crop = crop
        self.dealt = dealt
        self.framing = framing
        self.low_resolution_factor = None
        self.file, self.folder = None, None
        self.said: set[str] = set()
        path = Path(mask)
        if mask in masks.NAMES:
            if invert:
                raise ValueError(
                    f"--invert_mask must go with a mask file or folder; received {mask}; leave it out."
                )
            if framing != "image":
                raise ValueError(
                    f"--framing={framing} must go with a mask file or folder; received {mask}; leave it out."
                )
            if mask == "lowres":
                self.low_resolution_factor = factor = masks.low_resolution_factor(scale)
                if size % factor:
                    raise ValueError(
                        f"--mask_scale must give boxes that divide the image; received boxes of {factor} for "
                        f"{size} pixels; 0.5 gives boxes of 2 and 0.75 of 4."
                    )
        elif scale is not None:
            raise ValueError(
                f"--mask_scale must go with a mask's name; received {scale} with {mask}; leave it out."
            )
        elif path.is_dir():
            self.folder = {Path(name).stem: path / name for name in images.list_files(path)}
            if dealt and not self.folder:
                raise ValueError(
                    f"A mask folder must hold image files; {mask} holds none; check the path."
                )
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
        """The image read and masked: at the network's size, or in place if its mask has its own size.

        Raises:
            ValueError, OSError: it or its mask cannot be read, or the mask has another size.
        """
        picture = item.read()
        size = (self.size, self.size)
        known = self.file
        if self.mask in masks.NAMES:
            known = masks.make(self.mask, *size, item.seeds(self.seed), self.scale)
        elif self.folder is not None:
            known = masks.from_picture(images.read(self.in_folder(item.key)), self.invert)
        if self.dealt and self.mask not in masks.NAMES:
            from tf_inpaint.inpainting import large_images

            known = large_images.reduced(images.center_crop(known), self.size)
        if known.shape[:2] not in (size, picture.shape[:2]):
            raise ValueError(
                f"A mask must have its image's size or the network's, {self.size} x {self.size}; {item.key} "
                f"is {size_of(picture)} and its mask {size_of(known)}; resize the mask."
            )
        if known.shape[:2] != size:
            return self.in_place(item, picture, known)
        original = images.fit(picture, self.size, self.channels, self.crop)
        if picture.shape != original.shape:
            self.say_once(
                logging.INFO,
                "Images are cropped to a square, resized and made %s, as the run's are; %s is %s.",
                *(described(original), item.key, described(picture)),
            )
        if self.low_resolution_factor:
            return Example(
                item, original, box_averages(original, self.low_resolution_factor), known
            )
        return self.masked(item, original, known)

    def in_place(self, item: Input, picture: np.ndarray, known: np.ndarray) -> Example:
        """The example of an image that keeps its size; only its colours become the network's."""
        from tf_inpaint.inpainting import large_images

        original = coloured(picture, self.channels)
        if original.shape != picture.shape:
            self.say_once(
                logging.INFO,
                "Images are made %s, as the run's are; %s is %s.",
                *(colours(original), item.key, colours(picture)),
            )
        example = self.masked(item, original, known)
        squares = large_images.squares(known, self.size, self.framing, self.crop)
        pictures, given = large_images.crops(
            images.to_float(example.masked), known, squares, self.size
        )
        if blind := int((given.max(axis=(1, 2, 3), initial=0) == 0).sum()):
            self.say_once(
                logging.WARNING,
                "At the network's size nothing known is left of %d of the %d squares of %s, so that its search has "
                "nothing to go by%s.",
                *(blind, len(squares), item.key),
                "; --framing=hole looks closer" if self.framing == "image" else "",
            )
        if self.framing == "image" and squares:
            outside = known <= 0
            squares[0].of(outside)[:] = False
            if outside.any():
                self.say_once(
                    logging.WARNING,
                    "The hole of %s reaches beyond the middle square, the only part that the network is shown, and is "
                    "filled with that square's border there; --framing=hole looks around the holes.",
                    item.key,
                )
        return example._replace(
            squares=squares, crops=(np.where(given > 0, images.to_uint8(pictures), GRAY), given)
        )

    def masked(self, item: Input, original: np.ndarray, known: np.ndarray) -> Example:
        """The example of which `known` is given."""
        share = masks.hole_share(known)
        if self.mask not in masks.NAMES and share > 0.9:
            self.say_once(
                logging.WARNING,
                "The mask %s reads as %.0f %% hole, white being %s; if it is meant the other way round, %s.",
                self.named(item.key),
                100 * share,
                *(
                    ("hole", "drop --invert_mask")
                    if self.invert
                    else ("known", "pass --invert_mask")
                ),
            )
        return Example(item, original, np.where(known > 0, original, GRAY), known)

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


def scaled(blend: Callable, scale: float) -> Callable:
    """The blend for pictures enlarged by `scale`: the widths among its settings grow with them."""
    width = inspect.signature(blend).parameters.get("width")
    return functools.partial(blend, width=scale * width.default) if width else blend


def coloured(picture: np.ndarray, channels: int) -> np.ndarray:
    """The picture in gray or RGB, as `images.fit` makes it."""
    if picture.shape[2] == channels:
        return picture
    levels = Image.fromarray(picture[..., 0] if channels == 3 else picture)
    return np.asarray(levels.convert("RGB" if channels == 3 else "L")).reshape(
        *picture.shape[:2], channels
    )


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
    return f"{size_of(picture)} {colours(picture)}"


def colours(picture: np.ndarray) -> str:
    return "gray" if picture.shape[2] == 1 else "RGB"
