"""The search for the completions of one block of images, and the progress of this search."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_inpaint.completion.search_film import SearchFilm
from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import Example

if TYPE_CHECKING:  # Both modules import TensorFlow.
    from tf_inpaint.inpainting.completions import Completions
    from tf_inpaint.inpainting.inpainter import Inpainter

WATCH_EVERY = 10
"""Number of steps between two reports of a search without a film."""


class BlockSearch:
    """The rows of a block of images, which are searched together.

    Args:
        block: at least one image. An image has one row or more, or none if it has no hole.
        bar: tqdm bar that counts images.
        last_z: z of each row of the last frame. A block with another number of rows does not use
            them.
    """

    def __init__(self, block: Sequence[Example], bar, last_z: Sequence[np.ndarray] = ()):
        self.block = block
        self.bar = bar
        self.bar_start = bar.n
        self.masked = np.concatenate([example.rows[0] for example in block])
        self.known = np.concatenate([example.rows[1] for example in block])
        self.last_z = np.array(last_z) if len(last_z) == len(self.masked) else None
        self.film: SearchFilm | None = None
        self.seconds_per_row = 0.0

    def record_film(self) -> None:
        """Records a film of the first rows."""
        self.film = SearchFilm(self.masked, self.known)

    def run(
        self, inpainter: "Inpainter", seed: int, steps_per_frame: int
    ) -> list["Completions | None"]:
        """Returns the completions of each image's rows, or None for an image without rows.

        Args:
            inpainter: what completes the rows.
            seed: seed of the command.
            steps_per_frame: number of steps between two frames of a film.
        """
        if not len(self.masked):
            return [None] * len(self.block)
        start = time.perf_counter()
        seeds = [row_seeds for example in self.block for row_seeds in example.seeds(seed)]
        completions = inpainter.complete(
            images.to_float(self.masked),
            self.known,
            np.array(seeds),
            self.report,
            steps_per_frame if self.film else WATCH_EVERY,
            self.last_z,
        )
        self.seconds_per_row = (time.perf_counter() - start) / len(self.masked)
        parts = completions.split([len(example.rows[0]) for example in self.block])
        return [part if len(part.z) else None for part in parts]

    def report(
        self, share: float, turn: int, rows: np.ndarray, generated: Callable[[], np.ndarray]
    ) -> None:
        """Moves the bar, and records a frame of the first rows; see `completions.Watch`."""
        self.move_bar(share)
        if self.film and turn == 0:
            self.film.record(rows, generated)

    def move_bar(self, share: float) -> None:
        """Moves the bar to a share of the block, in [0, 1]."""
        self.bar.update(self.bar_start + share * len(self.block) - self.bar.n)
