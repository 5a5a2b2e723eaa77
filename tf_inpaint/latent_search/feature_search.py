"""The search for a correction of a feature map of G, after the search for z.

G has fewer degrees of freedom than an image. A feature map of G has more of them:

    G(z) = picture(features(z)),    corrected picture = picture(features(z) + scale * d)

    energy(d) = contextual term of the corrected picture + PRICE / 2 * ||d||^2

d starts at 0, and z stays. `scale` is the standard deviation of each entry of the feature map over
random z. So the second term is minus the log-likelihood of d under a Gaussian prior.

Source: Daras et al. 2021, "Intermediate layer optimization for inverse problems using deep
generative models", https://arxiv.org/abs/2102.07364, which keeps d in an l1 ball instead.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import loop

PRICE = 0.5
"""Price of a correction by one standard deviation: twice the contextual term that it must save."""
LEARNING_RATE = 0.05
"""Step size of Adam, in standard deviations."""


def corrected_pictures(
    features: tf.Tensor,
    picture: Callable[[tf.Tensor], tf.Tensor],
    scale: np.ndarray,
    contextual: Callable[[tf.Tensor], tf.Tensor],
    solver: loop.Solver,
    steps: int,
) -> tf.Tensor:
    """Returns the pictures of the lowest energy that the solver finds, `[B, H, W, C]`.

    Args:
        features: feature maps of z, `[B, h, w, c]`, all sizes known when the graph is built.
        picture: feature maps to images in [-1, 1].
        scale: `[h, w, c]`, unit of the corrections.
        contextual: pictures to their contextual terms `[B]`, row by row.
        solver: moves the corrections, such as Adam with `LEARNING_RATE`.
        steps: at least 1. The first step evaluates the pictures without a correction.
    """

    def pictures(correction):
        return picture(features + scale * tf.reshape(correction, features.shape))

    def energy(correction):
        price = 0.5 * PRICE * tf.reduce_sum(tf.square(correction), axis=1)
        return contextual(pictures(correction)) + price

    start = tf.zeros([features.shape[0], math.prod(scale.shape)])
    state = loop.initial_state(solver, start)
    return pictures(loop.search_loop(energy, solver, state, tf.constant(steps)).best_point)
