"""The mean of an image given its known pixels under a Gaussian, in TensorFlow."""

import numpy as np
import tensorflow as tf

MIN_PRECISION = 1e-5
"""Minimum precision of a factor, in units of a fully known factor's precision.

It is above the rounding errors of float32, so that every system is positive definite.
"""
NOISE_SCALES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Factors of the most likely noise that `best_noise_scale` compares."""


class ConditionalMean:
    """Returns the mean of the factors' part of an image, given its known pixels.

    With x = mean + V u + e, where V has orthonormal columns, u_k ~ N(0, scales_k^2) and
    e ~ N(0, noise I), the mean of u given the known pixels K is

        (V_K^T V_K + noise / scales^2)^-1 V_K^T (x_K - mean_K)

    Args:
        mean: `[D]`, D = H W C.
        factors: `[D, R]`, orthogonal columns: V times the scales.
        noise: variance, above 0.
    """

    def __init__(self, mean: np.ndarray, factors: np.ndarray, noise: float):
        scales = np.linalg.norm(factors.astype(np.float64), axis=0)
        factors, scales = factors[:, scales > 0], scales[scales > 0]
        basis = (factors / scales).astype(np.float32)
        self.mean = tf.constant(mean, tf.float32)
        self.basis = tf.constant(basis)
        self.whole_gram = tf.constant(basis.T @ basis)
        self.variances = tf.constant(scales**2, tf.float32)
        self.noise = float(noise)

    def __call__(self, images: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """Returns mean + V E[u | known pixels], for known and for hidden pixels.

        Args:
            images: `[B, H, W, C]` float32 in [-1, 1]. Hidden pixels may have any value.
            known: `[B, H, W, 1]`, 1 = given, 0 = hole.

        Returns:
            `[B, H, W, C]` float32. An image without a known pixel becomes the mean.
        """
        shape = tf.shape(images)
        is_known = tf.reshape(tf.broadcast_to(known > 0, shape), [shape[0], self.mean.shape[0]])
        values = tf.reshape(images, tf.shape(is_known))
        equations = self.normal_equations(values, is_known)
        return tf.reshape(self.values(*equations, self.noise), shape)

    def normal_equations(self, values: tf.Tensor, is_known: tf.Tensor) -> tuple:
        """V_K^T V_K, `[B, R, R]`, and V_K^T (x_K - mean_K), `[B, R]`.

        Args:
            values: `[B, D]`.
            is_known: bool `[B, D]`.
        """
        grams = tf.map_fn(self.gram, is_known, fn_output_signature=tf.float32)
        return grams, tf.where(is_known, values - self.mean, 0.0) @ self.basis

    def values(self, grams: tf.Tensor, projections: tf.Tensor, noise: float) -> tf.Tensor:
        """The mean of all values, `[B, D]`, from the normal equations and the variance of e."""
        precisions = tf.maximum(noise / self.variances, MIN_PRECISION)
        cholesky = tf.linalg.cholesky(grams + tf.linalg.diag(precisions))
        factors = tf.linalg.cholesky_solve(cholesky, projections[..., None])[..., 0]
        return self.mean + tf.matmul(factors, self.basis, transpose_b=True)

    def gram(self, is_known: tf.Tensor) -> tf.Tensor:
        """V_K^T V_K, `[R, R]`, from the known or from the hidden pixels, whichever are fewer."""
        mostly_known = 2 * tf.math.count_nonzero(is_known) > is_known.shape[0]
        rows = tf.gather(self.basis, tf.where(is_known != mostly_known)[:, 0])
        product = tf.matmul(rows, rows, transpose_a=True)
        return tf.where(mostly_known, self.whole_gram - product, product)


def best_noise_scale(
    mean: np.ndarray, factors: np.ndarray, noise: float, images: np.ndarray, known: np.ndarray
) -> float:
    """Returns the factor of the noise with which the conditional mean has the least squared error.

    In the model the part of an image that the factors do not explain is white noise. In images,
    neighboring pixels of this part are similar, so that known pixels say less about the factors
    than their number suggests.

    Args:
        mean, factors, noise: the Gaussian, see `ConditionalMean`.
        images: `[N, H, W, C]` in [-1, 1], not those to which the Gaussian was fitted.
        known: `[N, H, W, 1]`.
    """
    values = images.reshape(len(images), -1)
    is_known = np.broadcast_to(known > 0, images.shape).reshape(values.shape)
    conditional_mean = ConditionalMean(mean, factors, noise)
    equations = conditional_mean.normal_equations(values, is_known)
    errors = []
    for scale in NOISE_SCALES:
        means = conditional_mean.values(*equations, scale * noise)
        errors.append(np.square(means - values)[~is_known].sum())
    return NOISE_SCALES[int(np.argmin(errors))]
