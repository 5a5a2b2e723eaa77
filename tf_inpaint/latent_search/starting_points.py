"""Starting points: where searches and chains begin."""

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import samplers
from tf_inpaint.latent_search.solvers import EnergyFn, fold_in, normal, uniform

RANDOM_START_SHARE = 1 / 8
"""Of the chains, those that begin at drawn points although there is a z to begin around; found by trial. With none the
uncertainty is narrower, by a tenth on MNIST, and says less of which images are wrong; with more the mean is worse."""


def random_candidates(seeds: tf.Tensor, draws: int, latent_size: int) -> tf.Tensor:
    """Points of the prior, uniform in [-1, 1]: `[B, draws, latent_size]`, a row's from its own seed alone.

    Args:
        seeds: int32 or int64 `[B, 2]`.
    """
    numbers = uniform(seeds, draws * latent_size)
    return tf.reshape(2.0 * numbers - 1.0, [tf.shape(seeds)[0], draws, latent_size])


def lowest_candidates(energy_fn: EnergyFn, candidates: tf.Tensor, keep: int) -> tf.Tensor:
    """The `keep` candidates of the lowest energy for each row, the lowest first.

    Args:
        energy_fn: points `[B, Z]` to energies `[B]`, row by row.
        candidates: `[B, K, Z]`.
        keep: at most K.

    Returns:
        `[B, keep, Z]`.
    """
    energies = tf.map_fn(energy_fn, tf.transpose(candidates, [1, 0, 2]))
    # A NaN would rank anywhere.
    ranked = tf.where(tf.math.is_finite(energies), energies, float("inf"))
    best = tf.math.top_k(-tf.transpose(ranked), keep).indices
    return tf.gather(candidates, best, batch_dims=1)


def around(
    z: tf.Tensor,
    known_share: tf.Tensor,
    seeds: tf.Tensor,
    count: int,
    least: float = 0.1,
    most: float = 0.6,
    doubt: float = 0.002,
) -> tf.Tensor:
    """Starts around one z, such as an encoder's, each farther away: `[B, K, Z]`.

        u_k = sqrt(1 - a_k) u + sqrt(a_k) n_k     n_k ~ N(0, I)
        a_k = s_k^2 / (1 + s_k^2)                 s_k^2 = w_k^2 + doubt (1 - known) / known

    with w_k from `least` to `most`, which leaves the prior of u as it is. What an encoder says of an image of which
    nothing is known rests on nothing: the starts are the prior's then.

    Args:
        z: `[B, Z]` in [-1, 1].
        known_share: `[B]`, the share of the pixels that the encoder saw.
        seeds: int `[B, 2]`, an image's own.
        count: K.
    """
    u = samplers.to_normal(z)
    starts = []
    for number, width in enumerate(np.linspace(least, most, count)):
        away = width**2 * known_share + doubt * (1.0 - known_share)
        away = (away / (known_share + away))[:, None]
        # The chains have the non-negative numbers.
        noise = normal(fold_in(seeds, -1 - number), u.shape[1])
        starts.append(
            samplers.padded_to_vectors(tf.sqrt, 1.0 - away) * u
            + samplers.padded_to_vectors(tf.sqrt, away) * noise
        )
    return samplers.to_uniform(tf.stack(starts, axis=1))


def chain_starts(
    z: tf.Tensor | None,
    energy_fn: EnergyFn,
    seeds: tf.Tensor,
    known_share: tf.Tensor,
    count: int,
    draws: int,
    latent_size: int,
) -> tf.Tensor:
    """Where K chains begin, `[B, K, Z]`: around z, and `RANDOM_START_SHARE` of them, or all, at the lowest of drawn points.

    Args:
        z: `[B, Z]`, such as an encoder's; None: there is none.
        energy_fn: points `[B, Z]` to energies `[B]`.
        seeds: int `[B, 2]`, an image's own.
        known_share: see `around`.
        count: K.
        draws: points drawn, of which the lowest are taken; with 0 all chains begin around z.
        latent_size: Z.
    """
    drawn = count if z is None else min(draws, round(RANDOM_START_SHARE * count))
    parts = [] if drawn == count else [around(z, known_share, seeds, count - drawn)]
    if drawn:
        points = random_candidates(seeds, max(drawn, draws), latent_size)
        parts.append(lowest_candidates(energy_fn, points, drawn))
    return tf.concat(parts, axis=1)
