"""The memory that the pictures of an exploration take at least."""

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import ExploreConfig, TrainConfig
from tf_inpaint.config.explore_config import KINDS
from tf_inpaint.exploration import picture_memory
from tf_inpaint.runs import required_memory

CONCEPTS = {name: ("1", "2", "3") for name in "abc"}


@pytest.fixture(autouse=True)
def eight_gigabytes(monkeypatch):
    monkeypatch.setattr(required_memory, "machine_memory", lambda: 8 * 10**9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_of_every_kind_fits(kind):
    concepts = CONCEPTS if kind == "arithmetic" else {}
    config = ExploreConfig(kind=kind, **concepts)
    picture_memory.check_pictures(config, TrainConfig(image_size=128, channels=3, width=128))


@pytest.mark.parametrize(
    ("settings", "pictures"),
    [
        # Pictures of 28 pixels are enlarged to 56, and in a film to 280.
        ({"kind": "grid", "count": 7}, 7 * (4 * 100 + 56**2)),
        ({"kind": "interpolation", "count": 7, "pictures": 3}, 21 * (4 * 100 + 56**2)),
        ({"kind": "walk", "count": 7, "frames": 3}, 21 * (4 * 100 + 280**2)),
        ({"kind": "nearest", "count": 7, "neighbours": 2}, 7 * (4 * 100 + 3 * 56**2)),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_pictures_are_counted_by_hand(settings, pictures):
    parts = picture_memory.pictures_part(ExploreConfig(**settings), TrainConfig())
    assert list(parts.values()) == [pictures]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "interpolation", "count": 10**4, "pictures": 1000},
        {"kind": "walk", "count": 10**4, "frames": 1000},
        {"kind": "nearest", "count": 10**4, "neighbours": 1000},
    ],
    ids=lambda settings: settings["kind"],
)
@pytest.mark.parametrize("has_gpu", [False, True])
def test_pictures_that_cannot_fit_are_refused(settings, has_gpu, monkeypatch):
    monkeypatch.setattr(required_memory, "has_gpu", lambda: has_gpu)
    with pytest.raises(ValueError, match="at least .* the pictures") as error:
        picture_memory.check_pictures(ExploreConfig(**settings), TrainConfig())
    assert_one_sentence(error.value, ["8.0 GB"])
