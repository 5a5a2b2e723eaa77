"""Scores of an evaluation that need all pictures: labels, LPIPS, and distances between sets."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tf_inpaint.config import TrainConfig
from tf_inpaint.evaluation.results import Results
from tf_inpaint.evaluation.summary import psnr_by_hole_share, summarize
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import pictures
from tf_inpaint.metrics import classifier, lpips
from tf_inpaint.metrics.distances import Distances

MAX_TRAINING_IMAGES = 20_000
"""Maximum number of training images that baselines and the classifier learn from."""

log = logging.getLogger("tf_inpaint")


class LabeledImages(NamedTuple):
    """Images, and their labels if the data set has labels."""

    images: np.ndarray
    """`[N, H, W, C]` in [-1, 1]."""
    labels: np.ndarray | None
    """`[N]`."""


def read_training_images(config: TrainConfig) -> LabeledImages:
    """Reads the training images of a run: at most `MAX_TRAINING_IMAGES`, spread over the data."""
    source = pictures(config, "train", MAX_TRAINING_IMAGES)
    return LabeledImages(images.to_float(source.read(np.arange(source.size))), source.labels)


def check_distances(measure: Sequence[str], trained: TrainConfig) -> None:
    """Loads the networks of the distances once, so that a missing network is noticed at the start.

    Raises:
        ValueError: a network cannot be loaded.
    """
    shape = (1, trained.image_size, trained.image_size, trained.channels)
    Distances(measure, np.zeros(shape, np.float32))


def score(
    results: Results,
    trained: TrainConfig,
    read_training: Callable[[], LabeledImages],
    measure: Sequence[str],
) -> dict[str, Any]:
    """Completes the rows and writes evaluation.json.

    Args:
        results: rows and pictures of the evaluation. Labels and LPIPS are added to the rows.
        trained: settings of the run, which tell the data set.
        read_training: returns the training images.
        measure: names of the distances, see `Distances`.

    Returns:
        the contents of evaluation.json without the rows: `settings`, `summary` (the mean by method,
        mask and name), `intervals` (lower and upper end, likewise) and `hole_psnr_by_share`.
    """
    # Add the scores of single images to the rows.
    add_labels(results, trained, read_training)
    add_lpips(results)
    # Summarize the rows.
    summary: dict[str, dict[str, dict]] = {}
    intervals: dict[str, dict[str, dict]] = {}
    rows_by_method: dict[str, list[dict]] = {}
    for method, mask, rows in results.groups():
        means, ends = summarize(rows)
        summary.setdefault(method, {})[mask] = means
        intervals.setdefault(method, {})[mask] = ends
        rows_by_method.setdefault(method, []).extend(rows)
    # Add the scores of sets of images to the summary.
    add_distances(results, summary, measure)
    contents = {
        "settings": results.settings,
        "summary": summary,
        "intervals": intervals,
        "hole_psnr_by_share": {
            method: psnr_by_hole_share(rows) for method, rows in rows_by_method.items()
        },
    }
    results.finish(contents)
    return contents


def completions_of(results: Results, method: str, rows: Sequence[Mapping]) -> np.ndarray:
    """Returns the completions of some rows of one mask, `[N, H, W, C]` in [-1, 1]."""
    files = [row["file"] for row in rows]
    return images.to_float(results.pictures(method, rows[0]["mask"], files))


def originals_of(results: Results, rows: Sequence[Mapping]) -> np.ndarray:
    """Returns the originals of some rows of one mask, `[N, H, W, C]` in [-1, 1]."""
    return images.to_float(results.originals(rows[0]["mask"], [row["file"] for row in rows]))


def add_labels(
    results: Results, trained: TrainConfig, read_training: Callable[[], LabeledImages]
) -> None:
    """Adds to each row whether a classifier gives the true label.

    `label_agreement` is 1 if the classifier gives the true label to the completion, and 0
    otherwise; `original_label_agreement` is the same for the original. The classifier is trained on
    the training images. Without at least two labels in both splits nothing is added.
    """
    unlabeled = [
        group for group in results.groups() if any("label_agreement" not in row for row in group[2])
    ]
    source = pictures(trained, "held_out")
    if not unlabeled or not all(map(has_two_labels, (source.labels, read_training().labels))):
        return
    labels = {source.name(index): label for index, label in enumerate(source.labels)}
    network = classifier.train(*read_training())
    for method, _, rows in tqdm(unlabeled, "labels"):
        true = np.array([labels[row["image"]] for row in rows])
        correct = network.predict(completions_of(results, method, rows)) == true
        original_correct = network.predict(originals_of(results, rows)) == true
        for row, *values in zip(rows, true.tolist(), correct, original_correct, strict=True):
            row["label"] = values[0]
            row["label_agreement"] = float(values[1])
            row["original_label_agreement"] = float(values[2])


def has_two_labels(labels: np.ndarray | None) -> bool:
    """Tells whether there are labels with at least two different values."""
    return labels is not None and len(np.unique(labels)) >= 2


def add_lpips(results: Results) -> None:
    """Adds to each row the LPIPS between the completion and its original.

    Without the package `lpips` or its weights nothing is added.
    """
    for method, _, rows in tqdm(results.groups(), "LPIPS"):
        if all("lpips" in row for row in rows):
            continue
        try:
            values = lpips.distance(
                completions_of(results, method, rows), originals_of(results, rows)
            )
        except (ImportError, OSError) as error:
            log.info("LPIPS is left out: %s.", error)
            return
        for row, value in zip(rows, values, strict=True):
            row["lpips"] = float(value)


def add_distances(
    results: Results, summary: Mapping[str, Mapping[str, dict]], measure: Sequence[str]
) -> None:
    """Adds to the summary the distances between the set of completions and the set of originals.

    Only methods that completed all images get distances: the Frechet distance falls with the number
    of images, so that sets of different size cannot be compared.
    """
    distances: dict[str, Distances] = {}
    for method, mask, rows in tqdm(results.groups(), "distances"):
        most_images = max(masks[mask]["images"] for masks in summary.values() if mask in masks)
        if 1 < len(rows) == most_images:
            if mask not in distances:
                distances[mask] = Distances(measure, originals_of(results, rows))
            values = distances[mask](completions_of(results, method, rows))
            summary[method][mask].update(zip(measure, values, strict=True))
