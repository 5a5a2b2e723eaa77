"""Batches of an evaluation: which images each method still has to complete, and in which order."""

import numpy as np

from tf_inpaint.config import EvaluateConfig
from tf_inpaint.evaluation import batches
from tf_inpaint.evaluation.methods import CompletedImages, Method
from tf_inpaint.inputs.masked_images import Example, ExampleMaker
from tf_inpaint.inputs.named_images import Input


def new_input(key):
    """Returns an input whose pixels are not read."""
    return Input(key, key, key, None)


def examples(count, masks=("center", "left")):
    """Returns `count` examples for each mask, one pixel large."""
    known, levels = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.uint8)
    return [
        {mask: Example(new_input(f"image {index}"), levels, levels, known) for mask in masks}
        for index in range(count)
    ]


def keys(batch):
    """Returns the numbers of the images of a batch."""
    return [int(example.input.key.split()[-1]) for example in batch.examples]


def test_batches_contain_the_missing_images():
    """Batches are sorted by mask and method, and existing rows are left out."""
    existing = {("telea", "center", "image 1"): {}, ("harmonic", "left", "image 0"): {}}
    config = EvaluateConfig(block_size=8)
    work = batches.missing_batches(["telea", "harmonic"], examples(2), config, existing)
    assert [(batch.method, batch.mask, keys(batch)) for batch in work] == [
        ("telea", "center", [0]),
        ("harmonic", "center", [0, 1]),
        ("telea", "left", [0, 1]),
        ("harmonic", "left", [1]),
    ]


def test_published_searches_complete_fewer_images():
    """`few` limits a published search, also that of one of several runs."""
    config = EvaluateConfig(few=2, block_size=8)
    work = batches.missing_batches(["yeh@run", "best@run"], examples(3, ["left"]), config, {})
    assert [keys(batch) for batch in work] == [[0, 1], [0, 1, 2]]


def test_batches_are_whole_blocks():
    """Each batch but the last one is a multiple of the block size, near 32."""
    for block_size, sizes in ((8, [32, 8]), (12, [24, 16]), (33, [33, 7])):
        config = EvaluateConfig(block_size=block_size)
        work = batches.missing_batches(["best"], examples(40, ["left"]), config, {})
        assert [len(batch.examples) for batch in work] == sizes


def test_images_that_cannot_be_read_are_left_out():
    """The reasons are returned beside the readable images."""

    def refuse():
        raise ValueError("b cannot be read")

    class AllKnown:
        def known_of(self, item, size):
            return np.ones((*size, 1), np.float32)

    readable = Input("a", "a", "a", lambda: np.zeros((16, 16, 1), np.uint8))
    items = [readable, Input("b", "b", "b", refuse)]
    by_mask, reasons = batches.read_examples(items, {"all": AllKnown()}, ExampleMaker(16, 1))
    assert reasons == ["b cannot be read"]
    assert [example["all"].input.key for example in by_mask] == ["a"]


def test_the_first_call_of_a_method_is_not_timed():
    """Every method completes some images once before its time is measured."""
    calls, written = [], []

    class FakeResults:
        def write(self, method, mask, batch, completions, generated, cost):
            written.append((method, len(batch), sorted(cost)))

    def complete(images, known, seeds):
        calls.append(len(images))
        return CompletedImages(images)

    config = EvaluateConfig(block_size=8)
    work = batches.missing_batches(["telea"], examples(40, ["left"]), config, {})
    batches.complete(work, {"telea": Method(complete, 5)}, FakeResults(), config)
    assert calls == [8, 32, 8]
    costs = ["peak_memory_mb", "seconds_per_image"]
    assert written == [("telea", 32, costs), ("telea", 8, costs)]
