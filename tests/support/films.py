"""The frames of pictures and films."""

import numpy as np
from PIL import Image


def frames_of(path):
    """Returns the frames of a picture or film as RGB integers."""
    with Image.open(path) as film:
        frames = []
        for index in range(getattr(film, "n_frames", 1)):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB")).astype(int))
    return frames


def repeats_forever(path):
    """Returns whether a film repeats forever."""
    with Image.open(path) as film:
        return film.info["loop"] == 0
