"""Tests of the scores that are computed band by band."""

import numpy as np
import pytest

from tf_inpaint.files import images
from tf_inpaint.metrics import bands, pairwise


def noise(height, width, channels=1, seed=0):
    """Random levels, uint8 `[H, W, C]`."""
    size = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(40, 30), (11, 11), (37, 200), (100, 12)])
@pytest.mark.parametrize("rows", [1, 12, 1000])
def test_scores_by_bands_are_those_of_the_whole_image(monkeypatch, shape, rows):
    """Bands of any height give the PSNR and the SSIM of the undivided image."""
    monkeypatch.setattr(bands, "BAND_PIXELS", rows * shape[1])
    original, completion = noise(*shape, 3), images.to_float(noise(*shape, 3, 1))
    known = np.ones((*shape, 1), np.float32)
    known[shape[0] // 2 :, : shape[1] // 2] = 0
    completion = np.where(known > 0, images.to_float(original), completion)
    completion[0, 0] += 0.5
    pair, hole = (completion, images.to_float(original)), 1 - known
    expected = {
        "hole_psnr": pairwise.psnr(*pair, hole),
        "psnr": pairwise.psnr(*pair),
        "hole_ssim": pairwise.ssim(*pair, hole),
        "ssim": pairwise.ssim(*pair),
    }
    scores = bands.pair_scores(completion, original, known, images.to_float)
    assert scores == pytest.approx(expected, rel=1e-9)


def test_an_image_smaller_than_the_window_has_no_ssim():
    """An image with fewer than 11 rows gets a PSNR, and None instead of an SSIM."""
    known = np.ones((9, 30, 1), np.float32)
    known[3:] = 0
    completion = np.zeros((9, 30, 1), np.float32)
    scores = bands.pair_scores(completion, noise(9, 30), known, images.to_float)
    assert scores["hole_ssim"] is None and scores["ssim"] is None
    assert scores["hole_psnr"] > 0 and scores["psnr"] > 0
