"""The output folder of `complete`: what is written for each image, and a job that goes on where it was killed."""

import base64
import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np

from tf_inpaint import images, outputs
from tf_inpaint.config import CompleteConfig
from tf_inpaint.examples import Example
from tf_inpaint.inputs import RESERVED, Input, untaken
from tf_inpaint.metrics import pairwise

FREE = {"images", "count", "out_dir", "overwrite", "details", "shard"}
"""Settings that may change when a job is continued: none of them changes an image's completion."""
PICTURES = ("original", "masked", "generated", "completed")
"""The columns of `sheet.png`."""


class Job:
    """An output folder: what is done is in a journal, so that a killed job loses at most a block.

    Args:
        out_dir: made by `begin`, so that a job that can do nothing leaves nothing behind.
        config: of the job; a folder is only continued with the same settings.
        step: of the networks; likewise.

    Attributes:
        done: the lines of the images that are complete, and their z, by file.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, config: CompleteConfig, step: int):
        self.out_dir = out_dir
        self.config = config
        self.settings = dataclasses.asdict(config) | {"command": "complete", "step": step}
        part = "" if config.shard == "0/1" else "-" + config.shard.replace("/", "of")
        self.lines = out_dir / f"completions{part}.jsonl"
        self.latents = out_dir / f"latents{part}.npz"
        self.sheet = out_dir / f"sheet{part}.png"
        self.film = out_dir / f"search{part}.gif"
        self.journal = out_dir / f".journal{part}.jsonl"
        self.done: dict[str, dict] = {}
        outputs.check(out_dir, self.settings, FREE, config.overwrite)
        if not config.overwrite:
            self.resume()

    def resume(self) -> None:
        if self.lines.exists():
            with np.load(self.latents) as latents:
                z = dict(zip(latents["files"].tolist(), latents["z"], strict=True))
            for line in map(json.loads, self.lines.read_text().splitlines()):
                self.done[line["file"]] = line | {"z": z[line["file"]]}
        for line in outputs.recover(self.journal):
            self.done[line["file"]] = line | {"z": np.frombuffer(base64.b64decode(line["z"]), np.float32)}

    def named(self, items: list[Input]) -> list[Input]:
        """The items by names that go with what is done: it keeps its own, and no other image takes that."""
        own = {file: line["completion"].removesuffix(".png") for file, line in self.done.items()}
        taken = RESERVED | {stem.casefold() for stem in own.values()}
        return [item._replace(stem=own.get(item.file) or untaken(item.stem, taken)) for item in items]

    def begin(self) -> None:
        if (self.out_dir / "config.json").exists() and not self.config.overwrite:
            return
        if self.config.overwrite and not self.done:
            for path in (self.lines, self.latents, self.sheet, self.film, self.journal):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.out_dir / "details", ignore_errors=True)
        outputs.begin(self.out_dir, self.settings)

    def write(self, example: Example, found, line: dict, detailed: bool) -> None:
        """One image's files and its line in the journal, in this order: what is in the journal is there."""
        from tf_inpaint.inpainting.solve import Reason  # which imports TensorFlow

        item = example.input
        if detailed:
            folder = self.out_dir / "details" / item.stem
            folder.mkdir(parents=True, exist_ok=True)
            pasted = np.where(example.known > 0, example.masked, images.to_uint8(found.generated))
            images.write(folder / "original.png", example.original)
            images.write(folder / "masked.png", example.masked)
            images.write(folder / "generated.png", found.generated)
            images.write(folder / "pasted.png", pasted)
        images.write(self.out_dir / f"{item.stem}.png", found.images)
        line = {
            "file": item.file,
            "completion": f"{item.stem}.png",
            **line,
            "energy": float(found.energy),
            "contextual": float(found.contextual),
            "perceptual": float(found.perceptual),
            "steps": int(found.steps),
            "reason": Reason(found.reason).name.lower(),
            "seed": self.config.seed,
            "block_size": self.config.block_size,
            **scores(found.images, images.to_float(example.original), 1 - example.known),
        }
        z = base64.b64encode(found.z.tobytes()).decode()
        with self.journal.open("a") as file:
            file.write(json.dumps(line | {"z": z}) + "\n")
        self.done[item.file] = line | {"z": found.z}

    def finish(self, stems: list[str]) -> None:
        """The lines and latents of all that is done, and the sheet of the images called `stems`."""
        with images.atomic(self.latents) as path:
            np.savez(path, files=list(self.done), z=np.stack([line["z"] for line in self.done.values()]))
        with images.atomic(self.lines) as path, path.open("w") as file:
            for line in self.done.values():
                file.write(json.dumps({name: value for name, value in line.items() if name != "z"}) + "\n")
        self.journal.unlink(missing_ok=True)
        rows = []
        for stem in stems:
            folder = self.out_dir / "details" / stem
            if folder.exists():
                paths = [folder / f"{name}.png" for name in PICTURES[:3]] + [self.out_dir / f"{stem}.png"]
                rows += [images.enlarge(images.read(path)[None]) for path in paths]
        if rows:
            images.write(self.sheet, images.grid(np.concatenate(rows), columns=len(PICTURES), captions=PICTURES))


def scores(completion: np.ndarray, original: np.ndarray, hole: np.ndarray) -> dict[str, float | None]:
    """PSNR and SSIM of one `[H, W, C]` completion, over the hole and the whole image; None if none."""
    pair = completion[None], original[None]
    values = {
        "hole_psnr": pairwise.psnr(*pair, hole[None]),
        "psnr": pairwise.psnr(*pair),
        "hole_ssim": pairwise.ssim(*pair, hole[None]),
        "ssim": pairwise.ssim(*pair),
    }
    # JSON has no infinity, the PSNR of two equal images.
    return {name: float(value[0]) if math.isfinite(value[0]) else None for name, value in values.items()}
