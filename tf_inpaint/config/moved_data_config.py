"""The setting of several commands for the place of a run's images, if they moved."""

from typing import Any

from tf_inpaint.settings.fields import setting


def moved_dataset() -> Any:
    """Declares the setting `dataset` of a command that reads the images of a run."""
    return setting(
        "",
        "place of the run's images, if they moved: tfds:NAME, folder:DIR or npz:FILE; empty: the "
        "place that the training read",
        path=True,
    )
