"""The curvature of a generator, and the search directions and the metric made from the curvature.

The curvature says how strongly the picture changes along each direction of z.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

DEFAULT_POWER = 0.2
"""Default exponent of `directions`. With 0 a step is equally long in all directions; with 1/2 a
step changes the picture equally in all directions. The value was found by trial."""


def curvature(
    generator: Callable[[tf.Tensor], tf.Tensor], latent_size: int, rounds: int = 8, rows: int = 64
) -> np.ndarray:
    """Estimates the mean of `J^T J` over the prior, `[Z, Z]` float64, with `J = dG/dz`.

    `J^T J` is the Gauss-Newton matrix of a squared distance between pictures. J itself is not
    computed. Instead, `J^T s` is computed for random signs s; the mean of its outer product with
    itself is `J^T J` (Hutchinson 1990). Every call uses the same z and the same signs.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]`.
        latent_size: Z.
        rounds: number of batches.
        rows: number of z in each batch.
    """

    # Not compiled with XLA, which makes other numbers of the same random bits.
    @tf.function(autograph=False)
    def products(seed):
        z = tf.random.stateless_uniform([rows, latent_size], seed, minval=-1.0, alg="philox")
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            images = generator(z)
            numbers = tf.random.stateless_uniform(tf.shape(images), seed, minval=-1.0, alg="philox")
            total = tf.reduce_sum(tf.sign(numbers) * images)
        return tape.gradient(total, z)

    batches = [products(tf.constant([0, number])) for number in range(rounds)]
    vectors = np.concatenate(batches).astype(np.float64)
    return vectors.T @ vectors / len(vectors)


def directions(matrix: np.ndarray, power: float = DEFAULT_POWER) -> np.ndarray:
    """Returns the directions of a search and the length of a step along each, `[Z, Z]` float32.

    The columns are the eigenvectors of the curvature. The length of a column is
    `eigenvalue^-power`, divided by the geometric mean of the lengths of all columns. So a step is
    longer in a direction that changes the picture less.

    Args:
        matrix: `[Z, Z]`, symmetric and positive semidefinite.
        power: at least 0; 0 gives eigenvectors of length 1.
    """
    values, vectors = np.linalg.eigh(matrix)
    # Without a lower limit, a direction that does not change the picture would get an infinite
    # step.
    values = np.maximum(values, 1e-6 * max(values.max(), 1e-30))
    logarithms = -power * np.log(values)
    return (vectors * np.exp(logarithms - logarithms.mean())).astype(np.float32)


def metric(matrix: np.ndarray) -> np.ndarray:
    """Returns the inverse of a damped curvature, `[Z, Z]` float32. The damping is a fifth of the
    mean eigenvalue.

    The metric times a gradient is a Gauss-Newton step in directions that change the picture
    strongly. The damping limits the step in directions that hardly change the picture.

    Args:
        matrix: `[Z, Z]`, symmetric and positive semidefinite.

    Source: Levenberg 1944; the amount of damping was found by trial.
    """
    damping = max(0.2 * np.trace(matrix) / len(matrix), 1e-30)
    return np.linalg.inv(matrix + damping * np.eye(len(matrix))).astype(np.float32)
