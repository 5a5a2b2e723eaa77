"""The film of a search, from the first guess to the answer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_inpaint.files import images

SECONDS_PER_FRAME = 0.1


class SearchFilm:
    """The frames of a search. A frame has a column for each row of the search.

    A column shows the masked image, below it the generated picture G(z), and below it the image
    whose hole is filled with G(z).

    Args:
        masked: uint8 `[N, S, S, C]`, the rows with a hole.
        known: `[N, S, S, 1]`, 1 = given, 0 = hole.
    """

    def __init__(self, masked: np.ndarray, known: np.ndarray):
        self.masked = masked
        self.known = known
        self.frames: list[np.ndarray] = []

    def record(self, rows: np.ndarray, generated: Callable[[], np.ndarray]) -> None:
        """Adds a frame.

        Args:
            rows: R indices of the rows that are searched.
            generated: returns the pictures of these rows, `[R, S, S, C]` in [-1, 1].
        """
        masked = self.masked[rows]
        pictures = images.to_uint8(generated())
        filled = np.where(self.known[rows] > 0, masked, pictures)
        pictures = np.concatenate([masked, pictures, filled])
        self.frames.append(images.grid(images.enlarge(pictures), columns=len(masked)))

    def write(self, path: Path) -> None:
        """Writes the frames as an animated GIF."""
        images.animate(path, self.frames, SECONDS_PER_FRAME)
