"""Completes images of a job, block by block, in this process."""

import functools
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_inpaint.completion.answer_files import answer_row, write_details
from tf_inpaint.completion.block_search import BlockSearch
from tf_inpaint.completion.blocks import blocks
from tf_inpaint.completion.frame_sequence import digest
from tf_inpaint.compositing import masks
from tf_inpaint.config import CompleteConfig, TrainConfig
from tf_inpaint.inputs.input_versions import inputs_entry
from tf_inpaint.inputs.mask_sources import ALPHA, new_mask_source
from tf_inpaint.inputs.masked_images import Example, ExampleMaker
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.result_files import ResultWriter

if TYPE_CHECKING:  # The modules import TensorFlow.
    from tf_inpaint.inpainting.completions import Completions
    from tf_inpaint.inpainting.inpainter import Inpainter
    from tf_inpaint.runs.run_directory import Run


class ImageCompleter:
    """Reads and completes images, and writes their pictures, but not the record of the job.

    Args:
        config: settings of the job.
        trained: settings of the run.
        out_dir: folder of the job.

    Attributes:
        config: settings, which may get the number of the block size later.
        detailed: `Input.file` of the images whose intermediate pictures are written too.
        film: path of the film.
        last_z: z of each row of the last frame that has rows, with `CompleteConfig.sequence`.

    Raises:
        ValueError: settings contradict each other, or the masks cannot be read.
    """

    def __init__(self, config: CompleteConfig, trained: TrainConfig, out_dir: Path):
        self.config = config
        self.trained = trained
        self.out_dir = out_dir
        self.detailed: Collection[str] = ()
        self.film = out_dir / "search.gif"
        self.last_z: Sequence[np.ndarray] = ()
        self.mask_source = new_mask_source(
            config.mask,
            config.seed,
            config.mask_scale,
            config.invert_mask,
            config.grow_mask,
            max_pixels=config.max_pixels,
        )
        self.maker = new_example_maker(config, trained)
        self.writer = ResultWriter(config.format, has_alpha=config.mask != ALPHA)
        # Versions of the files of the images that were read, by `Input.file`.
        self._inputs: dict[str, dict] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the networks, which another process loads itself."""
        networks = ("run", "inpainter")
        return {name: value for name, value in vars(self).items() if name not in networks}

    @functools.cached_property
    def run(self) -> "Run":
        """The run, with its networks."""
        from tf_inpaint.runs import run_directory

        return run_directory.load(self.config.run_dir)

    @functools.cached_property
    def inpainter(self) -> "Inpainter":
        """What searches and blends."""
        from tf_inpaint.inpainting.inpainter import Inpainter
        from tf_inpaint.runs.inpainters import frozen_networks

        networks = frozen_networks(self.run)
        inpainter = Inpainter(networks, self.config, self.maker.low_resolution_factor)
        if self.config.sequence and not inpainter.searches:
            raise ValueError(
                "--sequence must go with a search; received --estimate=mean, which draws answers "
                "for the mask lowres and for a run without a Gaussian; pass --estimate=best."
            )
        return inpainter

    def prepare(self) -> None:
        """Makes the inpainter.

        Raises:
            ValueError: the search contradicts the networks.
        """
        _ = self.inpainter

    def blocks(
        self, items: Iterable[Input], failures: dict[str, str], bar
    ) -> Iterator[list[Example]]:
        """Yields the images that can be read, with their masks, in blocks.

        Args:
            items: the images.
            failures: receives the reason for each image that cannot be read, by `Input.file`.
            bar: tqdm bar, whose total falls with every image that cannot be read.
        """
        # The search for a frame begins when that for the last frame has ended.
        size = 1 if self.config.sequence else self.config.block_size
        return blocks(self.examples(items, failures, bar), size)

    def examples(self, items: Iterable[Input], failures: dict[str, str], bar) -> Iterator[Example]:
        """Yields the images that can be read, with their masks; see `blocks`."""
        for item in items:
            try:
                # Before the image is read, for it may be edited now.
                self._inputs[item.file] = inputs_entry(item, self.mask_source)
                yield self.maker.example(item, self.mask_source.known_of)
            except (ValueError, OSError) as error:
                failures[item.file] = str(error)
                bar.total -= 1

    def complete(self, block: Sequence[Example], bar, film: bool) -> Iterator[dict[str, Any]]:
        """Completes a block, and yields the row of each image once its pictures are written.

        Args:
            block: at least one image.
            bar: tqdm bar that counts images.
            film: whether to film the search, if there is one.
        """
        from tf_inpaint.runs.inpainters import steps_per_frame

        # Search.
        search = BlockSearch(block, bar, self.last_z)
        if film and len(search.masked):
            search.record_film()
        answers = search.run(self.inpainter, self.config.seed, steps_per_frame(self.inpainter))
        # Write. The film comes first, for a job that is killed here does not film this block again.
        if search.film:
            search.film.write(self.film)
        for example, completions in zip(block, answers, strict=True):
            yield self.write(example, completions, search.seconds_per_row)
        search.move_bar(1)

    def write(
        self, example: Example, completions: "Completions | None", seconds_per_row: float
    ) -> dict[str, Any]:
        """Blends and writes the completion of one image, and returns its row for `Job.append`.

        Args:
            example: the image.
            completions: the answers for its rows; None: the image has no row.
            seconds_per_row: duration of the search for one row.
        """
        blend = self.inpainter.blend
        # First, so that not all pictures of a large image are in memory at once.
        if example.input.file in self.detailed:
            write_details(self.out_dir, example, completions, blend)
        start = time.perf_counter()
        completion = example.completion(completions, blend)
        seconds = seconds_per_row * len(example.rows[0]) + time.perf_counter() - start
        # The row comes last, so a row means that the completion exists.
        item = example.input
        name = self.writer.write(
            self.out_dir, item.stem, completion, example.known, example.details
        )
        numbers = {
            "completion": name,
            "mask": self.mask_source.label(item.key),
            "seconds": seconds,
        }
        if self.config.sequence:
            numbers["last_frame"] = digest(self.last_z)
        row = answer_row(self.config, example, completions, completion, numbers)
        z = [] if completions is None else list(completions.z)
        if self.config.sequence:
            self.last_z = z or self.last_z
        return row | self._inputs.pop(item.file, {}) | {"z": z}


def new_example_maker(config: CompleteConfig, trained: TrainConfig) -> ExampleMaker:
    """Returns what makes the examples for the networks of a run.

    Args:
        config: settings of the command.
        trained: settings of the run.

    Raises:
        ValueError: the mask and another setting contradict each other.
    """
    if config.mask in masks.NAMES and config.framing != "image":
        raise ValueError(
            f"--framing={config.framing} must go with a mask file or folder; received "
            f"{config.mask}; leave it out."
        )
    factor = None
    if config.mask == "lowres":
        factor = masks.low_resolution_factor(config.mask_scale)
    crop = trained.crop if config.images else 0  # The run's own images are cropped already.
    return ExampleMaker(trained.image_size, trained.channels, crop, config.framing, factor)
