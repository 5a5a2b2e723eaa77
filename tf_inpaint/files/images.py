"""Functions for pictures as NumPy arrays: value ranges, reading, writing, grids and animations.

On disk and in a data set a picture is uint8 [H, W, C]. The networks see float32 in [-1, 1], the
range of the generator's tanh. C is 1 (gray) or 3 (RGB). This module needs only NumPy and Pillow.
"""

import os
import stat
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from tf_inpaint.files.atomic_writing import atomic
from tf_inpaint.files.url_contents import readable

MAX_PIXELS = 100_000_000
"""Maximum number of pixels in a picture that `read` accepts."""
STRIP_PIXELS = 1_000_000
"""Number of pixels of the strips in which large pictures are converted, so that the intermediate
results of the conversion stay small."""
# Without this list, Pillow would also try EPS, and would run Ghostscript on an untrusted file.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")


def to_float(pictures: np.ndarray) -> np.ndarray:
    """Converts levels 0..255 to the range of the networks: `x / 127.5 - 1`.

    Args:
        pictures: uint8, any shape.

    Returns:
        float32 of the same shape in [-1, 1]. `to_uint8` restores the levels exactly.
    """
    values = pictures.astype(np.float32)
    # In place, for a picture may be large.
    values /= np.float32(127.5)
    values -= np.float32(1)
    return values


def to_uint8(pictures: np.ndarray) -> np.ndarray:
    """Converts the range of the networks to levels 0..255.

    Rounds and clips. NaN becomes 0 (black).

    Args:
        pictures: float, any shape, nominally in [-1, 1].

    Returns:
        uint8 of the same shape.
    """
    values = np.asarray(pictures, np.float32)
    levels = np.empty(values.shape, np.uint8)
    flat_values, flat_levels = values.reshape(-1), levels.reshape(-1)
    for first in range(0, values.size, STRIP_PIXELS):
        strip = slice(first, first + STRIP_PIXELS)
        rounded = np.rint((flat_values[strip] + 1) * 127.5)
        flat_levels[strip] = np.nan_to_num(rounded, nan=0.0).clip(0, 255)
    return levels


def read(
    file: str | os.PathLike | BinaryIO,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    over_white: bool = True,
) -> np.ndarray:
    """Reads the picture in a file, as an image viewer shows it.

    Takes the first frame of an animation. Applies the EXIF orientation. Lays transparent pixels
    over white. Scales 16 bits per channel to 8. Converts CMYK and palettes to RGB. Floats (in TIFF)
    must lie in [0, 1].

    Args:
        file: path of a regular JPEG, PNG, BMP, GIF, TIFF or WebP file, on this machine or of a
            URL, or such a file opened in binary mode.
        name: name of the file in error messages. Default: the path.
        max_pixels: maximum number of pixels, which is checked before the pixels are decoded. More
            than `MAX_PIXELS` are never read.
        over_white: lay transparent pixels over white; False: take their colors as if they were
            opaque.

    Returns:
        uint8 [H, W, 1] for a gray picture, [H, W, 3] for a color picture.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is empty, truncated, too large or not a picture, or a pipe or device.
    """
    name = name or str(file)
    file = readable(file)
    remedy = "replace or remove it"
    try:
        is_path = isinstance(file, str | os.PathLike)
        # Reading a pipe or a device may never end.
        if is_path and not os.path.isdir(file) and not stat.S_ISREG(os.stat(file).st_mode):
            raise OSError("a pipe, a socket or a device is no regular file")
        with Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > min(max_pixels, MAX_PIXELS):
                raise Image.DecompressionBombError
            ImageOps.exif_transpose(picture, in_place=True)  # By default it makes a copy.
            pixels = _convert(picture, lambda strip: np.asarray(_gray_or_rgb(strip, over_white)))
    except FileNotFoundError:
        missing = "leads nowhere" if is_path and os.path.islink(file) else "does not exist"
        raise FileNotFoundError(
            f"An image file is required; {name} {missing}; check the path."
        ) from None
    except UnidentifiedImageError:
        reason = f"is empty or none of {', '.join(FORMATS)}"
    # Pillow raises the same error at its own limit.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"claims more than {min(max_pixels, MAX_PIXELS):,} pixels"
        if max_pixels < MAX_PIXELS:
            remedy = "make it smaller, or raise --max_pixels"
    # A damaged file makes Pillow raise nearly any exception: struct.error, KeyError, ...
    except Exception as error:
        reason = f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"
    else:
        return pixels if pixels.ndim == 3 else pixels[..., None]
    raise ValueError(f"A readable picture is required; {name} {reason}; {remedy}.")


def _convert(picture: Image.Image, to_array: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Applies a function of single pixels to a picture, strip by strip."""
    rows = max(1, STRIP_PIXELS // picture.width)
    result: np.ndarray | None = None
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        strip = to_array(picture.crop((0, top, picture.width, bottom)))
        if result is None:
            result = np.empty((picture.height, *strip.shape[1:]), strip.dtype)
        result[top:bottom] = strip
    assert result is not None  # Pillow opens no picture without a row.
    return result


def read_alpha(file: str | os.PathLike) -> np.ndarray | None:
    """Reads the transparency of a picture, turned as by `read`.

    Args:
        file: path of a file that `read` can read.

    Returns:
        uint8 `[H, W, 1]`, 0 = transparent, 255 = opaque; None: the file has no transparency.
    """
    with Image.open(readable(file), formats=FORMATS) as picture:
        if not _has_alpha(picture):
            return None
        ImageOps.exif_transpose(picture, in_place=True)
        return _convert(picture, lambda s: np.asarray(s.convert("RGBA").getchannel("A")))[..., None]


def _has_alpha(picture: Image.Image) -> bool:
    # Pillow does not convert 16-bit pictures, and `read` ignores their transparency.
    return picture.has_transparency_data and not picture.mode.startswith("I")


def has_one_color_and_transparency(file: str | os.PathLike) -> bool:
    """Whether all pixels of a picture have the same color, but some are transparent.

    Such a picture shows a shape by its transparency alone.

    Args:
        file: path of a file that `read` can read.
    """
    with Image.open(readable(file), formats=FORMATS) as picture:
        if not _has_alpha(picture):
            return False
        levels = _convert(picture, lambda strip: np.asarray(strip.convert("RGBA")))
    # The bounds of each channel. A comparison with the first color would take as much memory again.
    low, high = levels.min(axis=(0, 1)), levels.max(axis=(0, 1))
    return bool(low[3] < 255 and (low[:3] == high[:3]).all())


def _gray_or_rgb(picture: Image.Image, over_white: bool) -> Image.Image:
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        # Pillow's conversion would clip at 255 instead of scaling.
        values = np.asarray(picture, np.float64)
        maximum = 1 if mode == "F" else 65535
        if not (values.min() >= 0 and values.max() <= maximum):
            raise ValueError(f"its {mode} values lie outside 0 to {maximum}")
        return Image.fromarray(np.rint(values * (255 / maximum)).astype(np.uint8))
    target = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if over_white:
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert(target)


def fit(picture: np.ndarray, image_size: int, channels: int, crop: int = 0) -> np.ndarray:
    """Fits a picture to the networks of a run: center square, size, and gray or RGB.

    Resizes with Pillow's bicubic filter. The support of this filter grows with the reduction, so
    the result has no aliasing, and it rings less around strokes than Lanczos. Gray is the luma of
    ITU-R 601. A picture that already has the requested shape is returned unchanged.

    Args:
        picture: uint8 [H, W, 1 or 3].
        image_size: side of the result in pixels.
        channels: 1 or 3.
        crop: side of the center square in pixels. 0, or a larger value than the shorter side: the
            shorter side.

    Returns:
        uint8 [image_size, image_size, channels].
    """
    square = center_crop(picture, crop)
    if square.shape == (image_size, image_size, channels):
        # A view would keep the whole picture in memory.
        return square if square.size == picture.size else square.copy()
    # Pillow resizes rows, then columns, and rounds to levels in between. So the rows of a strip can
    # be resized alone, and only a strip is copied.
    side = len(square)
    rows = max(1, STRIP_PIXELS // side)
    strips = [
        np.asarray(_resize(to_image(square[top : top + rows]), image_size, min(rows, side - top)))
        for top in range(0, side, rows)
    ]
    resized = _resize(Image.fromarray(np.concatenate(strips)), image_size, image_size)
    return np.asarray(resized.convert("L" if channels == 1 else "RGB")).reshape(
        image_size, image_size, channels
    )


def _resize(picture: Image.Image, width: int, height: int) -> Image.Image:
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def center_crop(picture: np.ndarray, crop: int = 0) -> np.ndarray:
    """Returns the center square of a picture, as a view.

    Args:
        picture: [H, W, C].
        crop: side of the square in pixels. 0, or a larger value than the shorter side: the shorter
            side.

    Returns:
        [side, side, C].
    """
    height, width = picture.shape[:2]
    side = min(crop or height, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def resize(field: np.ndarray, size: int) -> np.ndarray:
    """Resizes a field of floats with the filter of `fit`, without rounding.

    Args:
        field: float [H, W, 1].
        size: side of the result in pixels.

    Returns:
        float32 [size, size, 1].
    """
    picture = Image.fromarray(field[..., 0].astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))[..., None]


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes one picture as PNG.

    Args:
        path: path of the PNG file. An existing file is replaced.
        picture: [H, W, 1 or 3], uint8, or float in [-1, 1].
    """
    with atomic(path) as temporary:
        to_image(picture).save(temporary, format="PNG")


def animate(
    path: str | os.PathLike,
    frames: Sequence[np.ndarray],
    seconds_per_frame: float,
    last_frame_seconds: float = 2.0,
) -> None:
    """Writes an animation that repeats forever and shows its last frame longer than the others.

    Args:
        path: path of the file. An existing file is replaced. The suffix `.webp` gives lossless WebP
            with all colors, any other suffix gives GIF.
        frames: at least one frame, each [H, W, 1 or 3], uint8, or float in [-1, 1].
        seconds_per_frame: duration of a frame. GIF rounds it to hundredths of a second.
        last_frame_seconds: duration of the last frame, if longer than `seconds_per_frame`.

    Raises:
        ValueError: `frames` is empty.
    """
    if len(frames) == 0:
        raise ValueError("An animation needs at least one frame; received none; record some.")
    milliseconds = [round(1000 * seconds_per_frame)] * len(frames)
    milliseconds[-1] = round(1000 * max(last_frame_seconds, seconds_per_frame))
    first, *others = map(to_image, frames)
    settings: dict = {"format": "GIF"}
    if os.path.splitext(str(path))[1].lower() == ".webp":
        settings = {"format": "WEBP", "lossless": True, "method": 2}
    with atomic(path) as temporary:
        first.save(
            temporary,
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            **settings,
        )


def render_text(text: str, height: int, width: int, channels: int) -> np.ndarray:
    """Draws a text in the middle of a picture, black on white: uint8 [height, width, channels]."""
    picture = Image.new("L", (width, height), 255)
    middle = (width // 2, height // 2)
    ImageDraw.Draw(picture).text(middle, text, fill=0, anchor="mm", font_size=13, align="center")
    return np.repeat(np.asarray(picture)[..., None], channels, axis=2)


def enlarge(pictures: np.ndarray, min_height: int = 96) -> np.ndarray:
    """Enlarges pictures by a whole factor, by repeating pixels, so that small pictures can be seen.

    Args:
        pictures: [N, H, W, C].
        min_height: minimum height of the results in pixels. The factor is the smallest possible
            one.

    Returns:
        [N, factor * H, factor * W, C].
    """
    factor = max(1, -(-min_height // pictures.shape[1]))
    return pictures.repeat(factor, axis=1).repeat(factor, axis=2)


def grid(
    pictures: np.ndarray, columns: int, gap: int = 2, captions: Sequence[str] = ()
) -> np.ndarray:
    """Puts pictures side by side, row by row, with white gaps. Cells without a picture are white.

    Args:
        pictures: [N, H, W, C], uint8, or float in [-1, 1].
        columns: number of pictures in a row.
        gap: number of pixels between two pictures.
        captions: texts to draw above the columns, black on white. A caption may have several lines.

    Returns:
        uint8 [rows * H + (rows - 1) * gap, columns * W + (columns - 1) * gap, C], with a strip for
        the captions above, if there are any.
    """
    number, height, width, channels = pictures.shape
    rows = -(-number // columns)

    # Place the pictures.
    cells = np.full((rows * columns, height + gap, width + gap, channels), 255, np.uint8)
    cells[:number, :height, :width] = _levels(pictures)
    cells = cells.reshape(rows, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    sheet = cells.reshape(rows * (height + gap), columns * (width + gap), channels)
    sheet = sheet[: sheet.shape[0] - gap, : sheet.shape[1] - gap]
    if not captions:
        return sheet

    # Draw the captions.
    lines = 1 + max(caption.count("\n") for caption in captions)
    header = Image.new("L", (sheet.shape[1], 18 * lines), 255)
    for column, caption in enumerate(captions):
        middle = (column * (width + gap) + width // 2, 9 * lines)
        ImageDraw.Draw(header).text(
            middle, caption, fill=0, anchor="mm", font_size=13, align="center"
        )
    return np.concatenate([np.repeat(np.asarray(header)[..., None], channels, axis=2), sheet])


def _levels(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    return pictures if pictures.dtype == np.uint8 else to_uint8(pictures)


def to_image(picture: np.ndarray) -> Image.Image:
    """Converts a picture for Pillow.

    Args:
        picture: [H, W, 1 to 4], uint8, or float in [-1, 1]. 2 and 4 channels are gray and RGB with
            transparency.
    """
    levels = _levels(picture)
    # Pillow does not accept [H, W, 1].
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
