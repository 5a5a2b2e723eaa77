"""Several answers for one image: estimates, uncertainty and independence."""

import functools

import numpy as np
import pytest
from small_inpainters import (
    SIZE,
    assert_same,
    digits,
    frozen_networks,
    new_inpainter,
    rows,
)

from tf_inpaint.latent_search import loop


@functools.cache
def several(estimate="mean", encoded=False, **settings):
    return new_inpainter.__wrapped__(encoded, samples=3, estimate=estimate, **settings)


@pytest.mark.parametrize("encoded", [False, True])
def test_estimates_are_made_of_the_same_answers(encoded):
    images, known, seeds = digits(5)
    best, sample, mean = (
        several(name, encoded).complete(images, known, seeds) for name in ("best", "sample", "mean")
    )
    for other in (best, sample):
        np.testing.assert_array_equal(other.samples, mean.samples)
    assert mean.samples.shape == (5, 3, SIZE, SIZE, 1)
    np.testing.assert_array_equal(sample.images, sample.samples[:, 0])
    np.testing.assert_array_equal(sample.generated, frozen_networks().generator(sample.z))
    np.testing.assert_array_equal(mean.images, np.where(known > 0, images, mean.generated))
    assert np.ptp(sample.samples, axis=1).max() > 1e-3, "the answers differ"
    plain = new_inpainter(encoded, blend="paste").complete(images, known, seeds)
    np.testing.assert_array_equal(best.images, plain.images)
    assert np.isnan(plain.uncertainty).all() and plain.samples.shape[1] == 0
    expected = np.sum(known * np.abs(mean.generated - images), axis=(1, 2, 3))
    np.testing.assert_allclose(mean.contextual, expected, rtol=1e-4)


def test_uncertainty_is_how_far_the_answers_differ_in_the_hole():
    images, known, seeds = digits(5)
    found = several().complete(images, known, seeds)
    assert (found.uncertainty[known > 0] == 0).all() and (found.uncertainty >= 0).all()
    # Of more pictures than the samples, but of the same chains.
    spread = found.samples.std(axis=1)
    assert np.corrcoef(spread[known == 0], found.uncertainty[known == 0])[0, 1] > 0.6


@pytest.mark.parametrize("encoded", [False, True])
def test_several_answers_do_not_depend_on_the_neighbours(encoded):
    images, known, seeds = digits(6)
    together = several(encoded=encoded).complete(images, known, seeds)
    turned = several(encoded=encoded).complete(*(part[::-1] for part in (images, known, seeds)))
    assert_same(together, [part[::-1] for part in turned])
    alone = several(encoded=encoded).complete(*(part[4:5] for part in (images, known, seeds)))
    assert_same(rows(together, slice(4, 5)), alone)


def test_chains_move_whatever_is_known():
    images, known, seeds = digits(4)
    for factor, given in ((4, np.zeros_like(known)), (None, known)):
        found = several(low_resolution_factor=factor).complete(images, given, seeds)
        assert found.acceptance.shape == (4, 3)
        assert 0.2 < found.acceptance.mean() <= 1
        assert (found.reason == loop.Reason.DRAWN).all()


def test_several_answers_read_no_hidden_pixel():
    images, known, seeds = digits(4)
    scrambled = np.where(known > 0, images, np.nan)
    assert_same(
        several().complete(images, known, seeds), several().complete(scrambled, known, seeds)
    )
