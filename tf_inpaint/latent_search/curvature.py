"""In which directions of z a generator's picture changes, and how much: the scales of the search."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

POWER = 0.2
"""Between 0, steps alike in all directions, and 1/2, steps that change the picture alike; found by trial."""


def curvature(
    generator: Callable[[tf.Tensor], tf.Tensor], latent_size: int, rounds: int = 8, rows: int = 64
) -> np.ndarray:
    """The mean of `J^T J` over the prior, `[Z, Z]`, with `J = dG/dz`: the Gauss-Newton matrix of a squared distance.

    Not J itself is needed: for signs s drawn at random, `J^T s` has `J^T J` as its mean square (Hutchinson 1990).

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]`.
        latent_size: Z.
        rounds, rows: batches, and z in each; always the same z and signs.
    """

    @tf.function(autograph=False)
    def products(seed):
        z = tf.random.stateless_uniform([rows, latent_size], seed, minval=-1.0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            images = generator(z)
            signs = tf.sign(tf.random.stateless_uniform(tf.shape(images), seed, minval=-1.0))
            total = tf.reduce_sum(signs * images)
        return tape.gradient(total, z)

    found = np.concatenate([products(tf.constant([0, number])) for number in range(rounds)]).astype(
        np.float64
    )
    return found.T @ found / len(found)


def directions(matrix: np.ndarray, power: float = POWER) -> np.ndarray:
    """The eigenvectors of a curvature, `[Z, Z]`, one a column, each as long as a step along it should be.

    Its length is `eigenvalue^-power`, of geometric mean 1 over the columns: flat directions get longer steps.

    Args:
        matrix: `[Z, Z]`, symmetric, not negative.
        power: 0 gives the eigenvectors alone.
    """
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(
        values, 1e-6 * max(values.max(), 1e-30)
    )  # a direction that changes nothing gets no endless step
    logarithms = -power * np.log(values)
    return (vectors * np.exp(logarithms - logarithms.mean())).astype(np.float32)


def metric(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a curvature, damped by a fifth of its mean over all directions, `[Z, Z]`.

    It makes a Gauss-Newton step of a gradient where the picture changes much, and cannot run off where it hardly does.

    Args:
        matrix: `[Z, Z]`, symmetric, not negative.

    Source: Levenberg 1944; the damping found by trial.
    """
    damping = max(0.2 * np.trace(matrix) / len(matrix), 1e-30)
    return np.linalg.inv(matrix + damping * np.eye(len(matrix))).astype(np.float32)
