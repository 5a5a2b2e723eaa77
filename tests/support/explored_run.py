"""A tiny run to explore, with data, sample grids and image files."""

import json

import numpy as np
import tiny

from tf_inpaint import explore
from tf_inpaint.config import ExploreConfig
from tf_inpaint.config.flags import parse
from tf_inpaint.files import images

TILE = 2 * tiny.SIZE


def make_files(folder):
    """Makes image files, and two runs with 20 training and 8 held-out images; one has labels."""
    data = np.stack([tiny.picture(seed) for seed in range(28)])
    splits = {"x_train": data[:20], "x_test": data[20:]}
    np.savez(folder / "data.npz", **splits, y_train=np.arange(20) % 2, y_test=np.arange(8) % 2)
    np.savez(folder / "unlabeled.npz", **splits)
    tiny.new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    tiny.new_run(folder / "unlabeled", dataset=f"npz:{folder}/unlabeled.npz")
    for step in (0, 50, 100):
        pictures = np.stack([tiny.picture(step + index) for index in range(36)])
        images.write(folder / f"run/samples/{step:07d}.png", images.grid(pictures, 6))
    for index in range(3):
        images.write(folder / f"{index}.png", tiny.picture(index, 40, 3))
    return folder


def explore_run(folder, out_dir, *flags, run="run"):
    """Explores a run of `make_files`, and returns the content of exploration.json."""
    config = parse(ExploreConfig, [f"--run_dir={folder}/{run}", f"--out_dir={out_dir}", *flags])
    assert explore.run(config) == 0
    return json.loads((out_dir / "exploration.json").read_text())
