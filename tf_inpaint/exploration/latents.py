"""Arithmetic on z: paths between two, sums of several, neighbours of one. NumPy only.

z is uniform in [-1, 1]^Z. In Z = 100 dimensions its length is nearly always close to sqrt(Z / 3): the prior is a thin
shell, and G has learnt no picture for z far from it.
"""

import numpy as np

PARALLEL = 1e-6
"""Sine of an angle below which two z span no plane in which to turn."""


def draw(seeds, latent_size: int) -> np.ndarray:
    """One z for each seed, whichever others there are: uniform in [-1, 1].

    Args:
        seeds: N integers, at least 0.
        latent_size: Z.

    Returns:
        float32 `[N, Z]`.
    """
    drawn = [np.random.default_rng(seed).uniform(-1, 1, latent_size) for seed in seeds]
    return np.array(drawn, np.float32).reshape(-1, latent_size)


def lerp(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The straight line: `(1 - t) first + t last`.

    Half way between independent z its length is only 1 / sqrt(2) of theirs, where G has seen next to nothing; it
    stays inside the cube that z comes from.

    Args:
        first, last: `[Z]`.
        shares: t of each point, `[T]`, in [0, 1].

    Returns:
        `[T, Z]`.
    """
    shares = np.asarray(shares)[:, None]
    return (1 - shares) * first + shares * last


def slerp(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The great circle: the direction turns at constant speed, the radius goes in a straight line.

    With u, v the directions of the two and w the angle between them,
    `((1 - t)|first| + t |last|) (sin((1 - t) w) u + sin(t w) v) / sin w`.

    So the path stays in the thin shell of the prior, and every picture on it is one that G was trained for. Single
    entries may leave [-1, 1] on the way, up to sqrt(2) of the larger; to clip them would bend the path. z that are
    parallel or opposite span no plane, and have the straight line instead.

    Args, Returns: as for `lerp`.

    Source: Shoemake 1985 (the formula); White 2016, Sampling generative networks (for latents).
    """
    radii = np.linalg.norm(first), np.linalg.norm(last)
    if min(radii) == 0:
        return lerp(first, last, shares)
    u, v = np.asarray(first, np.float64) / radii[0], np.asarray(last, np.float64) / radii[1]
    # The arc cosine loses half the digits of small angles.
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if np.sin(angle) < PARALLEL:
        return lerp(first, last, shares)
    shares = np.asarray(shares, np.float64)[:, None]
    direction = (np.sin((1 - shares) * angle) * u + np.sin(shares * angle) * v) / np.sin(angle)
    return lerp(radii[0], radii[1], shares[:, 0]) * direction


PATHS = {"lerp": lerp, "slerp": slerp}


def walk(z: np.ndarray, steps: int) -> np.ndarray:
    """By `slerp` from each z to the next, and from the last back to the first, which is not repeated.

    Args:
        z: `[N, Z]`.
        steps: from one to the next.

    Returns:
        `[N * steps, Z]`; the z themselves stand at every `steps`-th place.
    """
    shares = np.arange(steps) / steps
    return np.concatenate(
        [slerp(first, last, shares) for first, last in zip(z, np.roll(z, -1, 0), strict=True)]
    )


def arithmetic(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """`mean(a) - mean(b) + mean(c)`, as in "smiling woman - neutral woman + neutral man".

    One z alone was not stable; means of three were. Means of three of independent z have a third of their variance,
    so the sum of three such means has the variance of the prior again: it needs no rescaling.

    Args:
        a, b, c: z of a concept each, `[n, Z]`.

    Returns:
        `[Z]`.

    Source: Radford et al. 2016, section 6.3.2 and figure 7.
    """
    return a.mean(0) - b.mean(0) + c.mean(0)


def neighbours(z: np.ndarray, noise: float, seed: int, count: int = 8) -> np.ndarray:
    """z plus uniform noise in [-noise, noise]: the same directions for every `noise`, only further.

    Args:
        z: `[Z]`.
        noise: 0.25 in Radford et al. 2016.
        seed: fixes the directions.
        count: N.

    Returns:
        `[N, Z]`.
    """
    return z + noise * np.random.default_rng(seed).uniform(-1, 1, (count, len(z)))


def around(centre: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Eight `[8, ...]` and one in the middle of them, in the order of a 3 x 3 grid: `[9, ...]`."""
    return np.concatenate([others[:4], centre[None], others[4:]])
