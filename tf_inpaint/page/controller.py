"""The actions of the page of `paint`, as new values for the parts of the page.

This module knows nothing of Gradio.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.config import PaintConfig
from tf_inpaint.files import file_details, heat_maps, images
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.masked_images import convert_channels
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.page import canvas
from tf_inpaint.page.page_search import Alternatives, PageSearch, SearchResult

HOLES = {
    "none": "",
    "middle": "center",
    "left half": "left",
    "right half": "right",
    "upper half": "top",
    "lower half": "bottom",
    "scribbles": "strokes",
    "blobs": "pattern",
    "most pixels": "random",
    "all but a grid": "grid",
}
"""Names of the masks of the ready-made holes, by the label on the page."""
FINE_MASKS = {"random", "grid"}
"""Masks that leave no known pixel in a picture that is reduced for the network."""
SECONDS_PER_FRAME = 0.1
"""Duration of a frame of the film."""

Values = dict[str, Any]
"""New values of parts of the page, by the name of the part."""


class Picture(NamedTuple):
    """The picture that a visitor works on."""

    key: str
    """Name of the picture, which sets the random numbers of the search together with the seed."""
    pixels: np.ndarray
    """uint8 `[H, W, C]`, with the number of channels of the network."""
    details: FileDetails = FileDetails()
    """What the file of the picture has beside its pixels."""


class Controller:
    """Computes what the page shows after each action of a visitor.

    Args:
        search: fills holes.
        inputs: pictures to choose from.
        config: settings of the command.
    """

    def __init__(self, search: PageSearch, inputs: Sequence[Input], config: PaintConfig):
        self.search = search
        self.config = config
        self.writer = ResultWriter(config.format)
        self.pictures = [self.picture(item.key, item.read()) for item in inputs]

    def picture(self, key: str, pixels: np.ndarray, details: FileDetails | None = None) -> Picture:
        """Converts a picture to the colors of the network."""
        colors = convert_channels(pixels, self.search.channels)
        return Picture(key, colors, details or FileDetails())

    def has_network_size(self, picture: Picture) -> bool:
        """Whether the picture has the size of the network."""
        return picture.pixels.shape[:2] == (self.search.size, self.search.size)

    def crop(self, picture: Picture) -> int:
        """The side of the middle square that the network sees. 0: the shorter side."""
        return 0 if self.has_network_size(picture) else self.search.run.config.crop

    def visible_part(self, picture: Picture) -> np.ndarray:
        """Marks the part of the picture that the network sees: bool `[H, W]`."""
        return canvas.middle_square(*picture.pixels.shape[:2], self.crop(picture))

    def choose_picture(self, index: int, hole: str) -> Values:
        """Shows a picture of the gallery with a ready-made hole.

        Args:
            index: number of the picture, from 0.
            hole: one of `HOLES`.

        Raises:
            ValueError: the gallery has no picture of this number.
        """
        if not isinstance(index, int) or not 0 <= index < len(self.pictures):
            raise ValueError(
                f"The number of a picture must be a whole number below {len(self.pictures)}; "
                f"received {index!r:.60}; choose a picture of the gallery."
            )
        return self.show_picture(self.pictures[index], hole)

    def upload_picture(self, file: str, hole: str, keep: bool = False) -> Values:
        """Shows the picture in an uploaded file with a ready-made hole, and deletes the file.

        Args:
            file: path of the file.
            hole: one of `HOLES`.
            keep: whether the file is one of the page itself, which is not deleted.

        Raises:
            ValueError: the picture is invalid, too large or too small, or no file was uploaded.
        """
        if not isinstance(file, str):
            raise ValueError(
                f"An uploaded picture must be one file; received {file!r:.60}; upload a picture."
            )
        try:
            pixels = canvas.read(file, self.config.most_pixels)
            details = file_details.read(file)
        finally:
            if not keep:
                Path(file).unlink(missing_ok=True)
        return self.show_picture(self.picture(Path(file).name, pixels, details), hole)

    def show_picture(self, picture: Picture, hole: str) -> Values:
        """Shows another picture. A hole that this picture cannot have is replaced by none."""
        labels = [
            label
            for label, mask in HOLES.items()
            if self.has_network_size(picture) or mask not in FINE_MASKS
        ]
        hole = hole if hole in labels else labels[0]
        note = "The network sees only the middle square. The pale part stays unchanged."
        return {
            "picture": picture,
            "note": "" if self.visible_part(picture).all() else note,
            "hole": (labels, hole),
            **self.show_hole(picture, hole),
        }

    def show_hole(self, picture: Picture, hole: str) -> Values:
        """Shows the picture with a ready-made hole on the canvas.

        Raises:
            ValueError: the hole is none of `HOLES`.
        """
        if hole not in list(HOLES):
            raise ValueError(
                f"A ready-made hole must be one of {', '.join(HOLES)}; received {hole!r:.60}; "
                "choose one of them."
            )
        height, width = picture.pixels.shape[:2]
        dimmed = canvas.dim_outside(picture.pixels, self.visible_part(picture))
        layer = canvas.hole_layer(
            HOLES[hole], height, width, (self.config.seed,), self.crop(picture)
        )
        picture_url = canvas.to_data_url(canvas.picture_layer(dimmed))
        return {"canvas": {"picture": picture_url, "layer": canvas.to_data_url(layer)}}

    def fill(
        self,
        layer_url: str,
        picture: Picture,
        steps: int,
        prior_weight: float,
        restarts: int,
        blend: str,
        samples: int,
        seed: int,
        grow_mask: int = 0,
    ) -> Iterator[Values]:
        """Yields what the page shows, step by step, while the hole is filled.

        Args:
            layer_url: layer of paint, as a data URL.
            picture: picture on the canvas.
            steps, prior_weight, restarts, blend: settings of the search.
            samples: number of alternatives.
            seed: another seed gives another picture.
            grow_mask: radius by which the painted hole is grown, or shrunk if negative.

        Raises:
            ValueError: no pixel that can be filled is painted, a setting is out of its range, or
                the settings contradict each other.
        """
        steps, restarts, samples, seed = map(to_int, (steps, restarts, samples, seed))
        grow_mask = to_int(grow_mask)
        # Checks their ranges.
        dataclasses.replace(self.config, samples=samples, seed=seed, grow_mask=grow_mask)
        hidden = self.hidden_pixels(layer_url, picture, grow_mask)
        search = self.search.search_config(
            steps=steps, prior_weight=prior_weight, restarts=restarts, blend=blend
        )
        example = self.search.example(picture.pixels, hidden, picture.key)

        # Search for the best picture.
        yield {
            "explanation_section": False,
            "progress_section": True,
            "status": "Preparing the search ...",
        }
        for update in self.search.fill(example, search, seed):
            if isinstance(update, SearchResult):
                result = update
            else:
                status = f"Searching: {update.share:.0%} ..."
                yield {"film": canvas.to_rgb(update.frame), "status": status}

        # Show the result.
        status = status_text(result, hidden, example.rows[1])
        searching = f" Searching for {samples} alternatives ..." if samples else ""
        with tempfile.TemporaryDirectory() as folder:  # The page makes copies of the files.
            yield {
                **write_files(Path(folder), picture, result, example.known, self.writer),
                "known": canvas.resize_for_display(example.masked),
                "filled": canvas.resize_for_display(result.picture),
                "original": canvas.resize_for_display(example.original),
                "result_section": True,
                "alternatives_section": False,
                "status": status + searching,
            }

        # Search for alternatives.
        if samples:
            search = self.search.sampling_config(samples, blend)
            alternatives = self.search.sample(example, search, seed)
            values = alternatives_values(alternatives, example.original, hidden)
            yield {**values, "status": status, "alternatives_section": True}

    def hidden_pixels(self, layer_url: str, picture: Picture, grow_mask: int = 0) -> np.ndarray:
        """The hole that a visitor painted, grown by a number of pixels: bool `[H, W]`.

        Raises:
            ValueError: no pixel that can be filled is painted.
        """
        layer = canvas.decode_layer(layer_url)
        painted = canvas.painted_pixels(layer, *picture.pixels.shape[:2])
        grown = grow(np.where(painted, 0, 1)[..., None], grow_mask)[..., 0] == 0
        hidden = grown & self.visible_part(picture)
        if not hidden.any():
            raise ValueError(
                "Paint on the picture is required; nothing is painted that can be filled; "
                "paint over a part of the picture, or choose a ready-made hole."
            )
        return hidden


def to_int(value: Any) -> Any:
    """Converts a whole number of type float, as sliders give it, to an integer.

    Any other value stays, for the settings refuse it.
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_files(
    folder: Path, picture: Picture, result: SearchResult, known: np.ndarray, writer: ResultWriter
) -> Values:
    """Writes the picture and the film that a visitor can save.

    Args:
        folder: an existing folder.
        picture: the picture. In its name, other characters than letters, digits, - and _ become _.
        result: result of the search.
        known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
        writer: writes the picture.
    """
    name = Path(picture.key).stem
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    saved = writer.write(folder, f"{stem}_filled", result.picture, known, picture.details)
    film = folder / f"{stem}_search.gif"
    images.animate(film, result.film, SECONDS_PER_FRAME)
    return {"film": str(film), "save_picture": str(folder / saved), "save_film": str(film)}


def status_text(result: SearchResult, hidden: np.ndarray, known: np.ndarray) -> str:
    """The sentences about a finished search.

    Args:
        result: result of the search.
        hidden: bool `[H, W]`.
        known: `[1, S, S, 1]`, the known pixels at the size of the network.
    """
    duration = f"Filled in {result.seconds:.1f} s with {result.steps} steps of the search."
    if not known.any():
        return f"{duration} No pixel was known, so the network made up the whole picture."
    return f"{duration} {1 - hidden.mean():.0%} of the pixels are unchanged."


def alternatives_values(
    alternatives: Alternatives, original: np.ndarray, hidden: np.ndarray
) -> Values:
    """The alternatives, a heat map of the uncertainty, and its mean and maximum in the hole.

    Args:
        alternatives: result of `PageSearch.sample`.
        original: uint8 `[H, W, C]`.
        hidden: bool `[H, W]`.
    """
    uncertainty = alternatives.uncertainty[hidden]
    largest = max(uncertainty.max(initial=0), 1e-6)
    heat_map = heat_maps.heat_map(original, hidden, alternatives.uncertainty, largest)
    return {
        "alternatives": [
            (canvas.resize_for_display(picture), f"alternative {number}")
            for number, picture in enumerate(alternatives.pictures, 1)
        ],
        "heat": canvas.resize_for_display(heat_map),
        "scale": (float(uncertainty.mean()), float(uncertainty.max())),
    }
