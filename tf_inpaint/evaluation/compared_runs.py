"""Runs that an evaluation compares: their folders, names and settings."""

from collections.abc import Mapping, Sequence

from tf_inpaint.config import EvaluateConfig, TrainConfig
from tf_inpaint.files.paths import to_path
from tf_inpaint.inputs.named_images import with_dataset
from tf_inpaint.runs import run_directory


def run_folders(config: EvaluateConfig) -> list[str]:
    """Returns the folders of the runs: those of the settings, or else the newest run."""
    folders = [*filter(None, [config.run_dir]), *config.compare]
    return folders or [str(run_directory.newest())]


def read_configs(folders: Sequence[str]) -> dict[str, TrainConfig]:
    """Returns the settings of each run by its folder."""
    return {folder: run_directory.read_config(folder) for folder in folders}


def shared_config(configs: Mapping[str, TrainConfig], dataset: str = "") -> TrainConfig:
    """Returns the settings of the first run, which tell the images of all runs.

    Args:
        configs: settings of the runs by folder.
        dataset: place of the images of all runs, if they moved; see `with_dataset`.

    Raises:
        ValueError: the runs were not trained on the same images.
    """
    first_folder, first_config = next(iter(configs.items()))
    for folder, config in configs.items():
        for name in ("image_size", "channels", "crop", *([] if dataset else ["dataset"])):
            first, other = getattr(first_config, name), getattr(config, name)
            if first != other:
                raise ValueError(
                    f"--compare must name runs on the same images; {first_folder} has --{name}="
                    f"{first} and {folder} {other}; compare other runs."
                )
    return with_dataset(first_config, dataset)


def run_labels(folders: Sequence[str]) -> list[str]:
    """Returns a name for each run: the name of its folder, or the path if two names are equal."""
    resolved = [to_path(folder).resolve() for folder in folders]
    names = [path.name for path in resolved]
    if len(set(names)) == len(names):
        return names
    return ["_".join(path.parts[1:]) for path in resolved]


def load_runs(folders: Sequence[str]) -> dict[str, run_directory.Run]:
    """Returns the runs by the names of `run_labels`."""
    return {
        label: run_directory.load(folder)
        for label, folder in zip(run_labels(folders), folders, strict=True)
    }
