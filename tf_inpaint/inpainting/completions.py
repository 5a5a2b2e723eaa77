"""The input, the answers and the progress reports of an `Inpainter`."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

Watch = Callable[[float, int, np.ndarray, Callable[[], np.ndarray]], None]
"""A function `watch(share, turn, rows, generated)` that follows a search.

`share` is the share of the work that is done, in [0, 1]; `turn` is the number of the block of
searches; `rows` holds, for each search of the block, the index of its image; `generated()` returns
the best G(z) of these searches so far, `[rows, H, W, C]`.
"""


class Completions(NamedTuple):
    """The answers for N images, as NumPy arrays."""

    images: np.ndarray
    """`[N, H, W, C]` in [-1, 1], the images with filled holes.

    Known pixels are unchanged, bit for bit.
    """
    generated: np.ndarray
    """`[N, H, W, C]`, the picture G(z), corrected by the deeper steps, or the mean estimate of the
    image.
    """
    z: np.ndarray
    """`[N, Z]`, the z of the picture; for a mean of samples, the z of the first sample."""
    energy: np.ndarray
    """`[N]`, contextual + prior_weight * perceptual."""
    contextual: np.ndarray
    """`[N]`, the distance of the generated picture to the known pixels."""
    perceptual: np.ndarray
    """`[N]`, the prior term of the energy, without its weight."""
    steps: np.ndarray
    """int32 `[N]`, the number of steps of the search that gave the answer."""
    reason: np.ndarray
    """int32 `[N]`, the `loop.Reason` why that search ended."""
    from_last_z: np.ndarray
    """bool `[N]`, whether that search began at the `last_z` of the image."""
    samples: np.ndarray
    """`[N, K, H, W, C]`, K further completions."""
    uncertainty: np.ndarray
    """`[N, H, W, 1]`, the expected error of a mean estimate, or else the standard deviation of G(z)
    over all pictures of the chains, before blending. 0 where the pixel is known, NaN if there are
    neither."""
    acceptance: np.ndarray
    """`[N, K]`, the acceptance rate of each chain. A chain with a rate near 0 did not move."""

    def split(self, counts: Sequence[int]) -> "list[Completions]":
        """Returns the completions of the first `counts[0]` images, of the next `counts[1]`, ..."""
        ends = itertools.accumulate(counts)
        return [
            Completions(*(values[end - count : end] for values in self))
            for count, end in zip(counts, ends, strict=True)
        ]


def gather(blocks: Iterable[Completions], count: int) -> Completions:
    """The completions of all images from those of one block after the other.

    Args:
        blocks: completions of consecutive images. No two blocks are in memory at once.
        count: N, number of images of all blocks.
    """
    completions, first = None, 0
    for block in blocks:
        if completions is None:
            fields = (np.empty([count, *field.shape[1:]], field.dtype) for field in block)
            completions = Completions(*fields)
        end = first + len(block.images)
        for field, values in zip(completions, block, strict=True):
            field[first:end] = values
        first = end
    return completions


class BlockProgress(NamedTuple):
    """Reports the progress of one block of images to a `Watch`."""

    watch: Watch
    every: int
    """Number of steps between two reports."""
    steps: int
    """Maximum number of steps of a search."""
    first_image: int
    """Index of the first image of the block."""
    previous_turns: int
    """Number of blocks of searches before those of this block of images."""
    total_turns: int
    """Number of blocks of searches of all images."""

    def report(
        self, turn: int, steps: int, rows: np.ndarray, generated: Callable[[], np.ndarray]
    ) -> None:
        """Calls `watch` after `steps` steps of block `turn` of the searches of these images."""
        turn += self.previous_turns
        share = (turn + steps / self.steps) / self.total_turns
        self.watch(share, turn, self.first_image + rows, generated)


class Block(NamedTuple):
    """The input of `block_size` images, padded with copies of the last image."""

    images: np.ndarray
    known: np.ndarray
    weights: np.ndarray
    """Weights of the pixels in the contextual term, `[B, H, W, 1]`."""
    seeds: np.ndarray
    last_z: np.ndarray | None = None
    """`[B, Z]`, a further z at which the search of each image may start; None: there is none."""

    def is_last_z(self, starts: np.ndarray) -> np.ndarray:
        """Returns which starts are `last_z`, bool `[B, K]`, for starts `[B, K, Z]`."""
        if self.last_z is None:
            return np.zeros(starts.shape[:2], bool)
        return (starts == self.last_z[:, None]).all(axis=2)


class Samples(NamedTuple):
    """Several answers for each image of a block. K is 0 if none are drawn."""

    z: np.ndarray
    """`[B, K, Z]`."""
    completions: np.ndarray
    """`[B, K, H, W, C]`."""
    mean: np.ndarray
    """`[B, H, W, C]`, the mean generated picture."""
    uncertainty: np.ndarray
    """`[B, H, W, 1]`."""
    acceptance: np.ndarray
    """`[B, K]`."""


def no_samples(block: Block, latent_size: int) -> Samples:
    """No answers for the images of a block."""
    images, rows = block.images, len(block.images)
    return Samples(
        z=np.empty([rows, 0, latent_size], np.float32),
        completions=np.empty([rows, 0, *images.shape[1:]], np.float32),
        mean=np.full(images.shape, np.nan, np.float32),
        uncertainty=np.full(block.known.shape, np.nan, np.float32),
        acceptance=np.empty([rows, 0]),
    )
