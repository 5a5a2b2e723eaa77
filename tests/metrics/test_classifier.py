"""Tests of the classifier that is trained on labeled images."""

import keras
import numpy as np
import pytest
from mnist_digits import digits

from tf_inpaint.metrics import classifier, distribution


@pytest.fixture(scope="module")
def labeled_digits():
    """2,500 digits, as many of each class: images and labels."""
    return digits(every=2)


@pytest.fixture(scope="module")
def trained(labeled_digits):
    """A classifier trained for 100 steps on 2,000 digits."""
    images, labels = labeled_digits
    return classifier.train(images[:2000], labels[:2000], steps=100)


def test_digits_are_learned(labeled_digits, trained):
    """A short training recognizes nine in ten digits that were held out."""
    images, labels = labeled_digits[0][2000:], labeled_digits[1][2000:]
    assert (trained.predict(images) == labels).mean() > 0.9
    probabilities = trained.probabilities(images)
    assert probabilities.shape == (500, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(trained.labels[probabilities.argmax(1)], trained.predict(images))
    # The Inception score: 10 if each image is surely of one class, and all classes are frequent.
    ratio = np.maximum(probabilities / probabilities.mean(0), 1e-30)
    assert 5 < np.exp((probabilities * np.log(ratio)).sum(1).mean()) < 10
    features = trained.features(images)
    assert features.shape == (500, classifier.FEATURES)
    np.testing.assert_allclose(trained.features(images[7:8])[0], features[7], rtol=1e-3, atol=1e-4)


def test_features_tell_classes_apart(labeled_digits, trained):
    """Digits without five classes are far from all digits."""
    images, labels = labeled_digits
    first, second = trained.features(images[:1000]), trained.features(images[1000:2000])
    distance = distribution.frechet_distance(first, second)
    five_classes = second[labels[1000:2000] < 5]
    assert distribution.frechet_distance(first, five_classes) > 10 * distance


def test_a_seed_determines_the_classifier(labeled_digits):
    """The classifier depends on its seed only, and leaves the caller's random numbers alone."""
    images, labels = labeled_digits[0][:200], labeled_digits[1][:200]
    keras.utils.set_random_seed(1)
    np.random.seed(1)
    first = classifier.train(images, labels, steps=5).probabilities(images)
    next_number = np.random.uniform()
    keras.utils.set_random_seed(2)
    second = classifier.train(images, labels, steps=5).probabilities(images)
    np.testing.assert_array_equal(second, first)
    other = classifier.train(images, labels, seed=1, steps=5).probabilities(images)
    assert np.abs(other - first).max() > 0.01
    np.random.seed(1)
    assert np.random.uniform() == next_number, "the training drew from the caller's random numbers"


def test_labels_may_be_strings_and_images_few_and_colored():
    """Twelve color images of two named classes are learned."""
    random = np.random.default_rng(5)
    labels = np.array(["dark", "bright"] * 6)
    brightness = np.where(labels == "dark", -0.6, 0.6)[:, None, None, None]
    images = (random.uniform(-0.2, 0.2, (12, 10, 9, 3)) + brightness).astype(np.float32)
    network = classifier.train(images, labels, steps=30)
    np.testing.assert_array_equal(network.labels, ["bright", "dark"])
    np.testing.assert_array_equal(network.predict(images), labels)


@pytest.mark.parametrize(
    ("shape", "labels", "sentence"),
    [
        ((4, 28, 28, 1), [0, 1, 2], r"received images \[4, 28, 28, 1\] and labels \[3\];"),
        ((4, 28, 28), [0, 1, 2, 3], r"received images \[4, 28, 28\] and labels \[4\];"),
        ((4, 7, 28, 1), [0, 1, 2, 3], "at least 8 x 8"),
        ((4, 28, 28, 1), [2, 2, 2, 2], "at least 2 labels; received 1;"),
    ],
)
def test_unsuitable_training_data_are_refused(shape, labels, sentence):
    """Images and labels must match, and there must be two labels."""
    with pytest.raises(ValueError, match=sentence):
        classifier.train(np.zeros(shape, np.float32), np.array(labels))


def test_images_of_another_shape_are_refused(trained):
    """A classifier of gray images takes no color images."""
    with pytest.raises(ValueError, match=r"\[N, 28, 28, 1\]; received \[2, 28, 28, 3\];"):
        trained.features(np.zeros((2, 28, 28, 3), np.float32))
