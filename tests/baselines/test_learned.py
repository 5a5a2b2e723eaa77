import numpy as np
import pytest
from scipy import linalg, ndimage

from tf_inpaint.baselines import learned
from tf_inpaint.baselines.learned import (
    QUANTISATION,
    STATISTICAL,
    Gaussian,
    conditional_gaussian,
    conditional_mean,
    fit,
    nearest_image,
)


def random_images(seed, count, shape=(6, 5, 2)):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, *shape))
    return ndimage.gaussian_filter(images, (0, 1, 1, 0)).astype(np.float32)


def random_masks(seed, count, shape=(6, 5, 1), hole_share=0.5):
    return (np.random.default_rng(seed).uniform(size=(count, *shape)) >= hole_share).astype(
        np.float32
    )


def random_covariance(seed, size):
    factors = np.random.default_rng(seed).normal(0, 0.1, (size, 2 * size))
    return factors @ factors.T


def block_formula(mean, covariance, numbers, given):
    """m_h + C_hk C_kk^-1 (x_k - m_k), in full."""
    gain = covariance[np.ix_(~given, given)] @ np.linalg.inv(covariance[np.ix_(given, given)])
    return mean[~given] + gain @ (numbers[given] - mean[given])


@pytest.mark.parametrize("name", STATISTICAL)
def test_where_nothing_is_known_the_mean_is_the_answer(name):
    training = random_images(0, 30)
    completions = STATISTICAL[name](training)(
        np.full((2, 6, 5, 2), np.nan, np.float32), np.zeros((2, 6, 5, 1))
    )
    np.testing.assert_allclose(completions, np.stack(2 * [training.mean(0)]), atol=1e-6)


@pytest.mark.parametrize("blocks", [(512, 256), (7, 3)])
def test_nearest_image_finds_a_training_image_by_a_part_of_it(blocks, monkeypatch):
    monkeypatch.setattr(learned, "BLOCK", blocks[0])
    monkeypatch.setattr(learned, "IMAGES_AT_ONCE", blocks[1])
    training = random_images(1, 40)
    chosen = np.random.default_rng(0).permutation(40)[:11]
    masks = random_masks(2, 11, hole_share=0.8)
    completions = nearest_image(training)(training[chosen], masks)
    assert completions.tobytes() == training[chosen].tobytes()


def test_nearest_image_by_brute_force():
    training, images, masks = random_images(3, 50), random_images(4, 20), random_masks(5, 20)
    distances = (masks[:, None] * (images[:, None].astype(np.float64) - training) ** 2).sum(
        (2, 3, 4)
    )
    expected = np.where(masks > 0, images, training[distances.argmin(1)])
    np.testing.assert_array_equal(nearest_image(training)(images, masks), expected)


def test_nearest_image_is_not_misled_by_rounding():
    # Apart by less than the rounding error of sums of 12,288 squares; and of equals the first.
    image = np.ones((1, 64, 64, 3), np.float32)
    training = np.repeat(image, 6, 0)
    training[:, :, 32:] = np.linspace(-1, 1, 6)[:, None, None, None]
    training[[0, 1, 4], 0, 0, 0] -= 0.02
    training[[2, 5], 0, 0, 0] -= 0.01
    known = np.ones((1, 64, 64, 1), np.float32)
    known[:, :, 32:] = 0
    completions = nearest_image(training)(image, known)
    np.testing.assert_array_equal(completions[0, :, 32:], training[3, :, 32:])
    completions = nearest_image(training[[0, 2, 1, 5]])(image, known)
    np.testing.assert_array_equal(completions[0, :, 32:], training[2, :, 32:])


@pytest.mark.parametrize("hole_share", [0.1, 0.5, 0.9])
def test_full_rank_gives_a_known_covariances_conditional_mean(hole_share):
    random = np.random.default_rng(6)
    covariance, mean, numbers = (
        random_covariance(7, 40),
        random.normal(size=40),
        random.normal(size=40),
    )
    gaussian = Gaussian(mean, np.linalg.cholesky(covariance), 0.0)
    given = random.uniform(size=40) >= hole_share
    expected = block_formula(mean, covariance, numbers, given)
    np.testing.assert_allclose(
        conditional_mean(gaussian, given)(numbers[given]), expected, atol=1e-9
    )


@pytest.mark.parametrize("known_count", [2, 8, 9, 30, 39])
def test_low_rank_agrees_with_the_dense_formula(known_count):
    random = np.random.default_rng(8)
    gaussian = Gaussian(random.normal(size=40), random.normal(size=(40, 8)), 0.3)
    numbers, given = random.normal(size=40), random.permutation(40) < known_count
    covariance = gaussian.factors @ gaussian.factors.T + 0.3 * np.eye(40)
    expected = block_formula(gaussian.mean, covariance, numbers, given)
    np.testing.assert_allclose(
        conditional_mean(gaussian, given)(numbers[given]), expected, atol=1e-9
    )


@pytest.mark.parametrize("known_count", [5, 30])
def test_the_system_is_factored_once_a_mask(known_count, monkeypatch):
    random = np.random.default_rng(8)
    gaussian = Gaussian(random.normal(size=40), random.normal(size=(40, 8)), 0.3)
    given = random.permutation(40) < known_count
    fill = conditional_mean(gaussian, given)
    covariance = gaussian.factors @ gaussian.factors.T + 0.3 * np.eye(40)
    numbers = random.normal(size=(3, 40))
    expected = [block_formula(gaussian.mean, covariance, image, given) for image in numbers]
    for module, name in (
        (np.linalg, "solve"),
        (np.linalg, "inv"),
        (linalg, "cho_factor"),
        (linalg, "solve"),
    ):
        monkeypatch.delattr(module, name)
    np.testing.assert_allclose([fill(image[given]) for image in numbers], expected, atol=1e-9)


def images_of(mean, covariance, count, seed):
    """Images whose sample mean and covariance are these, not only those of their distribution."""
    numbers = np.random.default_rng(seed).normal(size=(count, len(mean)))
    numbers -= numbers.mean(0)
    numbers = numbers @ np.linalg.inv(np.linalg.cholesky(numbers.T @ numbers / count)).T
    return (mean + numbers @ np.linalg.cholesky(covariance).T).astype(np.float32)


def test_the_whole_method_recovers_a_known_covariance():
    mean, covariance = (
        np.linspace(-0.3, 0.3, 60),
        0.02 * random_covariance(9, 60) + 0.002 * np.eye(60),
    )
    training = images_of(mean, covariance, 500, 10).reshape(-1, 6, 5, 2)
    images, masks = training[:12], random_masks(11, 12)
    given = np.repeat(masks, 2, -1).reshape(12, -1) > 0
    completions = conditional_gaussian(training, rank=60, noise_scale=1)(images, masks).reshape(
        12, -1
    )
    for completion, image, mask in zip(completions, images.reshape(12, -1), given, strict=True):
        expected = block_formula(mean, covariance, image, mask)
        np.testing.assert_allclose(completion[~mask], expected, atol=1e-4)


def test_noise_scale_multiplies_the_noise_and_rank_is_a_quarter_of_the_images():
    training, images, mask = random_images(19, 40), random_images(20, 1), random_masks(21, 1)
    gaussian = fit(training, 10)
    gaussian = gaussian._replace(noise=3 * gaussian.noise)
    given = np.repeat(mask, 2, -1).ravel() > 0
    expected = conditional_mean(gaussian, given)(images.ravel()[given])
    completions = conditional_gaussian(training, noise_scale=3)(images, mask)
    np.testing.assert_allclose(completions.ravel()[~given], expected, atol=1e-6)


@pytest.mark.parametrize("exact", [1024, 0])
def test_fit_is_probabilistic_principal_components(exact, monkeypatch):
    monkeypatch.setattr(learned, "EXACT", exact)
    # Eigenvalues that fall, as images' do, and then stay.
    values = np.concatenate([0.5 ** np.arange(8), np.full(52, 1e-3)])
    vectors = np.linalg.qr(np.random.default_rng(12).normal(size=(60, 60)))[0]
    training = images_of(np.full(60, 0.1), vectors * values @ vectors.T, 700, 13).reshape(
        -1, 6, 5, 2
    )
    gaussian = fit(training, rank=8)
    assert gaussian.factors.shape == (60, 8)
    np.testing.assert_allclose(gaussian.mean, 0.1, atol=1e-6)
    assert gaussian.noise == pytest.approx(1e-3, rel=1e-3)
    expected = (vectors[:, :8] * (values[:8] - 1e-3)) @ vectors[:, :8].T
    np.testing.assert_allclose(gaussian.factors @ gaussian.factors.T, expected, atol=1e-4)


@pytest.mark.parametrize(("count", "rank", "expected"), [(1, 5, 1), (4, 5, 3), (100, 1000, 60)])
def test_rank_is_what_the_images_allow(count, rank, expected):
    training = random_images(14, count)
    gaussian = fit(training, rank)
    assert gaussian.factors.shape == (60, expected)
    assert gaussian.noise >= QUANTISATION
    completions = conditional_gaussian(training, rank, noise_scale=1)(
        training[:1], random_masks(15, 1)
    )
    if count <= 5:
        # A Gaussian of so few images is sure of each that it has seen.
        np.testing.assert_allclose(completions, training[:1], atol=2e-2)


def test_completions_are_clipped():
    random = np.random.default_rng(16)
    brightness = random.uniform(-0.2, 0.2, (50, 1, 1, 1))
    training = (np.array([1.0, 5.0]).reshape(1, 1, 2, 1) * brightness).astype(np.float32)
    known = np.array([1.0, 0.0]).reshape(1, 1, 2, 1)
    completions = conditional_gaussian(training, 1, noise_scale=1)(
        np.full((1, 1, 2, 1), 0.9, np.float32), known
    )
    np.testing.assert_array_equal(completions.ravel(), np.float32([0.9, 1.0]))


@pytest.mark.parametrize("name", STATISTICAL)
def test_what_does_not_fit_is_an_error(name):
    with pytest.raises(ValueError, match=r"training images \[M, H, W, C\]"):
        STATISTICAL[name](random_images(17, 3)[:0])
    with pytest.raises(
        ValueError, match=r"must have the training images' size, \[6, 5, 2\]; received \[6, 5, 1\]"
    ):
        STATISTICAL[name](random_images(17, 3))(
            np.zeros((1, 6, 5, 1), np.float32), np.ones((1, 6, 5, 1))
        )


def test_a_rank_below_1_is_an_error():
    with pytest.raises(ValueError, match="rank must be at least 1; received 0"):
        fit(random_images(18, 3), 0)
