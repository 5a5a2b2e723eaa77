"""The parts that all baselines share: a method's interface, and filling holes.

A method is a function `(images, known) -> completions` with NumPy arrays in and out. All methods
return known pixels bit-exact, never read a hidden pixel of `images`, and treat each image by
itself. An image without a hole is returned unchanged. An image without a known pixel is returned
gray, 0; the methods that learn from training images return their mean instead.

    images       [N, H, W, C] float32 in [-1, 1]; hidden pixels may hold anything
    known        [N, H, W, 1], 1 = given, 0 = hole
    completions  [N, H, W, C] float32 in [-1, 1]
"""

from collections.abc import Callable

import numpy as np

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
Fill = Callable[[np.ndarray], np.ndarray]


def fill_holes(
    images: np.ndarray,
    known: np.ndarray,
    prepare: Callable[[np.ndarray], Fill],
    nothing_known: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Fills the holes image by image. What depends on the mask alone is computed once per mask.

    Args:
        images: `[N, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[N, H, W, 1]`, 1 = given, 0 = hole.
        prepare: maps a mask to the function that fills the hole of an image under this mask. The
            mask is bool `[H, W]`, True for known pixels, with at least one True and one False. The
            function maps an image, float64 `[H, W, C]` with 0 in the hole, to the hidden pixels in
            order, `[K, C]` or `[C]`.
        nothing_known: `[H, W, C]` or a number, the completion of an image without a known pixel.

    Returns:
        `[N, H, W, C]` float32; hidden pixels are clipped to [-1, 1].

    Raises:
        ValueError: the shapes of `images` and `known` do not match.
    """
    images, known = np.asarray(images, np.float32), np.asarray(known)
    if images.ndim != 4 or known.shape != (*images.shape[:3], 1):
        raise ValueError(
            "A method needs images [N, H, W, C] and a mask for each, known [N, H, W, 1]; "
            f"received {list(images.shape)} and {list(known.shape)}; "
            "repeat a mask that all images share."
        )
    is_known = known[..., 0] > 0
    completions = np.where(is_known[..., None], images, np.float32(0))
    rows_by_mask: dict[bytes, list[int]] = {}
    for row, mask in enumerate(is_known):
        rows_by_mask.setdefault(mask.tobytes(), []).append(row)
    for rows in rows_by_mask.values():
        mask = is_known[rows[0]]
        if not mask.any():
            completions[rows] = np.clip(nothing_known, -1, 1)
        elif not mask.all():
            fill = prepare(mask)
            for row in rows:
                completions[row][~mask] = np.clip(fill(completions[row].astype(np.float64)), -1, 1)
    return completions


def require_size(images: np.ndarray, training: np.ndarray) -> None:
    """Raises a ValueError if the images do not have the size of the training images.

    Args:
        images: `[N, H, W, C]`.
        training: `[M, H, W, C]`.
    """
    if np.shape(images)[1:] != training.shape[1:]:
        raise ValueError(
            f"Images must have the size of the training images, {list(training.shape[1:])}; "
            f"received {list(np.shape(images)[1:])}; resize the images."
        )
