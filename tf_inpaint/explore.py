"""Shows what a generator has learnt: what lies where in the space of z, between two images, and near a sample.

    python -m tf_inpaint.explore --run_dir=runs/digits --kind=grid
    python -m tf_inpaint.explore --kind=interpolation [--path=lerp] [--between=held_out | one.png other.png ...]
    python -m tf_inpaint.explore --kind=arithmetic --a=12,35,7 --b=label:3 --c=one.png,two.png,three.png
    python -m tf_inpaint.explore --kind=neighbourhood --noise=0.25
    python -m tf_inpaint.explore --kind=nearest
    python -m tf_inpaint.explore --kind=walk --format=webp
    python -m tf_inpaint.explore --kind=film --every=2000

The grid writes its seed below each sample: those are the seeds that --seed, --a, --b and --c take. The z of a real
image is found by the search with every pixel known. Writes the picture or film, exploration.json and latents.npz to
RUN/exploration/KIND.
"""

import dataclasses
from pathlib import Path

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.explore_config import FILMS
from tf_inpaint.files import folders, images


def run(config: ExploreConfig) -> int:
    """Explores; returns 0."""
    from tf_inpaint.exploration import kinds
    from tf_inpaint.runs import run_directory

    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    folder = Path(config.run_dir)
    run_directory.read_config(folder)
    name = f"{config.kind}.{config.format if config.kind in FILMS else 'png'}"
    out_dir = Path(config.out_dir or folder / "exploration" / config.kind)
    folders.claim(out_dir, [name, "exploration.json", "latents.npz"], config.overwrite)
    if config.kind == "film":
        step, found = None, kinds.film(config)
    else:
        trained = run_directory.load(folder)
        step, found = trained.step, kinds.EXPLORATIONS[config.kind](config, trained)

    out_dir.mkdir(parents=True, exist_ok=True)
    if config.kind in FILMS:
        rest = 0.0 if config.kind == "walk" else 2.0
        images.animate(out_dir / name, found.frames, 1 / config.frames_per_second, rest)
    else:
        images.write(out_dir / name, found.frames[0])
    if found.latents:
        with images.atomic(out_dir / "latents.npz") as path:
            np.savez(path, **found.latents)
    settings = dataclasses.asdict(config)
    for free in ("out_dir", "overwrite"):
        del settings[free]
    folders.write_json(
        out_dir / "exploration.json", {"settings": settings, "step": step, **found.numbers}
    )
    print(*filter(None, [found.says, f"Look at {out_dir / name}"]), sep="\n")
    return 0


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ExploreConfig, run, __doc__)
