"""Tests of the distances of a completion from its original."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tf_inpaint.metrics import pairwise

METRICS = [pairwise.l1, pairwise.psnr, pairwise.ssim]


def random_pair(seed, shape=(3, 20, 24, 3)):
    """Smooth images, the images with noise, and random weights."""
    random = np.random.default_rng(seed)
    first = gaussian_filter(random.uniform(-1, 1, shape), (0, 1, 1, 0))
    second = np.clip(first + random.normal(0, 0.1, shape), -1, 1)
    weights = (random.uniform(size=(*shape[:3], 1)) < 0.5).astype(np.float32)
    return first.astype(np.float32), second.astype(np.float32), weights


def skimage_ssim(first, second, full=False):
    """SSIM of scikit-image with our window; `full` returns the map too."""
    return structural_similarity(
        first.astype(np.float64),
        second.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=2,
        channel_axis=-1,
        full=full,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_image_agrees_with_scikit_image(channels):
    """Without weights, SSIM and PSNR are those of scikit-image."""
    first, second, _ = random_pair(0, (3, 20, 24, channels))
    pairs = list(zip(first, second, strict=True))
    expected = [skimage_ssim(*pair) for pair in pairs]
    np.testing.assert_allclose(pairwise.ssim(first, second), expected, atol=1e-6)
    expected = [peak_signal_noise_ratio(*pair, data_range=2) for pair in pairs]
    np.testing.assert_allclose(pairwise.psnr(first, second), expected, atol=1e-6)


def test_hole_ssim_is_the_mean_of_scikit_images_full_map():
    """With weights, SSIM is the mean of the map over the hole."""
    first, second, weights = random_pair(1)
    scores = pairwise.ssim(first, second, weights)
    for *pair, hole, score in zip(first, second, weights, scores, strict=True):
        similarity = skimage_ssim(*pair, full=True)[1]
        assert score == pytest.approx(similarity[hole[:, :, 0] > 0].mean(), abs=1e-6)


def test_hole_psnr_and_l1_are_those_of_the_cut_out_pixels():
    """With weights, PSNR and L1 are those of the pixels of the hole alone."""
    first, second, weights = random_pair(2)
    for index, hole in enumerate(weights[..., 0] > 0):
        error = first[index][hole].astype(np.float64) - second[index][hole]
        assert pairwise.l1(first, second, weights)[index] == pytest.approx(np.abs(error).mean())
        expected = 10 * np.log10(4 / np.mean(error**2))
        assert pairwise.psnr(first, second, weights)[index] == pytest.approx(expected)


def test_by_hand():
    """Two of four pixels differ by 0.2."""
    first = np.zeros((2, 2, 1), np.float32)
    second = np.array([[[0.2], [0.0]], [[0.0], [-0.2]]], np.float32)
    weights = np.array([[[1.0], [0.0]], [[0.0], [0.0]]], np.float32)
    assert pairwise.l1(first, second) == pytest.approx(0.1)
    assert pairwise.l1(first, second, weights) == pytest.approx(0.2)
    assert pairwise.psnr(first, second, weights) == pytest.approx(20.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("metric", "perfect"), [(pairwise.l1, 0), (pairwise.psnr, np.inf), (pairwise.ssim, 1)]
)
def test_identity(metric, perfect, weighted):
    """Equal images have the perfect score."""
    first, _, weights = random_pair(3)
    scores = metric(first, first, weights if weighted else None)
    np.testing.assert_allclose(scores, perfect, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_symmetric_and_one_image_at_a_time(metric):
    """The order of the two images does not matter, nor do other images of the batch."""
    first, second, weights = random_pair(4)
    batch = metric(first, second, weights)
    assert batch.shape == (3,)
    assert batch.dtype == np.float64
    np.testing.assert_allclose(metric(second, first, weights), batch)
    alone = [metric(*arrays) for arrays in zip(first, second, weights, strict=True)]
    np.testing.assert_allclose(alone, batch)
    np.testing.assert_allclose(metric(first, second, weights[0])[0], batch[0])


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_hole_is_nan_and_a_full_one_the_whole_image(metric):
    """Weights of 0 give NaN, and weights of 1 the score without weights."""
    first, second, weights = random_pair(5)
    weights[0], weights[1] = 0, 1
    scores = metric(first, second, weights)
    np.testing.assert_array_equal(np.isnan(scores), [True, False, False])
    # The SSIM without weights leaves out the border.
    if metric is not pairwise.ssim:
        assert scores[1] == pytest.approx(metric(first, second)[1])


@pytest.mark.parametrize("metric", [pairwise.l1, pairwise.psnr])
def test_pixels_without_weight_are_not_read(metric):
    """NaN in a pixel of weight 0 does not matter."""
    first, second, weights = random_pair(6)
    scrambled = np.where(weights > 0, second, np.float32(np.nan))
    np.testing.assert_array_equal(metric(first, scrambled, weights), metric(first, second, weights))


def test_more_noise_is_worse():
    """Three times the noise gives a worse score by every metric."""
    first, second, _ = random_pair(7)
    noisier = first + 3 * (second - first)
    assert (pairwise.l1(first, noisier) > pairwise.l1(first, second)).all()
    assert (pairwise.psnr(first, noisier) < pairwise.psnr(first, second)).all()
    assert (pairwise.ssim(first, noisier) < pairwise.ssim(first, second)).all()


def test_ssim_needs_room_for_its_window():
    """Images below 11 x 11 pixels are refused."""
    small = np.zeros((1, 11, 10, 3))
    with pytest.raises(ValueError, match=r"at least 11 x 11 pixels.*received 11 x 10;"):
        pairwise.ssim(small, small)
    assert pairwise.ssim(np.zeros((11, 11, 1)), np.zeros((11, 11, 1))) == 1.0


def test_seam_is_the_mean_step_between_known_and_hidden():
    """Three pairs of a known and a hidden pixel, computed by hand."""
    image = np.array([[0.0, 0.5, 0.5], [0.0, 1.0, 0.25]])[..., None]
    known = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])[..., None]
    # The pairs are (0, 0)-(0, 1), (0, 1)-(1, 1) and (1, 1)-(1, 2).
    expected = (0.5 + 0.5 + 0.75) / 3
    assert pairwise.seam(image, known) == pytest.approx(expected)
    colored = np.concatenate([image, np.zeros_like(image)], axis=-1)
    pair = np.stack([colored, 2 * colored])
    np.testing.assert_allclose(
        pairwise.seam(pair, np.stack([known, known])), [expected / 2, expected]
    )


def test_seam_ignores_steps_inside_the_hole_and_outside():
    """Only pairs of a known and a hidden pixel count."""
    random = np.random.default_rng(3)
    known = np.ones((8, 8, 1))
    known[2:6, 2:6] = 0
    image = np.zeros((8, 8, 3))
    image[3:5, 3:5] = random.uniform(-1, 1, (2, 2, 3))  # away from the border
    image[0], image[:, 7] = 1, -1
    assert pairwise.seam(image, known) == 0
    assert np.isnan(pairwise.seam(image, np.ones_like(known)))
