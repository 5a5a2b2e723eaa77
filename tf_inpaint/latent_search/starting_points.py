"""Starting points of searches and chains: random z, the best of several z, and z around one z."""

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import samplers
from tf_inpaint.latent_search.solvers import EnergyFn, fold_in, normal, uniform

RANDOM_SHARE = 1 / 8
"""Share of the chains that start at random z although there is a z to start around. The value was
found by trial. Without chains from random z, the uncertainty is smaller, by a tenth on MNIST, and
tells less about which images are wrong. With more chains from random z, the mean is worse."""


def random_candidates(seeds: tf.Tensor, count: int, latent_size: int) -> tf.Tensor:
    """Returns random z, uniform in [-1, 1] as the prior: `[B, count, latent_size]`.

    The z of a row depend on its own seed only. A larger `count` starts with the same z.

    Args:
        seeds: int32 or int64 `[B, 2]`.
        count: number of z per row.
        latent_size: Z.
    """
    numbers = uniform(seeds, count * latent_size)
    return tf.reshape(2.0 * numbers - 1.0, [tf.shape(seeds)[0], count, latent_size])


def lowest_candidates(
    energy_fn: EnergyFn, candidates: tf.Tensor, count: int, together: int = 1
) -> tf.Tensor:
    """Returns the `count` candidates of the lowest energy for each row, the lowest first.

    Args:
        energy_fn: points `[B * together, Z]` to energies `[B * together]`, the points of a row one
            after the other.
        candidates: `[B, K, Z]`.
        count: at most K.
        together: number of candidates of a row that `energy_fn` takes at once.

    Returns:
        `[B, count, Z]`.
    """
    # Fill the last group with candidates that are there already.
    number, latent_size = candidates.shape[1:]
    groups = -(-number // together)
    filled = tf.gather(candidates, np.arange(groups * together) % number, axis=1)
    points = tf.transpose(tf.reshape(filled, [-1, groups, together, latent_size]), [1, 0, 2, 3])

    # Evaluate one group after the other.
    energies = tf.map_fn(energy_fn, tf.reshape(points, [groups, -1, latent_size]))
    by_group = tf.transpose(tf.reshape(energies, [groups, -1, together]), [1, 0, 2])
    energies = tf.reshape(by_group, [-1, groups * together])[:, :number]

    # The rank of a NaN is undefined.
    ranked = tf.where(tf.math.is_finite(energies), energies, float("inf"))
    best = tf.math.top_k(-ranked, count).indices
    return tf.gather(candidates, best, batch_dims=1)


def points_around(
    z: tf.Tensor,
    known_share: tf.Tensor,
    seeds: tf.Tensor,
    count: int,
    min_width: float = 0.1,
    max_width: float = 0.6,
    unknown_variance: float = 0.002,
) -> tf.Tensor:
    """Returns K points around one z, such as the z of an encoder: `[B, K, Z]`.

    With `u = to_normal(z)` and `z_k = to_uniform(u_k)`:

        u_k = sqrt(1 - a_k) u + sqrt(a_k) n_k,    n_k ~ N(0, I)
        a_k = s_k^2 / (1 + s_k^2)
        s_k^2 = w_k^2 + unknown_variance (1 - known) / known

    The widths w_k rise from `min_width` to `max_width`. If u is from its prior N(0, I), then so is
    u_k. The less of an image is known, the less its encoder's z says. With no known pixel the
    points are random z from the prior.

    Args:
        z: `[B, Z]` in [-1, 1].
        known_share: `[B]`, share of the pixels that the encoder received.
        seeds: int `[B, 2]`, seed of each image.
        count: K.
        min_width: w_1.
        max_width: w_K.
        unknown_variance: variance s_k^2 that is added when half of the image is known.
    """
    u = samplers.to_normal(z)
    points = []
    for number, width in enumerate(np.linspace(min_width, max_width, count)):
        # s_k^2 times the known share, which may be 0.
        variance = width**2 * known_share + unknown_variance * (1.0 - known_share)
        noise_share = (variance / (known_share + variance))[:, None]
        # The steps of the chains use the numbers from 0.
        noise = normal(fold_in(seeds, -1 - number), u.shape[1])
        points.append(
            samplers.padded_to_vectors(tf.sqrt, 1.0 - noise_share) * u
            + samplers.padded_to_vectors(tf.sqrt, noise_share) * noise
        )
    return samplers.to_uniform(tf.stack(points, axis=1))


def chain_starts(
    z: tf.Tensor | None,
    energy_fn: EnergyFn,
    seeds: tf.Tensor,
    known_share: tf.Tensor,
    count: int,
    draws: int,
    latent_size: int,
) -> tf.Tensor:
    """Returns where the K chains of each image start, `[B, K, Z]`.

    With a z, most chains start around z and a share `RANDOM_SHARE` starts at the best random z.
    Without a z, all chains start at the best random z.

    Args:
        z: `[B, Z]`, such as the z of an encoder; None: there is none.
        energy_fn: points `[B K, Z]` to energies `[B K]`, the K rows of an image one after the
            other, as the chains need it: K candidates of an image are evaluated together.
        seeds: int `[B, 2]`, seed of each image.
        known_share: `[B]`, see `points_around`.
        count: K.
        draws: number of random z, of which the ones of lowest energy are used; with a z and 0
            draws, all chains start around z.
        latent_size: Z.
    """
    random_count = count if z is None else min(draws, round(RANDOM_SHARE * count))
    parts = []
    if random_count < count:
        parts.append(points_around(z, known_share, seeds, count - random_count))
    if random_count:
        candidates = random_candidates(seeds, max(random_count, draws), latent_size)
        parts.append(lowest_candidates(energy_fn, candidates, random_count, count))
    return tf.concat(parts, axis=1)
