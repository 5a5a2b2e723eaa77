"""From a generated picture to a completion: known pixels of the image, the rest from G(z).

Both functions return known pixels bit-exact, never read a hidden pixel of `images`, and treat each image by
itself. They are pure TensorFlow with a free batch dimension, so they can be exported.
"""

import tensorflow as tf


def paste(images: tf.Tensor, known: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The lecture's completion, `known * images + (1 - known) * G(z)`.

    Chosen pixel by pixel instead of multiplied, since 0 * NaN is NaN: nothing in a hidden pixel of `images`
    or in a known pixel of `generated` can reach the result.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
        generated: `[B, H, W, C]` in [-1, 1], G(z).

    Returns:
        `[B, H, W, C]` float32, the completions.
    """
    return tf.where(known > 0, tf.cast(images, tf.float32), tf.cast(generated, tf.float32))


@tf.function(reduce_retracing=True)
def poisson(
    images: tf.Tensor,
    known: tf.Tensor,
    generated: tf.Tensor,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
) -> tf.Tensor:
    """The completion that has the generated picture's gradients and meets the known pixels without a seam.

        min over the hole of || grad x - grad G(z) ||^2    with x = images on the known pixels

    summed over all pairs of neighbouring pixels of which at least one is hidden. With the correction
    e = x - G(z) this is the linear system `A e = b`: over a hidden pixel's neighbours j inside the picture,

        sum_j (e_i - e_j) = 0     with e_j = images_j - G(z)_j where j is known

    A is symmetric and, as every hole touches a known pixel, positive definite; the system is solved by
    conjugate gradients, and A never stored. An image without a known pixel has b = 0 and comes back as G(z).
    An image that has converged is frozen, so its result does not depend on how long the others of its batch
    take.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
        generated: `[B, H, W, C]` in [-1, 1], G(z). An image for which it is not finite may lose its hole, but
            no known pixel.
        tolerance: an image is done when no entry of `b - A e` exceeds this.
        max_iterations: the most steps for any image.

    Returns:
        `[B, H, W, C]` float32, the completions. Hidden pixels are clipped to [-1, 1]: meeting the border can
        push them beyond what a file can hold.

    Source: Perez, Gangnet & Blake 2003, "Poisson Image Editing".
    """
    given = known > 0
    images, generated = tf.cast(images, tf.float32), tf.cast(generated, tf.float32)
    hole = tf.where(given, 0.0, tf.ones_like(images))
    degree = hole * _neighbours(tf.ones_like(images))

    # An image that is done takes steps of length 0, not the 0 / 0 of its formula.
    def step(correction, residual, direction, squared, active):
        product = degree * direction - hole * _neighbours(direction)
        rate = tf.where(active, squared / _dot(direction, product), 0.0)
        correction += rate * direction
        residual -= rate * product
        squared_before, squared = squared, _dot(residual, residual)
        direction = residual + tf.where(active, squared / squared_before, 0.0) * direction
        return correction, residual, direction, squared, _largest(residual) > tolerance

    right = hole * _neighbours(tf.where(given, images - generated, 0.0))
    correction, *_ = tf.while_loop(
        lambda *state: tf.reduce_any(state[-1]),
        step,
        (tf.zeros_like(right), right, right, _dot(right, right), _largest(right) > tolerance),
        maximum_iterations=max_iterations,
    )
    return paste(images, known, tf.clip_by_value(generated + correction, -1.0, 1.0))


def _neighbours(field: tf.Tensor) -> tf.Tensor:
    """The sum over each pixel's four neighbours; beyond the border there are none."""
    padded = tf.pad(field, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]


def _dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(first * second, axis=[1, 2, 3], keepdims=True)


def _largest(field: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(field), axis=[1, 2, 3], keepdims=True)
