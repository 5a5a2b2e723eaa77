"""Pictures that show by colors how uncertain each pixel of a hole is, and the scale of the colors.

This module needs only NumPy and Pillow.
"""

import numpy as np
from PIL import Image, ImageDraw

HEAT_COLORS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""RGB colors from certain to uncertain. The lightness rises evenly, so that the colors can be told
apart in gray too."""
SCALE_NUMBERS = (0, 0.05, 0.2, 0.5, 1)
"""Uncertainties that the scale names, for pixels from -1 (black) to 1 (white)."""
SCALE_UNIT = "pixels: -1 to 1"
"""Text below the numbers of the scale."""


def heat_map(
    picture: np.ndarray, hidden: np.ndarray, values: np.ndarray, largest: float
) -> np.ndarray:
    """Shows numbers in the hole by `HEAT_COLORS`, and the picture around it in pale gray.

    Args:
        picture: uint8 `[H, W, C]`.
        hidden: bool `[H, W]`.
        values: `[H, W]`, at least 0.
        largest: value of the brightest color. Larger values have the same color.

    Returns:
        uint8 `[H, W, 3]`.
    """
    gray = (picture.mean(axis=2) / 3 + 128).astype(np.uint8)
    result = gray[..., None].repeat(3, axis=2)
    result[hidden] = _colors(values[hidden], largest)
    return result


def _colors(values: np.ndarray, largest: float) -> np.ndarray:
    steps = np.linspace(0, largest, len(HEAT_COLORS))
    channels = [np.interp(values, steps, levels) for levels in np.transpose(HEAT_COLORS)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def uncertainty_map(picture: np.ndarray, hidden: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Shows the uncertainty in the hole by colors that mean the same in every picture.

    The position on the scale is the square root of the uncertainty. So the small uncertainties of
    photographs can be told apart, and the large ones of digits too. No standard deviation of
    numbers between -1 and 1 is above 1, the end of the scale.

    Args:
        picture: uint8 `[H, W, C]`.
        hidden: bool `[H, W]`.
        uncertainty: `[H, W]`, standard deviations of pixels in [-1, 1].

    Returns:
        uint8 `[H, W, 3]`.
    """
    return heat_map(picture, hidden, np.sqrt(uncertainty), 1)


def scale(width: int) -> np.ndarray:
    """Draws the colors of `uncertainty_map` from left to right, and their numbers below.

    Args:
        width: width in pixels. The texts need 90.

    Returns:
        uint8 `[44, width, 3]`.
    """
    picture = Image.new("RGB", (width, 44), "white")
    bar = _colors(np.linspace(0, 1, width), 1)[None].repeat(10, axis=0)
    picture.paste(Image.fromarray(bar), (0, 4))
    draw = ImageDraw.Draw(picture)
    for number in SCALE_NUMBERS:
        place = round((width - 1) * number**0.5)
        draw.line([(place, 14), (place, 16)], fill=0)
        # The first text begins at its place, and the last text ends there.
        anchor = {SCALE_NUMBERS[0]: "lm", SCALE_NUMBERS[-1]: "rm"}.get(number, "mm")
        draw.text((place, 23), f"{number:g}", fill=0, anchor=anchor, font_size=11)
    draw.text((width // 2, 35), SCALE_UNIT, fill=0, anchor="mm", font_size=12)
    return np.asarray(picture)
