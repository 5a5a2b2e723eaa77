"""What the page of `paint` does for its visitors, as values of its parts by their names. It knows nothing of Gradio."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.config import PaintConfig
from tf_inpaint.files import images
from tf_inpaint.inputs.masked_images import coloured
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.page import canvas
from tf_inpaint.page.page_search import Answers, Filled, Filler

READY = {
    "what I paint": "",
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
"""Masks by what the page calls them."""
FINE = {"random", "grid"}
"""Of these nothing known would be left of a picture that is resized for the network."""
SECONDS_PER_FRAME = 0.1

Values = dict[str, Any]
"""What the parts of the page are to show."""


class Picture(NamedTuple):
    """What a visitor works on."""

    key: str
    pixels: np.ndarray
    """uint8 `[H, W, C]`, in the network's colours."""


class Visits:
    """What the page can do.

    Args:
        filler: fills holes.
        items: pictures to choose from.
        config: of the command.
    """

    def __init__(self, filler: Filler, items: Sequence[Input], config: PaintConfig):
        self.filler = filler
        self.config = config
        self.pictures = [self.picture(item.key, item.read()) for item in items]

    def picture(self, key: str, pixels: np.ndarray) -> Picture:
        return Picture(key, coloured(pixels, self.filler.channels))

    def is_native(self, picture: Picture) -> bool:
        """Whether it has the network's size."""
        return picture.pixels.shape[:2] == (self.filler.size, self.filler.size)

    def crop(self, picture: Picture) -> int:
        """The side of the middle square that the network is shown; 0: the shorter side."""
        return 0 if self.is_native(picture) else self.filler.run.config.crop

    def inside(self, picture: Picture) -> np.ndarray:
        """That square, bool `[H, W]`."""
        return canvas.square(*picture.pixels.shape[:2], self.crop(picture))

    def picked(self, index: int, ready: str) -> Values:
        """The picture of that number, on the canvas with a ready-made hole."""
        return self.begun(self.pictures[index], ready)

    def uploaded(self, file: str, ready: str) -> Values:
        """The picture in that file, which is deleted.

        Raises:
            ValueError: it cannot be used.
        """
        try:
            pixels = canvas.read(file, self.config.most_pixels)
        finally:
            Path(file).unlink(missing_ok=True)
        return self.begun(self.picture(Path(file).name, pixels), ready)

    def begun(self, picture: Picture, ready: str) -> Values:
        """The page with another picture."""
        choices = [
            name for name, mask in READY.items() if self.is_native(picture) or mask not in FINE
        ]
        ready = ready if ready in choices else choices[0]
        pale = (
            ""
            if self.inside(picture).all()
            else "The network sees the middle square; what is pale stays as it is."
        )
        return {
            "picture": picture,
            "note": pale,
            "ready": (choices, ready),
            **self.painted(picture, ready),
        }

    def painted(self, picture: Picture, ready: str) -> Values:
        """The canvas with the picture and a ready-made hole, on which one can paint further."""
        background = canvas.background(canvas.dimmed(picture.pixels, self.inside(picture)))
        layer = canvas.ready(
            READY[ready], *picture.pixels.shape[:2], (self.config.seed,), self.crop(picture)
        )
        return {"canvas": {"picture": canvas.encoded(background), "layer": canvas.encoded(layer)}}

    def fill(
        self,
        painted: str,
        picture: Picture,
        steps: int,
        prior_weight: float,
        restarts: int,
        blend: str,
        samples: int,
        seed: int,
    ) -> Iterator[Values]:
        """What the page shows while the hole is filled, moment by moment.

        Args:
            painted: the layer of paint, as `canvas.decoded` takes it.
            picture: what was put on the canvas.
            samples: further answers.
            seed: another one, another answer.

        Raises:
            ValueError: nothing is painted that can be filled, or the settings do not go together.
        """
        hidden = canvas.hole(canvas.decoded(painted), *picture.pixels.shape[:2]) & self.inside(
            picture
        )
        if not hidden.any():
            raise ValueError(
                "Nothing is painted yet that could be filled; paint over a part of the picture, "
                "or choose a ready-made hole."
            )
        search = self.filler.search(
            steps=int(steps), prior_weight=prior_weight, restarts=int(restarts), blend=blend
        )
        example = self.filler.example(picture.pixels, hidden, picture.key)
        yield {"how": False, "working": True, "status": "Getting ready ..."}
        for moment in self.filler.fill(example, search, int(seed)):
            if isinstance(moment, Filled):
                break
            yield {"film": canvas.rgb(moment.frame), "status": f"Searching: {moment.share:.0%} ..."}
        done = sentence(moment, hidden, example.rows[1])
        with tempfile.TemporaryDirectory() as folder:  # the page takes copies
            stem = "".join(
                letter if letter.isalnum() or letter in "-_" else "_"
                for letter in Path(picture.key).stem
            )
            file, film = Path(folder) / f"{stem}_filled.png", Path(folder) / f"{stem}_search.gif"
            images.write(file, moment.picture)
            images.animate(film, moment.film, SECONDS_PER_FRAME)
            yield {
                "film": str(film),
                "given": canvas.shown(example.masked),
                "filled": canvas.shown(moment.picture),
                "original": canvas.shown(example.original),
                "save_picture": str(file),
                "save_film": str(film),
                "found": True,
                "several": False,
                "status": done + (f" Looking for {samples} other answers ..." if samples else ""),
            }
        if samples:
            search = self.filler.search_several(int(samples), blend)
            answers = self.filler.several(example, search, int(seed))
            yield {"status": done, "several": True, **shown(answers, example.original, hidden)}


def sentence(filled: Filled, hidden: np.ndarray, known: np.ndarray) -> str:
    """What is to be said of the answer.

    Args:
        hidden: bool `[H, W]`.
        known: `[1, S, S, 1]`, what the network was given.
    """
    took = f"Filled in {filled.seconds:.1f} s, after {filled.steps} steps of the search."
    if not known.any():
        return f"{took} Nothing was left to go by, so this is a picture that the network made up."
    return f"{took} {1 - hidden.mean():.0%} of the pixels are exactly as they were."


def shown(answers: Answers, original: np.ndarray, hidden: np.ndarray) -> Values:
    """The further answers, and how far they differ."""
    doubt = answers.uncertainty[hidden]
    return {
        "answers": [
            (canvas.shown(one), f"answer {number}")
            for number, one in enumerate(answers.pictures, 1)
        ],
        "heat": canvas.shown(canvas.heat(original, hidden, answers.uncertainty)),
        "scale": (float(doubt.mean()), float(doubt.max())),
    }
