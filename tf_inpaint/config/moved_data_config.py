"""Settings of several commands: the run, and the place of its images, if they moved."""

from typing import Any

from tf_inpaint.settings.fields import setting


def trained_run() -> Any:
    """Declares the setting `run_dir` of a command that reads a run."""
    return setting(
        "",
        "run made by train, or its URL; empty: the newest under runs/; digits: the weights of "
        "handwritten digits that come with the package, unless the folder digits is a run; results "
        "go to digits/ then",
        path=True,
    )


def moved_dataset() -> Any:
    """Declares the setting `dataset` of a command that reads the images of a run."""
    return setting(
        "",
        "place of the run's images, if they moved: tfds:NAME, folder:DIR or npz:FILE; empty: the "
        "place that the training read",
        path=True,
    )
