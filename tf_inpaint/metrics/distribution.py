"""How far a set of images is from another set: Frechet, kernel and sliced Wasserstein distance, Inception score.

NumPy only. None of these pairs an image with its original: they ask whether the one set could have come from
where the other came from. Frechet and kernel distance compare features (`features.py`, `classifier.py`) and
mean something only beside numbers from the same features; `sliced_wasserstein` needs the images alone.
"""

import numpy as np

PATCH = 7
COARSEST = 14
"""Pixels below which the pyramid is not halved again: 28 and 14, 64 to 16, 128 to 16."""

BLOCK = 1024
DIRECTIONS_AT_ONCE = 32


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Frechet distance of two Gaussians that have the features' means m and covariances C.

        ||m1 - m2||^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))

    With C = A^T A, A being the centred features over sqrt(N - 1), C1 C2 has the eigenvalues of
    (A1 A2^T)(A1 A2^T)^T, so the trace of its root is the sum of the singular values of A1 A2^T. No covariance
    is formed and no root is taken of a rounding error: fewer images than features are no trouble, and a set
    is 0 from itself. The estimate is biased upwards, by roughly the features' variance over N: compare only
    numbers from equally many images. With Inception's features this is the FID.

    Args:
        first, second: `[N, K]` features, N at least 2 and free to differ, K equal.

    Returns:
        A float, at least 0, in squared units of the features.

    Raises:
        ValueError: fewer than 2 rows, different K, a value that is not finite.

    Source: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium".
    """
    first, second = _features(first, second)
    means = first.mean(0), second.mean(0)
    factors = [
        # R of A = QR: Q is orthogonal and leaves the singular values alone, R has at most K rows.
        np.linalg.qr((features - mean) / np.sqrt(len(features) - 1), mode="r")
        for features, mean in zip((first, second), means, strict=True)
    ]
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.sum(factor**2) for factor in factors) - 2 * root
    return float(np.sum((means[0] - means[1]) ** 2) + max(spread, 0.0))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x.y / K + 1)^3.

        mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean over i, j of k(x_i, y_j)

    Unbiased at any N, so it may be compared between sets of different size and is right for a few hundred
    images, where the Frechet distance is not; it can come out below 0. All pairs count, in blocks of 1,024 by
    1,024: memory does not grow with N, and the answer needs no seed and varies less than the mean over
    random subsets with which the paper bounds its cost. With Inception's features this is the KID.

    Args:
        first, second: `[N, K]` features, N at least 2 and free to differ, K equal.

    Returns:
        A float, 0 on average for two sets from one distribution. It has no unit but scales with the features.

    Raises:
        ValueError: fewer than 2 rows, different K, a value that is not finite.

    Source: Binkowski et al. 2018, "Demystifying MMD GANs".
    """
    first, second = _features(first, second)
    result = -2 * _kernel_sum(first, second) / (len(first) * len(second))
    for features in (first, second):
        diagonal = ((features**2).sum(1) / features.shape[1] + 1) ** 3
        result += (_kernel_sum(features, features) - diagonal.sum()) / (
            len(features) * (len(features) - 1)
        )
    return float(result)


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """How sure a classifier is of each image and how evenly the images fall into its classes.

        exp(mean over images of sum_y p(y|x) log(p(y|x) / p(y)))    p(y) = mean over images of p(y|x)

    1 if every image gets the same probabilities, K if each is surely of one class and all K are equally
    frequent. It never looks at real images: one good image per class scores K. Part i is every `splits`-th
    image from i on, so that images sorted by class do no harm.

    Args:
        probabilities: `[N, K]`, each row at least 0 and of sum 1, from any classifier.
        splits: parts, each scored alone; at most N. A part of few images scores low.

    Returns:
        The parts' mean and standard deviation, in 1 to K.

    Raises:
        ValueError: rows that are not probabilities, or more splits than images.

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs".
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-3):
        raise ValueError(
            "the Inception score needs [N, K] probabilities, each row at least 0 and of sum 1; "
            f"received an array of shape {list(p.shape)} that is not so; apply softmax to logits first."
        )
    if not 1 <= splits <= len(p):
        raise ValueError(
            "splits must be at least 1 and at most the number of images; "
            f"received {splits} for {len(p)} images; choose fewer splits."
        )
    scores = []
    for part in (p[start::splits] for start in range(splits)):
        # 0 log 0 is 0; where p(y) is 0, so is every p(y|x).
        ratio = np.divide(part, part.mean(0), out=np.ones_like(part), where=part > 0)
        scores.append(np.exp((part * np.log(ratio)).sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def sliced_wasserstein(
    first: np.ndarray, second: np.ndarray, seed: int = 0, patches: int = 128, directions: int = 512
) -> float:
    """The mean over the pyramid's levels of `sliced_wasserstein_levels`, which see; the same arguments and errors."""
    return float(sliced_wasserstein_levels(first, second, seed, patches, directions).mean())


def sliced_wasserstein_levels(
    first: np.ndarray, second: np.ndarray, seed: int = 0, patches: int = 128, directions: int = 512
) -> np.ndarray:
    """How far the two sets' 7 x 7 patches are apart, at every level of a Laplacian pyramid.

    From each image and level `patches` patches are taken at random places, the same for image i of either set.
    A set's patches are brought to mean 0 and standard deviation 1 per channel and level, both sets' are
    projected onto random unit vectors, and the sorted projections are compared. Fine levels tell about
    edges and noise, the coarsest about shapes. Because of the normalisation a set that is brighter or of
    more contrast as a whole, at all levels alike, is not told apart.

    Args:
        first, second: `[N, H, W, C]` in [-1, 1], the same shape, H and W at least 7. N must be equal, for the
            distance falls with N: it would compare nothing to take the smaller number silently.
        seed: of places and directions; one seed, one result.
        patches: per image and level.
        directions: number of random projections.

    Returns:
        float64 `[L]`, the finest level first, each at least 0: the mean absolute difference of sorted
        projections in thousandths of a standard deviation of that level's pixels. The coarsest level has 14 px
        or more on its shorter side, 27 at most unless the image is itself smaller than 28.

    Raises:
        ValueError: sets of different shape or not of images, too small images, a value that is not finite.

    Source: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation".
    """
    first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if (
        first.shape != second.shape
        or first.ndim != 4
        or len(first) == 0
        or min(first.shape[1:3]) < PATCH
    ):
        raise ValueError(
            "the sliced Wasserstein distance needs two sets of equally many images [N, H, W, C] of one size, "
            f"at least {PATCH} x {PATCH}; received {list(first.shape)} and {list(second.shape)}; "
            "leave out the surplus images of the larger set, at random."
        )
    _require_finite(first, second)
    random = np.random.default_rng(seed)
    result = []
    for levels in zip(laplacian_pyramid(first), laplacian_pyramid(second), strict=True):
        count, height, width, channels = levels[0].shape
        tops = random.integers(height - PATCH + 1, size=(count, patches))
        lefts = random.integers(width - PATCH + 1, size=(count, patches))
        vectors = random.standard_normal((directions, PATCH * PATCH * channels)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        result.append(
            1000 * projected_distance(*(_patches(level, tops, lefts) for level in levels), vectors)
        )
    return np.array(result)


def projected_distance(first: np.ndarray, second: np.ndarray, directions: np.ndarray) -> float:
    """The mean over directions of the two projected sets' 1-D Wasserstein distance, `mean |sort(a) - sort(b)|`.

    Args:
        first, second: `[P, F]`, equally many points.
        directions: `[D, F]`, unit vectors.

    Returns:
        A float, at least 0, in the points' unit.
    """
    total = 0.0
    # A few at a time: 512 projections of 128,000 patches would fill 260 MB a set.
    for start in range(0, len(directions), DIRECTIONS_AT_ONCE):
        some = directions[start : start + DIRECTIONS_AT_ONCE]
        apart = np.sort(some @ first.T, axis=1) - np.sort(some @ second.T, axis=1)
        total += np.abs(apart, out=apart).mean(1, dtype=np.float64).sum()
    return total / len(directions)


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """What each halving of the images loses, the finest first, and last the coarsest images themselves.

    Halving blurs with the binomial (1, 4, 6, 4, 1) / 16 along H and W, mirrored at the border, and keeps every
    other pixel; what is lost is the difference to the same blur of the halved image spread out again.
    `expand`ing the last level to the size of the one before, adding that, and so on gives the images back.

    Args:
        images: `[N, H, W, C]` float.

    Returns:
        Arrays `[N, H / 2^l, W / 2^l, C]`, rounded up; no halving would leave fewer than 14 pixels.

    Source: Burt & Adelson 1983, "The Laplacian Pyramid as a Compact Image Code".
    """
    levels = []
    while min(images.shape[1:3]) >= 2 * COARSEST:
        halved = _blur(_blur(images, 1)[:, ::2], 2)[:, :, ::2]
        levels.append(images - expand(halved, images.shape[1:3]))
        images = halved
    return [*levels, images]


def expand(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`[N, h, w, C]` images at twice their size, `size` being H, W with h = ceil(H / 2), w = ceil(W / 2)."""
    for axis in (1, 2):
        shape = list(images.shape)
        shape[axis] = size[axis - 1]
        spread = np.zeros(shape, images.dtype)
        np.moveaxis(spread, axis, 0)[::2] = 2 * np.moveaxis(images, axis, 0)
        images = _blur(spread, axis)
    return images


def _blur(images: np.ndarray, axis: int) -> np.ndarray:
    margins = [(0, 0)] * images.ndim
    margins[axis] = (2, 2)
    padded = np.moveaxis(np.pad(images, margins, "reflect"), axis, 0)
    size = images.shape[axis]
    taps = (
        padded[tap : tap + size] * images.dtype.type(share / 16)
        for tap, share in enumerate((1, 4, 6, 4, 1))
    )
    return np.moveaxis(sum(taps), 0, axis)


def _patches(level: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
    """The normalised patches at the places `[N, P]`, `[N * P, 7 * 7 * C]` float32."""
    count, _, _, channels = level.shape
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    patches = windows[np.arange(count)[:, None], tops, lefts].reshape(-1, channels, PATCH * PATCH)
    spread = patches.std((0, 2), dtype=np.float64, keepdims=True)
    # Blank images leave rounding errors in the fine levels, which must not be blown up to standard deviation 1.
    spread = np.where(spread > 1e-5, spread, 1)
    patches -= patches.mean((0, 2), dtype=np.float64, keepdims=True).astype(np.float32)
    patches /= spread.astype(np.float32)
    return patches.reshape(len(patches), -1)


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    total = 0.0
    for top in range(0, len(first), BLOCK):
        for left in range(0, len(second), BLOCK):
            products = first[top : top + BLOCK] @ second[left : left + BLOCK].T
            total += ((products / first.shape[1] + 1) ** 3).sum()
    return total


def _features(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shapes = first.shape, second.shape
    if (
        any(len(shape) != 2 or shape[0] < 2 for shape in shapes)
        or first.shape[1] != second.shape[1]
    ):
        raise ValueError(
            "two sets of features [N, K] with at least 2 rows each and the same K are needed; "
            f"received {list(first.shape)} and {list(second.shape)}; take both from one network, from more images."
        )
    _require_finite(first, second)
    return first, second


def _require_finite(first: np.ndarray, second: np.ndarray) -> None:
    for name, values in (("first", first), ("second", second)):
        bad = np.count_nonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
        if bad:
            raise ValueError(
                "a distance between sets needs finite values; "
                f"received NaN or infinity in {bad} of the {name} set's {len(values)} rows; leave those out."
            )
