"""The row of one answer of `complete`, and the pictures on the way to it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import folders, heat_maps, images
from tf_inpaint.inputs.masked_images import Example
from tf_inpaint.metrics import bands

if TYPE_CHECKING:  # The module imports TensorFlow.
    from tf_inpaint.inpainting.completions import Completions


def answer_row(
    config: CompleteConfig,
    example: Example,
    completions: "Completions | None",
    completion: np.ndarray,
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the row of an image whose completion is written.

    Args:
        config: settings of the job.
        example: the image.
        completions: the answers for its rows; None: the image has no row.
        completion: `[H, W, C]` in [-1, 1].
        numbers: further entries, with the name of the file as "completion".
    """
    return {
        "file": example.input.file,
        **numbers,
        **search_numbers(completions),
        **({"start": start_name(completions)} if config.sequence else {}),
        **({"squares": len(example.squares)} if example.in_place else {}),
        **sampling_numbers(example, completions),
        "seed": config.seed,
        "block_size": config.block_size,
        **bands.pair_scores(completion, example.original, example.known, images.to_float),
    }


def write_details(
    out_dir: Path, example: Example, completions: "Completions | None", blend: Callable
) -> None:
    """Writes the pictures on the way to a completion.

    uncertainty.png shows the uncertainty by color, see `heat_maps.uncertainty_map`.
    uncertainty.npy has its values, float32 `[H, W]`, for pixels in [-1, 1].

    Args:
        out_dir: folder of the job.
        example: the image.
        completions: the answers for its rows; None: the image has no row.
        blend: function of `blending` that the samples are blended with.
    """
    folder = folders.make_below(out_dir, "details", example.input.stem)
    generated = example.masked if completions is None else completions.generated[0]
    images.write(folder / "original.png", example.original)
    images.write(folder / "masked.png", example.masked)
    images.write(folder / "generated.png", generated)
    images.write(folder / "pasted.png", example.pasted(completions))
    for number, sample in enumerate(example.samples(completions, blend)):
        images.write(folder / f"sample_{number}.png", sample)
    if example.has_uncertainty(completions):
        uncertainty, hidden = example.uncertainty(completions), example.known[..., 0] <= 0
        heat_map = heat_maps.uncertainty_map(example.original, hidden, uncertainty)
        images.write(folder / "uncertainty.png", heat_map)
        with images.atomic(folder / "uncertainty.npy") as path:
            np.save(path, uncertainty.astype(np.float32))


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


def start_name(completions: "Completions | None") -> str | None:
    """Returns where the longest search of a frame began: "last_frame", or "own" start."""
    if completions is None:
        return None
    return "last_frame" if completions.from_last_z[completions.steps.argmax()] else "own"


def sampling_numbers(
    example: Example, completions: "Completions | None"
) -> dict[str, float | None]:
    """Returns the means over the hole and the samples of one image.

    `uncertainty` is the mean uncertainty over the hole, in image units, if it is known.
    `acceptance` is the mean acceptance rate of the chains, if there are samples.
    """
    means: dict[str, float | None] = {}
    if example.has_uncertainty(completions):
        hidden = example.rows[1] == 0
        means["uncertainty"] = (
            float(completions.uncertainty[hidden].mean()) if hidden.any() else None
        )
    if example.sample_count(completions):
        means["acceptance"] = float(completions.acceptance.mean())
    return means
