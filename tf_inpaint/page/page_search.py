"""One picture's hole filled while somebody watches: the search as it runs, its answer, and further answers."""

import dataclasses
import functools
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tf_inpaint.config import SearchConfig
from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import Example, Masks, coloured
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.runs.inpainters import Networks, new_inpainter, steps_a_frame
from tf_inpaint.runs.run_directory import Run

KEPT = 4
"""Searches whose graphs are kept: tracing one anew takes seconds."""
CELL = 168
"""Height of a picture in a frame, at least."""
LARGE = 1_000_000
"""Pixels beyond which further answers are shown as the network draws them: blending each takes seconds."""


class Moment(NamedTuple):
    """The search under way."""

    share: float
    """How much of it is done, in [0, 1]."""
    frame: np.ndarray
    """uint8 `[H, W, C]`: what each restart has come by, and the same put into the hole."""


class Filled(NamedTuple):
    """The search's answer."""

    picture: np.ndarray
    """uint8 `[H, W, C]`, known pixels as given."""
    film: list[np.ndarray]
    """The frames of all moments."""
    steps: int
    seconds: float


class Answers(NamedTuple):
    """Further answers, which fit what is known alike."""

    pictures: list[np.ndarray]
    """K, uint8 `[H, W, C]`; of a picture of more than `LARGE` pixels, its middle square."""
    uncertainty: np.ndarray
    """float32 `[H, W]`: the standard deviation over the answers, in shares of the range from black to white."""


class Abandoned(Exception):
    """Nobody watches any more."""


class Filler:
    """Fills holes through the networks of a run; whoever asks, one search runs at a time.

    Args:
        run: the networks.
        config: the search, where nothing else is asked for.
        seed: fixes it.
    """

    def __init__(self, run: Run, config: SearchConfig, seed: int):
        self.run = run
        self.config = config
        self.seed = seed
        self.size, self.channels = run.config.image_size, run.config.channels
        self.one_at_a_time = ThreadPoolExecutor(1)
        names = {field.name for field in dataclasses.fields(SearchConfig)}
        self.settings = {name: getattr(config, name) for name in names}
        networks = Networks(run)
        self.inpainter = functools.lru_cache(KEPT)(lambda search: new_inpainter(search, networks))
        self.inpainter(self.search())  # which refuses what the run cannot do

    def example(self, picture: np.ndarray, hidden: np.ndarray, key: str) -> Example:
        """The picture, of which `hidden` is not given: at the network's size, or in place if it has another.

        Args:
            picture: uint8 `[H, W, 1 or 3]`.
            hidden: bool `[H, W]`.
            key: fixes the search, together with the seed.
        """
        known = np.where(hidden, 0, 1).astype(np.float32)[..., None]
        item = Input(key, key, key, lambda: picture)
        masks = Masks("full", self.size, self.channels, self.run.config.crop, self.seed)
        if picture.shape[:2] == (self.size, self.size):
            return masks.masked(item, coloured(picture, self.channels), known)
        return masks.in_place(item, picture, known)

    def search(self, **settings) -> SearchConfig:
        """The search with these settings instead of the run's own ones.

        Raises:
            ValueError: they do not go together.
        """
        return SearchConfig(**{**self.settings, "samples": 0, "estimate": "best", **settings})

    def search_several(self, samples: int, blend: str) -> SearchConfig:
        """The search for further answers."""
        return self.search(samples=samples, estimate="sample", blend=blend)

    def warm_up(self, picture: np.ndarray) -> None:
        """Has the graphs of the run's own search traced, which takes seconds, while nobody waits yet."""
        example = self.example(picture, np.ones(picture.shape[:2], bool), "")

        def work():
            seeds = np.array(example.seeds(0))
            masked, known = example.rows
            inpainter = self.inpainter(self.search())
            every = steps_a_frame(inpainter)
            inpainter.complete(images.to_float(masked), known, seeds, lambda *_: None, every)
            if self.config.samples:
                self._several(
                    example, self.search_several(self.config.samples, self.config.blend), 0
                )

        self.one_at_a_time.submit(work)

    def fill(self, example: Example, search: SearchConfig, seed: int) -> Iterator[Moment | Filled]:
        """The moments of the search, and at last its answer. Closed before, it ends the search.

        Args:
            example: with at least one hidden pixel.
            search: with the estimate "best".
            seed: another one, another answer.
        """
        moments: queue.SimpleQueue = queue.SimpleQueue()
        closed = threading.Event()
        began = time.perf_counter()
        masked, known = example.rows

        def watch(share, turn, rows, generated):
            if closed.is_set():
                raise Abandoned
            if turn == 0:
                moments.put(Moment(share, frame(masked[0], known[0], generated())))

        def work():
            inpainter = self.inpainter(search)
            every = steps_a_frame(inpainter)
            found = inpainter.complete(
                images.to_float(masked), known, np.array(example.seeds(seed)), watch, every
            )
            return found, completed(example, found.images, found.generated, inpainter.blend)

        future = self.one_at_a_time.submit(work)
        future.add_done_callback(lambda _: moments.put(None))
        film = []
        try:
            while (moment := moments.get()) is not None:
                film.append(moment.frame)
                yield moment
            found, picture = future.result()
            yield Filled(picture, film, int(found.steps[0]), time.perf_counter() - began)
        finally:
            closed.set()

    def several(self, example: Example, search: SearchConfig, seed: int) -> Answers:
        """Further answers to the same hole.

        Args:
            search: with the estimate "sample", and how many in `samples`.
        """
        return self.one_at_a_time.submit(self._several, example, search, seed).result()

    def _several(self, example, search, seed):
        inpainter = self.inpainter(search)
        masked, known = example.rows
        found = inpainter.complete(images.to_float(masked), known, np.array(example.seeds(seed)))
        shares = found.uncertainty[0] / 2
        if example.squares is None:
            return Answers(list(images.to_uint8(found.samples[0])), shares[..., 0])
        (square,) = example.squares
        uncertainty = np.zeros(example.known.shape, np.float32)
        square.of(uncertainty)[:] = np.maximum(images.resize(shares, square.side), 0)
        uncertainty *= 1 - example.known
        if example.known.size > LARGE:
            return Answers(list(images.to_uint8(found.samples[0])), uncertainty[..., 0])
        pictures = [
            completed(example, one[None], one[None], inpainter.blend) for one in found.samples[0]
        ]
        return Answers(pictures, uncertainty[..., 0])


def completed(example: Example, blended: np.ndarray, generated: np.ndarray, blend) -> np.ndarray:
    """The completion, `[H, W, C]` uint8; at the network's size it is `blended`, else made of `generated`."""
    picture = blended[0] if example.squares is None else example.filled(generated, blend)
    return images.to_uint8(picture)


def frame(masked: np.ndarray, known: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """What the restarts have come by, and the same put into the hole: side by side, or for several in two rows.

    Args:
        masked, known: `[S, S, C]` uint8 and `[S, S, 1]`.
        generated: `[R, S, S, C]` in [-1, 1].
    """
    pictures = images.to_uint8(generated)
    pictures = np.concatenate([pictures, np.where(known > 0, masked, pictures)])
    return images.grid(
        images.enlarge(pictures, CELL), columns=2 if len(generated) == 1 else len(generated)
    )
