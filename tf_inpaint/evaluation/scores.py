"""What is said of an evaluation's pictures once all are there: labels, LPIPS, distances of sets; tables and picture."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tf_inpaint.config import TrainConfig
from tf_inpaint.evaluation import tables
from tf_inpaint.evaluation.results import MASKED, ORIGINAL, Results
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import pictures
from tf_inpaint.metrics import classifier, lpips
from tf_inpaint.metrics.distances import Distances

LIMIT = 20_000
SHOWN = 3
"""Images of each mask in evaluation.png."""

log = logging.getLogger("tf_inpaint")


class Training(NamedTuple):
    images: np.ndarray
    """`[N, H, W, C]` in [-1, 1]."""
    labels: np.ndarray | None
    """`[N]`."""


def training(config: TrainConfig) -> Training:
    """What baselines and the classifier learn from: the run's training images, of many 20,000 spread over them."""
    source = pictures(config, "train", LIMIT)
    return Training(images.to_float(source.read(np.arange(source.size))), source.labels)


def check(measure: Sequence[str], trained: TrainConfig) -> None:
    """Has the networks of the distances loaded, before hours of completing.

    Raises:
        ValueError: one cannot be had.
    """
    Distances(
        measure, np.zeros((1, trained.image_size, trained.image_size, trained.channels), np.float32)
    )


def judge(
    results: Results, trained: TrainConfig, training: Callable[[], Training], measure: Sequence[str]
) -> None:
    """Completes the rows, and writes evaluation.json, evaluation.md and evaluation.png."""
    add_labels(results, trained, training)
    add_lpips(results)
    table, intervals, bins = {}, {}, {}
    for method, mask, rows in groups(results):
        means, ranges = tables.summarize(rows)
        table.setdefault(method, {})[mask] = means
        intervals.setdefault(method, {})[mask] = ranges
        bins.setdefault(method, []).extend(rows)
    bins = {method: tables.by_hole_share(rows) for method, rows in bins.items()}
    add_distances(results, table, measure)
    results.finish(
        {
            "settings": results.settings,
            "summary": table,
            "intervals": intervals,
            "hole_psnr_by_share": bins,
        }
    )
    with images.atomic(results.out_dir / "evaluation.md") as path:
        path.write_text(tables.report(results.settings, table, intervals, bins, measure))
    images.write(results.out_dir / "evaluation.png", sheet(results))


def groups(results: Results) -> Iterator[tuple[str, str, list[dict]]]:
    """The rows of each method and mask."""
    for method, mask in dict.fromkeys(key[:2] for key in results.rows):
        yield method, mask, [row for key, row in results.rows.items() if key[:2] == (method, mask)]


def shown(results: Results, method: str, rows: Sequence[dict]) -> np.ndarray:
    """The pictures of some rows of one mask, by a method or ORIGINAL or MASKED, `[N, H, W, C]` in [-1, 1]."""
    files = [row["file"] for row in rows]
    return images.to_float(results.pictures(method, rows[0]["mask"], files))


def add_labels(results: Results, trained: TrainConfig, training: Callable[[], Training]) -> None:
    """Whether a classifier of the training images still gives a completion, and the original, the true label."""
    todo = [
        group for group in groups(results) if any("label_agreement" not in row for row in group[2])
    ]
    source = pictures(trained, "held_out")
    if not todo or any(
        each is None or len(np.unique(each)) < 2 for each in (source.labels, training().labels)
    ):
        return
    labels = {source.name(index): label for index, label in enumerate(source.labels)}
    judge = classifier.train(*training())
    for method, _, rows in tqdm(todo, "labels"):
        true = np.array([labels[row["image"]] for row in rows])
        kept = judge.predict(shown(results, method, rows)) == true
        original = judge.predict(shown(results, ORIGINAL, rows)) == true
        for row, label, *agreements in zip(rows, true.tolist(), kept, original, strict=True):
            row |= {"label": label}
            row["label_agreement"], row["original_label_agreement"] = map(float, agreements)


def add_lpips(results: Results) -> None:
    """LPIPS of each completion and its original, where the package and its weights are at hand."""
    for method, _, rows in tqdm(list(groups(results)), "LPIPS"):
        if any("lpips" not in row for row in rows):
            try:
                values = lpips.distance(
                    shown(results, method, rows), shown(results, ORIGINAL, rows)
                )
            except (ImportError, OSError) as error:
                log.info("LPIPS is left out: %s", error)
                return
            for row, value in zip(rows, values, strict=True):
                row["lpips"] = float(value)


def add_distances(results: Results, table: tables.Table, measure: Sequence[str]) -> None:
    """Distances of the completions, as a set, from the originals: of those that completed all, for the others' are of
    fewer images, and a Frechet distance falls with their number."""
    distances: dict[str, Distances] = {}
    for method, mask, rows in tqdm(list(groups(results)), "distances"):
        if 1 < len(rows) == max(row[mask]["images"] for row in table.values() if mask in row):
            if mask not in distances:
                distances[mask] = Distances(measure, shown(results, ORIGINAL, rows))
            values = distances[mask](shown(results, method, rows))
            table[method][mask] |= dict(zip(measure, values, strict=True))


def sheet(results: Results) -> np.ndarray:
    """The first few images under every mask: original | masked | a column a method."""
    methods = list(dict.fromkeys(method for method, _, _ in groups(results)))
    cells = []
    for mask in dict.fromkeys(mask for _, mask, _ in groups(results)):
        rows = {
            row["image"]: row for _, other, rows in groups(results) if other == mask for row in rows
        }
        for image in list(rows)[:SHOWN]:
            for method in (ORIGINAL, MASKED, *methods):
                there = method in (ORIGINAL, MASKED) or (method, mask, image) in results.rows
                original = results.pictures(ORIGINAL, mask, [rows[image]["file"]])
                picture = (
                    results.pictures(method, mask, [rows[image]["file"]])
                    if there
                    else np.full_like(original, 255)
                )
                cells.append(images.enlarge(picture))
    captions = [name.replace("_", "\n").replace("@", "\n") for name in (ORIGINAL, MASKED, *methods)]
    return images.grid(
        images.enlarge(np.concatenate(cells)), columns=len(captions), captions=captions
    )
