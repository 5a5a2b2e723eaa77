"""The output folder of `complete`, and the journal from which a killed job goes on."""

import base64
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.completion.report_page import write_page
from tf_inpaint.completion.sheet import write_sheet
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import folders, images, npz_arrays
from tf_inpaint.files.journal import Journal, journal_at
from tf_inpaint.files.url_contents import local_copies
from tf_inpaint.inputs.input_versions import forget_edited
from tf_inpaint.inputs.mask_sources import MaskSource
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.settings.engine_settings import ENGINE_SETTINGS

UNCHECKED_SETTINGS = {
    *ENGINE_SETTINGS,
    "images",
    "count",
    "dataset",
    "out_dir",
    "overwrite",
    "details",
    "shard",
    "max_pixels",
    "jit_compile",
}
"""Settings that may change when a job goes on. No completion depends on them, apart from rounding,
which depends on the device too."""
FIELDS = {"file": str, "completion": str}
"""Names and types of what every row has that a job reads."""


class Job:
    """An output folder. The journal lists what is done, so a killed job loses at most one block.

    Args:
        out_dir: folder, on this machine or at a URL. `begin` makes it, so a job that cannot start
            leaves nothing behind.
        config: settings of the job. The job of a folder only goes on with the same settings. Where
            the block size is left open, a job keeps that of its folder.
        networks: `identity` of the run. The job only goes on with the same networks.

    Attributes:
        config: the settings, with the number of the block size.
        done: rows of the images that are complete, by `Input.file`. "z" lists the z of each square.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, out_dir: Path, config: CompleteConfig, networks: str):
        self.out_dir = out_dir
        recorded = None if config.overwrite else folders.read_object(out_dir / "config.json")
        config = config.with_block_size(recorded, config.has_gpu)
        self.config = config
        self.settings = dataclasses.asdict(config) | {"command": "complete", "networks": networks}
        part = "" if config.shard == "0/1" else "-" + config.shard.replace("/", "of")
        self.rows = out_dir / f"completions{part}.jsonl"
        self.latents = out_dir / f"latents{part}.npz"
        self.sheet = out_dir / f"sheet{part}.png"
        self.film = out_dir / f"search{part}.gif"
        self.page = out_dir / f"index{part}.html"
        self.journal = journal_at(out_dir / f".journal{part}.jsonl", FIELDS | {"z": list})
        self.done: dict[str, dict] = {}
        # Images that no finished job has completed, by `Input.file`.
        self._new: set[str] = set()
        folders.check(out_dir, self.settings, UNCHECKED_SETTINGS, config.overwrite)
        folders.check_no_link(out_dir / "details")
        if not config.overwrite:
            self.resume()

    def resume(self) -> None:
        """Reads what earlier calls have done: the results of finished jobs, then the journal.

        Raises:
            ValueError: a file with results is damaged.
        """
        rows = Journal(self.rows, FIELDS).read()
        if rows:
            # The latents are written before the rows, so they may be those of more images.
            latents = read_latents(self.latents)
            self.done = {row["file"]: row | {"z": latents.get(row["file"], [])} for row in rows}
        for row in self.journal.recover():
            if row["file"] not in self.done:
                self._new.add(row["file"])
            self.done[row["file"]] = row | {"z": decoded_latents(row, self.journal.path)}
        # A row without a reason is that of an image without a search.
        lacking = [row["file"] for row in self.done.values() if row.get("reason") and not row["z"]]
        lengths = {len(z) for row in self.done.values() for z in row["z"]}
        if lacking or len(lengths) > 1 or (self.rows.exists() and not self.done):
            raise ValueError(
                "A job must have rows, and the latents of every row; "
                f"{self.rows}, {self.latents} and {self.journal.path} do not fit together; "
                "restore the files, or pass --overwrite or another --out_dir."
            )

    def forget_damaged(self, items: Iterable[Input]) -> None:
        """Removes images from `done` whose completion was deleted or damaged since.

        Args:
            items: the images to check.
        """
        names = [item.file for item in items]
        completions = folders.completion_paths(self.out_dir, self.done, names)
        folders.forget_damaged(self.out_dir, self.done, completions)

    def forget_edited(self, items: Iterable[Input], mask_source: MaskSource) -> None:
        """Removes images from `done` that were edited since, or whose mask was.

        Args:
            items: the images to check.
            mask_source: source of the masks that would be used now.
        """
        if forget_edited(self.out_dir, self.done, items, mask_source):
            self.film.unlink(missing_ok=True)  # It may show the earlier pictures.

    def begin(self) -> None:
        """Makes the folder, and removes what is to be overwritten."""
        if (self.out_dir / "config.json").exists() and not self.config.overwrite:
            return
        if self.config.overwrite and not self.done:
            self.remove()
        folders.begin(self.out_dir, self.settings)

    def remove(self) -> None:
        """Deletes what an earlier job wrote, and nothing else."""
        rows = Journal(self.rows, FIELDS).read() + self.journal.recover()
        completions = [self.out_dir / row["completion"] for row in rows]
        stems = {path.stem for path in completions}
        details = self.out_dir / "details"
        existing = details.iterdir() if details.is_dir() else ()
        detailed = [folder for folder in existing if folder.name in stems]
        pictures = [path for folder in detailed for path in folder.glob("*.png")]
        pictures += [folder / "uncertainty.npy" for folder in detailed]
        files = [self.rows, self.latents, self.sheet, self.film, self.page]
        folders.remove_files(self.out_dir, completions + pictures + files)
        self.journal.remove()

    def append(self, row: dict[str, Any]) -> None:
        """Appends the row of an image to the journal.

        Args:
            row: see `ImageCompleter.complete`. The completion exists already, so a row in the
                journal means that it does.
        """
        texts = [base64.b64encode(row_z.tobytes()).decode() for row_z in row["z"]]
        self.journal.append([row | {"z": texts}])
        self.done[row["file"]] = row
        self._new.add(row["file"])

    def finish(self, items: Sequence[Input], detailed: int) -> None:
        """Writes the results of all images that are done, in files that replace the journal.

        Results of finished jobs keep their places. The others come in the order of the images,
        in whatever order they were done.

        Args:
            items: the images of this call.
            detailed: number of images that the sheet shows.
        """
        # Sort the results.
        places = {item.file: place for place, item in enumerate(items)}
        new = [file for file in self.done if file in self._new]
        new.sort(key=lambda file: places.get(file, -1))
        self.done |= {file: self.done.pop(file) for file in new}
        # Write them.
        pairs = [(file, z) for file, row in self.done.items() for z in row["z"]]
        with images.atomic(self.latents) as path:
            np.savez(
                path,
                files=[file for file, _ in pairs],
                z=np.array([z for _, z in pairs], np.float32),
            )
        rows = [
            {name: value for name, value in row.items() if name != "z"}
            for row in self.done.values()
        ]
        Journal(self.rows).replace(rows)
        self.journal.remove()
        stems = [item.stem for item in items[:detailed]]
        completions = {Path(row["completion"]).stem: row["completion"] for row in rows}
        names = [completions[stem] for stem in stems if stem in completions]
        write_sheet(self.sheet, self.out_dir, names, any("squares" in row for row in rows))
        write_page(self.page, rows, self.sheet, self.film, self.config, self.settings)


def read_latents(path: Path) -> dict[str, list[np.ndarray]]:
    """Returns the z of each square of each image, by `Input.file`.

    Raises:
        ValueError: the file is damaged.
    """
    latents: dict[str, list[np.ndarray]] = {}
    try:
        with local_copies(path.parent, path.name) as copies:
            files = npz_arrays.read(copies / path.name, "files").tolist()
            rows = npz_arrays.read(copies / path.name, "z").astype(np.float32)
        for file, z in zip(files, rows, strict=True):
            latents.setdefault(file, []).append(z.reshape(rows.shape[1]))
    # Damage, and arrays that do not fit together, raise nearly any exception.
    except Exception as error:
        raise ValueError(
            "The latents of a job must be a file that can be read; received "
            f"{path} ({' '.join(str(error).split()) or type(error).__name__}); restore the file, "
            "or pass --overwrite or another --out_dir."
        ) from None
    return latents


def decoded_latents(row: dict, path: Path) -> list[np.ndarray]:
    """Returns the z of each square of a row in the journal.

    Raises:
        ValueError: an entry is damaged.
    """
    try:
        return [np.frombuffer(base64.b64decode(text), np.float32) for text in row["z"]]
    except (TypeError, ValueError):
        raise ValueError(
            f"The latents in the record of a job must be float32 in base64; {path} has other ones "
            f"for {row['file']}; restore the file, or choose another --out_dir."
        ) from None
