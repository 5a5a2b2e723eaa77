"""Tests of `lessons.points`: the steps of the frames, the networks, and the random numbers."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan.model import GAN
from tf_inpaint.lessons import points


@pytest.mark.parametrize(("steps", "frames"), [(1, 2), (4000, 64), (10, 11), (63, 64), (100, 90)])
def test_every_frame_shows_another_step(steps, frames):
    stops = points.frame_steps(steps, frames)
    assert len(stops) == frames and stops[0] == 0 and stops[-1] == steps
    assert all(np.diff(stops) > 0)


def test_the_logit_of_a_point_does_not_depend_on_the_batch():
    critic = points.Discriminator(2, width=8, seed=3)
    batch = np.random.default_rng(0).normal(size=(5, 1, 1, 2)).astype(np.float32)
    np.testing.assert_allclose(critic(batch)[1:2], critic(batch[1:2]), rtol=1e-5, atol=1e-7)


def test_every_step_draws_different_points_for_any_stops():
    def seeds(stops, seed=0):
        step_seeds = []

        def record(pair):
            step_seeds.append(tuple(pair))
            return np.zeros((2, 1), np.float32)

        def sample(count, step_seed):
            return tf.ensure_shape(tf.numpy_function(record, [step_seed], tf.float32), [2, 1])

        gan = GAN(points.Generator(1, width=4), points.Discriminator(1, width=4), seed=seed)
        assert list(points.train(gan, sample, 2, stops, (1e-3, 1e-3), (0.5, 0.999))) == list(stops)
        return step_seeds

    uninterrupted = seeds([0, 6])
    assert len(uninterrupted) == len(set(uninterrupted)) == 6
    assert seeds([1, 3, 6]) == uninterrupted
    assert not set(seeds([6], seed=1)) & set(uninterrupted)
