"""Tests of the classical baselines."""

import numpy as np
import pytest
import reference
from random_images import random_batch

from tf_inpaint.baselines import classical
from tf_inpaint.baselines.classical import (
    METHODS,
    biharmonic,
    harmonic,
    mean_color,
    nearest_pixel,
    total_variation,
)


def box(shape, hole):
    """Masks for images of a shape, with one hole given by slices."""
    known = np.ones((*shape[:3], 1), np.float32)
    known[:, *hole] = 0
    return known


def variation(images):
    """The total variation of each image, in float64 and by NumPy's differences."""
    images = images.astype(np.float64)
    down = np.diff(images, axis=1, append=images[:, -1:])
    right = np.diff(images, axis=2, append=images[:, :, -1:])
    return np.sqrt((down**2 + right**2).sum(-1)).sum((1, 2))


def test_mean_color_by_hand():
    """The hole has the mean of the two known pixels."""
    known = np.array([[[[1.0], [0.0], [1.0]]]])
    images = np.array([[[[0.5, -1.0], [np.nan, np.nan], [0.0, 0.5]]]])
    expected = [[[[0.5, -1.0], [0.25, -0.25], [0.0, 0.5]]]]
    np.testing.assert_array_equal(mean_color(images, known), expected)


def test_nearest_pixel_by_brute_force():
    """Each hidden pixel equals one of the known pixels at the least distance."""
    images, known = random_batch(5, hole_share=0.9)
    completions = nearest_pixel(images, known)
    for image, mask, completion in zip(images, known[..., 0], completions, strict=True):
        positions = np.argwhere(mask > 0)
        for pixel in np.argwhere(mask == 0):
            distances = ((positions - pixel) ** 2).sum(1)
            nearest = positions[distances == distances.min()]
            assert any((completion[*pixel] == image[*position]).all() for position in nearest)


@pytest.mark.parametrize("channels", [1, 3])
def test_harmonic_agrees_with_a_dense_solution(channels):
    """The sparse equations have the solution of dense least squares."""
    images, known = random_batch(6, (3, 9, 11, channels))
    zeros = np.zeros_like(images[0])
    expected = [
        reference.poisson(image, mask[..., 0], zeros)
        for image, mask in zip(images, known, strict=True)
    ]
    np.testing.assert_allclose(harmonic(images, known), expected, atol=1e-6)


@pytest.mark.parametrize("method", [harmonic, biharmonic])
def test_a_ramp_is_continued(method):
    """A linear ramp is completed exactly."""
    # The hole does not reach the border of the image, where no flux leaves.
    down, right = np.mgrid[-0.5:0.5:12j, -0.4:0.4:14j]
    images = np.stack([down + right, down - right], -1)[None].astype(np.float32)
    known = box(images.shape, np.s_[3:9, 2:12])
    np.testing.assert_allclose(method(images, known), images, atol=1e-5)


def unfinished(images, known):
    """`total_variation` that is stopped early."""
    return total_variation(images, known, max_iterations=30)


@pytest.mark.parametrize("method", [harmonic, total_variation, unfinished])
def test_maximum_principle(method):
    """Hidden pixels are in the range of the known pixels, in each channel."""
    images, known = random_batch(7, (8, 12, 14, 2), hole_share=0.8)
    # With two values only, primal-dual steps overshoot.
    images = np.where(images > 0, np.float32(0.5), np.float32(-0.75))
    completions = method(images, known)
    is_known = np.broadcast_to(known > 0, images.shape)
    low = np.where(is_known, images, np.inf).min((1, 2), keepdims=True)
    high = np.where(is_known, images, -np.inf).max((1, 2), keepdims=True)
    assert (completions >= low - 1e-6).all()
    assert (completions <= high + 1e-6).all()


def test_biharmonic_continues_a_slope_that_harmonic_does_not():
    """On a parabola the error of the thin plate is less than half that of the membrane."""
    # The parabola rises everywhere, because scikit-image clips to the range of the known pixels.
    row = np.linspace(0, 0.9, 14, dtype=np.float32)[None, None, :, None] ** 2
    images = row * np.ones((1, 12, 1, 1), np.float32)
    known = box(images.shape, np.s_[:, 4:10])
    plate_error = np.abs(biharmonic(images, known) - images).max()
    assert plate_error < 0.5 * np.abs(harmonic(images, known) - images).max()


@pytest.mark.parametrize("axis", [1, 2])
def test_total_variation_fills_a_straight_edge(axis):
    """A straight edge is completed, and a membrane blurs the edge."""
    images = np.full((1, 16, 16, 1), -0.75, np.float32)
    images.swapaxes(1, axis)[:, 7:] = 0.5
    known = box(images.shape, np.s_[4:12, 4:12])
    # Near the edge a small error costs only its square: the values are less exact than the total
    # variation.
    completions = total_variation(images, known, tolerance=1e-6)
    np.testing.assert_allclose(completions, images, atol=1e-2)
    np.testing.assert_allclose(variation(completions), 16 * 1.25, atol=1e-4)
    assert np.abs(harmonic(images, known) - images).max() > 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_total_variation_is_the_least(channels):
    """No other completion has a smaller total variation, up to the tolerance."""
    images, known = random_batch(8, (4, 10, 11, channels))
    least = variation(total_variation(images, known, tolerance=1e-5))
    hidden = (known == 0).sum((1, 2, 3))
    assert (least < variation(harmonic(images, known)) - 1e-3 * hidden).all()
    assert (variation(total_variation(images, known)) <= least + 0.004 * hidden).all()
    random = np.random.default_rng(0)
    for scale in (1e-3, 1e-2, 0.1):
        noisy = total_variation(images, known, tolerance=1e-5)
        noisy += np.where(known > 0, 0, random.normal(0, scale, images.shape)).astype(np.float32)
        assert (variation(noisy) > least - 1e-5 * hidden).all()


def test_total_variation_of_a_row_is_that_of_its_ends():
    """In one dimension the least total variation is the difference of the two known values."""
    # Many completions have this total variation: all that are monotone.
    images = np.zeros((1, 1, 9, 1), np.float32)
    images[0, 0, [0, -1], 0] = -0.5, 0.25
    completions = total_variation(images, box(images.shape, np.s_[:, 1:-1]), tolerance=1e-6)
    assert variation(completions)[0] == pytest.approx(0.75, abs=1e-5)


def test_total_variation_couples_the_channels():
    """Channels completed together have a smaller total variation than channels alone."""
    images, known = random_batch(9, (3, 10, 10, 2), hole_share=0.8)
    together = total_variation(images, known, 1e-5)
    apart = np.concatenate(
        [total_variation(images[..., [channel]], known, 1e-5) for channel in (0, 1)], -1
    )
    assert (variation(together) < 0.99 * variation(apart)).all()
    # Two equal channels have sqrt(2) times the total variation of one.
    equal, single = total_variation(images[..., [0, 0]], known, 1e-5), apart[..., [0]]
    np.testing.assert_allclose(variation(equal), np.sqrt(2) * variation(single), rtol=1e-4)


def test_total_variation_stops_at_max_iterations():
    """Fewer steps leave a larger total variation."""
    images, known = random_batch(10)
    early, late = (
        variation(total_variation(images, known, 0.0, steps)).sum() for steps in (5, 500)
    )
    assert early > late + 0.1


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_opencv_is_called_on_levels(name):
    """The completions are those of OpenCV on 8-bit levels."""
    import cv2

    levels = np.random.default_rng(0).integers(0, 256, (1, 12, 14, 3), np.uint8)
    known = box(levels.shape, np.s_[4:8, 5:9])
    flag = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}[name]
    expected = cv2.inpaint(levels[0], np.uint8(known[0, ..., 0] == 0), 3, flag)
    completions = METHODS[name](levels / np.float32(127.5) - 1, known)
    np.testing.assert_array_equal(np.rint((completions[0] + 1) * 127.5), expected)


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
    """The error of a missing package says what to install."""
    classical._package.cache_clear()
    monkeypatch.setitem(classical.importlib.sys.modules, module, None)
    with pytest.raises(ValueError, match=r"not installed; run pip install 'tf_inpaint\[eval\]'"):
        METHODS[name](*random_batch(11))
