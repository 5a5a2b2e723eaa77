"""Tests of distances by name."""

import numpy as np
import pytest

from tf_inpaint.metrics import distances, distribution, features


def noise(seed, count=24):
    """Images of random pixels in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 28, 28, 1)).astype(np.float32)


def test_names_choose_distance_and_network(monkeypatch):
    """Each name gives its distance, on the features of its network, from the real images."""
    monkeypatch.setitem(
        features.EXTRACTORS, "inception", lambda images: images.reshape(len(images), -1)[:, :3] * 2
    )
    names = ["kernel_random", "sliced_wasserstein", "frechet_inception", "frechet_random"]
    real, generated = noise(0), noise(1) * 0.5
    values = distances.Distances(names, real)(generated)
    random = [features.random_convolutions(images) for images in (real, generated)]
    inception = [images.reshape(24, -1)[:, :3] * 2 for images in (real, generated)]
    expected = [
        distribution.kernel_distance(*random),
        distribution.sliced_wasserstein(real, generated),
        distribution.frechet_distance(*inception),
        distribution.frechet_distance(*random),
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert all(type(value) is float for value in values)


def test_a_network_that_is_not_named_is_not_run(monkeypatch):
    """The sliced Wasserstein distance needs no features."""

    def refuse(images):
        raise AssertionError("run")

    monkeypatch.setattr(features, "EXTRACTORS", {"random": refuse, "inception": refuse})
    assert distances.Distances(["sliced_wasserstein"], noise(0))(noise(0)) == [0.0]


def test_similar_images_have_a_smaller_distance():
    """Other noise is nearer than blurred noise, by every distance."""
    names = ["sliced_wasserstein", "frechet_random", "kernel_random"]
    distances_of = distances.Distances(names, noise(0, 64))
    other = noise(1, 64)
    blurred = (other + np.roll(other, 1, axis=2)) / 2
    near, far = distances_of(other), distances_of(blurred)
    assert all(first < second for first, second in zip(near, far, strict=True))
    assert near[2] == pytest.approx(0, abs=0.1 * far[2])
