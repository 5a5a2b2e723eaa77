"""A folder with the files of both lessons."""

import pytest
import short_lessons


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The folder of two very short lessons."""
    folder = tmp_path_factory.mktemp("lessons")
    short_lessons.gaussian_lesson(folder)
    short_lessons.ring_lesson(folder)
    return folder
