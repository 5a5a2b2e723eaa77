"""Tests of the features that distances between sets of images compare."""

import keras
import numpy as np
import pytest
from keras.src.applications import inception_v3
from mnist_digits import digits
from scipy.ndimage import gaussian_filter

from tf_inpaint.metrics import distribution, features

GOLDEN = [-0.2331, 1.5416, 0.6204, 0.0483, 0.2592, 0.4597, -1.3314, -0.1663]
"""The first and last feature of each of the four stages of `random_convolutions`.

Computed by TensorFlow 2.21 on a CPU.
"""
GOLDEN_SUMS = [27.533, 34.143, 19.336, -9.893]
"""The sum of the features of each stage."""


@pytest.fixture
def no_network(monkeypatch):
    """The download of Keras fails as without a network. Files in Keras' cache are not read."""

    def fail(name, origin, **_):
        raise Exception(
            f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known"
        )

    # `keras.applications` exports a function with the name of this module.
    monkeypatch.setattr(inception_v3.file_utils, "get_file", fail)
    features._inception_network.cache_clear()
    yield
    features._inception_network.cache_clear()


def smooth_images(seed, shape):
    """Smooth random images in [-1, 1], float32."""
    noise = np.random.default_rng(seed).uniform(-3, 3, shape)
    return gaussian_filter(noise, (0, 1, 1, 0)).astype(np.float32).clip(-1, 1)


@pytest.mark.parametrize("shape", [(5, 28, 28, 1), (5, 64, 64, 3), (5, 8, 9, 3)])
def test_random_features_are_the_same_each_time_and_in_any_batch(shape, monkeypatch):
    """Features depend neither on the call, nor on the batch, nor on a new network."""
    images = smooth_images(0, shape)
    received = features.random_convolutions(images)
    assert received.shape == (5, 352)
    assert received.dtype == np.float32
    np.testing.assert_array_equal(features.random_convolutions(images), received)
    with monkeypatch.context() as patched:
        patched.setattr(features, "RANDOM_BATCH", 2)
        np.testing.assert_allclose(features.random_convolutions(images), received, atol=1e-4)
    alone = features.random_convolutions(images[3:4])
    np.testing.assert_allclose(alone[0], received[3], atol=1e-4)
    features._random_network.cache_clear()
    np.testing.assert_array_equal(features.random_convolutions(images), received)


def test_gray_is_its_rgb_repeat_and_color_counts():
    """Gray images have the features of equal channels, and a tint changes the features."""
    gray = smooth_images(1, (3, 20, 20, 1))
    received = features.random_convolutions(gray)
    np.testing.assert_array_equal(features.random_convolutions(gray.repeat(3, -1)), received)
    reddish = gray.repeat(3, -1) * np.float32([1, 0.8, 0.8])
    assert np.abs(features.random_convolutions(reddish) - received).max() > 0.1


def test_plain_gray_is_the_origin():
    """The features of a plain gray image are 0."""
    np.testing.assert_allclose(features.random_convolutions(np.zeros((2, 12, 12, 1))), 0, atol=1e-4)


def test_random_features_stay_the_same_over_time():
    """Numbers of old tables can be compared with new ones only if the network stays the same."""
    rows, columns = np.mgrid[:28, :28] / 27
    image = np.sin(9 * rows * columns + 4 * columns)[None, :, :, None]
    received = features.random_convolutions(image)[0]
    np.testing.assert_allclose(received[[0, 31, 32, 95, 96, 223, 224, 351]], GOLDEN, atol=1e-3)
    sums = [part.sum() for part in np.split(received, [32, 96, 224])]
    assert sums == pytest.approx(GOLDEN_SUMS, abs=0.02)


def test_random_features_rank_blur_noise_and_missing_classes():
    """More blur, more noise and fewer classes have a larger distance from real digits."""
    images, labels = digits(every=2)
    first, second, labels = images[:1250], images[1250:], labels[1250:]
    reference = features.random_convolutions(first)
    random = np.random.default_rng(2)

    def distance(others):
        return distribution.frechet_distance(reference, features.random_convolutions(others))

    real = distance(second)
    blurred = [distance(gaussian_filter(second, (0, radius, radius, 0))) for radius in (0.6, 1.2)]
    noisy = [distance(second + random.normal(0, noise, second.shape)) for noise in (0.1, 0.3)]
    # The number of images stays the same, because the distance falls with the number.
    dropped = []
    for count in (3, 6, 9):
        rows = np.flatnonzero(~np.isin(labels, [3, 8, 1, 7, 4, 0, 9, 2, 5][:count]))
        dropped.append(distance(second[random.choice(rows, len(second))]))
    for series, margin in ((blurred, 10), (noisy, 2), (dropped, 2)):
        assert series[0] > margin * real
        assert (np.diff(series) > 0).all(), series
    assert max(series[-1] for series in (blurred, noisy, dropped)) > 20 * real


@pytest.mark.parametrize("extractor", features.EXTRACTORS.values())
@pytest.mark.parametrize("shape", [(0, 28, 28, 1), (2, 28, 28, 2), (28, 28, 3)])
def test_arrays_that_are_not_images_are_refused(extractor, shape):
    """There must be images, with one or three channels."""
    with pytest.raises(ValueError, match=r"Features need images .*; received \[.*\]; pass"):
        extractor(np.zeros(shape, np.float32))


def test_random_features_need_8_pixels():
    """Smaller images are refused."""
    with pytest.raises(ValueError, match=r"at least 8 x 8 pixels; received \[2, 7, 8, 1\];"):
        features.random_convolutions(np.zeros((2, 7, 8, 1)))


def test_inception_without_weights_says_what_to_do(no_network):
    """Without a network and without a file, the error is one line with a remedy."""
    sentence = r"received Exception \(URL fetch.*notop\.h5 of .* into ~/\.keras/models"
    with pytest.raises(ValueError, match=sentence) as error:
        features.inception(np.zeros((2, 28, 28, 1), np.float32))
    assert "\n" not in str(error.value)


def test_inception_from_a_broken_file(no_network, monkeypatch, tmp_path):
    """A file that is not HDF5 gives the same error."""
    path = tmp_path / "weights.h5"
    path.write_bytes(b"not HDF5")
    monkeypatch.setattr(inception_v3.file_utils, "get_file", lambda *_, **__: str(path))
    with pytest.raises(ValueError, match=r"received OSError"):
        features.inception(np.zeros((2, 28, 28, 1), np.float32))


def test_inception_gets_images_of_its_size_and_range(monkeypatch):
    """A stand-in that returns the mean of its input shows size, range, order and resizing."""
    batches = []

    class Network:
        def predict_on_batch(self, batch):
            batches.append(np.asarray(batch))
            return np.asarray(batch).mean((1, 2))

    monkeypatch.setattr(features, "_inception_network", Network)
    monkeypatch.setattr(features, "INCEPTION_BATCH", 2)
    images = smooth_images(3, (5, 28, 28, 3))
    received = features.inception(images)
    assert [batch.shape for batch in batches] == [
        (2, 299, 299, 3),
        (2, 299, 299, 3),
        (1, 299, 299, 3),
    ]
    np.testing.assert_allclose(received, images.mean((1, 2)), atol=0.02)
    assert np.abs(np.concatenate(batches)).max() <= 1.0001
    # With antialiasing, lines of one pixel in three leave their share in each pixel.
    lines = np.where(np.arange(897) % 3 == 1, 1.0, -1.0) * np.ones((1, 897, 1))
    features.inception(lines[..., None])
    np.testing.assert_allclose(batches[-1][:, 2:-2, 2:-2], -1 / 3, atol=1e-3)


@pytest.mark.slow
def test_inception_with_random_weights(no_network, monkeypatch, tmp_path):
    """The real network gives 2048 features, the same in any batch and from saved weights."""
    images = smooth_images(4, (3, 28, 28, 1))
    original, path = keras.applications.InceptionV3, str(tmp_path / "inception.weights.h5")
    with monkeypatch.context() as patched:
        patched.setattr(
            keras.applications,
            "InceptionV3",
            lambda **settings: original(**settings | {"weights": None}),
        )
        received = features.inception(images)
        assert received.shape == (3, 2048)
        assert received.dtype == np.float32
        assert (received.std(0) > 0).any()
        patched.setattr(features, "INCEPTION_BATCH", 2)
        np.testing.assert_allclose(features.inception(images), received, rtol=1e-3, atol=1e-5)
        features._inception_network().save_weights(path)

    # Load the saved weights in place of a download.
    monkeypatch.setattr(inception_v3.file_utils, "get_file", lambda *_, **__: path)
    features._inception_network.cache_clear()
    np.testing.assert_allclose(features.inception(images), received, rtol=1e-3, atol=1e-5)
