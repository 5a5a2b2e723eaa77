"""The Gaussian: its density, its maximum likelihood estimate, and divergences from it."""

import math

import numpy as np


def normal(x, mean: float, deviation: float):
    """The density of the Gaussian at x.

    Args:
        x: a number or an array.
        mean: m.
        deviation: standard deviation s, above 0.
    """
    return np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def maximum_likelihood(data: np.ndarray) -> tuple[float, float]:
    """The mean and the standard deviation that maximize the likelihood of the data.

    They are `argmax sum log N(x; m, s)`, in closed form `m = mean x`, `s^2 = mean (x - m)^2`. This
    is the lecture's statistical model: it assumes that the data are Gaussian, and needs one line.

    Args:
        data: `[N]`.
    """
    return float(np.mean(data)), float(np.std(data))


def divergence(mean: float, deviation: float, true_mean: float, true_deviation: float) -> float:
    """The Kullback-Leibler divergence of two Gaussians, `KL(N(m, s) || N(m0, s0))`, in nats.

    It is `log(s0 / s) + (s^2 + (m - m0)^2) / (2 s0^2) - 1/2`.

    Args:
        mean: m.
        deviation: s, above 0.
        true_mean: m0.
        true_deviation: s0, above 0.
    """
    squares = deviation**2 + (mean - true_mean) ** 2
    return math.log(true_deviation / deviation) + squares / (2 * true_deviation**2) - 0.5


def sampled_divergence(points: np.ndarray, mean: float, deviation: float) -> float:
    """Estimates `KL(q || N(m, s))` in nats from samples of q. A generator gives only samples.

    The estimate is `sum q_i log(q_i / p_i)` over bins of width s / 20, or narrower bins where the
    points lie closer. Bins with few points make the estimate too large, by about half the number of
    bins over the number of points.

    Args:
        points: samples of q, `[N]`.
        mean: m.
        deviation: s, above 0.
    """
    width = min(deviation, np.std(points) + 1e-3 * deviation) / 20
    bins = np.floor((points - mean) / width)
    bin_numbers, counts = np.unique(bins, return_counts=True)
    shares = counts / len(points)
    centers = (bin_numbers + 0.5) * width / deviation
    log_density = -0.5 * centers**2 - math.log(deviation * math.sqrt(2 * math.pi))
    return float(np.sum(shares * (np.log(shares / width) - log_density)))


def sampled_density(points: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Estimates a density from samples, by a histogram that is smoothed over a few places.

    Args:
        points: samples `[N]`.
        axis: equally spaced places `[A]`.

    Returns:
        the density at the places, `[A]`.
    """
    spacing = axis[1] - axis[0]
    edges = np.append(axis - spacing / 2, axis[-1] + spacing / 2)
    counts, _ = np.histogram(points, edges)
    weights = np.hanning(11)
    return np.convolve(counts, weights / weights.sum(), "same") / (len(points) * spacing)
