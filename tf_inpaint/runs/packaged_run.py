"""The run `digits` that comes with the package: its weights, to try completion without a training.

config.json         the settings of the training
weights.json        the step of the networks, and the shapes of their variables
weights-1.npy ...   all variables, one after the other, in float16
mean_estimate/      what --estimate=mean needs

The files are in the folder of this module. `tests/benchmarks/packaged_weights.py` writes them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tf_inpaint.files import folders
from tf_inpaint.files.paths import to_path

NAME = "digits"
"""What `--run_dir` calls the run."""
FOLDER = Path(__file__).parent / NAME
"""The folder of the weights."""
MAX_FILE_BYTES = 1_400_000
"""Maximum size of a file of weights."""
HEADER_BYTES = 128
"""Size of the header of an array file."""


def resolve(run_dir: Any) -> Path:
    """The folder of a run. That of the package for `digits`, unless a run has this path.

    Args:
        run_dir: path or URL.
    """
    folder = to_path(run_dir)
    is_run = any((folder / name).exists() for name in ("config.json", "checkpoints"))
    return FOLDER if folder == Path(NAME) and not is_run else folder


def save(folder: Path, run: Any) -> None:
    """Writes the weights of a run.

    Args:
        folder: where to write.
        run: the run, as `run_directory.load` returns it.
    """
    arrays = [variable.numpy() for network in variables(run).values() for variable in network]
    vector = np.concatenate([array.ravel() for array in arrays], dtype=np.float16)
    for path in folder.glob("weights-*.npy"):
        path.unlink()
    per_file = (MAX_FILE_BYTES - HEADER_BYTES) // vector.itemsize
    parts = np.array_split(vector, -(-vector.size // per_file))
    for number, part in enumerate(parts, 1):
        np.save(folder / f"weights-{number}.npy", part)
    record = {"step": run.step, "files": len(parts), "shapes": shapes(run)}
    folders.write_json(folder / "weights.json", record)


def restore(folder: Path, run: Any) -> int:
    """Gives the networks of a run their weights. Returns the training step of the weights.

    Args:
        folder: where the weights are.
        run: the run with untrained networks.

    Raises:
        ValueError: the networks of this version have other variables.
    """
    record = folders.read_object(folder / "weights.json") or {}
    if record.get("shapes") != shapes(run):
        raise ValueError(
            f"The weights of --run_dir={NAME} must fit the networks of this version; received "
            "weights of other shapes; make them again with "
            "tests/benchmarks/packaged_weights.py, or train a run."
        )
    paths = [folder / f"weights-{number}.npy" for number in range(1, record["files"] + 1)]
    vector = np.concatenate([np.load(path) for path in paths]).astype(np.float32)
    start = 0
    for network in variables(run).values():
        for variable in network:
            size = int(np.prod(variable.shape))
            variable.assign(vector[start : start + size].reshape(variable.shape))
            start += size
    return record["step"]


def variables(run: Any) -> dict[str, list[Any]]:
    """The variables of the networks that a search needs, by the name of the network."""
    networks = {name: getattr(run, name) for name in ("generator", "discriminator", "encoder")}
    return {
        name: [variable.value for variable in network.variables]
        for name, network in networks.items()
        if network
    }


def shapes(run: Any) -> dict[str, list[str]]:
    """The shapes of all variables, such as "4 x 4 x 1 x 32", by the name of the network."""
    return {
        name: [" x ".join(map(str, variable.shape)) for variable in network]
        for name, network in variables(run).items()
    }
