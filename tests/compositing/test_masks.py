import numpy as np
import pytest

from tf_inpaint.compositing import masks

STOCHASTIC = ["random", "pattern", "strokes", "box"]


def picture(known):
    return known[:, :, 0].astype(int).tolist()


@pytest.mark.parametrize("name", masks.NAMES)
@pytest.mark.parametrize("scale", [None, 0.01, 0.5, 0.99])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 9), (28, 28), (33, 20)])
def test_every_mask_is_binary_and_has_both_kinds(name, scale, height, width):
    known = masks.make(name, height, width, seed=(3, 5), scale=scale)
    assert known.shape == (height, width, 1)
    assert known.dtype == np.float32
    values = set(np.unique(known))
    assert values == {"full": {1}, "empty": {0}, "lowres": {0}}.get(name, {0, 1})


@pytest.mark.parametrize("name", masks.NAMES)
def test_seed_decides_the_mask(name):
    made = [masks.make(name, 28, 28, seed) for seed in [7, 7, 8, (7, 1), (7, 1), (7, 2)]]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[3], made[4])
    different = len({one.tobytes() for one in made})
    assert different == (4 if name in STOCHASTIC else 1)


def test_rectangles_by_hand():
    assert picture(masks.make("center", 4, 4, 0)) == [
        [1, 1, 1, 1],
        [1, 0, 0, 1],
        [1, 0, 0, 1],
        [1, 1, 1, 1],
    ]
    assert picture(masks.make("left", 2, 4, 0)) == [[0, 0, 1, 1]] * 2
    assert picture(masks.make("right", 2, 4, 0, 0.25)) == [[1, 1, 1, 0]] * 2
    assert picture(masks.make("top", 4, 2, 0, 0.75)) == [[0, 0], [0, 0], [0, 0], [1, 1]]
    assert picture(masks.make("bottom", 4, 2, 0)) == [[1, 1], [1, 1], [0, 0], [0, 0]]
    assert picture(masks.make("grid", 3, 5, 0, 0.5)) == [[1, 0, 1, 0, 1], [0] * 5, [1, 0, 1, 0, 1]]


def test_grid_keeps_every_fourth_pixel():
    known = masks.make("grid", 28, 28, 0)
    np.testing.assert_array_equal(np.argwhere(known[:, :, 0]) % 4, 0)
    assert known.sum() == 7 * 7


@pytest.mark.parametrize("name", ["random", "pattern", "strokes"])
@pytest.mark.parametrize("scale", [0.1, 0.25, 0.8, 0.95])
def test_scale_is_the_share_of_hidden_pixels(name, scale):
    for seed in range(3):
        assert masks.hole_share(masks.make(name, 40, 50, seed, scale)) == pytest.approx(
            scale, abs=1 / 4000
        )


def test_default_shares():
    shares = {name: masks.hole_share(masks.make(name, 64, 64, 1)) for name in masks.NAMES}
    expected = dict(center=0.25, box=0.25, left=0.5, right=0.5, top=0.5, bottom=0.5, random=0.8)
    expected |= dict(pattern=0.25, strokes=0.25, grid=15 / 16, lowres=1.0, full=0.0, empty=1.0)
    assert shares == pytest.approx(expected, abs=1e-3)


def test_box_reaches_every_corner_and_is_one_rectangle():
    places = set()
    for seed in range(200):
        hole = np.argwhere(masks.make("box", 5, 5, seed, 0.6)[:, :, 0] == 0)
        assert len(hole) == 9
        assert (np.ptp(hole, axis=0) == 2).all()
        places.add(tuple(hole[0].tolist()))
    assert places == {(row, column) for row in range(3) for column in range(3)}


def agreement(known):
    """The share of neighbours that are alike: 1 for large blobs, 1 - 2 p (1 - p) for single
    pixels."""
    picture = known[:, :, 0]
    return np.mean(
        [np.mean(picture[1:] == picture[:-1]), np.mean(picture[:, 1:] == picture[:, :-1])]
    )


@pytest.mark.parametrize("seed", range(3))
def test_blobs_and_strokes_are_connected_and_random_pixels_are_not(seed):
    assert agreement(masks.make("pattern", 64, 64, seed)) > 0.9
    assert agreement(masks.make("strokes", 64, 64, seed)) > 0.9
    assert agreement(masks.make("random", 64, 64, seed, 0.25)) == pytest.approx(
        1 - 2 * 0.25 * 0.75, abs=0.03
    )


def test_pattern_and_strokes_favour_no_half_of_the_picture():
    for name in ["pattern", "strokes"]:
        hole = 1 - np.mean([masks.make(name, 24, 24, seed)[:, :, 0] for seed in range(400)], axis=0)
        halves = [hole[:12].mean(), hole[12:].mean(), hole[:, :12].mean(), hole[:, 12:].mean()]
        np.testing.assert_allclose(halves, 0.25, atol=0.03)


@pytest.mark.parametrize(
    ("scale", "factor"), [(None, 4), (0.75, 4), (0.5, 2), (0.1, 2), (0.875, 8)]
)
def test_low_resolution_factor(scale, factor):
    assert masks.low_resolution_factor(scale) == factor


@pytest.mark.parametrize("scale", [0, 1, -0.5, 1.5, float("nan"), float("inf")])
def test_scale_outside_its_range(scale):
    for make in [
        lambda: masks.make("center", 8, 8, 0, scale),
        lambda: masks.low_resolution_factor(scale),
    ]:
        with pytest.raises(
            ValueError, match=f"scale must be above 0 and below 1; received {scale};"
        ):
            make()


def test_unknown_name_lists_the_names():
    with pytest.raises(
        ValueError, match=r"mask must be one of center, left, .*empty; received 'centre'; choose"
    ):
        masks.make("centre", 8, 8, 0)


def test_too_small_an_image():
    with pytest.raises(ValueError, match="height and width of at least 2; received 1 x 8;"):
        masks.make("center", 1, 8, 0)


def test_white_is_known():
    gray = np.array([[[0], [127]], [[128], [255]]], np.uint8)
    assert picture(masks.from_picture(gray)) == [[0, 0], [1, 1]]
    assert picture(masks.from_picture(gray, invert=True)) == [[1, 1], [0, 0]]
    assert masks.from_picture(gray).dtype == np.float32


def test_a_gray_picture_reads_the_same_in_colour():
    levels = np.arange(256, dtype=np.uint8)
    gray = np.stack([levels, np.zeros_like(levels)], axis=1).reshape(16, 32, 1)
    np.testing.assert_array_equal(
        masks.from_picture(gray.repeat(3, axis=2)), masks.from_picture(gray)
    )


def test_colours_are_judged_by_luma():
    # ITU-R 601: red 76, green 150, blue 29, yellow 226.
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]], np.uint8)
    assert picture(masks.from_picture(colours)) == [[0, 1, 0, 1]]


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4, 1)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_not_a_mask_picture(bad):
    with pytest.raises(ValueError, match=r"must be uint8 \[H, W, 1\] or \[H, W, 3\]; received"):
        masks.from_picture(bad)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gray_area_is_refused_and_soft_edges_are_not(channels):
    """A gray area of a tenth means neither hole nor known; a gray edge of one pixel is cut."""
    gray = np.zeros((20, 20, channels), np.uint8)
    gray[:, 10:] = 255
    expected = masks.from_picture(gray)
    gray[:, 9:11:2], gray[5, 10:] = 127, 128
    np.testing.assert_array_equal(masks.from_picture(gray), expected)
    gray[:, 10:12] = 128
    with pytest.raises(ValueError, match="near 0 and near 255; more than 5% .* of m.png lie from"):
        masks.from_picture(gray, name="m.png")


@pytest.mark.parametrize("level", [64, 128, 191])
def test_a_mask_of_one_gray_level_is_refused(level):
    with pytest.raises(ValueError, match="make it black and white"):
        masks.from_picture(np.full((2, 2, 1), level, np.uint8))


def test_one_instead_of_255_is_refused():
    ones = np.eye(4, dtype=np.uint8)[..., None]
    for invert in (False, True):
        with pytest.raises(ValueError, match="the highest level of the picture is 1; write 255"):
            masks.from_picture(ones, invert)
    assert masks.hole_share(masks.from_picture(0 * ones)) == 1


def test_hole_share():
    known = np.ones((4, 5, 1), np.float32)
    known[0] = 0
    assert masks.hole_share(known) == 0.25


# --- the mixture


def test_mixture_is_fixed_by_seed_and_step():
    first, again, other = (masks.mixture(8, 28, seed, pool=30) for seed in (3, 3, 4))
    assert first(5).shape == (8, 28, 28, 1) and first(5).dtype == np.float32
    np.testing.assert_array_equal(first(5), again(5))
    assert (first(5) != first(6)).any()
    assert (first(5) != other(5)).any()


def test_mixture_holds_every_kind_as_often_as_it_says():
    sample = masks.mixture(500, 28, 0, pool=200)
    known = np.concatenate([sample(step) for step in range(4)])
    assert set(np.unique(known)) == {0, 1}
    full = known.min(axis=(1, 2, 3)) == 1
    total = sum(often for often, _, _ in masks.MIXTURE.values())
    assert full.mean() == pytest.approx(masks.MIXTURE["full"][0] / total, abs=0.02)
    # Halves, turned: a whole row or column at one border is hidden and one at the other border is
    # not.
    edges = np.stack(
        [
            known[:, 0].max((1, 2)),
            known[:, -1].max((1, 2)),
            known[:, :, 0].max((1, 2)),
            known[:, :, -1].max((1, 2)),
        ]
    )
    halves = ((edges == 0).sum(0) == 1).mean()
    assert halves == pytest.approx(4 / total, abs=0.03)
    # Single pixels: neighbours agree least. Never the same twice.
    flips = np.abs(np.diff(known[..., 0], axis=2)).mean((1, 2))
    single = known[(flips > 0.08) & (flips < 0.55)]
    assert len(np.unique(single.reshape(len(single), -1), axis=0)) > 0.7 * len(single)
