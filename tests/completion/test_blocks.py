"""Blocks of images, which are bounded in images, pixels and searches."""

from photographs import FRAMINGS, example_under, known_of, photograph

from tf_inpaint.completion import blocks


def test_blocks_are_bounded_in_pixels_and_in_squares(monkeypatch, tmp_path):
    """A block ends when its size, its pixels or its rows reach their limit."""
    few, many = (
        example_under(
            tmp_path / "m.png", photograph("broad", 1), known_of("broad"), framing=framing
        )
        for framing in FRAMINGS
    )
    assert (len(few.rows[0]), len(many.rows[0])) == (1, 2)

    def counts(examples, size):
        return [len(block) for block in blocks.blocks(iter(examples), size)]

    assert counts([few] * 7, 3) == [3, 3, 1]
    monkeypatch.setattr(blocks, "MAX_SEARCH_BLOCKS", 1)
    assert counts([many] * 7, 3) == [2, 2, 2, 1]
    assert counts([few] * 7, 3) == [3, 3, 1]
    monkeypatch.setattr(blocks, "MAX_PIXELS", 60 * 100)
    assert counts([few] * 7, 3) == [2, 2, 2, 1]
    assert counts([], 3) == []
