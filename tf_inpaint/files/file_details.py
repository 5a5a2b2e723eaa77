"""What a picture file has beside the pixels that `images.read` returns, for files made from it."""

import io
import logging
import os
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import get_sampling

from tf_inpaint.files import images

STORAGE_TAGS = frozenset(
    (*range(254, 270), 273, 274, *range(277, 282), 284, *range(288, 294), 301, *range(317, 348))
    + (*range(512, 533), 700, 33723, 34377, 34675)
)
"""Tags that say how a TIFF file stores its pixels, and the orientation. A new file has its own."""
PROFILE_COLORS = {b"GRAY": 1, b"RGB ": 3}
"""Number of channels by the color space in the header of an ICC profile."""

log = logging.getLogger("tf_inpaint")


class FileDetails(NamedTuple):
    """What a picture file has beside its pixels over white. The defaults: no file."""

    format: str = "PNG"
    """Format of the file, one of `images.FORMATS`."""
    suffix: str = ".png"
    """Suffix of the file's name, as it is spelled."""
    is_lossy: bool = False
    """Whether the file was compressed with a loss."""
    jpeg_quality: dict[str, Any] = {}
    """Quality of a JPEG file, as options of Pillow; empty: another format."""
    profile: bytes = b""
    """ICC profile; empty: none."""
    exif: bytes = b""
    """EXIF data without orientation and thumbnail, for the thumbnail shows what is hidden; empty:
    none."""
    alpha: np.ndarray | None = None
    """uint8 `[H, W, 1]`, 255 = opaque; None: every pixel is opaque."""
    colors: np.ndarray | None = None
    """uint8 `[H, W, 1 or 3]`, the colors of the pixels without their transparency; None: every
    pixel is opaque, or the colors are unknown."""

    def fit(self, image_size: int, crop: int) -> Self:
        """Returns the details of a picture that `images.fit` fits to the networks of a run."""
        if self.alpha is None:
            return self
        alpha = images.fit(self.alpha, image_size, 1, crop)
        if alpha.shape == images.center_crop(self.alpha, crop).shape == self.alpha.shape:
            return self
        # The colors of transparent pixels would bleed into the others.
        return self._replace(alpha=alpha, colors=None)

    def profile_for(self, channels: int) -> bytes:
        """Returns the ICC profile if it is for pictures with this number of channels."""
        return self.profile if PROFILE_COLORS.get(self.profile[16:20]) == channels else b""

    def exif_for(self, width: int, height: int) -> bytes:
        """Returns the EXIF data for a picture of another size."""
        if not self.exif:
            return b""
        exif = Image.Exif()
        exif.load(self.exif)
        sides = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
        if ExifTags.IFD.Exif in exif:
            camera = exif.get_ifd(ExifTags.IFD.Exif)
            camera.update({tag: side for tag, side in sides.items() if tag in camera})
        return exif.tobytes()


def read(path: str | os.PathLike) -> FileDetails:
    """Reads the details of a file.

    Args:
        path: path of a file that `images.read` can read.
    """
    with Image.open(images.readable(path), formats=images.FORMATS) as picture:
        # Pillow calls a JPEG file with further pictures, as phones write it, an MPO file.
        form = "JPEG" if picture.format == "MPO" else picture.format
        quality: dict[str, Any] = {}
        if form == "JPEG":
            quality = {"qtables": picture.quantization, "subsampling": get_sampling(picture)}
        details = FileDetails(
            format=form,
            suffix=os.path.splitext(str(path))[1],
            is_lossy=form == "JPEG" or (form == "WEBP" and is_lossy_webp(path)),
            jpeg_quality=quality,
            profile=picture.info.get("icc_profile") or b"",
            exif=read_exif(picture, path),
        )
    alpha = images.read_alpha(path)
    if alpha is None or alpha.min() == 255:
        return details
    return details._replace(alpha=alpha, colors=images.read(path, over_white=False))


def read_exif(picture: Image.Image, path: str | os.PathLike) -> bytes:
    """Returns the EXIF data of an open picture, or nothing if the data are damaged."""
    try:
        exif = Image.Exif()
        exif.load(picture.getexif().tobytes())
        for tag in STORAGE_TAGS.intersection(exif):
            del exif[tag]
        return exif.tobytes() if len(exif) else b""
    except Exception as error:  # Damaged data make Pillow raise nearly any exception.
        log.warning("The EXIF data of %s are damaged and left out: %s", path, error)
        return b""


def is_lossy_webp(path: str | os.PathLike) -> bool:
    """Whether the first picture of a WebP file was compressed with a loss."""
    source = images.readable(path)
    with source if isinstance(source, io.BytesIO) else open(path, "rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = header[:4], int.from_bytes(header[4:], "little")
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8 "
            # The pictures of an animation lie inside of a chunk with 16 bytes before them.
            file.seek(16 if name == b"ANMF" else size + size % 2, os.SEEK_CUR)
    return True
