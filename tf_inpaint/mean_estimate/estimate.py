"""The estimate of hidden pixels with the least expected squared error, and this error."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.mean_estimate.hole_distance import hat_functions


class Coefficients(NamedTuple):
    """What `fitting.fit` learns: functions of the distance from the known pixels."""

    weights: np.ndarray
    """`[K]`, the weight of the completion, in [0, 1]. The Gaussian has the rest."""
    variances: np.ndarray
    """`[3, K]`, at least 0, the factors of the terms of `error_terms`."""


class MeanEstimate:
    """Combines a completion with a linear prediction, such as the mean under a Gaussian.

        mean = b + w(d) (completion - b)

    The errors of both predictions differ: the linear prediction b is a blur, and the completion is
    sharp but may show something else than the image. The weight w(d), a function of the distance d
    from the known pixels, minimizes the expected squared error. So the estimate is the linear
    minimum-mean-square-error estimate from two predictions, with one weight for all pixels at the
    same distance.

    Args:
        predict: b, a function of images and known. Known pixels are unchanged.
        coefficients: the weights, and the factors of the expected error.
    """

    def __init__(
        self,
        predict: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        coefficients: Coefficients,
    ):
        self.predict = predict
        self.coefficients = coefficients

    def __call__(
        self, images: tf.Tensor, known: tf.Tensor, completions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the means and the standard deviations of their errors.

        Args:
            images: `[B, H, W, C]` float32 in [-1, 1]. Hidden pixels may have any value.
            known: `[B, H, W, 1]`, 1 = given, 0 = hole.
            completions: `[B, H, W, C]` float32 in [-1, 1].

        Returns:
            `[B, H, W, C]` in [-1, 1], the known pixels unchanged, and `[B, H, W, 1]`, 0 where the
            pixel is known.
        """
        hats = hat_functions(known)
        linear = self.predict(images, known)
        mean = weighted_mean(linear, completions, hats, self.coefficients.weights)
        variances = tf.tensordot(
            error_terms(linear, completions, hats),
            tf.constant(self.coefficients.variances.ravel(), tf.float32),
            1,
        )
        deviations = tf.where(known > 0, 0.0, tf.sqrt(variances)[..., None])
        return tf.where(known > 0, images, mean), deviations


def weighted_mean(
    linear: tf.Tensor, completions: tf.Tensor, hats: tf.Tensor, weights: np.ndarray
) -> tf.Tensor:
    """The weighted mean of two predictions, in [-1, 1]; see `MeanEstimate`."""
    share = tf.tensordot(hats, tf.constant(weights, tf.float32), 1)[..., None]
    return tf.clip_by_value(linear + share * (completions - linear), -1.0, 1.0)


def error_terms(linear: tf.Tensor, completions: tf.Tensor, hats: tf.Tensor) -> tf.Tensor:
    """The terms whose weighted sum is the expected squared error of a pixel.

    Beside a constant, these are the squared difference of the two predictions, and the variance of
    a value in [-1, 1] whose mean is `linear` and which is always -1 or 1. Each term is multiplied
    by every hat function.

    Returns:
        `[B, H, W, 3 K]`, means over the channels.
    """
    differences = tf.reduce_mean(tf.square(completions - linear), axis=3, keepdims=True)
    binary = 1.0 - tf.square(tf.clip_by_value(linear, -1.0, 1.0))
    terms = tf.ones_like(differences), differences, tf.reduce_mean(binary, axis=3, keepdims=True)
    return tf.concat([term * hats for term in terms], axis=3)
