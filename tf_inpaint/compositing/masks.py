"""Masks: `known`, float32 `[H, W, 1]`, is 1 where the pixel is given and 0 in the hole.

Only NumPy is used, so that a client without TensorFlow makes the same masks. A mask is a pure
function of its name, size, scale and seed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

STRIP_PIXELS = 1_000_000
"""Number of pixels of the strips in which a mask picture is read."""
MAX_GRAY_SHARE = 0.05
"""Maximum share of gray in the picture of a mask, see `gray_blocks`."""
TOO_GRAY = (
    "A mask must have levels near 0 and near 255; more than "
    f"{MAX_GRAY_SHARE:.0%} of the levels of {{}} lie from 64 to 191; make it black and white."
)
"""Error sentence with a place for the name of the mask."""
ONE_FOR_WHITE = (
    "A mask must have levels near 0 and near 255; the highest level of {} is 1; write 255 instead."
)
"""Error sentence with a place for the name of the mask."""
HOLE_IN_ALPHA = (
    "A mask must show its hole in black on white; {} has a single color, and its hole seems to be "
    "in its transparency; export the transparency as a black and white picture without an alpha "
    "channel."
)
"""Error sentence with a place for the name of the mask."""

Seed = int | tuple[int, ...]
Hole = Callable[[int, int, float, np.random.Generator], np.ndarray]
"""`hole(height, width, scale, random)` gives a bool `[H, W]`, True in the hole."""


def make(name: str, height: int, width: int, seed: Seed, scale: float | None = None) -> np.ndarray:
    """Makes the mask called `name`.

    | name | the hole | scale (default) |
    |---|---|---|
    | center, box | a rectangle, in the middle or anywhere | side / side of the image (0.5) |
    | left, right, top, bottom | that part of the image | width of the part (0.5) |
    | random | single pixels | share of the pixels (0.8) |
    | pattern | smooth blobs (Pathak et al. 2016) | share of the pixels (0.25) |
    | strokes | free-form brush strokes (Yu et al. 2019) | share of the pixels (0.25) |
    | grid | all but every n-th pixel of a row and a column | n = 1 / (1 - scale) (0.75) |
    | lowres | everything; the averages of n x n boxes are known | n = 1 / (1 - scale) (0.75) |
    | full | nothing: all pixels are known | not used |
    | empty | everything: no pixel is known | not used |

    Every mask but full, empty and lowres has at least one known pixel and one hidden pixel.

    Args:
        name: one of `NAMES`.
        height, width: in pixels, at least 2.
        seed: one or more ints, at least 0, for example one for the run and one for the image.
        scale: size of the hole, in (0, 1). None: the default of the mask.

    Returns:
        `known`, `[height, width, 1]` float32.

    Raises:
        ValueError: the name is unknown, the scale is outside (0, 1), or a side is below 2 pixels.
    """
    if name not in NAMES:
        raise ValueError(
            f"A mask must be one of {', '.join(NAMES)}; received {name!r}; choose one of these."
        )
    if min(height, width) < 2:
        raise ValueError(
            f"A mask must have height and width of at least 2; received {height} x {width}; "
            "use a larger image."
        )
    hole, default = NAMES[name]
    hidden = hole(
        height, width, _check(default if scale is None else scale), np.random.default_rng(seed)
    )
    return np.where(hidden, 0, 1).astype(np.float32)[:, :, None]


def low_resolution_factor(scale: float | None = None) -> int:
    """The side of the boxes of the mask `lowres`: n = 1 / (1 - scale), rounded, at least 2.

    Args:
        scale: in (0, 1), such as 0.75 for 4. None: the default of `lowres`.

    Raises:
        ValueError: the scale is outside (0, 1).
    """
    return _spacing(_check(NAMES["lowres"][1] if scale is None else scale))


def from_picture(
    picture: np.ndarray, invert: bool = False, name: str = "the picture"
) -> np.ndarray:
    """The mask that a picture shows. White, a luma (ITU-R 601) of 128 or more, is known.

    Args:
        picture: uint8 `[H, W, 1]` or `[H, W, 3]`.
        invert: white is the hole instead, as in many other tools.
        name: name of the picture in error sentences.

    Returns:
        `known`, `[H, W, 1]` float32.

    Raises:
        ValueError: the picture has another shape or dtype, or is not black and white.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise ValueError(
            "A mask picture must be uint8 [H, W, 1] or [H, W, 3]; "
            f"received {picture.dtype} {list(picture.shape)}; convert it first."
        )
    # Strip by strip, for the intermediate results of a whole picture would take much memory.
    height, width, channels = picture.shape
    rows = max(1, STRIP_PIXELS // width)
    known = np.empty((height, width, 1), np.float32)
    gray_count = 0
    for top in range(0, height, rows):
        # The next strip's first row makes blocks with the last row.
        gray_count += np.count_nonzero(gray_blocks(picture[top : top + rows + 1]))
        # In integers: 0.299 + 0.587 + 0.114 is less than 1 in floating point, so 128 would be
        # black.
        levels = picture[top : top + rows].astype(np.int32)
        luma = levels @ ([1000] if channels == 1 else [299, 587, 114])
        known[top : top + rows, :, 0] = (luma >= 128_000) != invert
    if gray_count > MAX_GRAY_SHARE * (height - 1) * (width - 1) * channels:
        raise ValueError(TOO_GRAY.format(name))
    if picture.max() == 1:
        raise ValueError(ONE_FOR_WHITE.format(name))
    return known


def gray_blocks(levels: Any) -> Any:
    """Where all levels of 2 x 2 pixels lie from 64 to 191, neither near black nor near white.

    Single gray pixels do not count: they are the soft edges of a mask that was made smaller.

    Args:
        levels: 0 to 255, `[H, W, C]`, a NumPy array or a tensor of TensorFlow.

    Returns:
        bool `[H - 1, W - 1, C]`, of the same kind.
    """
    gray = (levels >= 64) & (levels <= 191)
    pairs = gray[1:] & gray[:-1]
    return pairs[:, 1:] & pairs[:, :-1]


def hole_share(known: np.ndarray) -> float:
    """The share of hidden pixels, in [0, 1]."""
    return float(np.mean(known == 0))


def _check(scale: float) -> float:
    if not 0 < scale < 1:
        raise ValueError(
            f"A mask scale must be above 0 and below 1; received {scale}; choose e.g. 0.5."
        )
    return scale


def _count(share: float, size: int) -> int:
    return int(np.clip(round(share * size), 1, size - 1))


def _spacing(scale: float) -> int:
    return max(2, round(1 / (1 - scale)))


def _rectangle(height: int, width: int, top: int, left: int, rows: int, columns: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[top : top + rows, left : left + columns] = True
    return hole


def _center(height, width, scale, random):
    rows, columns = _count(scale, height), _count(scale, width)
    return _rectangle(height, width, (height - rows) // 2, (width - columns) // 2, rows, columns)


def _box(height, width, scale, random):
    rows, columns = _count(scale, height), _count(scale, width)
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    return _rectangle(height, width, top, left, rows, columns)


def _left(height, width, scale, random):
    return _rectangle(height, width, 0, 0, height, _count(scale, width))


def _right(height, width, scale, random):
    return _left(height, width, scale, random)[:, ::-1]


def _top(height, width, scale, random):
    return _rectangle(height, width, 0, 0, _count(scale, height), width)


def _bottom(height, width, scale, random):
    return _top(height, width, scale, random)[::-1]


def _lowest(field: np.ndarray, share: float) -> np.ndarray:
    hole = np.zeros(field.size, bool)
    hole[np.argsort(field, axis=None, kind="stable")[: _count(share, field.size)]] = True
    return hole.reshape(field.shape)


def _random(height, width, scale, random):
    return _lowest(random.random((height, width)), scale)


def _pattern(height, width, scale, random, cells=8):
    """Noise of `cells` x `cells` numbers, upsampled, with a threshold at its quantile."""

    def upsampling(size):
        # The cubic kernel of Keys (1981). Beyond the border the noise is 0, its mean.
        distance = np.abs(np.linspace(0, cells - 1, size)[:, None] - np.arange(cells))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        return np.where(distance < 1, near, np.where(distance < 2, far, 0))

    return _lowest(
        upsampling(height) @ random.standard_normal((cells, cells)) @ upsampling(width).T, scale
    )


def _strokes(height, width, scale, random):
    """Zigzags of a round brush (Yu et al. 2019). The last one ends when the share is reached."""
    pixels = np.indices((height, width)).reshape(2, -1).T
    hole = np.zeros(height * width, bool)
    missing = _count(scale, height * width)
    side, corner = min(height, width), np.array([height - 1, width - 1])
    while missing:
        start = random.uniform(0, corner)
        # A radius above sqrt(1/2) reaches a pixel from anywhere.
        radius = max(0.75, side * random.uniform(0.02, 0.08))
        angle = random.uniform(0, 2 * np.pi)
        for _ in range(random.integers(2, 7)):
            # The brush turns back, by up to 36 degrees beside its old path.
            angle += np.pi + random.uniform(-0.2, 0.2) * np.pi
            length = side * random.uniform(0.1, 0.4)
            end = np.clip(start + length * np.array([np.sin(angle), np.cos(angle)]), 0, corner)
            step = end - start
            along = np.clip((pixels - start) @ step / max(step @ step, 1e-9), 0, 1)
            away = np.linalg.norm(pixels - start - along[:, None] * step, axis=1)
            painted = np.flatnonzero((away <= radius) & ~hole)
            painted = painted[np.argsort(along[painted], kind="stable")][:missing]
            hole[painted] = True
            missing -= len(painted)
            start = end
    return hole.reshape(height, width)


def _grid(height, width, scale, random):
    hole = np.ones((height, width), bool)
    hole[:: _spacing(scale), :: _spacing(scale)] = False
    return hole


def _full(height, width, scale, random):
    return np.zeros((height, width), bool)


def _empty(height, width, scale, random):
    return np.ones((height, width), bool)


NAMES: dict[str, tuple[Hole, float]] = {
    "center": (_center, 0.5),
    "left": (_left, 0.5),
    "right": (_right, 0.5),
    "top": (_top, 0.5),
    "bottom": (_bottom, 0.5),
    "random": (_random, 0.8),
    "pattern": (_pattern, 0.25),
    "grid": (_grid, 0.75),
    "lowres": (_empty, 0.75),
    "strokes": (_strokes, 0.25),
    "box": (_box, 0.5),
    "full": (_full, 0.5),
    "empty": (_empty, 0.5),
}

MIXTURE = {
    "center": (3, 0.3, 0.7),
    "box": (2, 0.2, 0.7),
    "left": (1, 0.3, 0.7),
    "right": (1, 0.3, 0.7),
    "top": (1, 0.3, 0.7),
    "bottom": (1, 0.3, 0.7),
    "pattern": (2, 0.1, 0.6),
    "strokes": (2, 0.1, 0.5),
    "grid": (1, 0.5, 0.75),
    "full": (1, 0.5, 0.5),
    "random": (5, 0.3, 0.95),
}
"""Frequency of each kind of mask in `mixture`, and the range of its scale."""


def mixture(count: int, size: int, seed: int, pool: int = 512) -> Callable[[int], np.ndarray]:
    """A sampler of masks of every kind and scale, for training on any hole.

    Strokes are slow to draw, so a pool of masks is drawn once, and each step transposes and mirrors
    masks of the pool. Masks of single pixels are new in each step. The masks are a function of
    (seed, step).

    Args:
        count: number of masks in a step.
        size: side of the masks in pixels.
        seed: at least 0.
        pool: number of masks in the pool.

    Returns:
        `sample(step)`, `[count, size, size, 1]` float32.
    """
    # Draw the pool, with each kind of mask in its frequency.
    names = list(MIXTURE)
    frequencies = np.array([frequency for frequency, _, _ in MIXTURE.values()])
    cumulative = np.cumsum(frequencies) / frequencies.sum()
    kinds = np.searchsorted(cumulative, (np.arange(pool) + 0.5) / pool)
    scales = np.random.default_rng([seed, 1])
    masks = np.stack(
        [
            make(
                names[kind], size, size, (seed, 2, index), scales.uniform(*MIXTURE[names[kind]][1:])
            )
            for index, kind in enumerate(kinds)
        ]
    )
    is_random = kinds == names.index("random")

    def sample(step: int) -> np.ndarray:
        # Transpose and mirror masks of the pool.
        random = np.random.default_rng([seed, 3, step])
        chosen = random.integers(pool, size=count)
        upside_down, mirrored, transposed = random.random((3, count, 1, 1, 1)) < 0.5
        known = masks[chosen]
        known = np.where(upside_down, known[:, ::-1], known)
        known = np.where(mirrored, known[:, :, ::-1], known)
        known = np.where(transposed, known.swapaxes(1, 2), known)
        # Draw new masks of single pixels.
        shares = random.uniform(*MIXTURE["random"][1:], (count, 1, 1, 1))
        pixels = random.random((count, size, size, 1), np.float32) >= shares
        return np.where(is_random[chosen][:, None, None, None], pixels, known).astype(np.float32)

    return sample
