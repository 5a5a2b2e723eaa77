"""The output folder of `complete`, and the journal from which a killed job goes on."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_inpaint.completion.report_page import write_page
from tf_inpaint.completion.sheet import write_sheet
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import folders, images, npz_arrays
from tf_inpaint.files.journal import Journal
from tf_inpaint.inputs.input_versions import forget_edited, inputs_entry
from tf_inpaint.inputs.mask_sources import ALPHA, MaskSource
from tf_inpaint.inputs.masked_images import Example
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.metrics import bands

if TYPE_CHECKING:  # The module imports TensorFlow.
    from tf_inpaint.inpainting.completions import Completions

UNCHECKED_SETTINGS = {
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
        out_dir: folder, which `begin` makes. So a job that cannot start leaves nothing behind.
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
        config = config.with_block_size(
            None if config.overwrite else folders.read_object(out_dir / "config.json")
        )
        self.config = config
        self.writer = ResultWriter(config.format, has_alpha=config.mask != ALPHA)
        self.settings = dataclasses.asdict(config) | {"command": "complete", "networks": networks}
        part = "" if config.shard == "0/1" else "-" + config.shard.replace("/", "of")
        self.rows = out_dir / f"completions{part}.jsonl"
        self.latents = out_dir / f"latents{part}.npz"
        self.sheet = out_dir / f"sheet{part}.png"
        self.film = out_dir / f"search{part}.gif"
        self.page = out_dir / f"index{part}.html"
        self.journal = Journal(out_dir / f".journal{part}.jsonl", FIELDS | {"z": list})
        self.done: dict[str, dict] = {}
        # Versions of the files of the images that were read, by `Input.file`.
        self._inputs: dict[str, dict] = {}
        folders.check(out_dir, self.settings, UNCHECKED_SETTINGS, config.overwrite)
        folders.check_no_link(out_dir / "details")
        if not config.overwrite:
            self.resume()

    def resume(self) -> None:
        """Reads what earlier calls have done: the results of finished jobs, then the journal.

        Raises:
            ValueError: a file with results is damaged.
        """
        if self.rows.exists():
            rows = Journal(self.rows, FIELDS).read()
            # The latents are written before the rows, so they may be those of more images.
            latents = read_latents(self.latents)
            self.done = {row["file"]: row | {"z": latents.get(row["file"], [])} for row in rows}
        for row in self.journal.recover():
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

    def note_inputs(self, item: Input, mask_source: MaskSource) -> None:
        """Notes the versions of the files of an image for its row, before the image is read."""
        self._inputs[item.file] = inputs_entry(item, mask_source)

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
        details = [self.out_dir / "details" / path.stem for path in completions]
        pictures = [path for folder in details for path in folder.glob("*.png")]
        files = [self.rows, self.latents, self.sheet, self.film, self.page, self.journal.path]
        folders.remove_files(self.out_dir, completions + pictures + files)

    def write(
        self,
        example: Example,
        completions: "Completions | None",
        completion: np.ndarray,
        numbers: dict[str, Any],
    ) -> None:
        """Writes the completion of an image, then its row in the journal.

        In this order, a row in the journal means that the completion exists.

        Args:
            example: the image.
            completions: the answers for its rows; None: the image has no row.
            completion: `[H, W, C]` in [-1, 1].
            numbers: further entries of the row.
        """
        item = example.input
        name = self.writer.write(
            self.out_dir, item.stem, completion, example.known, example.details
        )
        row = {
            "file": item.file,
            "completion": name,
            **numbers,
            **search_numbers(completions),
            **({"squares": len(example.squares)} if example.in_place else {}),
            **sampling_numbers(example, completions),
            "seed": self.config.seed,
            "block_size": self.config.block_size,
            **bands.pair_scores(completion, example.original, example.known, images.to_float),
            **self._inputs.pop(item.file, {}),
        }
        z = [] if completions is None else list(completions.z)
        texts = [base64.b64encode(row_z.tobytes()).decode() for row_z in z]
        self.journal.append([row | {"z": texts}])
        self.done[item.file] = row | {"z": z}

    def write_details(
        self, example: Example, completions: "Completions | None", blend: Callable
    ) -> None:
        """Writes the pictures on the way to a completion.

        In the picture of the uncertainty, black is a standard deviation of 0, and white is one of
        half the range from black to white.

        Args:
            example: the image.
            completions: the answers for its rows; None: the image has no row.
            blend: function of `blending` that the samples are blended with.
        """
        folder = folders.make_below(self.out_dir, "details", example.input.stem)
        generated = example.masked if completions is None else completions.generated[0]
        images.write(folder / "original.png", example.original)
        images.write(folder / "masked.png", example.masked)
        images.write(folder / "generated.png", generated)
        images.write(folder / "pasted.png", example.pasted(completions))
        for number, sample in enumerate(example.samples(completions, blend)):
            images.write(folder / f"sample_{number}.png", sample)
        if example.sample_count(completions):
            channels = example.original.shape[2]
            levels = (2 * example.uncertainty(completions) - 1).repeat(channels, axis=2)
            images.write(folder / "uncertainty.png", levels)

    def finish(self, stems: Sequence[str]) -> None:
        """Writes the results of all images that are done, in files that replace the journal.

        Args:
            stems: names of the images that the sheet shows.
        """
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
        with images.atomic(self.rows) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.journal.remove()
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
        files = npz_arrays.read(path, "files").tolist()
        rows = npz_arrays.read(path, "z").astype(np.float32)
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


def search_numbers(completions: "Completions | None") -> dict[str, float | int | str | None]:
    """Returns the sums over the searches of one image, and the steps of the longest search."""
    from tf_inpaint.latent_search.loop import Reason  # It imports TensorFlow.

    if completions is None:
        zeros = {"energy": 0.0, "contextual": 0.0, "perceptual": 0.0}
        return {**zeros, "steps": 0, "reason": None}
    sums = {
        name: float(getattr(completions, name).sum(dtype=np.float64))
        for name in ("energy", "contextual", "perceptual")
    }
    longest = completions.steps.argmax()
    reason = Reason(completions.reason[longest]).name.lower()
    return {**sums, "steps": int(completions.steps[longest]), "reason": reason}


def sampling_numbers(
    example: Example, completions: "Completions | None"
) -> dict[str, float | None]:
    """Returns the means over the samples of one image, or nothing if there are no samples.

    `uncertainty` is the mean uncertainty over the hole, in image units. `acceptance` is the mean
    acceptance rate of the chains.
    """
    if not example.sample_count(completions):
        return {}
    hidden = example.rows[1] == 0
    uncertainty = float(completions.uncertainty[hidden].mean()) if hidden.any() else None
    return {"uncertainty": uncertainty, "acceptance": float(completions.acceptance.mean())}
