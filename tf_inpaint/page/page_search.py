"""The searches of the page: a hole is filled while a visitor watches, and then sampled again.

`PageSearch` runs one search at a time in a thread. It reports the progress of a search, then the
result. Further searches give alternatives: other pictures that fit the known pixels as well.
"""

import dataclasses
import functools
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tf_inpaint.files import images
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.inputs.masked_images import Example, ExampleMaker, at_network_size, convert_channels
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.runs.inpainters import frozen_networks, steps_per_frame
from tf_inpaint.runs.run_directory import Run
from tf_inpaint.settings.search_settings import SearchSettings

MAX_CACHED_SEARCHES = 4
"""Maximum number of searches whose graphs are kept. Tracing a graph again takes seconds."""
MIN_FRAME_PICTURE_HEIGHT = 168
"""Minimum height in pixels of a picture in a frame of the film."""
MAX_BLENDED_PIXELS = 1_000_000
"""Maximum number of pixels of a picture whose alternatives are blended, which takes seconds each.
The alternatives of a larger picture are shown as the network makes them."""


class SearchProgress(NamedTuple):
    """The state of a running search."""

    share: float
    """Finished share of the search, in [0, 1]."""
    frame: np.ndarray
    """uint8 `[H, W, C]`, the current picture of each restart, alone and inside the hole."""


class SearchResult(NamedTuple):
    """The picture that a search ended with, and how the search went."""

    picture: np.ndarray
    """uint8 `[H, W, C]`, with the known pixels unchanged."""
    film: list[np.ndarray]
    """Frames of the search, one per `SearchProgress`."""
    steps: int
    """Number of steps of the search."""
    seconds: float
    """Duration of the search, waiting included."""


class Alternatives(NamedTuple):
    """Other pictures that fit the known pixels as well, and how much these pictures differ."""

    pictures: list[np.ndarray]
    """K pictures, uint8 `[H, W, C]`. Only the middle square of a picture of more than
    `MAX_BLENDED_PIXELS` pixels."""
    uncertainty: np.ndarray
    """float32 `[H, W]`, standard deviation over the pictures, as a share of the range from black to
    white."""


class SearchAbandoned(Exception):
    """The visitor has closed the page, so the search stops."""


class PageSearch:
    """Fills holes with the networks of a run. One search runs at a time, whoever asks for it.

    Args:
        run: a run with its trained networks.
        config: default settings of the searches.

    Raises:
        ValueError: the networks of the run cannot do this search.
    """

    def __init__(self, run: Run, config: SearchSettings):
        self.run = run
        self.config = config
        self.size, self.channels = run.config.image_size, run.config.channels
        self.executor = ThreadPoolExecutor(1)
        names = {field.name for field in dataclasses.fields(SearchSettings)}
        self.settings = {name: getattr(config, name) for name in names}
        networks = frozen_networks(run)

        @functools.lru_cache(MAX_CACHED_SEARCHES)
        def inpainter(search: SearchSettings):
            return Inpainter(networks, search)

        self.inpainter = inpainter
        # Refuse settings now that do not suit the networks.
        self.inpainter(self.search_config())

    def example(self, picture: np.ndarray, hidden: np.ndarray, key: str) -> Example:
        """A picture and its hole, as input of a search.

        A picture of the size of the network is completed as it is. Any other picture is completed
        in place.

        Args:
            picture: uint8 `[H, W, 1 or 3]`.
            hidden: bool `[H, W]`.
            key: name of the picture. It sets the random numbers of the search, with the seed.
        """
        known = np.where(hidden, 0, 1).astype(np.float32)[..., None]
        item = Input(key, key, key, lambda: picture)
        if picture.shape[:2] == (self.size, self.size):
            return at_network_size(item, convert_channels(picture, self.channels), known)
        maker = ExampleMaker(self.size, self.channels, self.run.config.crop)
        return maker.in_place(item, picture, known)

    def search_config(self, **settings) -> SearchSettings:
        """The settings of a search for the best picture.

        Args:
            settings: values that replace the default settings.

        Raises:
            ValueError: the settings contradict each other.
        """
        return SearchSettings(**{**self.settings, "samples": 0, "estimate": "best", **settings})

    def sampling_config(self, samples: int, blend: str) -> SearchSettings:
        """The settings of a search for this number of alternatives."""
        return self.search_config(samples=samples, estimate="sample", blend=blend)

    def warm_up(self, picture: np.ndarray) -> None:
        """Traces the graphs of the default searches in the background.

        Tracing takes seconds, which the first visitor need not wait.

        Args:
            picture: any picture, uint8 `[H, W, 1 or 3]`.
        """
        example = self.example(picture, np.ones(picture.shape[:2], bool), "")

        def trace() -> None:
            inpainter = self.inpainter(self.search_config())
            _complete(inpainter, example, 0, lambda *_: None, steps_per_frame(inpainter))
            if self.config.samples:
                self._sample(
                    example, self.sampling_config(self.config.samples, self.config.blend), 0
                )

        self.executor.submit(trace)

    def fill(
        self, example: Example, search: SearchSettings, seed: int
    ) -> Iterator[SearchProgress | SearchResult]:
        """Yields the progress of a search while it runs, then its result.

        Closing the iterator early stops the search.

        Args:
            example: a picture with at least one hidden pixel.
            search: settings with the estimate "best".
            seed: another seed gives another picture.
        """
        updates: queue.SimpleQueue = queue.SimpleQueue()
        closed = threading.Event()
        start = time.perf_counter()
        masked, known = example.rows

        def report(share, block, rows, generated):
            if closed.is_set():
                raise SearchAbandoned
            if block == 0:
                updates.put(SearchProgress(share, film_frame(masked[0], known[0], generated())))

        def run_search():
            inpainter = self.inpainter(search)
            completions = _complete(inpainter, example, seed, report, steps_per_frame(inpainter))
            return completions, example.completion(completions, inpainter.blend)

        # Start the search in the other thread.
        future = self.executor.submit(run_search)
        future.add_done_callback(lambda _: updates.put(None))
        # Pass on its progress, until `None` marks the end.
        film = []
        try:
            while (progress := updates.get()) is not None:
                film.append(progress.frame)
                yield progress
            completions, picture = future.result()
            seconds = time.perf_counter() - start
            steps = int(completions.steps[0])
            yield SearchResult(images.to_uint8(picture), film, steps, seconds)
        finally:
            closed.set()

    def sample(self, example: Example, search: SearchSettings, seed: int) -> Alternatives:
        """Finds alternatives for the same hole.

        Args:
            example: a picture with at least one hidden pixel.
            search: result of `sampling_config`.
            seed: another seed gives other pictures.
        """
        return self.executor.submit(self._sample, example, search, seed).result()

    def _sample(self, example: Example, search: SearchSettings, seed: int) -> Alternatives:
        inpainter = self.inpainter(search)
        completions = _complete(inpainter, example, seed)
        uncertainty = picture_uncertainty(example, completions.uncertainty[0])
        pictures = completions.samples[0]
        if example.known.size <= MAX_BLENDED_PIXELS:
            pictures = example.samples(completions, inpainter.blend)
        return Alternatives([images.to_uint8(picture) for picture in pictures], uncertainty)


def _complete(inpainter, example: Example, seed: int, *watch):
    """The completions of the rows of an example. `watch` is passed on to `Inpainter.complete`."""
    masked, known = example.rows
    return inpainter.complete(images.to_float(masked), known, np.array(example.seeds(seed)), *watch)


def picture_uncertainty(example: Example, uncertainty: np.ndarray) -> np.ndarray:
    """Returns the uncertainty of each pixel of a picture, float32 `[H, W]`.

    Args:
        example: the picture and its hole.
        uncertainty: `[S, S, 1]`, of the only row of the example, for pixels in [-1, 1].

    Returns:
        standard deviations as shares of the range from black to white.
    """
    # The range from black to white, [-1, 1], is 2 long.
    shares = uncertainty / 2
    if not example.in_place:
        return shares[..., 0]
    (square,) = example.squares
    shares_in_place = np.zeros(example.known.shape, np.float32)
    square.of(shares_in_place)[:] = np.maximum(images.resize(shares, square.side), 0)
    return (shares_in_place * (1 - example.known))[..., 0]


def film_frame(masked: np.ndarray, known: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """A frame of the film: the current picture of each restart, alone and inside the hole.

    The two pictures of a single restart lie side by side. Several restarts have a column each.

    Args:
        masked, known: `[S, S, C]` uint8 and `[S, S, 1]`.
        generated: `[R, S, S, C]` in [-1, 1], for R restarts.
    """
    pictures = images.to_uint8(generated)
    pictures = np.concatenate([pictures, np.where(known > 0, masked, pictures)])
    enlarged = images.enlarge(pictures, MIN_FRAME_PICTURE_HEIGHT)
    return images.grid(enlarged, columns=2 if len(generated) == 1 else len(generated))
