"""Runs that an evaluation compares: their folders, names and settings."""

from collections.abc import Sequence
from pathlib import Path

from tf_inpaint.config import EvaluateConfig, TrainConfig
from tf_inpaint.inputs.named_images import with_dataset
from tf_inpaint.runs import run_directory


def run_folders(config: EvaluateConfig) -> list[str]:
    """Returns the folders of the runs: those of the settings, or else the newest run."""
    folders = [*filter(None, [config.run_dir]), *config.compare]
    return folders or [str(run_directory.newest())]


def shared_config(folders: Sequence[str], dataset: str = "") -> TrainConfig:
    """Returns the settings of the first run, which tell the images of all runs.

    Args:
        folders: folders of the runs.
        dataset: place of the images of all runs, if they moved; see `with_dataset`.

    Raises:
        ValueError: the runs were not trained on the same images.
    """
    configs = [run_directory.read_config(Path(folder)) for folder in folders]
    for folder, config in zip(folders, configs, strict=True):
        for name in ("image_size", "channels", "crop", *([] if dataset else ["dataset"])):
            first, other = getattr(configs[0], name), getattr(config, name)
            if first != other:
                raise ValueError(
                    f"--compare must name runs on the same images; {folders[0]} has --{name}="
                    f"{first} and {folder} {other}; compare other runs."
                )
    return with_dataset(configs[0], dataset)


def run_labels(folders: Sequence[str]) -> list[str]:
    """Returns a name for each run: the name of its folder, or the path if two names are equal."""
    names = [Path(folder).resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return ["_".join(Path(folder).resolve().parts[1:]) for folder in folders]


def load_runs(folders: Sequence[str]) -> dict[str, run_directory.Run]:
    """Returns the runs by the names of `run_labels`."""
    return {
        label: run_directory.load(folder)
        for label, folder in zip(run_labels(folders), folders, strict=True)
    }
