"""sheet.png: the pictures of the first images side by side, one row per image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tf_inpaint.files import heat_maps, images
from tf_inpaint.inputs.masked_images import convert_channels

COLUMNS = ("original", "masked", "generated", "completed")
"""Names of the columns, before those of several samples."""
MAX_SAMPLES = 4
"""Maximum number of columns with samples."""
CELL_SIDE = 256
"""Side of a cell in pixels, if images are completed in place."""


def write_sheet(path: Path, out_dir: Path, completions: Sequence[str], in_place: bool) -> None:
    """Writes the sheet, unless no image has details.

    Args:
        path: path of the sheet, replaced if it exists.
        out_dir: folder of the job with the completions, and with the other pictures in `details/`.
        completions: names of the completions in their order. An image without details has no row.
        in_place: an image of the job may have any size.
    """
    # Find the pictures.
    folders = {name: out_dir / "details" / Path(name).stem for name in completions}
    columns = [*COLUMNS]
    for name in (*(f"sample_{number}" for number in range(MAX_SAMPLES)), "uncertainty"):
        if any((folder / f"{name}.png").exists() for folder in folders.values()):
            columns.append(name)
    # Bring them to one size, and to colors if the uncertainty needs them.
    has_uncertainty = "uncertainty" in columns
    cells = []
    for completion, folder in folders.items():
        if not folder.exists():
            continue
        paths = [folder / f"{name}.png" for name in columns]
        paths[columns.index("completed")] = out_dir / completion
        # An image whose pixels are all known has no samples.
        white = np.full_like(images.read(paths[0]), 255)
        channels = 3 if has_uncertainty else white.shape[2]
        for picture_path in paths:
            picture = images.read(picture_path) if picture_path.exists() else white
            picture = convert_channels(picture, channels)  # WebP has no gray.
            enlarged = (
                fit_cell(picture, CELL_SIDE) if in_place else images.enlarge(picture[None])[0]
            )
            cells.append(enlarged)
    if not cells:
        return
    captions = [name.replace("_", " ") for name in columns]
    sheet = images.grid(np.stack(cells), columns=len(columns), captions=captions)
    # Draw the scale of the colors below the last column.
    if has_uncertainty:
        scale = heat_maps.scale(cells[0].shape[1])
        left = sheet.shape[1] - scale.shape[1]
        scale = np.pad(scale, [(0, 0), (left, 0), (0, 0)], constant_values=255)
        sheet = np.concatenate([sheet, scale])
    images.write(path, sheet)


def fit_cell(picture: np.ndarray, side: int) -> np.ndarray:
    """Returns the picture in the middle of a white square.

    A larger picture is reduced. The pixels of a smaller picture are repeated.

    Args:
        picture: uint8 `[H, W, C]`.
        side: side of the square in pixels.
    """
    height, width, channels = picture.shape
    longest = max(height, width)
    if longest > side:
        size = [max(1, round(length * side / longest)) for length in (width, height)]
        levels = Image.fromarray(picture[..., 0] if channels == 1 else picture)
        resized = np.asarray(levels.resize(size, Image.Resampling.BICUBIC))
        picture = resized.reshape(*size[::-1], channels)
    else:
        picture = picture.repeat(side // longest, axis=0).repeat(side // longest, axis=1)
    margins = []
    for length in picture.shape[:2]:
        before = (side - length) // 2
        margins.append((before, side - length - before))
    return np.pad(picture, [*margins, (0, 0)], constant_values=255)
