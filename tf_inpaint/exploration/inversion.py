"""GAN inversion: the search for the z of real images, and the real images of an exploration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.explore_config import MEMBERS
from tf_inpaint.data.sources import Source
from tf_inpaint.files import images
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.inputs.named_images import Input, files, held_out
from tf_inpaint.runs.inpainters import frozen_networks
from tf_inpaint.runs.run_directory import Run
from tf_inpaint.settings.search_settings import SearchSettings


class Inversion(NamedTuple):
    """Real images with the z whose generated images are most similar to them."""

    originals: np.ndarray
    """The real images, uint8 `[N, H, W, C]`."""
    z: np.ndarray
    """`[N, Z]`."""
    errors: list[dict[str, Any]]
    """For each image its `file` and its `mean_absolute_error`, from 0 to 1."""


def invert(config: ExploreConfig, run: Run, items: Sequence[Input]) -> Inversion:
    """Finds the z of real images by a search in which every pixel is known.

    Args:
        config: steps, restarts and seed of the search.
        run: a trained run.
        items: N images.
    """
    from tqdm import tqdm

    # Read the images.
    size, channels = run.config.image_size, run.config.channels
    originals = np.stack([images.fit(item.read(), size, channels) for item in items])

    # Search for their z.
    search = SearchSettings(
        steps=config.steps, deeper_steps=0, restarts=config.restarts, blend="paste"
    )
    known = np.ones((*originals.shape[:-1], 1), np.float32)
    seeds = np.array([item.seeds(config.seed) for item in items])
    bar_format = "searching {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    with tqdm(total=1.0, bar_format=bar_format) as bar:
        completions = Inpainter(frozen_networks(run), search).complete(
            images.to_float(originals), known, seeds, lambda share, *_: bar.update(share - bar.n)
        )
        bar.update(1 - bar.n)

    # Measure how similar the generated images are.
    differences = np.abs(completions.generated - images.to_float(originals))
    errors = [
        {"file": item.file, "mean_absolute_error": float(error)}
        for item, error in zip(items, differences.mean((1, 2, 3)) / 2, strict=True)
    ]
    return Inversion(originals, completions.z, errors)


def image_files(run: Run, paths: Sequence[str]) -> list[Input]:
    """Returns image files, cropped like the data of the run.

    Args:
        run: a trained run.
        paths: paths of the files.

    Raises:
        ValueError: a path is a folder.
    """
    folders = [path for path in paths if Path(path).is_dir()]
    if folders:
        raise ValueError(
            f"Single image files are required; {folders[0]} is a folder; name files in it."
        )

    def cropped(item: Input) -> Input:
        return item._replace(read=lambda: images.center_crop(item.read(), run.config.crop))

    return [cropped(files([path], leave_out=run.directory / "exploration")[0]) for path in paths]


def images_with_label(source: Source, label: str) -> list[Input]:
    """Returns three held-out images of a class, spread over the split.

    Args:
        source: the held-out split.
        label: the class.

    Raises:
        ValueError: the data set has no labels, or too few images of the class.
    """
    if source.labels is None:
        raise ValueError(
            "Concepts by label must have data with labels; "
            f"received label:{label}; give seeds or files."
        )
    names = {source.name(index) for index in np.flatnonzero(source.labels.astype(str) == label)}
    items = [item for item in held_out(source, source.size) if item.key in names][:MEMBERS]
    if len(items) < MEMBERS:
        labels = ", ".join(map(str, np.unique(source.labels)[:20]))
        raise ValueError(
            f"A label must have {MEMBERS} held-out images; label:{label} has {len(items)}; "
            f"choose among {labels}."
        )
    return items
