"""Samples of z from the posterior, and the mean and the uncertainty of their pictures.

The posterior is proportional to `exp(-energy(z) / temperature) p(z)`, where p is the uniform prior
of z. The caller chooses the energy; `Inpainter` uses the contextual distance alone.

`sample` runs K Markov chains for each image, in three phases: every chain cools down to a low
energy (`cool`), warms up to the temperature (`burn_in`), and then draws (`draw`).
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import loop, samplers
from tf_inpaint.latent_search.solvers import EnergyFn, Solver, fold_in, row_products

TEMPERATURE_SHARE = 0.03
"""Default temperature as a share of the lowest energy of an image, see `default_temperature`. The
value was found by trial: among 0.01, 0.03, 0.1 and 0.3, it had the lowest or nearly the lowest
continuous ranked probability score in the hole, on digits and faces."""
COOLING_STEPS = 18
"""Default number of steps from a starting point down to a low energy, before the chains start."""


class Sampling(NamedTuple):
    """Settings of the sampling."""

    samples: int
    """K, number of chains per image."""
    cooling_solver: Solver
    """Solver of the cooling, for example Adam along `curvature.directions`."""
    curvature: np.ndarray
    """`[Z, Z]`, `curvature.curvature` of the generator; gives the mass matrix of the chains."""
    cooling_steps: int = COOLING_STEPS
    """Number of steps of the cooling."""
    adapt_steps: int = 2
    """Number of steps of the burn-in that adapt the step size."""
    steps: int = 4
    """Number of steps after the burn-in; a multiple of `picture_every`."""
    picture_every: int = 2
    """Number of steps between two pictures that count for the mean and the standard deviation."""
    leapfrog_steps: int = 1
    """Number of leapfrog steps per proposal; 1 is Langevin."""
    temperature: float | None = None
    """Temperature of all images; None: the `default_temperature` of each image."""

    @property
    def burn_in_steps(self) -> int:
        """Number of steps of the burn-in. The first step of a chain only evaluates its point."""
        return 1 + self.adapt_steps

    @property
    def total_steps(self) -> int:
        """Number of steps of all phases that move z."""
        return self.cooling_steps + self.adapt_steps + self.steps


class Samples(NamedTuple):
    """Samples for B images, and what their chains visited."""

    z: tf.Tensor
    """`[B, K, Z]`, one sample per chain: its last point."""
    energy: tf.Tensor
    """`[B, K]`, energy of each sample."""
    mean: tf.Tensor
    """`[B, H, W, C]`, mean picture of the posterior, over all chains and over the pictures that
    each chain visited."""
    standard_deviation: tf.Tensor
    """`[B, H, W, C]`, standard deviation of the same pictures, in image units: the uncertainty."""
    temperature: tf.Tensor
    """`[B]`, temperature of each image."""
    acceptance_rate: tf.Tensor
    """`[B, K]`, mean acceptance probability after the burn-in. Near 0, the chain did not move."""


class Walk(NamedTuple):
    """Where the N = B K chains are."""

    step: tf.Tensor
    """Number of steps so far, an int32 scalar."""
    point: tf.Tensor
    """`[N, Z]`, points of the chains; see `Chains`."""
    state: samplers.ChainState
    """State of the chains."""


class Sums(NamedTuple):
    """Sums over the pictures that the chains of each image visited."""

    differences: tf.Tensor
    """`[B, H, W, C]`, sum of the differences from a center picture."""
    squares: tf.Tensor
    """`[B, H, W, C]`, sum of the squared differences."""
    count: tf.Tensor
    """`[B, 1, 1, 1]`, number of pictures."""
    acceptance_probability: tf.Tensor
    """`[N]`, sum over the steps."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chains:
    """K chains for each of B images: N = B K rows, the K rows of an image one after the other.

    The point of a chain is v, which is u in the coordinates of the eigenvectors of the curvature.
    The prior of u is the same in all directions, so the prior of v is N(0, I) too. The mass matrix
    in these coordinates is diagonal.

    Args:
        energy_fn: z `[N, Z]` to energies `[N]`.
        generator: z `[N, Z]` to images `[N, H, W, C]`.
        sampler: solver that moves v.
        eigenvectors: `[Z, Z]`, one per column.
        seeds: int64 `[N, 2]`, seed of each chain.
        per_image: K.
        first_step: number that `fold_in` receives for the first step; the cooling uses the smaller
            numbers.
    """

    energy_fn: EnergyFn
    generator: Callable[[tf.Tensor], tf.Tensor]
    sampler: Solver
    eigenvectors: np.ndarray
    seeds: tf.Tensor
    per_image: int
    first_step: int

    def point_of(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the points `[N, Z]` of these z."""
        return row_products(samplers.to_normal(z), self.eigenvectors)

    def z_of(self, point: tf.Tensor) -> tf.Tensor:
        """Returns the z `[N, Z]` of these points."""
        return samplers.to_uniform(row_products(point, self.eigenvectors.T))

    def move(self, walk: Walk) -> Walk:
        """Returns the walk after one step of each chain."""
        seeds = fold_in(self.seeds, self.first_step + walk.step)
        _, point, state = self.sampler.step(
            lambda point: self.energy_fn(self.z_of(point)), walk.point, walk.state, seeds
        )
        return Walk(walk.step + 1, point, state)

    def pictures(self, walk: Walk) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the pictures of the chains, and which of them count.

        The picture of a chain without a finite energy does not count, and is set to 0.

        Returns:
            `[B, K, H, W, C]`, and float32 `[B, K, 1, 1, 1]` of 0 and 1.
        """
        energy = by_image(walk.state.energy, self.per_image)
        counts = tf.math.is_finite(energy)[..., None, None, None]
        pictures = by_image(self.generator(self.z_of(walk.point)), self.per_image)
        return tf.where(counts, pictures, 0.0), tf.cast(counts, tf.float32)


def by_image(values: tf.Tensor, chains: int) -> tf.Tensor:
    """Returns values of all chains, `[B K, ...]`, by image: `[B, K, ...]`."""
    return tf.reshape(values, tf.concat([[-1, chains], tf.shape(values)[1:]], 0))


def uncertainty(standard_deviation: tf.Tensor) -> tf.Tensor:
    """Returns one number per pixel, the root mean square over the channels.

    Args:
        standard_deviation: `[B, H, W, C]`.

    Returns:
        `[B, H, W, 1]`.
    """
    return tf.sqrt(tf.reduce_mean(tf.square(standard_deviation), axis=-1, keepdims=True))


def default_temperature(energy: tf.Tensor, share: float = TEMPERATURE_SHARE) -> tf.Tensor:
    """Returns the temperature of each image, `share * min_k energy_k`, `[B]`.

    For n independent residuals with a Laplace density, the most likely width of the density is
    energy / n. With an energy that sums the absolute residuals, this width is the temperature. The
    residuals of a picture are far from independent; `1 / share` is their effective number. So an
    image that the generator cannot draw well gets a higher temperature.

    Args:
        energy: `[B, K]`, lowest energies that the search reached; positive where finite.
        share: share of the lowest energy.
    """
    best = tf.reduce_min(tf.where(tf.math.is_finite(energy), energy, np.inf), axis=1)
    # An energy with a prior term can be negative, and the energy of a perfect fit is 0.
    return share * tf.where(tf.math.is_finite(best), tf.maximum(best, 1e-3), 1.0)


def posterior_widths(
    curvature: np.ndarray | tf.Tensor, temperature: tf.Tensor, known_share: tf.Tensor
) -> tf.Tensor:
    """Returns the approximate width of the posterior of u along each eigenvector, `[B, Z]`.

        (1 + slope * known_share * eigenvalue / temperature^2)^(-1/2)

    The 1 is the precision of the prior. For an L1 distance whose residuals have the width T, the
    Gauss-Newton matrix at temperature T is about `J^T J / T^2` in z. The factor
    `slope = E[(dz/du)^2] = 2 / (pi sqrt 3)` converts this matrix to u.

    Args:
        curvature: `[Z]`, eigenvalues of the mean of `J^T J` over all pixels.
        temperature: `[B]`.
        known_share: `[B]`, share of the pixels that the energy depends on; 1 for low-resolution
            images.
    """
    slope = 2 / (np.pi * np.sqrt(3))
    precision = slope * known_share[:, None] * curvature / tf.square(temperature)[:, None]
    return samplers.padded_to_vectors(tf.math.rsqrt, 1.0 + precision)


def new_sampler(temperature: tf.Tensor, widths: tf.Tensor, sampling: Sampling) -> Solver:
    """Returns the sampler of all chains.

    Args:
        temperature: `[N]`, temperature of each chain.
        widths: `[N, Z]`, see `posterior_widths`.
        sampling: the settings.
    """
    return samplers.hamiltonian(
        leapfrog_steps=sampling.leapfrog_steps,
        temperature=temperature,
        scales=widths,
        adapt_steps=sampling.adapt_steps,
        target_acceptance_rate=0.57 if sampling.leapfrog_steps == 1 else 0.65,
    )


def cool(
    energy_fn: EnergyFn, z: tf.Tensor, seeds: tf.Tensor, sampling: Sampling
) -> tuple[tf.Tensor, tf.Tensor]:
    """Searches from each starting point for a low energy.

    25 steps of Adam along `curvature.directions` reached lower energies on digits than annealing by
    accepted and rejected steps did with 175 gradients.

    Args:
        energy_fn: z `[N, Z]` to energies `[N]`.
        z: `[N, Z]`, starting points.
        seeds: int64 `[N, 2]`, seed of each chain.
        sampling: the settings.

    Returns:
        The best z `[N, Z]` and their energies `[N]`.
    """
    state = loop.initial_state(sampling.cooling_solver, z, seeds)
    steps = tf.constant(sampling.cooling_steps)
    state = loop.search_loop(energy_fn, sampling.cooling_solver, state, steps)
    return state.best_point, state.best_energy


def burn_in(chains: Chains, point: tf.Tensor, steps: int) -> Walk:
    """Returns the walk of the chains after the steps that adapt their step sizes.

    Args:
        chains: the chains.
        point: `[N, Z]`, where the chains start.
        steps: number of steps, see `Sampling.burn_in_steps`.
    """
    start = Walk(0, point, chains.sampler.init(point))
    (walk,) = tf.while_loop(
        lambda walk: walk.step < steps, lambda walk: (chains.move(walk),), (start,)
    )
    return walk


def draw(chains: Chains, walk: Walk, sampling: Sampling) -> tuple[Walk, tf.Tensor, Sums]:
    """Takes the steps after the burn-in, and sums up the pictures that the chains visit.

    Args:
        chains: the chains.
        walk: the walk after the burn-in.
        sampling: the settings.

    Returns:
        The walk at the end, the center picture `[B, H, W, C]`, and the sums of the differences
        from the center. The center is near the mean. Without a center, a small standard deviation
        would be the difference of two large squares, and would be lost to rounding.
    """
    center = tf.reduce_mean(chains.pictures(walk)[0], axis=1)
    end = sampling.burn_in_steps + sampling.steps

    # One picture of every chain after each `picture_every` steps.
    def body(walk, sums):
        acceptance_probability = sums.acceptance_probability
        for _ in range(sampling.picture_every):
            walk = chains.move(walk)
            acceptance_probability += walk.state.acceptance_probability
        pictures, counts = chains.pictures(walk)
        differences = tf.where(counts > 0, pictures - center[:, None], 0.0)
        sums = Sums(
            sums.differences + tf.reduce_sum(differences, axis=1),
            sums.squares + tf.reduce_sum(tf.square(differences), axis=1),
            sums.count + tf.reduce_sum(counts, axis=1),
            acceptance_probability,
        )
        return walk, sums

    # Walk from empty sums.
    zeros = tf.zeros_like(center)
    no_sums = Sums(
        zeros,
        zeros,
        tf.zeros_like(zeros[:, :1, :1, :1]),
        tf.zeros_like(walk.state.acceptance_probability),
    )
    walk, sums = tf.while_loop(lambda walk, sums: walk.step < end, body, (walk, no_sums))
    return walk, center, sums


def sample(
    energy_fn: EnergyFn,
    generator: Callable[[tf.Tensor], tf.Tensor],
    starts: tf.Tensor,
    seeds: tf.Tensor,
    known_share: tf.Tensor,
    sampling: Sampling,
) -> Samples:
    """Returns K samples for each of B images, and the statistics of all pictures of their chains.

    A chain hardly ever moves from one mode to another. So the samples of an image lie in different
    modes only if the starting points do. `sample` is a pure function. B may be unknown when the
    graph is built; K and Z must be known.

    Args:
        energy_fn: z `[B K, Z]` to energies `[B K]`, the K rows of an image one after the other.
        generator: z `[N, Z]` to images `[N, H, W, C]`.
        starts: `[B, K, Z]` in [-1, 1], starting points, which should be far apart.
        seeds: int `[B, 2]`, seed of each image.
        known_share: `[B]`, share of the pixels that the energy depends on.
        sampling: the settings.

    Raises:
        ValueError: `sampling.steps` is not a positive multiple of `sampling.picture_every`.
    """
    steps, picture_every = sampling.steps, sampling.picture_every
    if steps < 1 or steps % picture_every:
        raise ValueError(
            "The sampling's steps must be a positive multiple of picture_every; "
            f"received {steps} and {picture_every}; "
            f"choose e.g. {picture_every * max(1, steps // picture_every)}."
        )

    # Give each chain its own seed.
    per_image, latent_size = starts.shape[1:]
    rows = tf.shape(starts)[0] * per_image
    seeds = tf.repeat(seeds, per_image, axis=0)
    seeds = fold_in(seeds, tf.math.floormod(tf.range(rows), per_image))

    # Cool down to a low energy, and choose the temperature.
    z, energy = cool(energy_fn, tf.reshape(starts, [rows, latent_size]), seeds, sampling)
    temperature = sampling.temperature
    if temperature is None:
        temperature = default_temperature(by_image(energy, per_image))
    temperature = tf.broadcast_to(temperature, tf.shape(starts)[:1])

    # Warm up and draw.
    eigenvalues, eigenvectors = (
        part.astype(np.float32) for part in np.linalg.eigh(sampling.curvature)
    )
    widths = posterior_widths(np.maximum(eigenvalues, 0.0), temperature, known_share)
    sampler = new_sampler(
        tf.repeat(temperature, per_image, axis=0),
        tf.repeat(widths, per_image, axis=0),
        sampling,
    )
    chains = Chains(
        energy_fn, generator, sampler, eigenvectors, seeds, per_image, sampling.cooling_steps
    )
    walk = burn_in(chains, chains.point_of(z), sampling.burn_in_steps)
    walk, center, sums = draw(chains, walk, sampling)

    # Compute the mean and the standard deviation.
    count = tf.maximum(sums.count, 1.0)
    shift = sums.differences / count
    variance = tf.maximum(sums.squares / count - tf.square(shift), 0.0)
    return Samples(
        z=by_image(chains.z_of(walk.point), per_image),
        energy=by_image(walk.state.energy, per_image),
        mean=center + shift,
        standard_deviation=tf.sqrt(variance),
        temperature=temperature,
        acceptance_rate=by_image(sums.acceptance_probability / steps, per_image),
    )
