"""Pictures as NumPy arrays: value range, reading, writing, grids and animation. NumPy and Pillow only.

On disk and in a data set a picture is uint8 [H, W, C]; the networks see float32 in [-1, 1], the range of
the generator's tanh. C is 1 (gray) or 3 (RGB).
"""

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# Named, because Pillow would also try EPS, which starts Ghostscript on a file nobody vouches for.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")


def to_float(pictures: np.ndarray) -> np.ndarray:
    """Levels 0..255 as the networks' range: `x / 127.5 - 1`.

    Args:
        pictures: uint8, any shape.

    Returns:
        float32 of the same shape in [-1, 1]; `to_uint8` gives the same levels back.
    """
    return pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(pictures: np.ndarray) -> np.ndarray:
    """The networks' range as levels 0..255: rounded, clipped; NaN becomes 0 (black).

    Args:
        pictures: float, any shape, nominally in [-1, 1].

    Returns:
        uint8 of the same shape.
    """
    levels = np.rint((np.asarray(pictures, np.float32) + 1) * 127.5)
    return np.nan_to_num(levels, nan=0.0).clip(0, 255).astype(np.uint8)


def read(file: str | os.PathLike | BinaryIO, name: str | None = None) -> np.ndarray:
    """The picture in a file, as a viewer shows it.

    The first frame of an animation; turned as its EXIF orientation says; transparency over white; 16 bits a
    channel scaled to 8; CMYK and palettes as RGB. Floats (in TIFF) must lie in [0, 1].

    Args:
        file: path of, or open, JPEG, PNG, BMP, GIF, TIFF or WebP file of at most `MAX_PIXELS` pixels.
        name: what errors call it; its path if not given.

    Returns:
        uint8 [H, W, 1] for grays, [H, W, 3] for colours.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, truncated, too large or no picture.
    """
    name = name or str(file)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            pixels = np.asarray(_gray_or_rgb(ImageOps.exif_transpose(picture)))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"An image file is required; {name} does not exist; check the path."
        ) from None
    except UnidentifiedImageError:
        reason = f"is empty or none of {', '.join(FORMATS)}"
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):  # Pillow has a limit of its own
        reason = f"claims more than {MAX_PIXELS:,} pixels"
    except (
        Exception
    ) as error:  # a damaged file makes Pillow raise nearly anything: struct.error, KeyError, ...
        reason = f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"
    else:
        return pixels if pixels.ndim == 3 else pixels[..., None]
    raise ValueError(f"A readable picture is required; {name} {reason}; replace or remove it.")


def _gray_or_rgb(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        # Pillow's own conversion clips at 255 instead of scaling.
        levels, top = np.asarray(picture, np.float64), 1 if mode == "F" else 65535
        if not (levels.min() >= 0 and levels.max() <= top):
            raise ValueError(f"its {mode} values lie outside 0 to {top}")
        return Image.fromarray(np.rint(levels * (255 / top)).astype(np.uint8))
    target = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return picture.convert(target)


def fit(picture: np.ndarray, image_size: int, channels: int, crop: int = 0) -> np.ndarray:
    """The picture as a run wants it: centre-cropped to a square, resized, gray or RGB.

    Resized by Pillow's bicubic filter, whose support grows with the reduction (so it does not alias) and
    which rings less around strokes than Lanczos. Gray is the luma of ITU-R 601. A picture that already has
    the wanted shape comes back unchanged.

    Args:
        picture: uint8 [H, W, 1 or 3].
        image_size: side of the result in pixels.
        channels: 1 or 3.
        crop: side of the centre square that is kept; 0, or more than the shorter side: the shorter side.

    Returns:
        uint8 [image_size, image_size, channels].
    """
    square = centre(picture, crop)
    if square.shape == (image_size, image_size, channels):
        return (
            square if square.size == picture.size else square.copy()
        )  # a view keeps the whole in memory
    resized = _image(square).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(resized.convert("L" if channels == 1 else "RGB")).reshape(
        image_size, image_size, channels
    )


def centre(picture: np.ndarray, crop: int = 0) -> np.ndarray:
    """The middle square of an array [H, W, C]; its side is `crop`, at most and if 0 the shorter side."""
    height, width = picture.shape[:2]
    side = min(crop or height, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def resize(field: np.ndarray, size: int) -> np.ndarray:
    """A float32 [H, W, 1] field as `fit` resizes a picture, without rounding: [size, size, 1]."""
    picture = Image.fromarray(field[..., 0].astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))[..., None]


def list_files(folder: str | os.PathLike) -> list[str]:
    """The image files in a folder and the folders in it, by extension (`EXTENSIONS`, in either case).

    Hidden files and folders are left out, and so are folders behind symbolic links (they can run in circles).

    Returns:
        paths relative to `folder`, with `/`, sorted: the same list on every machine.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: the folder, or one in it, cannot be listed.
    """
    if not os.path.isdir(folder):
        kind = NotADirectoryError if os.path.exists(folder) else FileNotFoundError
        raise kind(f"A folder of images is required; {folder} is not a folder; check the path.")

    def refuse(error: OSError) -> None:
        raise error  # os.walk would leave the folder out without a word

    found = []
    for parent, folders, names in os.walk(os.fspath(folder), onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = os.path.relpath(parent, folder).replace(os.sep, "/") + "/"
        prefix = "" if prefix == "./" else prefix
        found += [
            prefix + name for name in names if name.lower().endswith(EXTENSIONS) and name[0] != "."
        ]
    return sorted(found)


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix, renamed to it on success and removed on failure.

    Whoever reads `path` sees the old file or the new one, never half of one.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes one picture as PNG.

    Args:
        path: where to; replaced if it exists.
        picture: [H, W, 1 or 3], uint8, or float in [-1, 1].
    """
    with atomic(path) as temporary:
        _image(picture).save(temporary, format="PNG")


def animate(
    path: str | os.PathLike,
    frames: Sequence[np.ndarray],
    seconds_per_frame: float,
    rest: float = 2.0,
) -> None:
    """Writes an animation that loops for ever and rests on its last frame.

    Args:
        path: where to; replaced if it exists. `.webp`: lossless WebP, with all colours; any other suffix: GIF.
        frames: at least one, each [H, W, 1 or 3], uint8, or float in [-1, 1].
        seconds_per_frame: GIF counts in hundredths.
        rest: seconds that the last frame stays, if more than the others.

    Raises:
        ValueError: there are no frames.
    """
    if len(frames) == 0:
        raise ValueError("An animation needs at least one frame; received none; record some.")
    durations = [round(1000 * seconds_per_frame)] * (len(frames) - 1) + [
        round(1000 * max(rest, seconds_per_frame))
    ]
    first, *others = map(_image, frames)
    settings: dict = {"format": "GIF"}
    if Path(path).suffix.lower() == ".webp":
        settings = {"format": "WEBP", "lossless": True, "method": 2}
    with atomic(path) as temporary:
        first.save(
            temporary, save_all=True, append_images=others, duration=durations, loop=0, **settings
        )


def words(text: str, height: int, width: int, channels: int) -> np.ndarray:
    """A text as a picture, black on white, in the middle: uint8 [height, width, channels]."""
    picture = Image.new("L", (width, height), 255)
    place = (width // 2, height // 2)
    ImageDraw.Draw(picture).text(place, text, fill=0, anchor="mm", font_size=13, align="center")
    return np.repeat(np.asarray(picture)[..., None], channels, axis=2)


def enlarge(pictures: np.ndarray, least: int = 96) -> np.ndarray:
    """Pictures [N, H, W, C], each pixel repeated, at least `least` pixels high: for looking at."""
    times = max(1, -(-least // pictures.shape[1]))
    return pictures.repeat(times, axis=1).repeat(times, axis=2)


def grid(
    pictures: np.ndarray, columns: int, gap: int = 2, captions: Sequence[str] = ()
) -> np.ndarray:
    """Pictures side by side, row by row, with white gaps; the cells that remain are white.

    Args:
        pictures: [N, H, W, C], uint8, or float in [-1, 1].
        columns: pictures in a row.
        gap: pixels between neighbours.
        captions: written above the columns, black on white, in as many lines as they have.

    Returns:
        uint8 [rows * H + (rows - 1) * gap, columns * W + (columns - 1) * gap, C], and above it the captions.
    """
    number, height, width, channels = pictures.shape
    rows = -(-number // columns)
    cells = np.full((rows * columns, height + gap, width + gap, channels), 255, np.uint8)
    cells[:number, :height, :width] = _levels(pictures)
    cells = cells.reshape(rows, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    sheet = cells.reshape(rows * (height + gap), columns * (width + gap), channels)
    sheet = sheet[: sheet.shape[0] - gap, : sheet.shape[1] - gap]
    if not captions:
        return sheet
    lines = 1 + max(caption.count("\n") for caption in captions)
    header = Image.new("L", (sheet.shape[1], 18 * lines), 255)
    for column, caption in enumerate(captions):
        place = (column * (width + gap) + width // 2, 9 * lines)
        ImageDraw.Draw(header).text(
            place, caption, fill=0, anchor="mm", font_size=13, align="center"
        )
    return np.concatenate([np.repeat(np.asarray(header)[..., None], channels, axis=2), sheet])


def _levels(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    return pictures if pictures.dtype == np.uint8 else to_uint8(pictures)


def _image(picture: np.ndarray) -> Image.Image:
    levels = _levels(picture)
    return Image.fromarray(
        levels[..., 0] if levels.shape[-1] == 1 else levels
    )  # Pillow has no [H, W, 1]
