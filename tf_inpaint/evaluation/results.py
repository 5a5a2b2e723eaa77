"""The folder of an evaluation: a row of numbers for each method, mask and image, and the pictures."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.files import folders, images
from tf_inpaint.inputs.masked_images import Example
from tf_inpaint.metrics import pairwise

FREE = {
    "compare",
    "count",
    "few",
    "mask_sources",
    "masks",
    "measure",
    "methods",
    "out_dir",
    "overwrite",
    "run_dir",
}
"""Settings that change no row; `runs`, which networks there are, does."""
HIGHEST = 60.0
"""Decibels that count for two equal images, of which the PSNR is infinite and a mean would be too: those of an error of
a thousandth of the range. Hidden background that is filled exactly is not rare."""
ORIGINAL, MASKED = "original", "masked"
"""Folders beside the methods' own."""

Key = tuple[str, str, str]
"""Method, mask, image."""


class Results:
    """What is known so far. What is in the journal is there, so that a killed job loses at most a few images.

    Args:
        out_dir: made by `begin`.
        settings: of the job; a folder is only continued with the same. In `mask_sources` what each mask's name stands
            for, to which later jobs may add.
        overwrite: begin anew.

    Attributes:
        rows: by method, mask and image.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, settings: dict[str, Any], overwrite: bool):
        self.out_dir = out_dir
        self.settings = settings
        self.overwrite = overwrite
        self.path = out_dir / "evaluation.json"
        self.journal = out_dir / ".journal.jsonl"
        self.rows: dict[Key, dict] = {}
        folders.check(out_dir, settings, FREE, overwrite)
        if overwrite:
            return
        if (out_dir / "config.json").exists():
            there = json.loads((out_dir / "config.json").read_text()).get("mask_sources", {})
            for name, source in settings["mask_sources"].items():
                if there.get(name, source) != source:
                    raise ValueError(
                        f"A mask's name must stand for one mask in a folder; {out_dir} has {name} of {there[name]}, "
                        f"and now it is {source}; rename it, choose another --out_dir, or pass --overwrite."
                    )
            self.settings = settings | {"mask_sources": there | settings["mask_sources"]}
        done = json.loads(self.path.read_text())["results"] if self.path.exists() else []
        for row in done + folders.recover(self.journal):
            self.rows[row["method"], row["mask"], row["image"]] = row

    def begin(self) -> None:
        if self.overwrite:
            shutil.rmtree(self.out_dir / "images", ignore_errors=True)
            for path in (self.path, self.journal):
                path.unlink(missing_ok=True)
        folders.begin(self.out_dir, self.settings)

    def folder(self, method: str, mask: str) -> Path:
        return self.out_dir / "images" / method.replace(":", ".") / mask

    def write(
        self,
        method: str,
        mask: str,
        examples: Sequence[Example],
        completions: np.ndarray,
        generated: np.ndarray | None,
        cost: dict[str, Any],
    ) -> None:
        """The pictures and rows of some images.

        Args:
            completions, generated: `[N, H, W, C]`; no `generated` for a method that has none.
            cost: further numbers, the same for all of them.
        """
        originals = images.to_float(np.stack([example.original for example in examples]))
        known = np.stack([example.known for example in examples])
        numbers = measured(originals, known, completions, generated)
        folders = [self.folder(name, mask) for name in (method, ORIGINAL, MASKED)]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        lines = ""
        for index, example in enumerate(examples):
            name = f"{example.input.stem}.png"
            for folder, picture in zip(
                folders, (completions[index], example.original, example.masked), strict=True
            ):
                images.write(folder / name, picture)
            row = {"method": method, "mask": mask, "image": example.input.key, "file": name}
            row |= {name: finite(values[index]) for name, values in numbers.items()} | cost
            self.rows[method, mask, example.input.key] = row
            lines += json.dumps(row) + "\n"
        with self.journal.open("a") as file:
            file.write(lines)

    def pictures(self, method: str, mask: str, files: Sequence[str]) -> np.ndarray:
        """What was written, `[N, H, W, C]` uint8."""
        return np.stack([images.read(self.folder(method, mask) / name) for name in files])

    def finish(self, contents: dict[str, Any]) -> None:
        """Writes evaluation.json, which then holds all that is in the journal."""
        with images.atomic(self.path) as path:
            path.write_text(
                json.dumps(contents | {"results": list(self.rows.values())}, indent=1) + "\n"
            )
        self.journal.unlink(missing_ok=True)


def measured(
    originals: np.ndarray, known: np.ndarray, completions: np.ndarray, generated: np.ndarray | None
) -> dict[str, np.ndarray]:
    """What can be said of each completion and its original, `[N]` each."""
    hole = 1 - known
    values = {
        "hole_share": hole.mean(axis=(1, 2, 3)),
        "hole_psnr": np.minimum(pairwise.psnr(completions, originals, hole), HIGHEST),
        "psnr": np.minimum(pairwise.psnr(completions, originals), HIGHEST),
        "hole_ssim": pairwise.ssim(completions, originals, hole),
        "ssim": pairwise.ssim(completions, originals),
        "hole_l1": pairwise.l1(completions, originals, hole),
        "l1": pairwise.l1(completions, originals),
        "seam": pairwise.seam(completions, known),
        "original_seam": pairwise.seam(originals, known),
    }
    if generated is not None:
        values["contextual"] = (known * np.abs(generated - originals)).sum(axis=(1, 2, 3))
    return values


def finite(value: float) -> float | None:
    """JSON has no NaN, which stands for a hole of no pixel."""
    return float(value) if math.isfinite(value) else None
