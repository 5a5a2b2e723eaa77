"""search.gif: the search from its first guess to the answer."""

import numpy as np
from PIL import Image
from small_completions import mask_of
from tiny import SIZE

from tf_inpaint.completion.search_film import SearchFilm
from tf_inpaint.files import images


def test_film_runs_from_the_start_to_the_answer(finished_job):
    """The last frame shows the generated pictures of the details."""
    with Image.open(finished_job / "search.gif") as film:
        assert 4 < film.n_frames <= 13  # One frame per step; Pillow merges equal frames.
        assert film.size == (4 * 4 * SIZE + 3 * 2, 3 * 4 * SIZE + 2 * 2)
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("L")))
    for column in range(3):
        folder, left = finished_job / f"details/{column:02}", column * (4 * SIZE + 2)
        cells = frames[-1][:, left : left + 4 * SIZE : 4]
        masked, generated, completed = (
            cells[row * (4 * SIZE + 2) :][: 4 * SIZE : 4, :, None] for row in range(3)
        )
        np.testing.assert_array_equal(masked, images.read(folder / "masked.png"))
        levels = images.read(folder / "generated.png").astype(int)
        assert np.abs(generated - levels).max() <= 1
        np.testing.assert_array_equal(completed, np.where(mask_of(column) > 0, masked, generated))


def test_frame_has_a_column_for_each_row():
    """A frame shows the rows that are searched, in their order."""
    masked = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((3, 96, 96, 1), np.uint8)
    film = SearchFilm(masked, np.zeros((3, 96, 96, 1), np.float32))
    film.record(np.array([2, 0]), lambda: np.ones((2, 96, 96, 1), np.float32))
    (frame,) = film.frames
    assert frame.shape == (3 * 96 + 2 * 2, 2 * 96 + 2, 1)
    assert (frame[0, 0, 0], frame[0, 98, 0], frame[98, 0, 0]) == (2, 0, 255)
