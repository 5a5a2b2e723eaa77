"""The search of a block: answers for each image, the bar, and the film of the first rows."""

import types

import numpy as np
from photographs import example_under, known_of, photograph
from tiny import SIZE

from tf_inpaint.completion.block_search import BlockSearch
from tf_inpaint.inpainting.completions import Completions


class Bar:
    """A bar that counts images."""

    n = 4.0

    def update(self, difference):
        """Moves the bar."""
        self.n += difference


class FakeInpainter:
    """An inpainter whose z are the indices of the rows. It reports two turns of two steps."""

    def complete(self, images, known, seeds, watch, every, last_z):
        """Returns completions, see `Inpainter.complete`."""
        self.seeds, self.every, self.last_z = seeds.tolist(), every, last_z
        for turn in range(2):
            for share in (0.25, 0.5):
                watch(turn / 2 + share, turn, np.arange(len(images)), lambda: images)
        fields = dict.fromkeys(Completions._fields, np.zeros(len(images)))
        return Completions(**fields | {"z": np.arange(len(images))})


def new_block(tmp_path):
    """Returns three images with two squares, no square and one square."""
    return [
        example_under(tmp_path / "m.png", photograph(stem, 1), known_of(stem), framing="hole")
        for stem in ("broad", "known", "tall")
    ]


def test_every_image_gets_the_answers_of_its_rows(tmp_path):
    """An image without a hole gets None."""
    block, inpainter = new_block(tmp_path), FakeInpainter()
    search = BlockSearch(block, Bar())
    first, second, third = search.run(inpainter, seed=3, steps_per_frame=1)
    assert (first.z.tolist(), second, third.z.tolist()) == ([0, 1], None, [2])
    expected = [seeds for example in block for seeds in example.seeds(3)]
    assert inpainter.seeds == [list(seeds) for seeds in expected]
    assert search.seconds_per_row > 0 and inpainter.every == 10
    assert inpainter.last_z is None


def test_rows_start_at_those_of_a_last_frame_with_as_many(tmp_path):
    """The z of another number of rows are of no use."""
    block, inpainter = new_block(tmp_path), FakeInpainter()
    for count in (1, 2, 3, 4):
        BlockSearch(block, Bar(), [np.full(2, row) for row in range(count)]).run(inpainter, 0, 1)
        z = None if inpainter.last_z is None else inpainter.last_z.tolist()
        assert z == ([[0, 0], [1, 1], [2, 2]] if count == 3 else None)


def test_without_rows_there_is_no_search(tmp_path):
    """A block whose images are all known needs no inpainter."""
    search = BlockSearch([new_block(tmp_path)[1]], Bar())
    assert search.run(None, seed=0, steps_per_frame=1) == [None]
    assert search.seconds_per_row == 0


def test_bar_moves_by_the_share_of_the_block(tmp_path):
    """The bar counts the images of the block, and not its rows."""
    block, bar = new_block(tmp_path), Bar()
    positions = []
    search = BlockSearch(block, bar)
    search.film = types.SimpleNamespace(record=lambda *_: positions.append(bar.n))
    search.run(FakeInpainter(), seed=0, steps_per_frame=1)
    assert positions == [4 + 0.25 * 3, 4 + 0.5 * 3], "only the first turn is filmed"
    assert bar.n == 7
    search.move_bar(1)
    assert bar.n == 7


def test_film_shows_the_first_rows(tmp_path):
    """A film has a frame for each report of the first turn."""
    search, inpainter = BlockSearch(new_block(tmp_path), Bar()), FakeInpainter()
    search.record_film()
    search.run(inpainter, seed=0, steps_per_frame=2)
    assert inpainter.every == 2
    assert [frame.shape for frame in search.film.frames] == [
        (3 * 4 * SIZE + 2 * 2, 3 * 4 * SIZE + 2 * 2, 1)
    ] * 2
