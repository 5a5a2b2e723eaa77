"""The output folder of `complete`: what is written for each image, and a job that goes on where it was killed."""

import base64
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tf_inpaint.config import CompleteConfig, flags
from tf_inpaint.files import folders, images, webpage
from tf_inpaint.files.journal import Journal
from tf_inpaint.inputs.masked_images import Example
from tf_inpaint.metrics import bands

FREE = {"images", "count", "out_dir", "overwrite", "details", "shard"}
"""Settings that may change when a job is continued: none of them changes an image's completion."""
PICTURES = ("original", "masked", "generated", "completed")
"""The columns of `sheet.png`, before those of several answers."""
SAMPLES = 4
"""Answers in it."""
COLUMNS = {
    "hole_psnr": ("hole PSNR", 1),
    "psnr": ("PSNR", 1),
    "hole_ssim": ("hole SSIM", 3),
    "ssim": ("SSIM", 3),
    "contextual": ("contextual", 1),
    "energy": ("energy", 1),
    "uncertainty": ("uncertainty", 3),
    "steps": ("steps", 0),
    "seconds": ("seconds", 3),
}
"""Numbers of a line in index.html: title and decimals."""
CELL = 256
"""Pixels of a side of its cells, where images are done in place."""


class Job:
    """An output folder: what is done is in a journal, so that a killed job loses at most a block.

    Args:
        out_dir: made by `begin`, so that a job that can do nothing leaves nothing behind.
        config: of the job; a folder is only continued with the same settings.
        networks: the `identity` of the run; likewise.

    Attributes:
        done: the lines of the images that are complete, and their z, one a square, by file.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, config: CompleteConfig, networks: str):
        self.out_dir = out_dir
        self.config = config
        self.settings = dataclasses.asdict(config) | {"command": "complete", "networks": networks}
        part = "" if config.shard == "0/1" else "-" + config.shard.replace("/", "of")
        self.lines = out_dir / f"completions{part}.jsonl"
        self.latents = out_dir / f"latents{part}.npz"
        self.sheet = out_dir / f"sheet{part}.png"
        self.film = out_dir / f"search{part}.gif"
        self.page = out_dir / f"index{part}.html"
        self.journal = Journal(out_dir / f".journal{part}.jsonl")
        self.done: dict[str, dict] = {}
        folders.check(out_dir, self.settings, FREE, config.overwrite)
        if not config.overwrite:
            self.resume()

    def resume(self) -> None:
        if self.lines.exists():
            with np.load(self.latents) as latents:
                pairs = list(zip(latents["files"].tolist(), latents["z"], strict=True))
            for line in map(json.loads, self.lines.read_text().splitlines()):
                self.done[line["file"]] = line | {"z": []}
            for file, z in pairs:
                self.done[file]["z"].append(z)
        for line in self.journal.recover():
            z = [np.frombuffer(base64.b64decode(one), np.float32) for one in line["z"]]
            self.done[line["file"]] = line | {"z": z}

    def begin(self) -> None:
        if (self.out_dir / "config.json").exists() and not self.config.overwrite:
            return
        if self.config.overwrite and not self.done:
            self.journal.remove()
            for path in (self.lines, self.latents, self.sheet, self.film, self.page):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.out_dir / "details", ignore_errors=True)
        folders.begin(self.out_dir, self.settings)

    def write(
        self, example: Example, found, completion: np.ndarray, line: dict, detailed: bool, blend
    ) -> None:
        """One image's files and its line in the journal, in this order: what is in the journal is there.

        Args:
            found: `Completions` of the example's rows.
            completion: `[H, W, C]` in [-1, 1].
            blend: of the job.
        """
        from tf_inpaint.inpainting import blending  # which imports TensorFlow

        item, in_place = example.input, example.squares is not None
        if detailed:
            folder = self.out_dir / "details" / item.stem
            folder.mkdir(parents=True, exist_ok=True)
            generated = images.to_uint8(found.generated[0]) if len(found.z) else example.masked
            if in_place:
                pasted = example.filled(found.generated, blending.paste)
            else:
                pasted = np.where(example.known > 0, example.masked, generated)
            images.write(folder / "original.png", example.original)
            images.write(folder / "masked.png", example.masked)
            images.write(folder / "generated.png", generated)
            images.write(folder / "pasted.png", pasted)
            for name, picture in answers(example, found, blend):
                images.write(folder / f"{name}.png", picture)
        images.write(self.out_dir / f"{item.stem}.png", completion)
        line = {
            "file": item.file,
            "completion": f"{item.stem}.png",
            **line,
            **totals(found),
            **({"squares": len(example.squares)} if in_place else {}),
            **(chains(example, found) if drawn(found) else {}),
            "seed": self.config.seed,
            "block_size": self.config.block_size,
            **bands.pair_scores(completion, example.original, example.known, images.to_float),
        }
        z = [base64.b64encode(one.tobytes()).decode() for one in found.z]
        self.journal.append([line | {"z": z}])
        self.done[item.file] = line | {"z": list(found.z)}

    def finish(self, stems: list[str]) -> None:
        """The lines and latents of all that is done, the sheet of the images called `stems`, and the page."""
        pairs = [(file, z) for file, line in self.done.items() for z in line["z"]]
        with images.atomic(self.latents) as path:
            np.savez(
                path,
                files=[file for file, _ in pairs],
                z=np.array([z for _, z in pairs], np.float32),
            )
        with images.atomic(self.lines) as path, path.open("w") as file:
            for line in self.done.values():
                file.write(
                    json.dumps({name: value for name, value in line.items() if name != "z"}) + "\n"
                )
        self.journal.remove()
        in_place = any("squares" in line for line in self.done.values())
        shown = [*PICTURES]
        for name in (*(f"sample_{number}" for number in range(SAMPLES)), "uncertainty"):
            shown += [name] * any(
                (self.out_dir / "details" / stem / f"{name}.png").exists() for stem in stems
            )
        cells = []
        for stem in stems:
            folder = self.out_dir / "details" / stem
            if folder.exists():
                paths = [folder / f"{name}.png" for name in shown]
                paths[PICTURES.index("completed")] = self.out_dir / f"{stem}.png"
                white = np.full_like(images.read(paths[0]), 255)  # of an image that is all known
                pictures = [images.read(path) if path.exists() else white for path in paths]
                cells += [
                    cell(each, CELL) if in_place else images.enlarge(each[None])[0]
                    for each in pictures
                ]
        if cells:
            captions = [name.replace("_", " ") for name in shown]
            images.write(
                self.sheet, images.grid(np.stack(cells), columns=len(shown), captions=captions)
            )
        self.report()

    def report(self) -> None:
        """index.html."""
        lines = list(self.done.values())
        sheet = "A row an image. Original: the whole image. Masked: what the search was given. Generated: what the "
        sheet += (
            "network drew to match that. Completed: the answer, whose hole comes from the drawing."
        )
        if any("uncertainty" in line for line in lines):
            sheet += " Samples: other answers that fit. Uncertainty: where they differ, the more the whiter."
        film = "The search, from its first guess to the answer; an image a column. Above: what it was given. Middle: "
        film += "what the network draws. Below: the hole filled with that."
        meaning = "PSNR (in decibels) and SSIM compare with the original, over the hole and over the whole image: the "
        meaning += "higher, the nearer. Contextual: how far the drawing is from the given pixels."
        sections = [
            webpage.section(
                "Pictures",
                webpage.picture(self.sheet, sheet, self.out_dir),
                webpage.picture(self.film, film, self.out_dir),
            ),
            webpage.section(
                "Numbers",
                webpage.numbers(lines, COLUMNS, "Numbers of each image"),
                webpage.note(meaning),
            ),
            *webpage.origin(self.settings, flags.command("tf_inpaint.complete", self.config)),
        ]
        sentence = f"Holes filled with what the network of {self.config.run_dir} draws when it must match the rest."
        webpage.write(self.page, f"Completed images: {len(lines)}", sentence, sections)


def drawn(found) -> int:
    """How many answers there are to one image, asked for or as its estimate needs; none where nothing was searched."""
    return found.samples.shape[1] if len(found.z) else 0


def answers(example: Example, found, blend) -> Iterator[tuple[str, np.ndarray]]:
    """The pictures of several answers to one image, by name: each of them, and how far they differ.

    In `uncertainty` black is a standard deviation of 0, and white one of half the range from black to white.
    """
    from tf_inpaint.inpainting import blending, large_images  # which import TensorFlow

    for number in range(drawn(found)):
        sample = found.samples[:, number]
        yield (
            f"sample_{number}",
            sample[0] if example.squares is None else example.filled(sample, blend),
        )
    if drawn(found):
        fields = np.minimum(found.uncertainty, 1)
        if example.squares is None:
            field = fields[0]
        else:
            field = large_images.restore(
                np.zeros_like(example.known), example.known, example.squares, fields, blending.paste
            )
        yield "uncertainty", (2 * field - 1).repeat(example.original.shape[2], axis=2)


def chains(example: Example, found) -> dict[str, float | None]:
    """Of what was drawn: the mean uncertainty of the hole, in units of the images, and of steps the share accepted."""
    hidden = example.rows[1] == 0
    doubt = float(found.uncertainty[hidden].mean()) if hidden.any() else None
    return {"uncertainty": doubt, "acceptance": float(found.acceptance.mean())}


def totals(found) -> dict[str, float | int | str | None]:
    """What the searches of one image's rows came to together: sums, and the longest of them."""
    from tf_inpaint.latent_search.loop import Reason  # which imports TensorFlow

    sums = {
        name: float(getattr(found, name).sum(dtype=np.float64))
        for name in ("energy", "contextual", "perceptual")
    }
    if not len(found.steps):
        return sums | {"steps": 0, "reason": None}
    longest = found.steps.argmax()
    return sums | {
        "steps": int(found.steps[longest]),
        "reason": Reason(found.reason[longest]).name.lower(),
    }


def cell(picture: np.ndarray, side: int) -> np.ndarray:
    """The whole picture in the middle of a white square: reduced, or its pixels repeated."""
    height, width, channels = picture.shape
    longest = max(height, width)
    if longest > side:
        size = [max(1, round(length * side / longest)) for length in (width, height)]
        levels = Image.fromarray(picture[..., 0] if channels == 1 else picture)
        picture = np.asarray(levels.resize(size, Image.Resampling.BICUBIC)).reshape(
            *size[::-1], channels
        )
    else:
        picture = picture.repeat(side // longest, axis=0).repeat(side // longest, axis=1)
    margins = [
        ((side - length) // 2, side - length - (side - length) // 2) for length in picture.shape[:2]
    ]
    return np.pad(picture, [*margins, (0, 0)], constant_values=255)
