"""Compares all methods under all masks on held-out images, in one table.

    python -m tf_inpaint.evaluate --run_dir=runs/digits
    python -m tf_inpaint.evaluate --masks=center,my/holes --methods=best,telea,my_module:my_method
    python -m tf_inpaint.evaluate --compare=runs/one,runs/other

Writes index.html, evaluation.md, evaluation.json, evaluation.png and images/METHOD/MASK/. A killed
evaluation continues where it stopped when it is started again, and computes again what was edited
or deleted since. A later evaluation in the same folder may add images, masks and methods, with the
same networks and masks.

If the data set has labels, a classifier tells how often a completion keeps its label. LPIPS is
added if its package is installed. clean-fid and torch-fidelity can read the folders of images.
Exit code 1: some images could not be read.
"""

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_inpaint.compositing.masks import NAMES
from tf_inpaint.config import EvaluateConfig, TrainConfig
from tf_inpaint.evaluation.results import Results
from tf_inpaint.files.folder_lock import locked
from tf_inpaint.files.folders import read_object
from tf_inpaint.files.paths import local_path, real, to_path
from tf_inpaint.inputs.mask_sources import MaskSource, new_mask_source
from tf_inpaint.inputs.masked_images import ExampleMaker
from tf_inpaint.inputs.named_images import held_out, pictures

if TYPE_CHECKING:  # The module imports TensorFlow.
    from tf_inpaint.runs.run_directory import Run

log = logging.getLogger("tf_inpaint")


def run(config: EvaluateConfig) -> int:
    """Evaluates all methods; returns 0, or 1 if some images could not be read.

    Raises:
        ValueError: a setting does not fit, a library is missing, or no image can be read.
    """
    # These modules import TensorFlow.
    from tf_inpaint.evaluation import compared_runs, methods
    from tf_inpaint.runs import required_memory

    methods.check_modules(config.methods)
    folders = compared_runs.run_folders(config)
    configs = compared_runs.read_configs(folders)
    trained = compared_runs.shared_config(configs, config.dataset)
    for settings in configs.values():
        required_memory.check_search(config, settings)
    runs = compared_runs.load_runs(folders)
    out_dir = local_path("out_dir", config.out_dir or to_path(folders[0]) / "evaluation")
    with locked(out_dir):
        return evaluate_runs(config, trained, runs, out_dir)


def evaluate_runs(
    config: EvaluateConfig, trained: TrainConfig, runs: Mapping[str, "Run"], out_dir: Path
) -> int:
    """Does what `run` does, in a folder that no other command writes.

    Args:
        config: settings of the command.
        trained: settings of the data, which all runs share.
        runs: runs by name.
        out_dir: output folder.
    """
    # These modules import TensorFlow.
    from tf_inpaint.evaluation import batches, methods, report, scores
    from tf_inpaint.runs.inpainters import frozen_networks

    # Read the existing results.
    recorded = None if config.overwrite else read_object(out_dir / "config.json")
    config = config.with_block_size(recorded)
    settings = job_settings(config, {label: run.identity for label, run in runs.items()})
    results = Results(out_dir, settings, config.overwrite)
    scores.check_distances(config.measure, trained)
    # Read the images under every mask.
    items = held_out(pictures(trained, "held_out"), config.count)
    maker = ExampleMaker(trained.image_size, trained.channels, resize_masks=True)
    sources = mask_sources(config)
    for source in sources.values():
        source.pictures_among(items)  # It warns of masks that look inverted.
    examples, failures = batches.read_examples(items, sources, maker)
    if not examples:
        raise ValueError(
            f"At least one image that can be read is required; none of {config.count} can; "
            f"{failures[0]}"
        )
    results.forget_edited(examples)
    # Complete the images that have no row yet.
    names = methods.names_with_runs(config.methods, list(runs))
    missing = batches.missing_batches(names, examples, config, results.rows)
    networks = {label: frozen_networks(run) for label, run in runs.items()}
    read_training = functools.cache(functools.partial(scores.read_training_images, trained))
    methods_by_name = {
        name: methods.new_method(name, config, networks, lambda: read_training().images)
        for name in dict.fromkeys(batch.method for batch in missing)
    }
    if missing:
        results.begin()
    batches.complete(missing, methods_by_name, results, config)
    # Score all completions, and write the report.
    contents = scores.score(results, trained, read_training, config.measure)
    report.write(results, contents, config, settings)
    for reason in failures:
        log.error("Not evaluated: %s", reason)
    print(f"{results.out_dir}: look at evaluation.md and evaluation.png there")
    return 1 if failures else 0


def job_settings(config: EvaluateConfig, identities: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings that config.json keeps.

    Args:
        config: settings of the command.
        identities: `Run.identity` by the name of the run.
    """
    settings = {
        "command": "evaluate",
        "runs": dict(identities),
        "mask_sources": {
            Path(mask).name: mask if mask in NAMES else str(real(to_path(mask)))
            for mask in config.masks
        },
    }
    return settings | json.loads(json.dumps(dataclasses.asdict(config)))


def mask_sources(config: EvaluateConfig) -> dict[str, MaskSource]:
    """Returns the sources of the masks by the names that the results use."""
    return {
        Path(mask).name: new_mask_source(
            mask, config.seed, invert=config.invert_mask, pick_from_folder=True
        )
        for mask in config.masks
    }


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(EvaluateConfig, run, __doc__)
