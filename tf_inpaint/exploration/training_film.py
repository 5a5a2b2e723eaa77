"""The exploration "film": the sample grids of a run, one after the other."""

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.exploration.picture_sheets import SCREEN, STRIP, Exploration
from tf_inpaint.files import images
from tf_inpaint.files.paths import to_path


def film(config: ExploreConfig) -> Exploration:
    """Shows a film of the sample grids of a run, with the training step below each grid.

    Raises:
        ValueError: the run has fewer than two grids, or none at the steps of --every.
    """
    # Find the sample grids.
    folder = to_path(config.run_dir) / "samples"
    paths = sorted(folder.glob("*.png"))
    grids = {int(path.stem): path for path in paths if path.stem.isdecimal()}
    if len(grids) < 2:
        raise ValueError(
            f"A training film must have two sample grids or more; {folder} has {len(grids)}; "
            "continue the training, or use a smaller --sample_every."
        )
    steps = sorted(grids)

    # Choose the steps to show.
    if config.every:
        first = -(-steps[0] // config.every) * config.every
        chosen = list(range(first, steps[-1] + 1, config.every))
        missing = [step for step in chosen if step not in grids]
        if missing or len(chosen) < 2:
            interval = int(np.diff(steps).max())
            raise ValueError(
                f"--every must be a multiple of the {interval} steps between the run's sample "
                f"grids and below its {steps[-1]}; received {config.every}; "
                f"pass --every={interval}."
            )
        steps = chosen

    # Draw the frames.
    frames = []
    for step in steps:
        grid = images.enlarge(images.read(grids[step])[None], SCREEN)[0]
        text = images.render_text(f"step {step:,}", STRIP + 6, *grid.shape[1:])
        frames.append(np.concatenate([grid, text]))
    return Exploration(frames, {}, {"steps": steps})
