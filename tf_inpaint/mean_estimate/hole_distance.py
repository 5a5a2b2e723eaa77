"""The distance of a pixel from the nearest known pixel, in TensorFlow."""

import numpy as np
import tensorflow as tf

KNOTS = (0, 1, 2, 3, 4)
"""Binary logarithms of the distances, in pixels, between which weights are interpolated."""
MAX_DISTANCE = 2 ** KNOTS[-1]
"""Distance, in pixels, beyond which all pixels count as equally far."""


def distances(known: tf.Tensor) -> tf.Tensor:
    """Euclidean distance to the nearest known pixel, in pixels, at most `MAX_DISTANCE`.

    The squared distance is the sum of a squared distance along each axis, so that two erosions by
    parabolas compute it.

    Args:
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.

    Returns:
        float32 `[B, H, W, 1]`, 0 where the pixel is known.

    Source: Felzenszwalb & Huttenlocher 2012, "Distance Transforms of Sampled Functions".
    """
    squares = np.arange(-MAX_DISTANCE, MAX_DISTANCE + 1, dtype=np.float32) ** 2
    field = tf.where(known > 0, 0.0, float(MAX_DISTANCE**2))
    for kernel in (squares[:, None, None], squares[None, :, None]):
        field = tf.nn.erosion2d(field, -kernel, [1] * 4, "SAME", "NHWC", [1] * 4)
    return tf.sqrt(tf.minimum(field, float(MAX_DISTANCE**2)))


def hat_functions(known: tf.Tensor) -> tf.Tensor:
    """The values of the hat functions of the distance: one at its knot, zero at the other knots.

    A sum of hat functions interpolates linearly in the logarithm of the distance.

    Args:
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.

    Returns:
        float32 `[B, H, W, len(KNOTS)]`. They sum to 1.
    """
    logarithms = tf.math.log(tf.maximum(distances(known), 1.0)) / np.log(2.0)
    return tf.maximum(0.0, 1.0 - tf.abs(logarithms - tf.constant(KNOTS, tf.float32)))
