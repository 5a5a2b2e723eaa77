"""Shows what a generator has learned: samples, paths between images, and neighbors of a sample.

    python -m tf_inpaint.explore --run_dir=runs/digits --kind=grid
    python -m tf_inpaint.explore --kind=interpolation --path=lerp
    python -m tf_inpaint.explore --kind=interpolation --between=held_out
    python -m tf_inpaint.explore --kind=interpolation A.png B.png
    python -m tf_inpaint.explore --kind=arithmetic --a=12,35,7 --b=label:3 --c=A.png,B.png,C.png
    python -m tf_inpaint.explore --kind=neighbourhood --noise=0.25
    python -m tf_inpaint.explore --kind=nearest
    python -m tf_inpaint.explore --kind=walk --format=webp
    python -m tf_inpaint.explore --kind=film --every=2000

The grid shows the seed below each sample. --seed, --a, --b and --c take these seeds. A search finds
the z of a real image, with every pixel known. The command writes a picture or film,
exploration.json and latents.npz to RUN/exploration/KIND.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.explore_config import FILMS
from tf_inpaint.files import folders, images
from tf_inpaint.files.paths import local_path, to_path

if TYPE_CHECKING:
    from tf_inpaint.exploration.picture_sheets import Exploration


def run(config: ExploreConfig) -> int:
    """Explores a run, writes the results, and returns 0."""
    from tf_inpaint.exploration import picture_memory
    from tf_inpaint.runs import run_directory

    # Find the run, and claim the folder before any work.
    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    folder = to_path(config.run_dir)
    picture_memory.check_pictures(config, run_directory.read_config(folder))
    name = f"{config.kind}.{config.format if config.kind in FILMS else 'png'}"
    out_dir = local_path("out_dir", config.out_dir or folder / "exploration" / config.kind)
    names = [name, "exploration.json", "latents.npz"]
    folders.claim(out_dir, names, config.overwrite)

    step, exploration = explore(config)
    with folders.all_or_none(out_dir, names):
        write(config, step, exploration, out_dir, name)
    print(*filter(None, [exploration.message, f"Look at {out_dir / name}"]), sep="\n")
    return 0


def explore(config: ExploreConfig) -> "tuple[int | None, Exploration]":
    """Explores the run in `config.run_dir`.

    Returns:
        the training step of the networks, or None without networks, and the exploration.
    """
    from tf_inpaint.exploration import latent_space, memorization, training_film
    from tf_inpaint.inputs.named_images import with_dataset
    from tf_inpaint.runs import run_directory

    if config.kind == "film":
        return None, training_film.film(config)
    kinds = {
        "grid": latent_space.grid,
        "interpolation": latent_space.interpolation,
        "arithmetic": latent_space.arithmetic,
        "neighbourhood": latent_space.neighborhood,
        "nearest": memorization.nearest_images,
        "walk": latent_space.walk,
    }
    trained = run_directory.load(config.run_dir)
    trained = trained._replace(config=with_dataset(trained.config, config.dataset))
    return trained.step, kinds[config.kind](config, trained)


def write(
    config: ExploreConfig, step: int | None, exploration: "Exploration", out_dir: Path, name: str
) -> None:
    """Writes an exploration to a folder.

    Args:
        config: settings of the exploration.
        step: training step of the networks, or None.
        exploration: what to write.
        out_dir: the folder, which is created if it does not exist.
        name: file name of the picture or film.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    if config.kind in FILMS:
        # The frames of a walk form a loop, so its last frame needs no pause.
        last_frame_seconds = 0.0 if config.kind == "walk" else 2.0
        seconds = 1 / config.frames_per_second
        images.animate(out_dir / name, exploration.frames, seconds, last_frame_seconds)
    else:
        images.write(out_dir / name, exploration.frames[0])
    if exploration.latents:
        with images.atomic(out_dir / "latents.npz") as path:
            np.savez(path, **exploration.latents)
    settings = dataclasses.asdict(config)
    del settings["out_dir"], settings["overwrite"]
    numbers = {"settings": settings, "step": step, **exploration.numbers}
    folders.write_json(out_dir / "exploration.json", numbers)


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ExploreConfig, run, __doc__)
