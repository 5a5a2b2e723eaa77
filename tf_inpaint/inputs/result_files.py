"""Files of finished pictures, in the format that `--format` names and with the details of inputs.

A new file has the ICC profile, the EXIF data and the transparency of the file that it was made of.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.files import images
from tf_inpaint.files.atomic_writing import atomic
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.masked_images import convert_channels

FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "same": ""}
"""Formats of the files by the values of `--format`; "same" is the format of the input."""


class Form(NamedTuple):
    """A format of picture files, as Pillow writes it."""

    suffixes: tuple[str, ...]
    """Suffixes of the format. The first one is the default."""
    max_side: int
    """Maximum height and width in pixels."""
    has_alpha: bool
    """Whether pixels can be transparent."""
    max_exif_bytes: int
    """Maximum size of the EXIF data in bytes."""
    options: Mapping[str, Any]
    """Options for a file that was not compressed with a loss before."""


FORMS = {
    "PNG": Form((".png", ".apng"), 2**31 - 1, True, 2**31 - 1, {}),
    "JPEG": Form(
        (".jpg", ".jpeg", ".jpe", ".jfif"), 65_500, False, 65_533, {"quality": 95, "subsampling": 0}
    ),
    "WEBP": Form((".webp",), 16_383, True, 2**24, {"lossless": True, "exact": True}),
    "TIFF": Form((".tif", ".tiff"), 2**31 - 1, True, 2**24, {"compression": "tiff_lzw"}),
    "BMP": Form((".bmp", ".dib"), 2**31 - 1, False, 0, {}),
}
"""Formats that are written. A picture of another format, or above its limits, is written as PNG."""
LOSSY_WEBP = {"quality": 90}
"""Options for a WebP file whose input was compressed with a loss. Its quality is unknown."""

log = logging.getLogger("tf_inpaint")


class ResultWriter:
    """Writes finished pictures.

    Args:
        form: one of `FORMATS`.
        has_alpha: write the transparency of the inputs; False: every pixel becomes opaque.
    """

    def __init__(self, form: str = "png", has_alpha: bool = True):
        self.form = form
        self.has_alpha = has_alpha
        self.logged: set[str] = set()

    def write(
        self,
        folder: Path,
        stem: str,
        picture: np.ndarray,
        known: np.ndarray,
        details: FileDetails,
        png: bytes = b"",
    ) -> str:
        """Writes a picture.

        Args:
            folder: an existing folder.
            stem: name of the file without suffix. An existing file is replaced.
            picture: `[H, W, 1 or 3]`, uint8, or float in [-1, 1].
            known: `[H, W, 1]`, 1 where the picture is that of the input. These pixels get the
                colors that transparent pixels have in the input.
            details: details of the input, with alpha of the same size or None.
            png: PNG file of the picture, which is written if it needs no change; empty: none.

        Returns:
            the name of the file.
        """
        # Choose the format.
        levels = picture if picture.dtype == np.uint8 else images.to_uint8(picture)
        height, width, channels = levels.shape
        name, form = self.choose_form(details, max(height, width), stem)
        suffix = form.suffixes[0]
        if self.form == "same" and details.suffix.lower() in form.suffixes:
            suffix = details.suffix
        options = self.options(name, form, details, stem)
        # Add what the input has beside its pixels.
        profile, exif = details.profile_for(channels), details.exif_for(width, height)
        if profile:
            options["icc_profile"] = profile
        if exif and len(exif) <= form.max_exif_bytes:
            options["exif"] = exif
            # With a compression, libtiff writes the file, and Pillow's tags for it fail.
            options.pop("compression", None)
        if details.alpha is not None and self.has_alpha:
            if form.has_alpha:
                levels = with_alpha(levels, known, details)
            else:
                self.warn_once(
                    f"{name} files have no transparency: transparent pixels, such as those of %s, "
                    "are laid over white.",
                    stem,
                )
        # Write the file.
        with atomic(folder / f"{stem}{suffix}") as temporary:
            if png and name == "PNG" and levels.shape[2] == channels and not options:
                temporary.write_bytes(png)
            else:
                images.to_image(levels).save(temporary, format=name, **options)
        return f"{stem}{suffix}"

    def choose_form(self, details: FileDetails, side: int, stem: str) -> tuple[str, Form]:
        """Returns the format of a file. PNG stands in for a format that cannot hold the picture."""
        name = FORMATS[self.form] or details.format
        form = FORMS.get(name)
        if form and side <= form.max_side:
            return name, form
        limit = f" with a side above {form.max_side:,} pixels" if form else ""
        self.warn_once(f"PNG files are written instead of {name} files{limit}, such as %s.", stem)
        return "PNG", FORMS["PNG"]

    def options(self, name: str, form: Form, details: FileDetails, stem: str) -> dict[str, Any]:
        """Returns the options for Pillow, and warns if they change known pixels."""
        options = dict(form.options)
        if name == "JPEG":
            options = dict(details.jpeg_quality or options)
        elif name == "WEBP" and details.is_lossy:
            options = dict(LOSSY_WEBP)
        else:
            return options
        self.warn_once(
            f"{name} files are compressed with a loss, which changes known pixels a little, such "
            "as those of %s; --format=png keeps them bit for bit.",
            stem,
        )
        return options

    def warn_once(self, message: str, stem: str) -> None:
        """Logs a warning unless the same message was logged before with any name."""
        if message not in self.logged:
            self.logged.add(message)
            log.warning(message, stem)


def with_alpha(levels: np.ndarray, known: np.ndarray, details: FileDetails) -> np.ndarray:
    """Returns a picture with the transparency of its input.

    Over white, the result looks as the picture does, as far as its transparency allows it. Known
    pixels have the colors of the input.

    Args:
        levels: uint8 `[H, W, C]`, the picture over white.
        known: `[H, W, 1]`, 1 = the pixel is that of the input.
        details: details of the input with alpha.

    Returns:
        uint8 `[H, W, C + 1]`.
    """
    alpha = details.alpha.astype(np.float32)
    missing = 255 - levels.astype(np.float32)
    colors = np.where(alpha > 0, 255 - missing * 255 / np.maximum(alpha, 1), levels)
    straight = np.rint(colors.clip(0, 255)).astype(np.uint8)
    if details.colors is not None:
        straight = np.where(known > 0, convert_channels(details.colors, levels.shape[2]), straight)
    return np.concatenate([straight, details.alpha], axis=2)
