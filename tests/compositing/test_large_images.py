"""Images larger than the network: where the squares lie, what goes into them, and what comes
back."""

import tracemalloc

import numpy as np
import pytest

from tf_inpaint.compositing import blending, large_images, masks
from tf_inpaint.compositing.large_images import Square, crops, restore, squares

SIZE = 16
FRAMINGS = ["image", "hole"]


def noise(height, width, channels, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (height, width, channels)).astype(np.float32)


def holes(height, width, *boxes):
    """Known but for boxes `(top, left, bottom, right)`."""
    known = np.ones((height, width, 1), np.float32)
    for top, left, bottom, right in boxes:
        known[top:bottom, left:right] = 0
    return known


def scratch(height, width):
    """A line of three pixels from corner to corner."""
    rows, columns = np.mgrid[:height, :width]
    return (np.abs(rows * width - columns * height) > 1.5 * max(height, width))[..., None].astype(
        np.float32
    )


KNOWN = {
    "middle": holes(60, 80, (20, 30, 35, 50)),
    "several": holes(60, 81, (3, 5, 9, 11), (40, 60, 59, 75), (30, 20, 31, 21)),
    "corners": holes(53, 47, (0, 0, 9, 12), (45, 39, 53, 47), (0, 46, 1, 47)),
    "one pixel": holes(64, 90, (10, 70, 11, 71)),
    "left": holes(60, 80, (0, 0, 60, 40)),
    "top of a wide one": holes(40, 110, (0, 0, 20, 110)),
    "scratch": scratch(100, 75),
    "random": masks.make("random", 50, 41, 0),
    "nearly all": 1 - holes(50, 41, (20, 3, 21, 5)),
    "all": np.zeros((50, 41, 1), np.float32),
    "smaller than the network": holes(11, 40, (2, 5, 8, 12)),
    "smaller both ways": holes(9, 7, (0, 0, 3, 3)),
    "a few pixels": holes(2, 3, (0, 0, 1, 2)),
}


def covered(known, chosen):
    counts = np.zeros(known.shape, int)
    for square in chosen:
        square.of(counts)[:] += 1
    return counts


def plane(images, known):
    """A generator that is perfect for ramps: in each square the plane through what is known of
    it."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    design = np.stack([np.ones_like(rows), rows, columns], axis=-1).reshape(-1, 3)
    pictures = []
    for image, given in zip(images, known.reshape(len(known), -1) > 0, strict=True):
        fitted = np.linalg.lstsq(design[given], image.reshape(-1, image.shape[-1])[given])[0]
        pictures.append((design @ fitted).reshape(image.shape))
    return np.array(pictures, np.float32).reshape(images.shape)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_squares_lie_inside_and_hold_every_hidden_pixel(known):
    height, width = known.shape[:2]
    chosen = squares(known, SIZE, "hole")
    assert len(set(chosen)) == len(chosen) > 0
    for top, left, side in chosen:
        assert 0 <= top <= height - side
        assert 0 <= left <= width - side
        assert side >= min(SIZE, height, width)
    assert covered(known, chosen)[known == 0].min() > 0


@pytest.mark.parametrize("name", ["middle", "several", "one pixel", "scratch"])
def test_a_square_shows_known_pixels_around_what_it_covers(name):
    known = KNOWN[name]
    for square in squares(known, SIZE, "hole"):
        assert square.of(known).mean() >= 0.5
    # The inner three quarters of the squares, or up to the image's border, hold the holes.
    counts = np.zeros(known.shape, int)
    for top, left, side in squares(known, SIZE, "hole"):
        rows, columns = (
            slice(start and start + side // 8, start + side - side // 8 * (start + side < length))
            for start, length in zip((top, left), known.shape, strict=False)
        )
        counts[rows, columns] += 1
    assert counts[known == 0].min() > 0


def test_squares_by_hand():
    # A hole of 15 x 20: no hidden window is wider than 15, so the square is 30 wide, its middle the
    # hole's.
    assert squares(KNOWN["middle"], SIZE, "hole") == [Square(12, 25, 30)]
    # A pixel: S, so that nothing is enlarged. At the border it is moved inside.
    assert squares(KNOWN["one pixel"], SIZE, "hole") == [Square(2, 62, SIZE)]
    assert squares(holes(64, 90, (63, 0, 64, 1)), SIZE, "hole") == [Square(48, 0, SIZE)]
    # As large as the image allows, twice.
    assert squares(KNOWN["top of a wide one"], SIZE, "hole") == [
        Square(0, left, 40) for left in (0, 22, 48, 70)
    ]
    assert squares(KNOWN["left"], SIZE, "hole") == [Square(0, 0, 60)]
    # A disc is one hole, though its box is wider than its widest window.
    rows, columns = np.mgrid[:100, :100] - 50
    assert len(squares(np.float32(rows**2 + columns**2 > 20**2)[..., None], SIZE, "hole")) == 1


def test_holes_far_apart_have_squares_of_their_own_and_near_ones_share():
    assert len(squares(KNOWN["several"], SIZE, "hole")) == 3
    assert len(squares(holes(64, 64, (20, 20, 22, 22), (24, 24, 26, 26)), SIZE, "hole")) == 1
    # A ring and a pixel in its middle: their boxes overlap.
    ring = holes(90, 90, (10, 10, 80, 80))
    ring[12:78, 12:78] = 1
    alone = squares(ring, SIZE, "hole")
    ring[45, 45] = 0
    assert set(alone) < set(squares(ring, SIZE, "hole"))


def test_a_scratch_is_seen_at_full_sharpness():
    chosen = squares(KNOWN["scratch"], SIZE, "hole")
    assert {square.side for square in chosen} == {SIZE}
    assert len(chosen) < 20


def test_image_framing_is_the_middle_square():
    known = holes(60, 81, (0, 0, 1, 1))
    assert squares(known, SIZE) == [Square(0, 10, 60)]
    assert squares(known, SIZE, crop=50) == [Square(5, 15, 50)]
    assert squares(known, SIZE, crop=70) == [Square(0, 10, 60)]


def test_unknown_framing_is_refused():
    with pytest.raises(ValueError, match="framing must be image or hole; received 'face'"):
        squares(KNOWN["left"], SIZE, "face")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_all_known_gives_the_image(framing, channels):
    image, known = noise(31, 45, channels), np.ones((31, 45, 1), np.float32)
    chosen = squares(known, SIZE, framing)
    assert chosen == []
    pictures, masks_ = crops(image, known, chosen, SIZE)
    assert (pictures.shape, masks_.shape) == ((0, SIZE, SIZE, channels), (0, SIZE, SIZE, 1))
    assert restore(image, known, chosen, pictures).tobytes() == image.tobytes()


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_known_pixels_come_back_bit_exact_and_no_hidden_one_is_read(known, framing):
    channels = 1 + 2 * (known.size % 2)
    image = noise(*known.shape[:2], channels)
    image.flat[::7], image.flat[::11] = 1e-42, -0.0
    outcomes = []
    for hidden in (0.5, np.nan, np.inf):
        scrambled = np.where(known > 0, image, np.float32(hidden))
        chosen = squares(known, SIZE, framing)
        given = crops(scrambled, known, chosen, SIZE)
        generated = noise(len(chosen) * SIZE, SIZE, channels, 1).reshape(given[0].shape)
        outcomes.append((*given, restore(scrambled, known, chosen, generated, blending.paste)))
    for other in outcomes[1:]:
        assert all(
            first.tobytes() == second.tobytes()
            for first, second in zip(outcomes[0], other, strict=True)
        )
    completed = outcomes[0][-1]
    everywhere = np.broadcast_to(known > 0, image.shape)
    assert completed[everywhere].tobytes() == image[everywhere].tobytes()
    assert np.isfinite(completed).all()
    assert np.abs(outcomes[0][0]).max() <= 1


@pytest.mark.parametrize("blend", [blending.poisson, blending.feather])
@pytest.mark.parametrize("name", ["several", "smaller both ways"])
def test_blends_read_no_hidden_pixel_and_leave_the_known(name, blend):
    known = KNOWN[name]
    image = noise(*known.shape[:2], 3)
    chosen = squares(known, SIZE, "hole")
    generated = noise(len(chosen) * SIZE, SIZE, 3, 1).reshape(-1, SIZE, SIZE, 3)
    completed = restore(np.where(known > 0, image, np.nan), known, chosen, generated, blend)
    everywhere = np.broadcast_to(known > 0, image.shape)
    assert completed[everywhere].tobytes() == image[everywhere].tobytes()
    assert np.isfinite(completed).all()
    assert np.abs(completed).max() <= 1


@pytest.mark.parametrize(
    "known",
    [
        holes(40, 60, (5, 5, 12, 30), (25, 0, 40, 8), (20, 40, 30, 55), (18, 41, 19, 42)),
        # Two hooks, each of which reaches into the other's box.
        holes(40, 60, (5, 0, 8, 40), (5, 0, 35, 3), (20, 20, 23, 58), (2, 55, 23, 58)),
    ],
    ids=["boxes", "hooks"],
)
def test_holes_are_blended_apart_as_they_would_be_together(known):
    image = 0.5 * noise(40, 60, 3)
    # One square as large as the network and the image: the canvas is the picture itself.
    generated = 0.5 * noise(40, 40, 3, 1)[None]
    chosen = [Square(0, 10, 40)]
    canvas = generated[0][:, np.clip(np.arange(60) - 10, 0, 39)]
    together = blending.poisson(image[None], known[None], canvas[None], tolerance=1e-5)[0]
    apart = restore(
        image, known, chosen, generated, lambda *given: blending.poisson(*given, tolerance=1e-5)
    )
    np.testing.assert_allclose(apart, together, atol=1e-4)
    assert np.abs(together - image).max() > 0.5


def test_at_the_network_s_size_pixels_are_copied():
    image, known = noise(SIZE, SIZE, 3), holes(SIZE, SIZE, (3, 4, 9, 8))
    for framing in FRAMINGS:
        chosen = squares(known, SIZE, framing)
        pictures, given = crops(image, known, chosen, SIZE)
        assert given.tobytes() == known.tobytes()
        np.testing.assert_array_equal(pictures[0], np.where(known > 0, image, 0))
        generated = noise(SIZE, SIZE, 3, 1)
        completed = restore(image, known, chosen, generated[None], blending.paste)
        np.testing.assert_allclose(completed, np.where(known > 0, image, generated), rtol=1e-6)


@pytest.mark.parametrize("name", ["middle", "several", "scratch", "left"])
def test_a_pixel_is_known_to_the_network_if_nothing_hidden_went_into_it(name):
    known = KNOWN[name]
    image = noise(*known.shape[:2], 1)
    chosen = squares(known, SIZE, "hole")
    _, given = crops(image, known, chosen, SIZE)
    whole, _ = crops(image, np.ones_like(known), chosen, SIZE)
    for hidden in (-1, 1):
        painted, _ = crops(
            np.where(known > 0, image, np.float32(hidden)), np.ones_like(known), chosen, SIZE
        )
        np.testing.assert_array_equal(painted[given > 0], whole[given > 0])
    assert 0 < given.mean() < 1
    # Keys' cubic kernel reaches two pixels of S each way: no more than these around the hole are
    # lost.
    for square, mask in zip(chosen, given[..., 0], strict=True):
        scale = square.side / SIZE
        for row, column in np.argwhere(mask == 0):
            rows, columns = (
                slice(max(0, int((at - 2) * scale)), int((at + 3) * scale) + 1)
                for at in (row, column)
            )
            assert (square.of(known)[rows, columns] == 0).any()


@pytest.mark.parametrize(
    "name", ["middle", "several", "corners", "one pixel", "left", "scratch", "top of a wide one"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_ramp_completed_by_a_perfect_generator_comes_back(name, channels):
    known = KNOWN[name]
    rows, columns = np.mgrid[: known.shape[0], : known.shape[1]] / max(known.shape)
    ramp = np.stack(
        [0.7 * rows - 0.5 * columns, 0.1 - rows, columns - 0.3][:channels], axis=-1
    ).astype(np.float32)
    chosen = squares(known, SIZE, "hole")
    generated = plane(*crops(np.where(known > 0, ramp, np.nan), known, chosen, SIZE))
    for blend, tolerance in ((blending.paste, 0.05), (blending.poisson, 0.02)):
        np.testing.assert_allclose(
            restore(ramp, known, chosen, generated, blend), ramp, atol=tolerance
        )
    generated += 0.2
    np.testing.assert_allclose(restore(ramp, known, chosen, generated), ramp, atol=0.03)


def test_an_enlarged_picture_stays_in_range():
    known = holes(60, 60, (0, 0, 60, 59))
    generated = np.sign(noise(SIZE, SIZE, 1))[None]
    completed = restore(noise(60, 60, 1), known, squares(known, SIZE), generated, blending.paste)
    assert np.abs(completed).max() == 1.0


def test_a_hole_beyond_the_middle_square_is_filled_on():
    known = holes(40, 60, (10, 0, 30, 25))
    generated = np.tile(
        np.linspace(-0.5, 0.5, SIZE, dtype=np.float32)[:, None, None], (1, 1, SIZE, 1)
    )
    completed = restore(noise(40, 60, 1), known, squares(known, SIZE), generated, blending.paste)
    np.testing.assert_allclose(
        completed[10:30, :10], np.repeat(completed[10:30, 10:11], 10, axis=1), atol=1e-6
    )
    assert np.ptp(completed[10:30, 0]) > 0.3


def test_where_squares_overlap_the_picture_passes_from_one_to_the_other():
    known = KNOWN["top of a wide one"]
    chosen = squares(known, SIZE, "hole")
    levels = np.array([-0.6, 0.0, 0.3, 0.6], np.float32)
    generated = np.broadcast_to(levels[:, None, None, None], (4, SIZE, SIZE, 1))
    completed = restore(noise(40, 110, 1), known, chosen, generated, blending.paste)
    row = completed[10, :, 0]
    assert (np.diff(row) >= -1e-6).all()
    assert np.diff(row).max() < 0.1
    np.testing.assert_allclose(row[[0, -1]], levels[[0, -1]], atol=1e-6)


def levels_to_float(levels):
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_strips_and_parts_of_levels_give_what_the_whole_floats_give(known, framing, monkeypatch):
    levels = np.random.default_rng(0).integers(0, 256, (*known.shape[:2], 3), np.uint8)
    chosen = squares(known, SIZE, framing)
    floats = levels_to_float(levels)
    expected = crops(floats, known, chosen, SIZE)
    monkeypatch.setattr(large_images, "STRIP_PIXELS", 100)
    received = crops(levels, known, chosen, SIZE, levels_to_float)
    for first, second in zip(expected, received, strict=True):
        assert first.tobytes() == second.tobytes()
    generated = noise(len(chosen) * SIZE, SIZE, 3, 1).reshape(expected[0].shape)
    completed = restore(levels, known, chosen, generated, blending.paste, levels_to_float)
    expected_completion = restore(floats, known, chosen, generated, blending.paste)
    assert completed.tobytes() == expected_completion.tobytes()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_large_image_is_copied_once(framing):
    known = holes(1500, 1600, (100, 200, 130, 220), (1490, 1590, 1500, 1600))
    levels = np.full((1500, 1600, 1), 100, np.uint8)
    chosen = squares(known, SIZE, framing, crop=700)
    generated = noise(len(chosen) * SIZE, SIZE, 1).reshape(-1, SIZE, SIZE, 1)
    tracemalloc.start()
    crops(levels, known, chosen, SIZE, levels_to_float)
    _, peak_of_crops = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    restore(levels, known, chosen, generated, blending.paste, levels_to_float)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Floats have 4 bytes. A few bytes more: two arrays of bool, and strips.
    assert peak_of_crops < 20 * 700**2
    assert peak < 9 * known.size
