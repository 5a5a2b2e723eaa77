"""The random numbers of a training, each a function of a seed: a pair of integers.

The first integer is the seed of the run. The second one is the training step, or a negative key.
"""

from collections.abc import Callable

import tensorflow as tf

INTERPOLATION, AUGMENTATION = 1, 2
"""Keys of the random numbers of a step other than z. A key is folded into the seed of the step."""
GRID_KEY, MEASUREMENT_KEY = -0x6F1D, -0x6F1E
"""Second integers of the seeds of two sets of fixed z: for the sample grid, and for measurements.

These integers are negative, because the training steps count from 0.
"""


def draw_uniform(rows: int, count: int, seed) -> tf.Tensor:
    """`[rows, count]` float32, uniform in [0, 1): equal seeds give equal numbers.

    The numbers are those of `tf.random.stateless_uniform` without XLA. XLA gives the same random
    bits as TensorFlow, but other numbers, because it makes them of other bits.
    """
    bits = tf.random.stateless_uniform(
        [rows, count], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    # The 23 low bits are the fraction of a float32 in [1, 2).
    fraction = tf.bitwise.bitwise_and(bits, tf.constant(2**23 - 1, tf.uint32))
    return tf.bitcast(tf.bitwise.bitwise_or(fraction, 127 << 23), tf.float32) - 1.0


def draw_latents(count: int, latent_size: int, seed) -> tf.Tensor:
    """`[count, latent_size]` float32, uniform in [-1, 1]: equal seeds give equal numbers.

    Args:
        count: number of z.
        latent_size: Z, the number of entries of z.
        seed: a pair of integers.
    """
    return 2.0 * draw_uniform(count, latent_size, seed) - 1.0


def fixed_latents(count: int, latent_size: int, seed: int) -> tf.Tensor:
    """The z `[count, Z]` of every sample grid of a run."""
    return draw_latents(count, latent_size, (seed, GRID_KEY))


def step_latents(seed, draws: int, rows, latent_size: int) -> tf.Tensor:
    """The z of this replica in one step: `[draws, rows, Z]` float32, uniform in [-1, 1].

    Args:
        seed: the seed of the step, a pair of integers.
        draws: number of batches.
        rows: rows of a batch on this replica.
        latent_size: Z, the number of entries of z.
    """
    return _replica_rows(draw_latents, draws, rows, latent_size, seed)


def step_uniform(seed, key: int, draws: int, rows, count: int) -> tf.Tensor:
    """Other random numbers of this replica in one step: `[draws, rows, count]` float32.

    The numbers are uniform in [0, 1).

    Args:
        seed: the seed of the step, a pair of integers.
        key: the purpose of the numbers, such as `AUGMENTATION`.
        draws: number of batches.
        rows: rows of a batch on this replica.
        count: random numbers per row.
    """
    seed = tf.random.experimental.stateless_fold_in(seed, key, alg="philox")
    return _replica_rows(draw_uniform, draws, rows, count, seed)


def _replica_rows(draw: Callable, draws: int, rows, count: int, seed) -> tf.Tensor:
    """`[draws, rows, count]`: the rows of this replica, out of numbers drawn for the global batch.

    Two replicas with 32 rows each therefore see the same numbers as one replica with 64 rows.
    """
    replica = tf.distribute.get_replica_context()
    index, replicas = replica.replica_id_in_sync_group, replica.num_replicas_in_sync
    numbers = draw(draws * replicas * rows, count, seed)
    return tf.reshape(numbers, [draws, replicas, rows, count])[:, index]
