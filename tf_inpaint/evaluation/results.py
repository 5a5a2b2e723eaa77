"""Output folder of an evaluation: pictures, and a row of numbers for each of them."""

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.files import folders, images
from tf_inpaint.files.journal import Journal, check_row
from tf_inpaint.inputs.masked_images import Example
from tf_inpaint.metrics import pairwise

CHANGEABLE_SETTINGS = {
    "compare",
    "count",
    "dataset",
    "few",
    "jit_compile",
    "mask_sources",
    "masks",
    "measure",
    "methods",
    "out_dir",
    "overwrite",
    "run_dir",
}
"""Names of the settings that may change when an evaluation is continued, for they change no row.

`runs` is not among them: the networks of a run change its rows.
"""
MAX_PSNR = 60.0
"""Maximum PSNR in decibels, that of an error of 0.1 % of the range.

Without a maximum, one exactly filled hole makes the mean infinite. Such a hole is not rare: a
hidden background is often filled exactly.
"""
FIELDS = {
    "method": str,
    "mask": str,
    "image": str,
    "file": str,
    "hole_share": (int, float),
}
"""Names and types of what every row has that the report needs."""
ORIGINAL, MASKED = "original", "masked"
"""Names of the folders with the original and the masked images, beside those of the methods."""

Key = tuple[str, str, str]
"""Method, mask and image of a row."""

log = logging.getLogger("tf_inpaint")


class Results:
    """The rows and pictures of an evaluation, in memory and in its folder.

    The pictures of a row are written before the row is appended to the journal, so that a killed
    evaluation loses at most a few images.

    Args:
        out_dir: output folder. `begin` creates the folder.
        settings: settings of the evaluation. A folder is only continued with the same settings,
            apart from `CHANGEABLE_SETTINGS`. `mask_sources` holds the name or path of each mask by
            its name in the results; a later evaluation may add masks.
        overwrite: whether to start again without the existing rows.

    Attributes:
        rows: rows by method, mask and image.

    Raises:
        ValueError: the folder contains something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, settings: dict[str, Any], overwrite: bool):
        self.out_dir = out_dir
        self.settings = settings
        self.overwrite = overwrite
        self.path = out_dir / "evaluation.json"
        self.journal = Journal(out_dir / ".journal.jsonl", FIELDS)
        self.rows: dict[Key, dict] = {}
        # Mask and file of the originals that this process has written.
        self._written: set[tuple[str, str]] = set()
        # The last arguments and result of `originals`.
        self._originals: tuple[tuple[str, Sequence[str]], np.ndarray] | None = None
        folders.check(out_dir, settings, CHANGEABLE_SETTINGS, overwrite)
        folders.check_no_link(out_dir / "images")
        if not overwrite:
            self.settings = settings | {"mask_sources": self.mask_sources()}
            self.recover()

    def mask_sources(self) -> dict[str, str]:
        """Returns the sources of all masks by name: those of the folder and those of the settings.

        Raises:
            ValueError: two masks have the same name.
        """
        sources = self.settings["mask_sources"]
        path = self.out_dir / "config.json"
        if not path.exists():
            return sources
        existing = (folders.read_object(path) or {}).get("mask_sources", {})
        if not isinstance(existing, dict):
            raise ValueError(
                f"The mask_sources of an evaluation must be a JSON object; {path} has {existing}; "
                "restore the file, or choose another --out_dir."
            )
        for name, source in sources.items():
            if existing.get(name, source) != source:
                raise ValueError(
                    "The name of a mask must stand for one mask in a folder; "
                    f"{self.out_dir} has {name} of {existing[name]}, and now it is {source}; "
                    "rename it, choose another --out_dir, or pass --overwrite."
                )
        return existing | sources

    def recover(self) -> None:
        """Reads the rows of an earlier evaluation, from its result and from its journal.

        A row is left out if one of its pictures was deleted or damaged since.
        """
        for row in self.recorded_rows():
            self.rows[row["method"], row["mask"], row["image"]] = row
        pictures = {key: self.picture_paths(row) for key, row in self.rows.items()}
        folders.forget_damaged(self.out_dir, self.rows, pictures)

    def forget_edited(self, examples: Iterable[Mapping[str, Example]]) -> None:
        """Removes the rows of images that differ from those that the rows were made of.

        The image or its mask was edited, or the image takes another mask of a folder. A row without
        the hash, of an earlier version of this package, counts.

        Args:
            examples: the images as they are now, each by the names of masks.
        """
        hashes = {
            (mask, example.input.key): content_hash(example)
            for by_mask in examples
            for mask, example in by_mask.items()
        }
        edited = []
        for key, row in self.rows.items():
            present = hashes.get(key[1:])
            if present and row.get("input_sha256", present) != present:
                edited.append(key)
        for key in edited:
            del self.rows[key]
        if edited:
            log.warning(
                "%d of the results in %s do not count anymore, for their image or mask was edited, "
                "such as that of %s, mask %s. They are computed again if they are asked for.",
                len(edited),
                self.out_dir,
                edited[0][2],
                edited[0][1],
            )

    def picture_paths(self, row: Mapping[str, Any]) -> list[Path]:
        """Returns the paths of the completion of a row, and of its original and masked image."""
        return [
            self.folder(method, row["mask"]) / row["file"]
            for method in (row["method"], ORIGINAL, MASKED)
        ]

    def recorded_rows(self) -> list[dict]:
        """Returns the rows in the result and in the journal of an earlier evaluation.

        Raises:
            ValueError: one of the files is damaged.
        """
        rows = []
        if self.path.exists():
            rows = (folders.read_object(self.path) or {}).get("results")
            if not isinstance(rows, list):
                raise ValueError(
                    "The result of an evaluation must be a JSON object with a list of results; "
                    f"{self.path} is none; restore the file, or choose another --out_dir."
                )
            for row in rows:
                check_row(row, FIELDS, self.path)
        return rows + self.journal.recover()

    def begin(self) -> None:
        """Creates the folder. With `overwrite`, deletes what an earlier evaluation wrote."""
        if self.overwrite:
            pictures = [path for row in self.recorded_rows() for path in self.picture_paths(row)]
            folders.remove_files(self.out_dir, [*pictures, self.path, self.journal.path])
        folders.begin(self.out_dir, self.settings)

    def folder(self, method: str, mask: str) -> Path:
        """Returns the folder of the pictures of one method, or of `ORIGINAL` or `MASKED`."""
        return self.out_dir / "images" / method.replace(":", ".") / mask

    def write(
        self,
        method: str,
        mask: str,
        examples: Sequence[Example],
        completions: np.ndarray,
        generated: np.ndarray | None,
        cost: Mapping[str, Any],
    ) -> None:
        """Writes the pictures and rows of some images.

        Args:
            method: name of the method.
            mask: name of the mask.
            examples: N images under this mask.
            completions: `[N, H, W, C]` in [-1, 1].
            generated: `[N, H, W, C]` in [-1, 1], G(z) before blending; None for a method without G.
            cost: further numbers, the same for every image.
        """
        originals = images.to_float(np.stack([example.original for example in examples]))
        known = np.stack([example.known for example in examples])
        metrics = image_metrics(originals, known, completions, generated)
        rows = []
        for index, example in enumerate(examples):
            key, name = example.input.key, f"{example.input.stem}.png"
            self.write_picture(method, mask, name, completions[index])
            self.write_original(mask, example)
            row = {"method": method, "mask": mask, "image": key, "file": name}
            row |= {name: finite(values[index]) for name, values in metrics.items()}
            row |= {**cost, "input_sha256": content_hash(example)}
            self.rows[method, mask, key] = row
            rows.append(row)
        self.journal.append(rows)

    def write_original(self, mask: str, example: Example) -> None:
        """Writes the original and the masked image, unless this process has already done so."""
        name = f"{example.input.stem}.png"
        if (mask, name) not in self._written:
            self.write_picture(ORIGINAL, mask, name, example.original)
            self.write_picture(MASKED, mask, name, example.masked)
            self._written.add((mask, name))

    def write_picture(self, method: str, mask: str, name: str, picture: np.ndarray) -> None:
        """Writes a picture of one method, or of `ORIGINAL` or `MASKED`."""
        relative = self.folder(method, mask).relative_to(self.out_dir)
        images.write(folders.make_below(self.out_dir, *relative.parts) / name, picture)

    def groups(self) -> list[tuple[str, str, list[dict]]]:
        """Returns each pair of a method and a mask with its rows."""
        groups: dict[tuple[str, str], list[dict]] = {}
        for (method, mask, _), row in self.rows.items():
            groups.setdefault((method, mask), []).append(row)
        return [(method, mask, rows) for (method, mask), rows in groups.items()]

    def pictures(self, method: str, mask: str, files: Sequence[str]) -> np.ndarray:
        """Returns pictures of one method, or of `ORIGINAL` or `MASKED`: uint8 `[N, H, W, C]`."""
        return np.stack([images.read(self.folder(method, mask) / name) for name in files])

    def originals(self, mask: str, files: Sequence[str]) -> np.ndarray:
        """Returns original images, uint8 `[N, H, W, C]`.

        The last result is stored, for the methods of one mask need the same originals one after
        another.
        """
        if self._originals is None or self._originals[0] != (mask, files):
            self._originals = (mask, files), self.pictures(ORIGINAL, mask, files)
        return self._originals[1]

    def finish(self, contents: Mapping[str, Any]) -> None:
        """Writes evaluation.json with the contents and all rows, and removes the journal."""
        text = json.dumps({**contents, "results": list(self.rows.values())}, indent=1)
        with images.atomic(self.path) as path:
            path.write_text(text + "\n")
        self.journal.remove()


def image_metrics(
    originals: np.ndarray, known: np.ndarray, completions: np.ndarray, generated: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Returns the metrics of each completion, `[N]` by name. A hole without a pixel gives NaN.

    Args:
        originals: `[N, H, W, C]` in [-1, 1].
        known: `[N, H, W, 1]`, 1 = given, 0 = hole.
        completions: `[N, H, W, C]` in [-1, 1].
        generated: `[N, H, W, C]`, G(z) before blending, for the metric `contextual`; or None.
    """
    hole = 1 - known
    metrics = {
        "hole_share": hole.mean(axis=(1, 2, 3)),
        "hole_psnr": np.minimum(pairwise.psnr(completions, originals, hole), MAX_PSNR),
        "psnr": np.minimum(pairwise.psnr(completions, originals), MAX_PSNR),
        "hole_ssim": pairwise.ssim(completions, originals, hole),
        "ssim": pairwise.ssim(completions, originals),
        "hole_l1": pairwise.l1(completions, originals, hole),
        "l1": pairwise.l1(completions, originals),
        "seam": pairwise.seam(completions, known),
        "original_seam": pairwise.seam(originals, known),
    }
    if generated is not None:
        metrics["contextual"] = (known * np.abs(generated - originals)).sum(axis=(1, 2, 3))
    return metrics


def content_hash(example: Example) -> str:
    """Returns a hash of an image and its mask."""
    content = hashlib.sha256(example.original.tobytes())
    content.update(example.known.tobytes())
    return content.hexdigest()


def finite(value: float) -> float | None:
    """Returns the value, or None for NaN and infinity, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
