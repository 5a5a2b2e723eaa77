"""Tests of starting_points: random z, the best of several z, and z around one z."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_inpaint.latent_search import samplers, starting_points

IMAGES, SIZE = 6, 3
TARGET = np.array([0.5, -0.25, 0.75], np.float32)
SEEDS = np.stack([np.arange(IMAGES), np.full(IMAGES, 7)], axis=1)
HALF_KNOWN = tf.fill([IMAGES], 0.5)


def distance(point):
    """The L1 distance from `TARGET`."""
    return tf.reduce_sum(tf.abs(point - TARGET), axis=1)


def random_points(*shape, seed=0):
    """Returns random points in [-1, 1]^3."""
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, SIZE)).astype(np.float32)


# --- random_candidates


def test_random_candidates_depend_on_the_seed_of_their_row_only():
    seeds = [[0, 5], [1, 2**32 - 1], [0, 6], [1, 5]]
    together = starting_points.random_candidates(tf.constant(seeds, tf.int64), 4, 3).numpy()
    for row, seed in zip(together, seeds, strict=True):
        seed = tf.constant([seed], tf.int64)
        np.testing.assert_array_equal(starting_points.random_candidates(seed, 4, 3)[0], row)
        # A larger count starts with the same z, so more restarts only add candidates.
        np.testing.assert_array_equal(starting_points.random_candidates(seed, 9, 3)[0, :4], row)
    assert len(np.unique(together)) == together.size


def test_random_candidates_are_uniform():
    seeds = tf.constant([[3, 1], [3, 2]], tf.int64)
    values = starting_points.random_candidates(seeds, 500, 4).numpy()
    assert values.min() >= -1 and values.max() < 1
    assert stats.kstest(values.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    # Rows and entries are uncorrelated.
    assert np.abs(np.corrcoef(values.transpose(0, 2, 1).reshape(8, 500)) - np.eye(8)).max() < 0.2


# --- lowest_candidates


def test_lowest_candidates_come_in_order_of_energy():
    candidates = random_points(5, 7)
    lowest = starting_points.lowest_candidates(distance, tf.constant(candidates), 3).numpy()
    for row, points in zip(lowest, candidates, strict=True):
        order = np.abs(points - TARGET).sum(axis=1).argsort()[:3]
        np.testing.assert_array_equal(row, points[order])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_candidate_without_a_finite_energy_is_never_among_the_lowest(bad):
    def energy(point):
        return tf.where(point[:, 0] > 0, bad, distance(point))

    candidates = random_points(6, 8, seed=1)
    # Each row has at least two candidates with a finite energy.
    candidates[:, 2:4, 0] = -np.abs(candidates[:, 2:4, 0])
    assert (candidates[..., 0] > 0).any(axis=1).all()
    lowest = starting_points.lowest_candidates(energy, tf.constant(candidates), 2).numpy()
    assert (lowest[..., 0] <= 0).all()


@pytest.mark.parametrize("together", [1, 3, 7, 9])
def test_lowest_candidates_do_not_depend_on_how_many_are_evaluated_together(together):
    candidates, targets = random_points(5, 7), random_points(5, seed=2)

    def energy(point):
        rows = tf.repeat(targets, together, axis=0)
        assert point.shape == rows.shape
        return tf.reduce_sum(tf.abs(point - rows), axis=1)

    lowest = starting_points.lowest_candidates(energy, tf.constant(candidates), 2, together)
    for row, points, target in zip(lowest.numpy(), candidates, targets, strict=True):
        order = np.abs(points - target).sum(axis=1).argsort()[:2]
        np.testing.assert_array_equal(row, points[order])


# --- points_around and chain_starts


def test_points_around_z_are_farther_away_the_less_is_known():
    z = np.random.default_rng(3).uniform(-1, 1, (4000, SIZE)).astype(np.float32)
    seeds = np.stack([np.zeros(len(z), np.int64), np.arange(len(z))], axis=1)

    def points_around(z, share):
        shares = tf.fill([len(z)], share)
        return starting_points.points_around(
            tf.constant(z), shares, seeds, 3, 0.1, 0.6, unknown_variance=0.02
        ).numpy()

    for share in (1.0, 0.5, 0.0):
        u = samplers.to_normal(points_around(z, share)).numpy()
        # The points are distributed as the prior, as z is.
        np.testing.assert_allclose(u.mean((0, 2)), 0, atol=0.03)
        np.testing.assert_allclose(u.std((0, 2)), 1, atol=0.03)
        if share:
            center = samplers.to_normal(z).numpy().ravel()
            correlations = [np.corrcoef(center, u[:, k].ravel())[0, 1] for k in range(3)]
            variances = np.array([0.1, 0.35, 0.6]) ** 2 + 0.02 * (1 - share) / share
            np.testing.assert_allclose(correlations, 1 / np.sqrt(1 + variances), atol=0.02)
    np.testing.assert_array_equal(points_around(z, 0.0), points_around(-z, 0.0))
    assert np.abs(points_around(z, 1.0) - points_around(-z, 1.0)).max() > 1


def test_one_chain_in_eight_starts_at_the_lowest_random_z():
    z = random_points(IMAGES, seed=2)

    def chain_starts(z, count, draws=20):
        return starting_points.chain_starts(
            z, distance, SEEDS, HALF_KNOWN, count, draws, SIZE
        ).numpy()

    candidates = starting_points.random_candidates(SEEDS, 20, SIZE).numpy()
    energies = [distance(tf.constant(candidates[:, k])) for k in range(20)]
    ranking = np.argsort(energies, axis=0)
    starts = chain_starts(z, 16)
    around_z = starting_points.points_around(z, HALF_KNOWN, SEEDS, 14)
    np.testing.assert_array_equal(starts[:, :14], around_z)
    for rank in range(2):
        lowest = candidates[np.arange(IMAGES), ranking[rank]]
        np.testing.assert_array_equal(starts[:, 14 + rank], lowest)
    np.testing.assert_array_equal(chain_starts(None, 2), starts[:, 14:])


def test_without_draws_all_chains_start_around_z():
    z = random_points(IMAGES, seed=2)
    starts = starting_points.chain_starts(z, distance, SEEDS, HALF_KNOWN, 16, 0, SIZE)
    around_z = starting_points.points_around(z, HALF_KNOWN, SEEDS, 16)
    np.testing.assert_array_equal(starts, around_z)


def test_without_z_each_chain_has_its_own_draw():
    starts = starting_points.chain_starts(None, distance, SEEDS, HALF_KNOWN, 3, 1, SIZE)
    assert starts.shape == (IMAGES, 3, SIZE)
