import numpy as np
import pytest
import reference
from scipy import ndimage

from tf_inpaint.baselines import classical, learned
from tf_inpaint.baselines.classical import (
    METHODS,
    biharmonic,
    harmonic,
    mean_color,
    nearest_pixel,
    total_variation,
)

SHAPE = (5, 12, 14, 3)
DRIFT = {"telea": 0.1, "navier_stokes": 1 / 255}
"""How far these move from a constant: OpenCV works on 8 bits, and its Telea leaves even a constant by some levels."""


def random_batch(seed, shape=SHAPE, hole_share=0.6):
    random = np.random.default_rng(seed)
    images = ndimage.gaussian_filter(random.uniform(-1, 1, shape), (0, 1, 1, 0)).astype(np.float32)
    known = (random.uniform(size=(*shape[:3], 1)) >= hole_share).astype(np.float32)
    return images, known


def box(shape, hole):
    known = np.ones((*shape[:3], 1), np.float32)
    known[:, *hole] = 0
    return known


def variation(images):
    """The total variation of each image, in float64 and by NumPy's own differences."""
    images = images.astype(np.float64)
    down = np.diff(images, axis=1, append=images[:, -1:])
    right = np.diff(images, axis=2, append=images[:, :, -1:])
    return np.sqrt((down**2 + right**2).sum(-1)).sum((1, 2))


@pytest.fixture(params=[*METHODS, *learned.STATISTICAL])
def method(request):
    if request.param in METHODS:
        return METHODS[request.param]
    return learned.STATISTICAL[request.param](random_batch(99, (40, *SHAPE[1:]))[0])


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -7.0])
def test_no_hidden_pixel_is_read(method, hidden):
    images, known = random_batch(0)
    scrambled = np.where(known > 0, images, np.float32(hidden))
    received = method(scrambled, known)
    assert received.tobytes() == method(images, known).tobytes()
    assert received.dtype == np.float32
    assert np.abs(received).max() <= 1


def test_known_pixels_are_bit_exact(method):
    images, known = random_batch(1)
    images.flat[::7] = 1e-42
    images.flat[::11] = -0.0
    before = images.copy()
    completions = method(images, known)
    chosen = np.broadcast_to(known > 0, images.shape)
    assert completions[chosen].tobytes() == images[chosen].tobytes()
    assert images.tobytes() == before.tobytes()


def test_neighbours_in_the_batch_do_not_matter(method):
    images, known = random_batch(2)
    known[1], known[2], known[3] = 1, 0, known[0]
    completions = method(images, known)
    for row in range(len(images)):
        assert (
            method(images[row : row + 1], known[row : row + 1]).tobytes()
            == completions[row].tobytes()
        )
    order = [3, 0, 4, 4, 2, 1]
    assert method(images[order], known[order]).tobytes() == completions[order].tobytes()
    assert method(images[:0], known[:0]).shape == (0, *SHAPE[1:])


def test_all_known_is_the_image_and_one_known_pixel_or_none_is_no_trouble(method):
    images, known = random_batch(3)
    known[0], known[1], known[2] = 1, 0, 0
    known[2, 3, 4] = 1
    completions = method(images, known)
    assert completions[0].tobytes() == images[0].tobytes()
    assert np.isfinite(completions).all()
    if method in METHODS.values():
        np.testing.assert_array_equal(completions[1], 0)
        expected = np.broadcast_to(images[2, 3, 4], SHAPE[1:])
        np.testing.assert_allclose(completions[2], expected, atol=DRIFT.get(method.__name__, 1e-6))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", METHODS)
def test_a_constant_is_filled_with_itself(name, channels):
    known = random_batch(4, (2, 12, 14, channels))[1]
    level = np.float32(51 / 127.5 - 1)
    completions = METHODS[name](
        np.where(known > 0, level, np.full((2, 12, 14, channels), np.nan)), known
    )
    np.testing.assert_allclose(completions, level, atol=DRIFT.get(name, 1e-6))


def test_mean_color_by_hand():
    known = np.array([[[[1.0], [0.0], [1.0]]]])
    images = np.array([[[[0.5, -1.0], [np.nan, np.nan], [0.0, 0.5]]]])
    np.testing.assert_array_equal(
        mean_color(images, known), [[[[0.5, -1.0], [0.25, -0.25], [0.0, 0.5]]]]
    )


def test_nearest_pixel_by_brute_force():
    images, known = random_batch(5, hole_share=0.9)
    completions = nearest_pixel(images, known)
    for image, mask, completion in zip(images, known[..., 0], completions, strict=True):
        places = np.argwhere(mask > 0)
        for pixel in np.argwhere(mask == 0):
            distances = ((places - pixel) ** 2).sum(1)
            nearest = places[distances == distances.min()]
            assert any((completion[*pixel] == image[*place]).all() for place in nearest)


@pytest.mark.parametrize("channels", [1, 3])
def test_harmonic_agrees_with_a_dense_solution(channels):
    images, known = random_batch(6, (3, 9, 11, channels))
    zeros = np.zeros_like(images[0])
    expected = [
        reference.poisson(image, mask[..., 0], zeros)
        for image, mask in zip(images, known, strict=True)
    ]
    np.testing.assert_allclose(harmonic(images, known), expected, atol=1e-6)


@pytest.mark.parametrize("method", [harmonic, biharmonic])
def test_a_ramp_is_continued(method):
    # Not up to the picture's border: there no flux leaves.
    down, right = np.mgrid[-0.5:0.5:12j, -0.4:0.4:14j]
    images = np.stack([down + right, down - right], -1)[None].astype(np.float32)
    known = box(images.shape, np.s_[3:9, 2:12])
    np.testing.assert_allclose(method(images, known), images, atol=1e-5)


def unfinished(images, known):
    return total_variation(images, known, max_iterations=30)


@pytest.mark.parametrize("method", [harmonic, total_variation, unfinished])
def test_maximum_principle(method):
    images, known = random_batch(7, (8, 12, 14, 2), hole_share=0.8)
    # Of two values only, beyond which primal-dual steps swing.
    images = np.where(images > 0, np.float32(0.5), np.float32(-0.75))
    completions = method(images, known)
    given = np.broadcast_to(known > 0, images.shape)
    low = np.where(given, images, np.inf).min((1, 2), keepdims=True)
    high = np.where(given, images, -np.inf).max((1, 2), keepdims=True)
    assert (completions >= low - 1e-6).all()
    assert (completions <= high + 1e-6).all()


def test_biharmonic_continues_a_slope_that_harmonic_does_not():
    # Rising all the way, since scikit-image clips to the known pixels' range.
    images = np.linspace(0, 0.9, 14, dtype=np.float32)[None, None, :, None] ** 2 * np.ones(
        (1, 12, 1, 1), np.float32
    )
    known = box(images.shape, np.s_[:, 4:10])
    assert (
        np.abs(biharmonic(images, known) - images).max()
        < 0.5 * np.abs(harmonic(images, known) - images).max()
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_total_variation_fills_a_straight_edge(axis):
    images = np.full((1, 16, 16, 1), -0.75, np.float32)
    images.swapaxes(1, axis)[:, 7:] = 0.5
    known = box(images.shape, np.s_[4:12, 4:12])
    # Near the edge a deviation costs but its square: the values are less exact than the total variation.
    completions = total_variation(images, known, tolerance=1e-6)
    np.testing.assert_allclose(completions, images, atol=1e-2)
    np.testing.assert_allclose(variation(completions), 16 * 1.25, atol=1e-4)
    assert np.abs(harmonic(images, known) - images).max() > 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_total_variation_is_the_least(channels):
    images, known = random_batch(8, (4, 10, 11, channels))
    least = variation(total_variation(images, known, tolerance=1e-5))
    hidden = (known == 0).sum((1, 2, 3))
    assert (least < variation(harmonic(images, known)) - 1e-3 * hidden).all()
    assert (variation(total_variation(images, known)) <= least + 0.004 * hidden).all()
    random = np.random.default_rng(0)
    for scale in (1e-3, 1e-2, 0.1):
        nudged = total_variation(images, known, tolerance=1e-5)
        nudged += np.where(known > 0, 0, random.normal(0, scale, images.shape)).astype(np.float32)
        assert (variation(nudged) > least - 1e-5 * hidden).all()


def test_total_variation_of_a_row_is_that_of_its_ends():
    # Along a line every monotone filling is as good; its total variation is the distance of the known values.
    images = np.zeros((1, 1, 9, 1), np.float32)
    images[0, 0, [0, -1], 0] = -0.5, 0.25
    completions = total_variation(images, box(images.shape, np.s_[:, 1:-1]), tolerance=1e-6)
    assert variation(completions)[0] == pytest.approx(0.75, abs=1e-5)


def test_total_variation_couples_the_channels():
    images, known = random_batch(9, (3, 10, 10, 2), hole_share=0.8)
    together = total_variation(images, known, 1e-5)
    apart = np.concatenate(
        [total_variation(images[..., [channel]], known, 1e-5) for channel in (0, 1)], -1
    )
    assert (variation(together) < 0.99 * variation(apart)).all()
    # Of channels that agree it is that of one, sqrt(2) times.
    alike, alone = total_variation(images[..., [0, 0]], known, 1e-5), apart[..., [0]]
    np.testing.assert_allclose(variation(alike), np.sqrt(2) * variation(alone), rtol=1e-4)


def test_total_variation_stops_at_max_iterations():
    images, known = random_batch(10)
    few, many = (variation(total_variation(images, known, 0.0, steps)).sum() for steps in (5, 500))
    assert few > many + 0.1


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_opencv_is_called_on_levels(name):
    import cv2

    levels = np.random.default_rng(0).integers(0, 256, (1, 12, 14, 3), np.uint8)
    known = box(levels.shape, np.s_[4:8, 5:9])
    flag = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}[name]
    expected = cv2.inpaint(levels[0], np.uint8(known[0, ..., 0] == 0), 3, flag)
    received = METHODS[name](levels / np.float32(127.5) - 1, known)
    np.testing.assert_array_equal(np.rint((received[0] + 1) * 127.5), expected)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("telea", "cv2"),
        ("navier_stokes", "cv2"),
        ("biharmonic", "skimage.restoration"),
        ("harmonic", "scipy.sparse"),
        ("total_variation", "scipy.sparse"),
        ("nearest_pixel", "scipy.ndimage"),
    ],
)
def test_a_missing_package_is_named(name, module, monkeypatch):
    classical._package.cache_clear()
    monkeypatch.setitem(classical.importlib.sys.modules, module, None)
    with pytest.raises(ValueError, match=r"not installed; run pip install 'tf_inpaint\[eval\]'"):
        METHODS[name](*random_batch(11))


def test_a_mask_of_another_shape_is_an_error():
    images, known = random_batch(12)
    for wrong in (known[:1], known[..., 0], known[:, 1:]):
        with pytest.raises(ValueError, match=r"known \[N, H, W, 1\]; received"):
            mean_color(images, wrong)
