"""Tests of what all baselines have in common."""

import numpy as np
import pytest
from random_images import BATCH_SHAPE, random_batch, random_images

from tf_inpaint.baselines import classical
from tf_inpaint.baselines.conditional_gaussian import conditional_gaussian
from tf_inpaint.baselines.hole_filling import fill_holes
from tf_inpaint.baselines.nearest_image import nearest_image

LEARNED = {"nearest_image": nearest_image, "conditional_gaussian": conditional_gaussian}
DRIFT = {"telea": 0.1, "navier_stokes": 1 / 255}
"""Maximum distance of OpenCV's completions from a constant: OpenCV works on 8 bits."""


@pytest.fixture(params=[*classical.METHODS, *LEARNED])
def method(request):
    """Each method in turn; the methods that learn have 40 training images."""
    if request.param in classical.METHODS:
        return classical.METHODS[request.param]
    return LEARNED[request.param](random_batch(99, (40, *BATCH_SHAPE[1:]))[0])


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -7.0])
def test_no_hidden_pixel_is_read(method, hidden):
    """The values of hidden pixels change no bit of the completions."""
    images, known = random_batch(0)
    scrambled = np.where(known > 0, images, np.float32(hidden))
    completions = method(scrambled, known)
    assert completions.tobytes() == method(images, known).tobytes()
    assert completions.dtype == np.float32
    assert np.abs(completions).max() <= 1


def test_known_pixels_are_bit_exact(method):
    """Known pixels keep their bits, also denormal numbers and negative zeros."""
    images, known = random_batch(1)
    images.flat[::7] = 1e-42
    images.flat[::11] = -0.0
    before = images.copy()
    completions = method(images, known)
    is_known = np.broadcast_to(known > 0, images.shape)
    assert completions[is_known].tobytes() == images[is_known].tobytes()
    assert images.tobytes() == before.tobytes()


def test_neighbors_in_the_batch_do_not_matter(method):
    """An image has the same completion alone, in a batch, and in another order."""
    images, known = random_batch(2)
    known[1], known[2], known[3] = 1, 0, known[0]
    completions = method(images, known)
    for row in range(len(images)):
        alone = method(images[row : row + 1], known[row : row + 1])
        assert alone.tobytes() == completions[row].tobytes()
    order = [3, 0, 4, 4, 2, 1]
    assert method(images[order], known[order]).tobytes() == completions[order].tobytes()
    assert method(images[:0], known[:0]).shape == (0, *BATCH_SHAPE[1:])


def test_all_pixels_known_or_one_or_none(method):
    """An image without a hole is returned, and one known pixel or none give finite completions."""
    images, known = random_batch(3)
    known[0], known[1], known[2] = 1, 0, 0
    known[2, 3, 4] = 1
    completions = method(images, known)
    assert completions[0].tobytes() == images[0].tobytes()
    assert np.isfinite(completions).all()
    if method in classical.METHODS.values():
        np.testing.assert_array_equal(completions[1], 0)
        expected = np.broadcast_to(images[2, 3, 4], BATCH_SHAPE[1:])
        np.testing.assert_allclose(completions[2], expected, atol=DRIFT.get(method.__name__, 1e-6))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", classical.METHODS)
def test_a_constant_is_filled_with_itself(name, channels):
    """The completion of a constant image is this constant."""
    known = random_batch(4, (2, 12, 14, channels))[1]
    level = np.float32(51 / 127.5 - 1)
    images = np.where(known > 0, level, np.full((2, 12, 14, channels), np.nan))
    completions = classical.METHODS[name](images, known)
    np.testing.assert_allclose(completions, level, atol=DRIFT.get(name, 1e-6))


@pytest.mark.parametrize("name", LEARNED)
def test_where_nothing_is_known_the_mean_is_the_answer(name):
    """The methods that learn complete an image without a known pixel with the mean image."""
    training = random_images(0, 30)
    images = np.full((2, 6, 5, 2), np.nan, np.float32)
    completions = LEARNED[name](training)(images, np.zeros((2, 6, 5, 1)))
    np.testing.assert_allclose(completions, np.stack(2 * [training.mean(0)]), atol=1e-6)


def test_a_mask_of_another_shape_is_an_error():
    """Masks that do not match the images are refused."""
    images, known = random_batch(12)
    for mask in (known[:1], known[..., 0], known[:, 1:]):
        with pytest.raises(ValueError, match=r"known \[N, H, W, 1\]; received"):
            fill_holes(images, mask, lambda is_known: lambda image: image[~is_known])


@pytest.mark.parametrize("name", LEARNED)
def test_images_of_another_size_are_an_error(name):
    """No training images are refused, and images that do not have their size."""
    with pytest.raises(ValueError, match=r"training images \[M, H, W, C\]"):
        LEARNED[name](random_images(17, 3)[:0])
    method = LEARNED[name](random_images(17, 3))
    sentence = r"must have the size of the training images, \[6, 5, 2\]; received \[6, 5, 1\]"
    with pytest.raises(ValueError, match=sentence):
        method(np.zeros((1, 6, 5, 1), np.float32), np.ones((1, 6, 5, 1)))
