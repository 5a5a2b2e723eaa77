"""Exports a run as a SavedModel that completes images inside TensorFlow Serving.

    python -m tf_inpaint.export --run_dir=runs/digits
    python -m tf_inpaint.export --run_dir=runs/faces --export_dir=export/faces --steps=50
    python -m tf_inpaint.export --run_dir=runs/faces --signatures=encode,complete_fast_encoded

Writes the next version below `export/NAME/`, and overwrites nothing. The whole search runs in the
graph, with the settings of the command line. The model gets its version number after it was loaded,
run and compared with the library. Needs the extra `serving`, for the warm-up requests.

The signatures: `complete` searches as the flags say. `complete_fast` takes --fast_steps steps from
the encoder's z and draws no samples. `complete_best` answers with the expected pixels; in a run
without a mean estimate, these are the mean of --best_samples samples. Each has a form `..._encoded`
that takes and returns image files. The command prints the size of an export with each signature
alone. See export/README.md.
"""

import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path

from tf_inpaint.config import ExportConfig
from tf_inpaint.files import paths
from tf_inpaint.files.atomic_writing import remove_unlocked
from tf_inpaint.files.folder_lock import locked

WARM_UP_ROWS = 1
"""Number of rows of a warm-up request."""

CHECKED_ROWS = 3
"""Number of rows with which an export is compared with the library."""

TOLERANCE = 0.01
"""Maximum mean difference between the export and the library, on [-1, 1].

A difference in the last bit leads a sampling chain to another sample; that stays below this bound.
"""


def run(config: ExportConfig) -> int:
    """Writes a version of the model and returns 0."""
    from tf_inpaint.exporting import export_check, export_record, signature_sizes, warm_up
    from tf_inpaint.exporting.signatures import ServedModel
    from tf_inpaint.runs import required_memory, run_directory

    warm_up.require()
    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    # Samples are drawn one image at a time, so their number is left out.
    required_memory.check_search(
        dataclasses.replace(config, samples=0), run_directory.read_config(config.run_dir)
    )
    trained = run_directory.load(config.run_dir)
    name = paths.to_path(config.run_dir).absolute().name
    folder = paths.local_path("export_dir", config.export_dir or Path("export") / name)
    target = folder / str(next_version(folder, config.version))
    check_max_pixels(config.max_pixels, trained.config.image_size)
    started = time.perf_counter()
    model = ServedModel(trained, config)  # It may refuse settings, so a folder is made only then.
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    with locked(folder, f".{target.name}.lock"):
        # The server takes whole numbers only for versions, so it ignores this folder.
        hidden = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=folder))
        try:
            model.save(hidden)
            sizes = signature_sizes.signature_sizes(hidden)
            record_path = hidden / "assets.extra" / "export.json"
            export_record.write(record_path, config, model, trained, sizes)
            requests = export_check.example_inputs(model, WARM_UP_ROWS)
            # The default signature has inputs and outputs of its own, which the server prepares
            # apart.
            if "complete" in requests:
                requests = {"serving_default": requests["complete"]} | requests
            warm_up.write(
                hidden / "assets.extra" / "tf_serving_warmup_requests", folder.name, requests
            )
            export_check.check(model, hidden, CHECKED_ROWS, TOLERANCE)
            publish(hidden, target)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    seconds = time.perf_counter() - started
    parts = ", ".join(f"{name} ({sizes[name] / 1e6:.1f} MB)" for name in model.functions)
    print(f"{target}: {parts}; {megabytes:.1f} MB together, checked, in {seconds:.0f} s")
    return 0


def check_max_pixels(max_pixels: int, image_size: int) -> None:
    """Checks that the model takes encoded images of the size of its own images.

    Raises:
        ValueError: the model takes only smaller ones.
    """
    if max_pixels < image_size**2:
        raise ValueError(
            f"--max_pixels must be at least {image_size**2}, the number of pixels of the images "
            f"that the network sees; received {max_pixels}; raise it or leave it out."
        )


def remove_leftovers(folder: Path) -> None:
    """Removes the locks and the unfinished versions that killed exports left in a folder.

    Those of an export that is at work stay.
    """
    for path in folder.glob(".*.lock"):
        version = path.name.removeprefix(".").removesuffix(".lock")
        if version.isdecimal():
            unfinished = [other for other in folder.glob(f".{version}.*") if other.is_dir()]
            remove_unlocked(path, unfinished)


def publish(hidden: Path, target: Path) -> None:
    """Gives a finished version its number.

    Raises:
        ValueError: another export took the number meanwhile.
    """
    os.chmod(hidden, 0o755)  # mkdtemp makes a folder that only its owner can read
    try:
        hidden.rename(target)
    except OSError:
        raise ValueError(
            f"--version must be new; {target} was written by another export meanwhile; "
            "export again."
        ) from None


def next_version(folder: Path, version: int | None) -> int:
    """The version to write: the given one, or the number after the largest.

    Args:
        folder: the folder of the versions; it need not exist.
        version: a number, or None for the next one.

    Raises:
        ValueError: the version exists, or the folder cannot be written.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ValueError(
            f"--export_dir must be a folder that can be written; received {folder}; choose another."
        )
    paths = folder.glob("*") if folder.exists() else []
    existing = [int(path.name) for path in paths if path.name.isdecimal()]
    # A server ignores a folder whose number is above its int64.
    following = max((number for number in existing if number < 2**63 - 1), default=0) + 1
    if version in existing:
        raise ValueError(
            f"--version must be new, for nothing is overwritten; {folder} has {version}; "
            f"leave it out for {following}."
        )
    return version or following


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ExportConfig, run, __doc__)
