"""Arithmetic on z in NumPy: paths between two z, sums of several z, and neighbors of a z.

z is uniform in [-1, 1]^Z. In Z = 100 dimensions the length of z is nearly always close to
sqrt(Z / 3). So the prior is a thin shell, and G has learned no picture for z far from it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

MIN_SINE = 1e-6
"""Minimum sine of the angle between two z that span a plane. Below it, the z count as parallel."""


def draw(seeds: Iterable[int], latent_size: int) -> np.ndarray:
    """Draws a z for each seed, uniform in [-1, 1]. A z does not depend on the other seeds.

    Args:
        seeds: N integers, at least 0.
        latent_size: Z.

    Returns:
        float32 `[N, Z]`.
    """
    z = [np.random.default_rng(seed).uniform(-1, 1, latent_size) for seed in seeds]
    return np.array(z, np.float32).reshape(-1, latent_size)


def lerp(first: np.ndarray, last: np.ndarray, t: Sequence[float] | np.ndarray) -> np.ndarray:
    """Linear interpolation between two z: `(1 - t) first + t last`.

    The middle of two independent z has only 1 / sqrt(2) of the length of the ends. G was trained
    for nearly no z of this length. But the path stays inside the cube of the prior.

    Args:
        first: `[Z]`, the z at t = 0.
        last: `[Z]`, the z at t = 1.
        t: positions on the path, `[T]`, in [0, 1].

    Returns:
        `[T, Z]`.
    """
    t = np.asarray(t)[:, None]
    return (1 - t) * first + t * last


def slerp(first: np.ndarray, last: np.ndarray, t: Sequence[float] | np.ndarray) -> np.ndarray:
    """Spherical interpolation between two z: the direction turns, the radius changes linearly.

    The direction turns at constant speed. With the directions u, v of the two z and the angle w
    between them, the path is
    `((1 - t)|first| + t |last|) (sin((1 - t) w) u + sin(t w) v) / sin w`.

    So the path stays in the thin shell of the prior, and G was trained for all its pictures. Single
    entries may leave [-1, 1] on the way, up to sqrt(2) times the larger of their two ends. To clip
    them would bend the path. Parallel or opposite z span no plane, so their path is a straight
    line.

    Args, Returns: as for `lerp`.

    Source: Shoemake 1985 (the formula); White 2016, Sampling generative networks (for latents).
    """
    # Find the directions and their angle.
    radii = np.linalg.norm(first), np.linalg.norm(last)
    if min(radii) == 0:
        return lerp(first, last, t)
    u, v = np.asarray(first, np.float64) / radii[0], np.asarray(last, np.float64) / radii[1]
    # The arc cosine would lose half the digits of small angles.
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if np.sin(angle) < MIN_SINE:
        return lerp(first, last, t)

    # Turn the direction.
    t = np.asarray(t, np.float64)[:, None]
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return lerp(radii[0], radii[1], t[:, 0]) * direction


PATHS = {"lerp": lerp, "slerp": slerp}
"""Paths between two z, by name."""


def walk(z: np.ndarray, steps: int) -> np.ndarray:
    """Walks by `slerp` from each z to the next, and from the last z to the first.

    The first z is not repeated at the end.

    Args:
        z: `[N, Z]`.
        steps: number of points from one z to the next.

    Returns:
        `[N * steps, Z]`. Every `steps`-th point is one of the given z.
    """
    t = np.arange(steps) / steps
    paths = [slerp(first, last, t) for first, last in zip(z, np.roll(z, -1, 0), strict=True)]
    return np.concatenate(paths)


def arithmetic(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Computes `mean(a) - mean(b) + mean(c)`, as in "smiling woman - neutral woman + neutral man".

    In the source, single z gave unstable results, but means of three z did not. The mean of three
    independent z has a third of their variance. So the sum of three such means has the variance of
    the prior, and needs no rescaling.

    Args:
        a: z of a concept, `[n, Z]`.
        b: z of a concept, `[n, Z]`.
        c: z of a concept, `[n, Z]`.

    Returns:
        `[Z]`.

    Source: Radford et al. 2016, section 6.3.2 and figure 7.
    """
    return a.mean(0) - b.mean(0) + c.mean(0)


def neighbors(z: np.ndarray, noise: float, seed: int, count: int = 8) -> np.ndarray:
    """Adds uniform noise in [-noise, noise] to z.

    The directions depend only on `seed`. A larger `noise` gives neighbors in the same directions,
    at a larger distance.

    Args:
        z: `[Z]`.
        noise: 0.25 in Radford et al. 2016.
        seed: seed of the directions.
        count: number of neighbors, N.

    Returns:
        `[N, Z]`.
    """
    return z + noise * np.random.default_rng(seed).uniform(-1, 1, (count, len(z)))


def around(center: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """Orders a z and its eight neighbors like a 3 x 3 grid, with the z in the middle.

    Args:
        center: `[Z]`.
        neighbors: `[8, Z]`.

    Returns:
        `[9, Z]`.
    """
    return np.concatenate([neighbors[:4], center[None], neighbors[4:]])
