"""Explorations of the latent space: samples, paths between two z, sums of z, and neighbors of a z.

Each public function makes one kind of exploration from the settings and a run.
"""

from typing import Any

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.explore_config import MEMBERS, concept_form
from tf_inpaint.exploration import inversion, latents
from tf_inpaint.exploration.picture_sheets import (
    SCREEN,
    TILE,
    Exploration,
    add_texts,
    generate,
    tiles,
)
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import Input, held_out, pictures
from tf_inpaint.runs.run_directory import Run

NOISE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Noise of each neighborhood on the sheet, in units of --noise."""


def grid(config: ExploreConfig, run: Run) -> Exploration:
    """Shows samples, with the seed below each sample."""
    seeds = range(config.seed, config.seed + (config.count or 36))
    z = latents.draw(seeds, run.config.latent_size)
    cells = add_texts(tiles(generate(run, z)), list(map(str, seeds)))
    sheet = images.grid(cells, min(config.columns, len(cells)), gap=4)
    return Exploration([sheet], {"z": z}, {"seeds": list(seeds)})


def walk(config: ExploreConfig, run: Run) -> Exploration:
    """Shows a film that walks from sample to sample and back to the first."""
    seeds = range(config.seed, config.seed + (config.count or 8))
    z = latents.walk(latents.draw(seeds, run.config.latent_size), config.frames)
    frames = list(images.enlarge(generate(run, z), SCREEN))
    return Exploration(frames, {"z": z}, {"seeds": list(seeds)})


def interpolation(config: ExploreConfig, run: Run) -> Exploration:
    """Shows strips of generated images. A strip joins two samples or two real images."""
    strips = len(config.images) // 2 or config.count or 4
    captions = ["G(z)", *[""] * (config.pictures - 2), "G(z')"]
    originals, errors = None, []

    # Choose the ends of the strips.
    if config.images or config.between == "held_out":
        items = _strip_ends(config, run, strips)
        originals, ends, errors = inversion.invert(config, run, items)
        captions = ["given", *captions, "given"]
    else:
        seeds = range(config.seed, config.seed + 2 * strips)
        ends = latents.draw(seeds, run.config.latent_size)

    # Generate the images on the paths.
    path, t = latents.PATHS[config.path], np.linspace(0, 1, config.pictures)
    z = np.stack([path(first, last, t) for first, last in zip(ends[::2], ends[1::2], strict=True)])
    cells = generate(run, z)

    # Put the real images beside them.
    if originals is not None:
        cells = np.concatenate([originals[::2, None], cells, originals[1::2, None]], axis=1)
    sheet = images.grid(tiles(cells), len(captions), captions=captions)
    return Exploration([sheet], {"z": z, "ends": ends}, {"images": errors})


def _strip_ends(config: ExploreConfig, run: Run, strips: int) -> list[Input]:
    if config.images:
        return inversion.image_files(run, config.images)
    items = held_out(pictures(run.config, "held_out"), 2 * strips)
    if len(items) < 2 * strips:
        raise ValueError(
            f"Each strip must have two images; the held-out split has {len(items)} for {strips} "
            "strips; lower --count."
        )
    return items


def arithmetic(config: ExploreConfig, run: Run) -> Exploration:
    """Shows three concepts a, b and c, and the images around `a - b + c`."""
    concepts, errors = _concepts(config, run)
    a, b, c = (concepts[name] for name in "abc")

    # Compute the sum and its neighbors.
    center = latents.arithmetic(a, b, c)
    z = latents.around(center, latents.neighbors(center, config.noise, config.seed))

    # Draw the concepts on the left: a sign, the members and their mean.
    rows = np.stack(
        [np.concatenate([members, members.mean(0, keepdims=True)]) for members in (a, b, c)]
    )
    cells = tiles(generate(run, rows))
    signs = np.stack([images.render_text(text, *cells.shape[1:]) for text in ("a", "- b", "+ c")])
    cells = np.insert(cells, [0, MEMBERS + 1, 2 * (MEMBERS + 1)], signs, axis=0)
    left = images.grid(cells, MEMBERS + 2, captions=["", *[""] * MEMBERS, "mean"])

    # Draw the sum and its neighbors on the right.
    right = images.grid(tiles(generate(run, z)), 3, captions=["", "a - b + c", ""])
    equals = images.render_text("=", len(left), TILE // 2, left.shape[2])
    sheet = np.concatenate([left, equals, right], axis=1)
    return Exploration([sheet], {"a": a, "b": b, "c": c, "z": z}, {"images": errors})


def _concepts(
    config: ExploreConfig, run: Run
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    # The z of the members of each concept, and the errors of the real images among the members.
    concepts: dict[str, np.ndarray] = {}
    errors: list[dict[str, Any]] = []

    # Read the seeds and the real images.
    items: dict[str, list[Input]] = {}
    for name in "abc":
        texts = getattr(config, name)
        form = concept_form(texts)
        if form == "label":
            label = texts[0].removeprefix("label:")
            items[name] = inversion.images_with_label(pictures(run.config, "held_out"), label)
        elif form == "files":
            items[name] = inversion.image_files(run, texts)
        else:
            concepts[name] = latents.draw(map(int, texts), run.config.latent_size)

    # Search for the z of all real images at once.
    if items:
        real = [item for members in items.values() for item in members]
        _, z, errors = inversion.invert(config, run, real)
        concepts |= dict(zip(items, np.split(z, len(items)), strict=True))
    return concepts, errors


def neighborhood(config: ExploreConfig, run: Run) -> Exploration:
    """Shows a sample among its neighbors, at growing distances."""
    z = latents.draw([config.seed], run.config.latent_size)[0]
    noises = [config.noise * factor for factor in NOISE_FACTORS]
    # Clip to [-1, 1], as G was trained only for z in this range.
    blocks = [
        latents.around(z, latents.neighbors(z, noise, config.seed).clip(-1, 1)) for noise in noises
    ]
    sheets = [images.grid(tiles(generate(run, block)), 3) for block in blocks]
    captions = [f"z \u00b1 {noise:.3g}" for noise in noises]
    sheet = images.grid(np.stack(sheets), len(sheets), gap=16, captions=captions)
    return Exploration([sheet], {"z": np.stack(blocks)}, {"noise": noises})
