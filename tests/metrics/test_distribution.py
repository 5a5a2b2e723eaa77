"""Tests of the distances between two sets of images."""

import numpy as np
import pytest
from mnist_digits import digits
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from tf_inpaint.metrics import distribution


def whitened(seed, count, size):
    """Features with exactly mean 0 and exactly the identity as sample covariance."""
    features = np.random.default_rng(seed).normal(size=(count, size))
    features -= features.mean(0)
    left, _, right = np.linalg.svd(features, full_matrices=False)
    return left @ right * np.sqrt(count - 1)


def naive_kernel_distance(first, second):
    """The kernel distance of two lists of lists, by loops over all pairs."""

    def mean(xs, ys, same):
        values = [
            (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3
            for i, x in enumerate(xs)
            for j, y in enumerate(ys)
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    return mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)


def test_frechet_of_gaussians_with_known_moments():
    """With diagonal covariances the distance has a closed form."""
    first, second = whitened(0, 50, 4), whitened(1, 80, 4)
    first_scales, second_scales = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 1, 0])
    shift = np.array([1.0, 0, -2, 0.5])
    expected = np.sum(shift**2) + np.sum((first_scales - second_scales) ** 2)
    distance = distribution.frechet_distance(first * first_scales, second * second_scales + shift)
    assert distance == pytest.approx(expected)


def test_frechet_agrees_with_scipys_matrix_root():
    """The distance is the formula with SciPy's root of a matrix."""
    random = np.random.default_rng(2)
    first = random.normal(size=(60, 8)) @ random.normal(size=(8, 8))
    second = random.normal(size=(40, 8)) @ random.normal(size=(8, 8)) + 1
    covariances = np.cov(first.T), np.cov(second.T)
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2)
    expected += np.trace(
        covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
    )
    assert distribution.frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_fewer_images_than_features():
    """Features in a subspace of 5 dimensions have the distance of that subspace."""
    random = np.random.default_rng(3)
    first, second = random.normal(size=(12, 5)), random.normal(size=(9, 5)) + 1
    rotation = np.linalg.qr(random.normal(size=(200, 5)))[0].T
    expected = distribution.frechet_distance(first, second)
    assert distribution.frechet_distance(first @ rotation, second @ rotation) == pytest.approx(
        expected, rel=1e-9
    )
    apart = distribution.frechet_distance(first @ np.eye(5, 200), first @ np.eye(5, 200, k=5))
    assert apart == pytest.approx(2 * np.sum(first.mean(0) ** 2) + 2 * first.var(0, ddof=1).sum())


@pytest.mark.parametrize("shape", [(30, 6), (6, 30), (2, 3)])
def test_frechet_from_itself_is_0(shape):
    """The distance of a set from itself is 0, in any order."""
    features = np.random.default_rng(4).normal(100, 10, shape)
    received = distribution.frechet_distance(features, features[::-1])
    assert isinstance(received, float)
    assert 0 <= received < 1e-9


@pytest.mark.parametrize("distance", [distribution.frechet_distance, distribution.kernel_distance])
def test_distances_of_features_are_symmetric_and_ignore_order(distance):
    """Neither the order of the sets nor the order of the rows matters."""
    random = np.random.default_rng(5)
    first, second = random.normal(size=(20, 7)), random.normal(0.3, 1.5, size=(31, 7))
    received = distance(first, second)
    assert received > 0.1
    assert distance(second, first) == pytest.approx(received)
    assert distance(first[::-1], random.permutation(second)) == pytest.approx(received)


@pytest.mark.parametrize("distance", [distribution.frechet_distance, distribution.kernel_distance])
@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), r"at least 2 rows.*received \[1, 3\] and \[5, 3\];"),
        (np.zeros((5, 3)), np.zeros((5, 4)), r"the same K.*received \[5, 3\] and \[5, 4\];"),
        (np.zeros((5, 3)), np.zeros(5), r"received \[5, 3\] and \[5\];"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), r"finite.*5 of the second set's 5 rows;"),
        (np.diag([1, np.inf, 1]), np.zeros((5, 3)), r"finite.*1 of the first set's 3 rows;"),
    ],
)
def test_features_that_cannot_be_compared(distance, first, second, sentence):
    """Too few rows, different widths and NaN are refused."""
    with pytest.raises(ValueError, match=sentence):
        distance(first, second)


@pytest.mark.parametrize("block", [4, 1024])
def test_kernel_distance_agrees_with_loops(monkeypatch, block):
    """Blocks of any size give the mean over all pairs."""
    monkeypatch.setattr(distribution, "BLOCK", block)
    random = np.random.default_rng(6)
    first, second = random.normal(size=(11, 5)), random.normal(0.5, 1, size=(9, 5))
    expected = naive_kernel_distance(first.tolist(), second.tolist())
    assert distribution.kernel_distance(first, second) == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_is_unbiased():
    """The mean over many pairs of sets is 0.

    The biased estimate, with the pairs i = j, would be about seventy standard errors above 0.
    """
    random = np.random.default_rng(7)
    values = [distribution.kernel_distance(*random.normal(size=(2, 10, 3))) for _ in range(2000)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error
    assert min(values) < 0


def test_projected_distance_by_hand():
    """The distance of shifted points is the mean of the projected shift."""
    points = np.random.default_rng(8).normal(size=(100, 1)).astype(np.float32)
    moved = points[::-1] + np.float32(0.75)
    assert distribution.projected_distance(
        points, moved, np.ones((1, 1), np.float32)
    ) == pytest.approx(0.75, rel=1e-5)
    by_hand = np.array([[0.0], [1], [3]]), np.array([[5.0], [6], [8]])
    assert distribution.projected_distance(*by_hand, np.array([[1.0], [-1.0]])) == pytest.approx(5)
    # A direction sees a shift along the first axis by its own first coordinate.
    points = np.random.default_rng(9).normal(size=(50, 2))
    directions = np.array([[1.0, 0], [0, 1], [0.6, 0.8]] * 30)
    assert distribution.projected_distance(points, points + [2, 0], directions) == pytest.approx(
        2 * 1.6 / 3
    )


@pytest.mark.parametrize("size", [(28, 28), (57, 64)])
def test_pyramid_agrees_with_convolutions_and_reconstructs_the_images(size):
    """The levels are those of SciPy's convolution, and the images can be reconstructed."""
    images = np.random.default_rng(10).uniform(-1, 1, (2, *size, 3))
    levels = distribution.laplacian_pyramid(images)
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

    def blurred(picture):
        return convolve2d(np.pad(picture, 2, "reflect"), kernel, "valid")

    picture = images[1, :, :, 2]
    for level in levels[:-1]:
        halved = blurred(picture)[::2, ::2]
        spread = np.zeros_like(picture)
        spread[::2, ::2] = halved
        np.testing.assert_allclose(level[1, :, :, 2], picture - 4 * blurred(spread), atol=1e-12)
        picture = halved
    np.testing.assert_allclose(levels[-1][1, :, :, 2], picture, atol=1e-12)

    reconstruction = levels[-1]
    for level in levels[-2::-1]:
        reconstruction = level + distribution.expand(reconstruction, level.shape[1:3])
    np.testing.assert_allclose(reconstruction, images, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(16, [16]), (27, [27]), (28, [28, 14]), (64, [64, 32, 16]), (128, [128, 64, 32, 16])],
)
def test_levels_of_the_pyramid(size, sizes):
    """Images are halved as long as 14 pixels remain, and a constant has no details."""
    images = np.ones((1, size, size, 1), np.float32)
    levels = distribution.laplacian_pyramid(images)
    assert [level.shape for level in levels] == [(1, side, side, 1) for side in sizes]
    assert {level.dtype for level in levels} == {np.dtype(np.float32)}
    np.testing.assert_allclose(levels[-1], 1, atol=1e-6)
    for level in levels[:-1]:
        np.testing.assert_allclose(level, 0, atol=1e-6)


@pytest.mark.parametrize("shape", [(10, 16, 16, 1), (8, 28, 28, 3), (4, 64, 57, 3)])
def test_sliced_wasserstein_identity_symmetry_and_levels(shape, monkeypatch):
    """The distance is 0 for equal sets and symmetric, and other random numbers change it little."""
    random = np.random.default_rng(11)
    first = random.uniform(-1, 1, shape).astype(np.float32)
    second = gaussian_filter(first, (0, 1, 1, 0))
    levels = distribution.sliced_wasserstein_levels(first, second)
    assert levels.shape == (len(distribution.laplacian_pyramid(first)),)
    assert distribution.sliced_wasserstein(first, second) == pytest.approx(levels.mean())
    assert levels[0] > 20
    np.testing.assert_array_equal(distribution.sliced_wasserstein_levels(second, first), levels)
    np.testing.assert_array_equal(distribution.sliced_wasserstein_levels(first, first), 0)
    monkeypatch.setattr(distribution, "SEED", 1)
    other = distribution.sliced_wasserstein(first, second)
    assert other != levels.mean()
    assert other == pytest.approx(levels.mean(), rel=0.2)


def test_sliced_wasserstein_of_a_level_by_hand(monkeypatch):
    """For images of one patch, the distance is that of the normalized images."""
    monkeypatch.setattr(distribution, "PATCHES_PER_IMAGE", 2)
    first, second = np.random.default_rng(12).uniform(-1, 1, (2, 30, 7, 7, 2)) * [[[1, 0.5]]]
    points = []
    for images in (first, second**3):
        normalized = (images - images.mean((0, 1, 2))) / images.std((0, 1, 2))
        points.append(normalized.transpose(0, 3, 1, 2).reshape(30, 98))
    directions = np.random.default_rng(13).normal(size=(4000, 98))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    projections = [np.sort(array @ directions.T, 0) for array in points]
    expected = 1000 * np.abs(projections[0] - projections[1]).mean()
    distance = distribution.sliced_wasserstein(first, second**3, directions=4000)
    assert distance == pytest.approx(expected, rel=0.02)
    # The normalization removes a common contrast and a common brightness.
    monkeypatch.undo()
    assert distribution.sliced_wasserstein(first, first * 0.5 - 0.2) == pytest.approx(0, abs=0.01)


def test_blank_images_are_not_amplified():
    """The normalization does not amplify the rounding errors of blank images."""
    first = np.full((20, 28, 28, 1), -0.3, np.float32)
    second = np.full((20, 28, 28, 1), 0.7, np.float32)
    assert distribution.sliced_wasserstein(first, second) < 0.1


def test_sliced_wasserstein_ranks_blur_noise_and_missing_classes():
    """More blur, more noise and fewer classes have a larger distance from real digits."""
    images, labels = digits(every=5)
    first, second, labels = images[::2], images[1::2], labels[1::2]
    random = np.random.default_rng(14)
    real = distribution.sliced_wasserstein_levels(first, second, directions=64)
    mild, strong = (
        distribution.sliced_wasserstein_levels(
            first, gaussian_filter(second, (0, radius, radius, 0))
        )
        for radius in (0.8, 1.6)
    )
    assert strong[0] > 1.3 * mild[0] > 5 * real[0]

    noisy = [
        distribution.sliced_wasserstein_levels(
            first, second + random.normal(0, scale, second.shape), directions=64
        )
        for scale in (0.2, 0.4)
    ]
    assert noisy[1][0] > 1.3 * noisy[0][0] > 3 * real[0]
    # Halving averages the noise, so the coarse level hardly changes.
    assert noisy[1][1] < 0.3 * noisy[1][0]

    dropped = []
    for classes in ((3, 8, 1, 7, 4), (3, 8, 1, 7, 4, 0, 9, 2, 5)):
        rows = np.flatnonzero(~np.isin(labels, classes))
        others = second[random.choice(rows, len(first))]
        dropped.append(distribution.sliced_wasserstein(first, others, directions=64))
    assert dropped[1] > 1.2 * dropped[0] > 2 * real.mean()


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (
            np.zeros((3, 16, 16, 1)),
            np.zeros((4, 16, 16, 1)),
            r"equally many.*received \[3, .*\[4, .*surplus",
        ),
        (np.zeros((3, 6, 16, 1)), np.zeros((3, 6, 16, 1)), "at least 7 x 7"),
        (np.zeros((3, 16, 16)), np.zeros((3, 16, 16)), r"images \[N, H, W, C\]"),
        (np.zeros((0, 16, 16, 1)), np.zeros((0, 16, 16, 1)), "received"),
        (
            np.zeros((3, 16, 16, 1)),
            np.full((3, 16, 16, 1), np.nan),
            "finite.*3 of the second set's 3 rows",
        ),
    ],
)
def test_images_that_cannot_be_compared(first, second, sentence):
    """Sets of different size, small images and NaN are refused."""
    with pytest.raises(ValueError, match=sentence):
        distribution.sliced_wasserstein(first, second)
