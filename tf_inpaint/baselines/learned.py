"""What fills a hole from training images without a network: the nearest of them, and their Gaussian.

Each function takes training images, `[M, H, W, C]` float32 in [-1, 1], and gives a method
`(images, known) -> completions` that keeps to what `baselines.py` says of all methods, save that an image of which
nothing is known gets the training images' mean. NumPy, and for the Gaussian SciPy.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tf_inpaint.baselines.classical import Fill, Method, complete

RANK = 512
"""The most factors by default; 512 beat fewer on MNIST and on faces of 64 px, given four training images a factor."""

NOISE_SCALE = 8.0
"""See `conditional_gaussian`. On held-out MNIST 4 was best, on faces of 64 px 16, by hole PSNR over five masks."""

BLOCK = 512
"""Training images at a time: 25 MB of 64 x 64 x 3."""

IMAGES_AT_ONCE = 256

ROUNDING = 1e-5
"""Bounds the error of a squared distance by float32 products, as share of the numbers compared; it is near 1e-6."""

EXACT = 1024
"""Up to this many numbers an image, the whole covariance is formed."""

OVERSAMPLING = 16
ITERATIONS = 3

QUANTISATION = (2 / 255) ** 2 / 12
"""The variance of rounding to 8-bit levels: no pixel of an image is known better."""


class Gaussian(NamedTuple):
    """Images x = mean + factors u + e with independent normal u ~ N(0, I) and e ~ N(0, noise I).

    mean `[D]`, factors `[D, R]`, float64, D = H W C; noise a variance, at least 0.
    """

    mean: np.ndarray
    factors: np.ndarray
    noise: float


def nearest_image(training: np.ndarray) -> Method:
    """The hole of the training image that is nearest on the known pixels, pasted.

        argmin over j of sum over known pixels of (images - training_j)^2

    The first of equals. Matrix products in float32 leave few training images to choose from, whose distances are
    then summed one by one, so that neither rounding nor the other images decide.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1]; it is kept, not copied.

    Raises:
        ValueError: no training images. The method: images of another size.
    """
    table, mean = _table(training)
    nothing_known = mean.reshape(training.shape[1:])

    def method(images, known):
        _require_size(images, training)
        completions = complete(
            images, known, lambda given: lambda image: image[~given], nothing_known
        )
        given = known[..., 0] > 0
        rows = np.flatnonzero(given.any((1, 2)) & ~given.all((1, 2)))
        for some in np.split(rows, range(IMAGES_AT_ONCE, len(rows), IMAGES_AT_ONCE)):
            nearest = training[_nearest(table, completions[some], known[some])]
            completions[some] = np.where(
                known[some] > 0, completions[some], np.clip(nearest, -1, 1)
            )
        return completions

    return method


def conditional_gaussian(
    training: np.ndarray, rank: int | None = None, noise_scale: float = NOISE_SCALE
) -> Method:
    """The mean of the hole given the known pixels, under the training images' Gaussian: a statistical model.

    What the factors leave of an image is not white, as the model has it, but alike in neighbouring pixels. Known
    pixels therefore say less about the factors than their number, and the most likely noise trusts them too much:
    on faces, beside a large hole, it did worse than `mean_color`. `noise_scale` is how many pixels count as one.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1].
        rank: of `fit`; None takes 512, or a quarter of the training images if that is less.
        noise_scale: at least 1, multiplies the most likely noise; 1 is the model as Tipping & Bishop have it.

    Raises:
        ValueError: no training images, or a rank below 1. The method: images of another size.
    """
    gaussian = fit(training, max(1, min(RANK, len(training) // 4)) if rank is None else rank)
    gaussian = gaussian._replace(noise=noise_scale * gaussian.noise)
    mean = gaussian.mean.reshape(training.shape[1:])

    def prepare(given):
        fill = conditional_mean(gaussian, np.repeat(given.ravel(), training.shape[3]))
        return lambda image: fill(image[given].ravel()).reshape(-1, training.shape[3])

    def method(images, known):
        _require_size(images, training)
        return complete(images, known, prepare, nothing_known=mean)

    return method


STATISTICAL: dict[str, Callable[[np.ndarray], Method]] = {
    "nearest_image": nearest_image,
    "conditional_gaussian": conditional_gaussian,
}
"""Name -> function of training images that gives the method."""


def conditional_mean(gaussian: Gaussian, given: np.ndarray) -> Fill:
    """The function from the known numbers x_k of an image to the expectation of its hidden ones.

        E[x_h | x_k] = m_h + W_h (W_k^T W_k + s^2 I)^-1 W_k^T (x_k - m_k)
                     = m_h + W_h W_k^T (W_k W_k^T + s^2 I)^-1 (x_k - m_k)

    with mean m, factors W and noise s^2: whichever has the smaller system.

    Args:
        gaussian: of D numbers. Where fewer numbers are known than it has factors, noise 0 will do as long as the
            known ones' covariance has an inverse.
        given: bool `[D]`.

    Returns:
        A function `[K] -> [D - K]`, float64.
    """
    from scipy import linalg

    mean, factors, noise = gaussian
    seen, hidden = factors[given], factors[~given]
    by_factor = len(seen) > seen.shape[1]
    system = seen.T @ seen if by_factor else seen @ seen.T
    system += noise * np.eye(len(system))
    factored = linalg.cho_factor(system)  # once for all images under this mask

    def fill(numbers):
        deviation = numbers - mean[given]
        if by_factor:
            return mean[~given] + hidden @ linalg.cho_solve(factored, seen.T @ deviation)
        return mean[~given] + hidden @ (seen.T @ linalg.cho_solve(factored, deviation))

    return fill


def fit(training: np.ndarray, rank: int, seed: int = 0) -> Gaussian:
    """The most likely Gaussian of that many factors: probabilistic principal components.

        noise = the mean of the D - R eigenvalues of the training images' covariance that are left out
        W = V (L - noise I)^(1/2)    with the R largest eigenvalues L and their vectors V

    The noise is at least that of 8-bit levels. Images of up to 1,024 numbers have their covariance decomposed; of
    larger ones subspace iteration from a random start finds the leading eigenvectors, in 2 passes over the training
    images an iteration, with 16 vectors to spare.

    Args:
        training: `[M, H, W, C]` float32 in [-1, 1].
        rank: R, the number of factors; at most M - 1 and D count.
        seed: of the random start.

    Raises:
        ValueError: no training images, or a rank below 1.

    Source: Tipping & Bishop 1999, "Probabilistic Principal Component Analysis"; Halko, Martinsson & Tropp 2011,
    "Finding Structure with Randomness".
    """
    table, mean = _table(training)
    count, size = table.shape
    if rank < 1:
        raise ValueError(f"a Gaussian's rank must be at least 1; received {rank}; choose e.g. 128.")
    rank = min(rank, size, max(count - 1, 1))

    def centred():
        for start in range(0, count, BLOCK):
            yield table[start : start + BLOCK] - mean.astype(np.float32)

    basis = np.eye(size, dtype=np.float32)
    if size > EXACT:
        basis = np.random.default_rng(seed).standard_normal(
            (size, min(rank + OVERSAMPLING, count, size)), np.float32
        )
        for _ in range(ITERATIONS):
            basis = np.linalg.qr(sum(block.T @ (block @ basis) for block in centred()))[0]
    scatter, total = np.zeros((basis.shape[1],) * 2), 0.0
    for block in centred():
        total += np.sum(block**2, dtype=np.float64)
        coordinates = (block if size <= EXACT else block @ basis).astype(np.float64)
        scatter += coordinates.T @ coordinates
    values, vectors = np.linalg.eigh(scatter / count)
    values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
    noise = (total / count - values.sum()) / (size - rank) if rank < size else 0.0
    noise = max(float(noise), QUANTISATION)
    return Gaussian(
        mean, basis.astype(np.float64) @ vectors * np.sqrt(np.maximum(values - noise, 0)), noise
    )


def _nearest(table: np.ndarray, images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each image the row of the training images that is nearest on the known pixels."""
    given = np.broadcast_to(known > 0, images.shape).reshape(len(images), table.shape[1])
    wanted = np.where(given, images.reshape(given.shape), 0).astype(np.float32)
    weights = given.astype(np.float32)
    # Without the images' own sum of squares, which all training images have in common.
    distances = np.concatenate(
        [
            block**2 @ weights.T - 2 * (block @ wanted.T)
            for block in (table[start : start + BLOCK] for start in range(0, len(table), BLOCK))
        ]
    )
    nearest = []
    for image, mask, distance in zip(wanted, given, distances.T, strict=True):
        close = np.flatnonzero(distance <= distance.min() + ROUNDING * np.count_nonzero(mask))
        exact = ((table[np.ix_(close, mask)].astype(np.float64) - image[mask]) ** 2).sum(1)
        nearest.append(close[np.argmin(exact)])
    return np.array(nearest, int)


def _table(training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training images as rows, `[M, D]`, and their mean, float64 `[D]`."""
    if np.ndim(training) != 4 or len(training) == 0:
        raise ValueError(
            "a statistical method needs training images [M, H, W, C], at least one; "
            f"received {list(np.shape(training))}; pass the images that the GAN was trained on."
        )
    table = training.reshape(len(training), -1)
    return table, table.mean(0, dtype=np.float64)


def _require_size(images: np.ndarray, training: np.ndarray) -> None:
    if np.shape(images)[1:] != training.shape[1:]:
        raise ValueError(
            f"images must have the training images' size, {list(training.shape[1:])}; "
            f"received {list(np.shape(images)[1:])}; resize them."
        )
