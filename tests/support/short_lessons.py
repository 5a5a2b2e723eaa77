"""The lessons with so few steps that each takes a second."""

import json

from tf_inpaint.config import GaussianConfig, RingConfig
from tf_inpaint.lessons import gaussian, ring

FRAMES = 3


def gaussian_lesson(folder, **settings):
    """Runs the lesson of the Gaussian, and returns the content of gaussian.json."""
    short = {"out_dir": str(folder), "steps": 6, "frames": FRAMES, "batch_size": 16}
    assert gaussian.run(GaussianConfig(**{**short, **settings})) == 0
    return json.loads((folder / "gaussian.json").read_text())


def ring_lesson(folder, **settings):
    """Runs the lesson of the ring, and returns the content of ring.json."""
    short = {"out_dir": str(folder), "steps": 4, "frames": FRAMES, "batch_size": 8}
    recipes = {"recipes": ("minimax", "r1")}
    assert ring.run(RingConfig(**{**short, **recipes, **settings})) == 0
    return json.loads((folder / "ring.json").read_text())


def check_reproducible(lesson, written, folder):
    """Runs a lesson again, and checks that the same seed gives the same bytes.

    Args:
        lesson: `gaussian_lesson` or `ring_lesson`.
        written: folder with the files of the same lesson.
        folder: an empty folder.
    """
    lesson(folder / "again")
    files = list((folder / "again").iterdir())
    assert files
    for path in files:
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name
    lesson(folder / "other", seed=1)
    result = next(path.name for path in files if path.suffix == ".json")
    assert (folder / "other" / result).read_text() != (written / result).read_text()


def check_frames(frames, size):
    """Checks that a short lesson's film has all frames, and that the frames differ.

    Args:
        frames: RGB integers.
        size: height and width.
    """
    assert len(frames) == FRAMES
    for frame in frames:
        assert frame.shape == (*size, 3)
        assert frame.std() > 10
    assert abs(frames[0] - frames[-1]).max() > 100
