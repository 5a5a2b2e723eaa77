"""Distances by name: each is the distance it says, on the features it says, to the images it was given."""

import numpy as np
import pytest

from tf_inpaint.metrics import distances, distribution, features


def pictures(seed, count=24):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 28, 28, 1)).astype(np.float32)


def test_names_choose_distance_and_network(monkeypatch):
    monkeypatch.setitem(
        features.EXTRACTORS, "inception", lambda images: images.reshape(len(images), -1)[:, :3] * 2
    )
    names = ["kernel_random", "sliced_wasserstein", "frechet_inception", "frechet_random"]
    real, generated = pictures(0), pictures(1) * 0.5
    found = distances.Distances(names, real)(generated)
    random = [features.random_convolutions(images) for images in (real, generated)]
    inception = [images.reshape(24, -1)[:, :3] * 2 for images in (real, generated)]
    expected = [
        distribution.kernel_distance(*random),
        distribution.sliced_wasserstein(real, generated),
        distribution.frechet_distance(*inception),
        distribution.frechet_distance(*random),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert all(type(value) is float for value in found)


def test_network_that_is_not_named_is_not_run(monkeypatch):
    def refuse(images):
        raise AssertionError("run")

    monkeypatch.setattr(features, "EXTRACTORS", {"random": refuse, "inception": refuse})
    assert distances.Distances(["sliced_wasserstein"], pictures(0))(pictures(0)) == [0.0]


def test_nearer_images_are_nearer():
    measure = distances.Distances(
        ["sliced_wasserstein", "frechet_random", "kernel_random"], pictures(0, 64)
    )
    noise = pictures(1, 64)
    near, far = (
        measure(noise),
        measure((noise + np.roll(noise, 1, axis=2)) / 2),
    )  # other noise, and that blurred
    assert all(one < other for one, other in zip(near, far, strict=True))
    assert near[2] == pytest.approx(0, abs=0.1 * far[2])
