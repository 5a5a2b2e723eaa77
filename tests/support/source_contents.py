"""Sources of pictures for tests, and what a source contains."""

import numpy as np

from tf_inpaint.data.sources import Source


def numbered(size, unreadable=(), budget=None):
    """Returns a source whose picture i has level i % 256, and the list of loaded indices."""
    loaded = []

    def load(index):
        loaded.append(index)
        if index in unreadable:
            raise ValueError(f"picture {index} is broken")
        return np.full((2, 2, 1), index % 256, np.uint8)

    return Source([f"n/{index}" for index in range(size)], load, (2, 2, 1), budget), loaded


def levels(pictures):
    """Returns the level of the first pixel of each picture."""
    return pictures[:, 0, 0, 0].tolist()


def names(source):
    """Returns the names of all pictures of a source."""
    return [source.name(index) for index in range(source.size)]


def labeled_levels(source):
    """Returns the level of each picture with its label."""
    pictures = source.read(np.arange(source.size))
    return list(zip(levels(pictures), source.labels.tolist(), strict=True))
