"""Several answers to one image: z drawn from `exp(-energy(z) / temperature) p(z)`, and what they say together.

The energy here is what the caller gives; `Inpainter` gives the contextual distance alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import loop, samplers
from tf_inpaint.latent_search.solvers import EnergyFn, Solver, fold_in, row_products

TEMPERATURE_SHARE = 0.03
"""The default temperature as a share of an image's lowest energy; found by trial, see `temperature_of`."""
COOLING_STEPS = 18
"""Steps down from a start before the chains begin."""


class Sampling(NamedTuple):
    """How several answers are found."""

    samples: int
    """K, chains an image."""
    cooling_solver: Solver
    """What moves z downhill during the first `cooling_steps`, such as Adam along `curvature.directions`."""
    curvature: np.ndarray
    """`[Z, Z]`, `curvature.curvature` of the generator: the mass matrix of the chains."""
    cooling_steps: int = COOLING_STEPS
    adapt_steps: int = 2
    """Of the burn-in."""
    steps: int = 4
    """Of the sampling after it."""
    picture_every: int = 2
    """Every so many steps of the sampling a chain's picture counts towards mean and deviation."""
    leapfrog_steps: int = 1
    """Of a proposal; 1 is Langevin."""
    temperature: float | None = None
    """None: `temperature_of` the lowest energies that the search reached."""

    @property
    def total_steps(self) -> int:
        return self.cooling_steps + self.adapt_steps + self.steps


class Samples(NamedTuple):
    """What the chains of B images found."""

    z: tf.Tensor
    """`[B, K, Z]`, one sample a chain: where it ended."""
    energy: tf.Tensor
    """`[B, K]`, of these."""
    mean: tf.Tensor
    """`[B, H, W, C]`, the posterior mean picture: over all chains, and over the pictures each one went through."""
    standard_deviation: tf.Tensor
    """`[B, H, W, C]`, the standard deviation over the same pictures, in units of the images: the uncertainty."""
    temperature: tf.Tensor
    """`[B]`."""
    acceptance_rate: tf.Tensor
    """`[B, K]`, the mean one after the burn-in: near 0, a chain stood still."""


def uncertainty(standard_deviation: tf.Tensor) -> tf.Tensor:
    """One number a pixel: the root mean square over channels, `[B, H, W, C]` to `[B, H, W, 1]`."""
    return tf.sqrt(tf.reduce_mean(tf.square(standard_deviation), axis=-1, keepdims=True))


def temperature_of(energy: tf.Tensor, share: float = TEMPERATURE_SHARE) -> tf.Tensor:
    """The temperature for images of which the best fits have these energies: `share * min_k energy_k`, `[B]`.

    For n independent residuals with a Laplace density, the likeliest width is energy / n, and with an energy that
    sums their sizes the width is the temperature. Residuals of a picture are anything but independent, and 1 / share
    is how many there are in effect. An image that the generator cannot draw well is so given more room. Of 0.01,
    0.03, 0.1 and 0.3, 0.03 had the lowest or nearly the lowest continuous ranked probability score in the hole, on
    digits and faces.

    Args:
        energy: `[B, K]`, above 0 where finite.
    """
    best = tf.reduce_min(tf.where(tf.math.is_finite(energy), energy, np.inf), axis=1)
    # An energy with D's term in it can be negative, and a perfect fit has none.
    return share * tf.where(tf.math.is_finite(best), tf.maximum(best, 1e-3), 1.0)


def scales(
    curvature: np.ndarray | tf.Tensor, temperature: tf.Tensor, known_share: tf.Tensor
) -> tf.Tensor:
    """How wide the posterior is along each eigenvector, `[B, Z]`: `(1 + slope known_share eigenvalue / T^2)^(-1/2)`.

    1 is the prior's precision. Of an L1 distance whose residuals are T wide, the Gauss-Newton matrix at temperature
    T is about `J^T J / T^2` in z; the slope, E[(dz/du)^2] = 2 / (pi sqrt 3), brings it to u.

    Args:
        curvature: `[Z]`, eigenvalues of the mean of J^T J over all pixels.
        temperature: `[B]`.
        known_share: `[B]`, the share of the pixels that the energy sees; of an image of low resolution it sees all.
    """
    slope = 2 / (np.pi * np.sqrt(3))
    precision = slope * known_share[:, None] * curvature / tf.square(temperature)[:, None]
    return samplers.padded_to_vectors(tf.math.rsqrt, 1.0 + precision)


def sample(
    energy_fn: EnergyFn,
    generator: Callable[[tf.Tensor], tf.Tensor],
    starts: tf.Tensor,
    seeds: tf.Tensor,
    known_share: tf.Tensor,
    sampling: Sampling,
) -> Samples:
    """K answers for each of B images, and the mean and the deviation of all that their chains went through.

    Each chain first falls from its start to a low energy, by `search`: its cooling. 25 steps of Adam along
    `curvature.directions` cooled digits lower than annealing by accepted and rejected steps did with 175 gradients.
    It is then warmed to `temperature`, its step size adapted, and sampled. Between modes a chain hardly ever moves:
    what differs there comes from the starts. A pure function; B may be free, K and Z may not.

    Args:
        energy_fn: z `[B * K, Z]` to energies `[B * K]`, the K rows of an image one after the other.
        generator: z `[N, Z]` to images `[N, H, W, C]`.
        starts: `[B, K, Z]` in [-1, 1], spread: what they have in common the samples will have.
        seeds: int `[B, 2]`, an image's own.
        known_share: `[B]`, the share of the pixels that the energy sees.
        sampling: how.

    Raises:
        ValueError: `steps` is not a multiple of `picture_every`, or none.
    """
    (
        _,
        search,
        curvature,
        cooling_steps,
        adapt_steps,
        steps,
        picture_every,
        leapfrog_steps,
        temperature,
    ) = sampling
    if steps < 1 or steps % picture_every:
        raise ValueError(
            "The sampling's steps must be a positive multiple of picture_every; "
            f"received {steps} and {picture_every}; choose e.g. {picture_every * max(1, steps // picture_every)}."
        )
    chains, latent_size = starts.shape[1:]
    rows = tf.shape(starts)[0] * chains
    by_image = lambda values: tf.reshape(values, tf.concat([[-1, chains], tf.shape(values)[1:]], 0))  # noqa: E731
    by_chain = lambda values: tf.repeat(values, chains, axis=0)  # noqa: E731
    own = fold_in(by_chain(seeds), tf.math.floormod(tf.range(rows), chains))

    fallen = loop.initial_state(search, tf.reshape(starts, [rows, latent_size]), own)
    fallen = loop.search_loop(energy_fn, search, fallen, tf.constant(cooling_steps))
    if temperature is None:
        temperature = temperature_of(by_image(fallen.best_energy))
    temperature = tf.broadcast_to(temperature, tf.shape(starts)[:1])

    # The prior of u is the same in all directions: turned into the eigenvectors, the mass matrix is a diagonal one.
    values, vectors = (part.astype(np.float32) for part in np.linalg.eigh(curvature))
    sampler = samplers.hamiltonian(
        leapfrog_steps=leapfrog_steps,
        temperature=by_chain(temperature),
        scales=by_chain(scales(np.maximum(values, 0.0), temperature, known_share)),
        adapt_steps=adapt_steps,
        target_acceptance_rate=0.57 if leapfrog_steps == 1 else 0.65,
    )

    def z_of(turned):
        return samplers.to_uniform(row_products(turned, vectors.T))

    def pictures(point, energy):
        """The chains' pictures, and which of them count."""
        counts = tf.math.is_finite(by_image(energy))[..., None, None, None]
        return tf.where(counts, by_image(generator(z_of(point))), 0.0), tf.cast(counts, tf.float32)

    def move(number, point, state):
        # The numbers below belong to the search.
        numbers = fold_in(own, cooling_steps + number)
        return sampler.step(lambda turned: energy_fn(z_of(turned)), point, state, numbers)[1:]

    def burn_in(number, point, state):
        return number + 1, *move(number, point, state)

    def body(number, point, state, total, squares, count, accepted):
        for _ in range(picture_every):
            point, state = move(number, point, state)
            number, accepted = number + 1, accepted + state.acceptance
        found, counts = pictures(point, state.energy)
        away = tf.where(counts > 0, found - middle[:, None], 0.0)
        total += tf.reduce_sum(away, axis=1)
        squares += tf.reduce_sum(tf.square(away), axis=1)
        return number, point, state, total, squares, count + tf.reduce_sum(counts, axis=1), accepted

    point = row_products(samplers.to_normal(fallen.best_point), vectors)
    # One more: a chain's first step only evaluates.
    burn_in_steps = adapt_steps + 1
    number, point, state = tf.while_loop(
        lambda number, *_: number < burn_in_steps, burn_in, (0, point, sampler.init(point))
    )
    # Deviations are counted from a picture near the mean: a difference of large squares would lose the small ones.
    middle = tf.reduce_mean(pictures(point, state.energy)[0], axis=1)
    nothing = tf.zeros_like(middle)
    begun = (
        number,
        point,
        state,
        nothing,
        nothing,
        tf.zeros_like(nothing[:, :1, :1, :1]),
        tf.zeros_like(state.acceptance),
    )
    ended = tf.while_loop(lambda number, *_: number < burn_in_steps + steps, body, begun)
    _, point, state, total, squares, count, accepted = ended
    count = tf.maximum(count, 1.0)
    shift = total / count
    return Samples(
        by_image(z_of(point)),
        by_image(state.energy),
        middle + shift,
        tf.sqrt(tf.maximum(squares / count - tf.square(shift), 0.0)),
        temperature,
        by_image(accepted / steps),
    )
