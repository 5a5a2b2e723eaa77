"""The work of an evaluation: images under their masks, in batches that methods complete."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tf_inpaint.config import EvaluateConfig
from tf_inpaint.config.evaluate_config import PUBLISHED_SEARCHES
from tf_inpaint.evaluation import memory
from tf_inpaint.evaluation.methods import CompletedImages, Method
from tf_inpaint.evaluation.results import Key, Results
from tf_inpaint.files import images
from tf_inpaint.inputs.mask_sources import MaskSource
from tf_inpaint.inputs.masked_images import Example, ExampleMaker
from tf_inpaint.inputs.named_images import Input

BAR_FORMAT = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
"""Format of the progress bar."""
BATCH_SIZE = 32
"""Approximate number of images in a batch."""


def read_examples(
    items: Sequence[Input], masks: Mapping[str, MaskSource], maker: ExampleMaker
) -> tuple[list[dict[str, Example]], list[str]]:
    """Reads images and their masks.

    Args:
        items: the images.
        masks: sources of masks by name.
        maker: makes the examples.

    Returns:
        for each readable image its examples by the name of the mask, and the reasons why the other
        images cannot be read.
    """
    examples, reasons = [], []
    for item in items:
        try:
            examples.append(
                {name: maker.example(item, mask.known_of) for name, mask in masks.items()}
            )
        except (ValueError, OSError) as error:
            reasons.append(str(error))
    return examples, reasons


class Batch(NamedTuple):
    """Images that one method completes under one mask."""

    method: str
    mask: str
    examples: Sequence[Example]


def missing_batches(
    methods: Sequence[str],
    examples: Sequence[Mapping[str, Example]],
    config: EvaluateConfig,
    existing: Collection[Key],
) -> list[Batch]:
    """Returns the batches of all images that have no row yet, sorted by mask and then by method.

    Args:
        methods: names of the methods.
        examples: at least one image, see `read_examples`.
        config: settings, with a number as block size. A published search completes the first `few`
            images.
        existing: method, mask and image of each existing row.
    """
    # A multiple of the block size, so that only the last block of a method is padded.
    size = max(1, BATCH_SIZE // config.block_size) * config.block_size
    batches = []
    for mask in examples[0]:
        for method in methods:
            published = method.partition("@")[0] in PUBLISHED_SEARCHES
            count = config.few if published else len(examples)
            missing = [
                by_mask[mask]
                for by_mask in examples[:count]
                if (method, mask, by_mask[mask].input.key) not in existing
            ]
            batches += [
                Batch(method, mask, missing[start : start + size])
                for start in range(0, len(missing), size)
            ]
    return batches


def complete(
    batches: Sequence[Batch],
    methods: Mapping[str, Method],
    results: Results,
    config: EvaluateConfig,
) -> None:
    """Completes all batches and writes their results, with a progress bar.

    Args:
        batches: see `missing_batches`.
        methods: methods by name.
        results: receives the pictures and rows.
        config: settings.
    """
    warm: set[str] = set()
    total = sum(methods[batch.method].cost * len(batch.examples) for batch in batches)
    with tqdm(total=total, bar_format=BAR_FORMAT, smoothing=0) as bar:
        for name, mask, examples in batches:
            bar.set_description_str(f"{name}, {mask}")
            method = methods[name]
            if name not in warm:
                # The first call also traces graphs, which the time per image does not include.
                complete_timed(method, examples[: config.block_size], config.seed)
                warm.add(name)
            completed, cost = complete_timed(method, examples, config.seed)
            results.write(name, mask, examples, completed.completions, completed.generated, cost)
            bar.update(method.cost * len(examples))


def complete_timed(
    method: Method, examples: Sequence[Example], seed: int
) -> tuple[CompletedImages, dict[str, float | None]]:
    """Completes some images.

    Returns:
        the completed images, and their cost: `seconds_per_image`, and `peak_memory_mb` of the
        process.
    """
    known = np.stack([example.known for example in examples])
    masked = images.to_float(np.stack([example.masked for example in examples]))
    seeds = np.array([example.input.seeds(seed) for example in examples])
    memory.reset_peak()
    start = time.perf_counter()
    completed = method.complete(masked, known, seeds)
    seconds = time.perf_counter() - start
    cost = {"seconds_per_image": seconds / len(examples), "peak_memory_mb": memory.peak()}
    return completed, cost
