"""Completions of blocks, gathered and split, and the reports on the way."""

import numpy as np

from tf_inpaint.inpainting.completions import BlockProgress, Completions, gather


def numbered(first, count):
    """Completions whose entries are the number of their image."""
    numbers = np.arange(first, first + count)
    shapes = {"images": (4, 4, 1), "generated": (4, 4, 1), "z": (3,), "samples": (2, 4, 4, 1)}
    return Completions(
        *(
            np.broadcast_to(
                numbers.reshape(-1, *[1] * len(shapes.get(name, ()))),
                (count, *shapes.get(name, ())),
            )
            for name in Completions._fields
        )
    )


def test_blocks_are_gathered_in_order():
    blocks = [numbered(0, 3), numbered(3, 3), numbered(6, 1)]
    for field, expected in zip(gather(blocks, 7), numbered(0, 7), strict=True):
        np.testing.assert_array_equal(field, expected)


def test_split_is_the_reverse_of_gather():
    parts = numbered(0, 7).split([2, 0, 5])
    assert [len(part.images) for part in parts] == [2, 0, 5]
    for field, expected in zip(parts[2], numbered(2, 5), strict=True):
        np.testing.assert_array_equal(field, expected)


def test_progress_counts_the_blocks_before():
    reports = []
    progress = BlockProgress(
        watch=lambda *report: reports.append(report),
        every=5,
        steps=20,
        first_image=8,
        previous_turns=2,
        total_turns=4,
    )
    progress.report(1, 10, np.array([0, 2]), lambda: "pictures")
    ((share, turn, rows, generated),) = reports
    assert share == (3 + 10 / 20) / 4 and turn == 3
    assert rows.tolist() == [8, 10] and generated() == "pictures"
