"""Images with their masks, as the network takes them: of its size, or completed in place."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.files import file_details, images
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.named_images import Input

if TYPE_CHECKING:  # Both modules import TensorFlow.
    from tf_inpaint.compositing.large_images import Square
    from tf_inpaint.inpainting.completions import Completions

GRAY = np.uint8(127)
"""Level of hidden pixels in a masked image."""

KnownOf = Callable[[Input, tuple[int, int]], np.ndarray]
"""`known_of(item, size)` returns the mask of an image, see `mask_sources.MaskSource`."""

log = logging.getLogger("tf_inpaint")


class Example(NamedTuple):
    """One image and its mask, and the rows that the network takes of the image.

    An image whose mask has the network's size is one row. An image whose mask has the image's own
    size is completed in place: the image keeps its size H x W, and every row is one of its squares.
    `completions` in the methods are the answers for the rows; None: there is no row to complete.
    """

    input: Input
    original: np.ndarray
    """The image, uint8 `[H, W, C]`; H = W = S, the network's size, if not completed in place."""
    masked: np.ndarray
    """The given pixels, uint8 `[H, W, C]`: the original with gray in the hole, or its box
    averages."""
    known: np.ndarray
    """The mask, `[H, W, 1]` float32, 1 = the pixel is given, 0 = hole."""
    squares: "Sequence[Square] | None" = None
    """The N squares that are completed in place, none if all pixels are known; None: the image is
    not completed in place."""
    crops: tuple[np.ndarray, np.ndarray] | None = None
    """The squares at the network's size, see `rows`; None: the image is not completed in place."""
    details: FileDetails = FileDetails()
    """What the image's file has beside its pixels. Its alpha has the size of the example."""

    @property
    def in_place(self) -> bool:
        """Whether the image keeps its own size."""
        return self.squares is not None

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows for the network: masked, uint8 `[N, S, S, C]`, and known, float32
        `[N, S, S, 1]`."""
        return self.crops or (self.masked[None], self.known[None])

    def seeds(self, seed: int) -> list[tuple[int, int]]:
        """Returns the seeds of each row. The first row has the seeds of the image."""
        key = self.input.key
        keys = [f"{key} {number}" if number else key for number in range(len(self.rows[0]))]
        return [self.input._replace(key=row_key).seeds(seed) for row_key in keys]

    def completion(self, completions: "Completions | None", blend: Callable) -> np.ndarray:
        """Returns the image with its hole filled, float `[H, W, C]` in [-1, 1].

        Args:
            completions: see the class.
            blend: function of `blending` for an image that is completed in place. The other
                images are blended already.
        """
        if completions is None:
            return images.to_float(self.masked)
        return (
            self.restore(completions.generated, blend) if self.in_place else completions.images[0]
        )

    def pasted(self, completions: "Completions | None") -> np.ndarray:
        """Returns the image with the generated pixels in its hole, `[H, W, C]`, not blended."""
        from tf_inpaint.compositing import blending

        if completions is None:
            return self.masked
        if self.in_place:
            return self.restore(completions.generated, blending.paste)
        return np.where(self.known > 0, self.masked, images.to_uint8(completions.generated[0]))

    def samples(self, completions: "Completions | None", blend: Callable) -> Iterator[np.ndarray]:
        """Yields the sampled completions, float `[H, W, C]` in [-1, 1]; see `completion`."""
        for number in range(self.sample_count(completions)):
            sample = completions.samples[:, number]
            yield self.restore(sample, blend) if self.in_place else sample[0]

    def sample_count(self, completions: "Completions | None") -> int:
        """Returns the number of sampled completions."""
        return 0 if completions is None else completions.samples.shape[1]

    def has_uncertainty(self, completions: "Completions | None") -> bool:
        """Whether the uncertainty of the answers is known."""
        return completions is not None and bool(np.isfinite(completions.uncertainty).all())

    def uncertainty(self, completions: "Completions") -> np.ndarray:
        """Returns the uncertainty of each pixel, float32 `[H, W]`, for pixels in [-1, 1]."""
        from tf_inpaint.compositing import blending, large_images

        fields = completions.uncertainty
        if not self.in_place:
            return fields[0, ..., 0]
        zeros = np.zeros_like(self.known)
        field = large_images.restore(zeros, self.known, self.squares, fields, blending.paste)
        # The bicubic filter may go below 0.
        return np.maximum(field[..., 0], 0)

    def restore(self, generated: np.ndarray, blend: Callable) -> np.ndarray:
        """Returns the image that is completed in place, its holes filled from its squares.

        Args:
            generated: `[N, S, S, C]` in [-1, 1], pictures of the squares.
            blend: function of `blending`. Its widths are in pixels of the network's size.

        Returns:
            `[H, W, C]` float32 in [-1, 1].
        """
        from tf_inpaint.compositing import large_images

        scale = max((square.side for square in self.squares), default=1) / self.rows[0].shape[1]
        return large_images.restore(
            self.masked,
            self.known,
            self.squares,
            generated,
            scale_width(blend, scale),
            images.to_float,
        )


class ExampleMaker:
    """Makes the examples for the network of a run.

    Args:
        size: S, side of the network's images in pixels.
        channels: C, number of channels of the network's images.
        crop: side of the center square that the network sees; 0: the shorter side.
        framing: squares of an image that is completed in place, see `large_images.squares`.
        low_resolution_factor: side of the boxes whose averages are given; None: pixels are given.
        resize_masks: a mask of any size is cropped to its center square and resized to the
            network's size, so that no image is completed in place.

    Raises:
        ValueError: the boxes do not divide the image.
    """

    def __init__(
        self,
        size: int,
        channels: int,
        crop: int = 0,
        framing: str = "image",
        low_resolution_factor: int | None = None,
        resize_masks: bool = False,
    ):
        if low_resolution_factor and size % low_resolution_factor:
            raise ValueError(
                "--mask_scale must give boxes that divide the image; received boxes of "
                f"{low_resolution_factor} for {size} pixels; 0.5 gives boxes of 2 and 0.75 of 4."
            )
        self.size = size
        self.channels = channels
        self.crop = crop
        self.framing = framing
        self.low_resolution_factor = low_resolution_factor
        self.resize_masks = resize_masks
        self.logged: set[str] = set()

    def example(self, item: Input, known_of: KnownOf) -> Example:
        """Returns the example of an image, completed in place if the mask has the image's own size.

        Raises:
            ValueError, OSError: the image or its mask cannot be read, or the mask has another size.
        """
        # Read the image and its mask.
        picture = item.read()
        details = file_details.read(item.path) if item.path else FileDetails()
        size = (self.size, self.size)
        known = known_of(item, size)
        if self.resize_masks:
            from tf_inpaint.compositing import large_images

            known = large_images.reduced(images.center_crop(known), self.size)
        check_mask_size(known, picture, item.key, self.size)
        if known.shape[:2] != size:
            return self.in_place(item, picture, known)._replace(details=details)
        # Fit the image to the network.
        original = images.fit(picture, self.size, self.channels, self.crop)
        if picture.shape != original.shape:
            self.log_once(
                logging.INFO,
                "Images are cropped to a square, resized and made %s, as the run's are; %s is %s.",
                f"{size_text(original)} {color_text(original)}",
                item.key,
                f"{size_text(picture)} {color_text(picture)}",
            )
        example = at_network_size(item, original, known)
        if self.low_resolution_factor:
            averages = box_averages(original, self.low_resolution_factor)
            example = example._replace(masked=averages)
        return example._replace(details=details.fit(self.size, self.crop))

    def in_place(self, item: Input, picture: np.ndarray, known: np.ndarray) -> Example:
        """Returns the example of an image that keeps its size.

        Only the colors become those of the network.

        Args:
            item: the image.
            picture: its pixels, uint8 `[H, W, 1 or 3]`.
            known: `[H, W, 1]`, 1 = given, 0 = hole.
        """
        from tf_inpaint.compositing import large_images

        # Hide the hole, and cut out the squares.
        original = convert_channels(picture, self.channels)
        masked = np.where(known > 0, original, GRAY)
        squares = large_images.squares(known, self.size, self.framing, self.crop)
        crops, crops_known = large_images.crops(masked, known, squares, self.size, images.to_float)
        # Tell what the user may not expect.
        if original.shape != picture.shape:
            self.log_once(
                logging.INFO,
                "Images are made %s, as the run's are; %s is %s.",
                color_text(original),
                item.key,
                color_text(picture),
            )
        unguided = int((crops_known.max(axis=(1, 2, 3), initial=0) == 0).sum())
        if unguided:
            self.log_once(
                logging.WARNING,
                "At the network's size no known pixel is left in %d of the %d squares of %s, so "
                "that nothing guides the search%s.",
                unguided,
                len(squares),
                item.key,
                "; --framing=hole looks closer" if self.framing == "image" else "",
            )
        if self.framing == "image" and squares:
            outside = known <= 0
            squares[0].of(outside)[:] = False
            if outside.any():
                self.log_once(
                    logging.WARNING,
                    "The hole of %s reaches beyond the middle square. The network sees this square "
                    "alone, and the hole outside is filled with the border of the square; "
                    "--framing=hole looks around the holes.",
                    item.key,
                )
        levels = np.where(crops_known > 0, images.to_uint8(crops), GRAY)
        return Example(item, original, masked, known, squares, (levels, crops_known))

    def log_once(self, level: int, message: str, *values) -> None:
        """Logs a message unless the same message was logged before with any values."""
        if message not in self.logged:
            self.logged.add(message)
            log.log(level, message, *values)


def check_mask_size(known: np.ndarray, picture: np.ndarray, name: str, size: int) -> None:
    """Checks that a mask fits an image.

    Args:
        known: `[H, W, 1]`, the mask.
        picture: `[H, W, C]`, the image.
        name: name of the image in the error.
        size: side of the network's images in pixels.

    Raises:
        ValueError: the mask has neither the size of the image nor that of the network.
    """
    if known.shape[:2] not in ((size, size), picture.shape[:2]):
        raise ValueError(
            f"A mask must have its image's size or the network's, {size} x {size}; {name} is "
            f"{size_text(picture)} and its mask {size_text(known)}; resize the mask."
        )


def at_network_size(item: Input, original: np.ndarray, known: np.ndarray) -> Example:
    """Returns the example of an image that has the network's size, `[S, S, C]` uint8."""
    return Example(item, original, np.where(known > 0, original, GRAY), known)


def scale_width(blend: Callable, scale: float) -> Callable:
    """Returns the blend for pictures enlarged by `scale`: its width, if it has one, grows too."""
    width = inspect.signature(blend).parameters.get("width")
    return functools.partial(blend, width=scale * width.default) if width else blend


def convert_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """Returns the picture in gray (1 channel) or RGB (3 channels), as `images.fit` converts it."""
    if picture.shape[2] == channels:
        return picture
    levels = Image.fromarray(picture[..., 0] if channels == 3 else picture)
    converted = levels.convert("RGB" if channels == 3 else "L")
    return np.asarray(converted).reshape(*picture.shape[:2], channels)


def box_averages(picture: np.ndarray, factor: int) -> np.ndarray:
    """Returns the picture with every `factor` x `factor` box replaced by its mean."""
    height, width, channels = picture.shape
    boxes = picture.reshape(height // factor, factor, width // factor, factor, channels)
    means = np.rint(boxes.mean(axis=(1, 3), keepdims=True)).astype(np.uint8)
    return np.broadcast_to(means, boxes.shape).reshape(picture.shape)


def size_text(picture: np.ndarray) -> str:
    """Returns width x height, in the order in which viewers show them."""
    return f"{picture.shape[1]} x {picture.shape[0]}"


def color_text(picture: np.ndarray) -> str:
    """Returns "gray" or "RGB"."""
    return "gray" if picture.shape[2] == 1 else "RGB"
