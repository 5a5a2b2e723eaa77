"""The actions of the page of `paint`, as new values for the parts of the page.

This module knows nothing of Gradio.
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.config import PaintConfig
from tf_inpaint.files import file_details, images
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.masked_images import check_mask_size, convert_channels
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.page import canvas, page_picture
from tf_inpaint.page.page_picture import Picture
from tf_inpaint.page.page_results import Values, alternatives_values, status_text, write_files
from tf_inpaint.page.page_search import PageSearch, SearchResult

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
        self.canvas_numbers = itertools.count()
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

    def upload_picture(self, file: str, hole: str | None, keep: bool = False) -> Values:
        """Shows the picture in an uploaded file, and deletes the file.

        The transparent part of the picture is the hole. A picture without a transparent part gets
        a ready-made hole.

        Args:
            file: path of the file.
            hole: one of `HOLES`; None: none.
            keep: whether the file is one of the page itself, which is not deleted.

        Raises:
            ValueError: the picture is invalid, too large or too small, or no file was uploaded.
        """
        with page_picture.uploaded(file, keep) as path:
            pixels = canvas.read(path, self.config.most_pixels)
            details = file_details.read(path)
        picture = self.picture(path.name, pixels, details)
        hidden, note = page_picture.transparent_pixels(details.alpha)
        if hidden is None:
            return self.show_picture(picture, hole, note)
        return self.show_picture_with_hole(picture, hidden, note)

    def upload_mask(self, file: str, picture: Picture, keep: bool = False) -> Values:
        """Shows the hole of an uploaded mask on the picture, and deletes the file.

        As in `complete`, a mask of the size of the network reduces the picture to this size.

        Args:
            file: path of the file.
            picture: picture on the canvas.
            keep: whether the file is one of the page itself, which is not deleted.

        Raises:
            ValueError: the mask is invalid or of another size, or no file was uploaded.
        """
        with page_picture.uploaded(file, keep) as path:
            known = page_picture.read_mask(path, self.config.most_pixels)
        size, note = self.search.size, page_picture.mask_note(known)
        check_mask_size(known, picture.pixels, picture.key, size)
        if known.shape[:2] != picture.pixels.shape[:2]:
            crop = self.crop(picture)
            pixels = images.fit(picture.pixels, size, self.search.channels, crop)
            picture = Picture(picture.key, pixels, picture.details.fit(size, crop))
            note = f"The picture now has the size of the mask, {size} x {size}. {note}".strip()
        return self.show_picture_with_hole(picture, known[..., 0] == 0, note)

    def invert_hole(self, layer_url: str, picture: Picture) -> Values:
        """Shows the picture with a hole where nothing was painted, and only there."""
        visible = self.visible_part(picture)
        return self.show_picture_with_hole(picture, visible & ~picture.painted_pixels(layer_url))

    def save_mask(self, layer_url: str, picture: Picture) -> Values:
        """Gives the painted hole as a mask: a PNG file of the size of the picture.

        Raises:
            ValueError: no pixel that can be filled is painted.
        """
        hidden = self.hidden_pixels(layer_url, picture)
        levels = np.where(hidden, 0, 255).astype(np.uint8)[..., None]
        return {"mask_file": {"name": picture.mask_name, "source": canvas.to_data_url(levels)}}

    def show_picture(self, picture: Picture, hole: str | None, note: str = "") -> Values:
        """Shows another picture. A hole that this picture cannot have is replaced by none."""
        labels = self.hole_labels(picture)
        hole = hole if hole in labels else labels[0]
        return {
            "picture": picture,
            "hole": (labels, hole),
            **self.show_hole(picture, hole, note),
        }

    def show_picture_with_hole(
        self, picture: Picture, hidden: np.ndarray, note: str = ""
    ) -> Values:
        """Shows the picture with a hole that is not ready-made, bool `[H, W]`."""
        picture = picture.with_hole(hidden)
        return {
            "picture": picture,
            "hole": (self.hole_labels(picture), None),
            **self.show_layer(picture, picture.paint(), note),
        }

    def hole_labels(self, picture: Picture) -> list[str]:
        """The labels of the ready-made holes that the picture can have."""
        has_network_size = self.has_network_size(picture)
        return [
            label for label, mask in HOLES.items() if has_network_size or mask not in FINE_MASKS
        ]

    def show_hole(self, picture: Picture, hole: str, note: str = "") -> Values:
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
        layer = canvas.hole_layer(
            HOLES[hole], height, width, (self.config.seed,), self.crop(picture)
        )
        return self.show_layer(picture, layer, note)

    def show_layer(self, picture: Picture, layer: np.ndarray, note: str) -> Values:
        """Shows the picture under a layer of paint on the canvas, and a note below."""
        visible = self.visible_part(picture)
        if not visible.all():
            note += " The network sees only the middle square. The pale part stays unchanged."
        dimmed = canvas.dim_outside(picture.pixels, visible)
        picture_url = canvas.to_data_url(canvas.picture_layer(dimmed))
        values = {"picture": picture_url, "layer": canvas.to_data_url(layer)}
        # A browser ignores an unchanged value, even if the visitor has painted in the meantime.
        values["number"] = next(self.canvas_numbers)
        return {"note": note.strip(), "canvas": values}

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
        figures = {
            "known": canvas.resize_for_display(example.masked),
            "filled": canvas.resize_for_display(result.picture),
            "original": canvas.resize_for_display(example.original),
            "result_section": True,
        }
        with tempfile.TemporaryDirectory() as folder:  # The page makes copies of the files.
            yield {
                **write_files(Path(folder), picture, result, example.known, self.writer),
                **figures,
                "alternatives_section": False,
                "status": status + searching,
            }

        # Search for alternatives.
        if samples:
            search = self.search.sampling_config(samples, blend)
            alternatives = self.search.sample(example, search, seed)
            values = alternatives_values(alternatives, example.original, hidden)
            # A busy browser may join two updates, and then loses the first one.
            yield {**figures, **values, "status": status, "alternatives_section": True}

    def hidden_pixels(self, layer_url: str, picture: Picture, grow_mask: int = 0) -> np.ndarray:
        """The hole that a visitor painted, grown by a number of pixels: bool `[H, W]`.

        Raises:
            ValueError: no pixel that can be filled is painted.
        """
        visible = self.visible_part(picture)
        painted = picture.painted_pixels(layer_url) & visible
        hidden = (grow(np.where(painted, 0, 1)[..., None], grow_mask)[..., 0] == 0) & visible
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
