"""Distances between two sets of images: Frechet, kernel and sliced Wasserstein. NumPy only.

No distance here compares an image with its original: a distance tells whether both sets could come
from one distribution. Frechet and kernel distance compare features (`features.py`,
`classifier.py`). Such numbers can only be compared with numbers from the same features.
`sliced_wasserstein` needs no features.
"""

import numpy as np

PATCH = 7
"""Side of the patches of the sliced Wasserstein distance, in pixels."""
PATCHES_PER_IMAGE = 128
"""Number of patches taken from each image at each level."""
SEED = 0
"""Seed of the places of the patches and of the directions."""
MIN_SIDE = 14
"""Minimum side of a halved image of the pyramid: 28 is halved to 14, 64 to 16, and 128 to 16."""
BLOCK = 1024
"""Number of rows per block of the kernel matrix."""
DIRECTIONS_AT_ONCE = 32
"""Number of directions projected at once.

All 512 projections of 128,000 patches would fill 260 MB per set.
"""


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Frechet distance of two Gaussians with the features' means m and covariances C.

        ||m1 - m2||^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))

    With C = A^T A, where A are the centered features divided by sqrt(N - 1), C1 C2 has the
    eigenvalues of (A1 A2^T)(A1 A2^T)^T. The trace of the root of C1 C2 is therefore the sum of the
    singular values of A1 A2^T. No covariance is computed, and no root of a rounding error. So there
    may be fewer images than features, and the distance of a set from itself is 0. The estimate is
    biased upwards, by about the variance of the features divided by N: compare only numbers from
    equally many images. With the features of Inception this distance is the FID.

    Args:
        first, second: `[N, K]` features, with N at least 2. N may differ, K must be equal.

    Returns:
        A float, at least 0, in squared units of the features.

    Raises:
        ValueError: there are fewer than 2 rows, K differs, or a value is not finite.

    Source: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
    Nash Equilibrium".
    """
    first, second = _features(first, second)
    means = first.mean(0), second.mean(0)
    factors = [
        # Q of A = QR is orthogonal and does not change the singular values. R has at most K rows.
        np.linalg.qr((features - mean) / np.sqrt(len(features) - 1), mode="r")
        for features, mean in zip((first, second), means, strict=True)
    ]
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.sum(factor**2) for factor in factors) - 2 * root
    return float(np.sum((means[0] - means[1]) ** 2) + max(spread, 0.0))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x.y / K + 1)^3.

        mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j)
        - 2 mean over i, j of k(x_i, y_j)

    The estimate is unbiased for any N. So sets of different size may be compared, and a few hundred
    images are enough, unlike for the Frechet distance. The estimate can be below 0. All pairs
    count, in blocks of 1,024 by 1,024, so that memory does not grow with N. The paper takes the
    mean over random subsets to limit the cost; the result here needs no seed and varies less. With
    the features of Inception this distance is the KID.

    Args:
        first, second: `[N, K]` features, with N at least 2. N may differ, K must be equal.

    Returns:
        A float, 0 on average for two sets from one distribution. The distance has no unit, but it
        scales with the features.

    Raises:
        ValueError: there are fewer than 2 rows, K differs, or a value is not finite.

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


def sliced_wasserstein(first: np.ndarray, second: np.ndarray, directions: int = 512) -> float:
    """The mean of `sliced_wasserstein_levels` over the levels of the pyramid.

    Args:
        first, second, directions: as for `sliced_wasserstein_levels`.

    Raises:
        ValueError: as for `sliced_wasserstein_levels`.
    """
    return float(sliced_wasserstein_levels(first, second, directions).mean())


def sliced_wasserstein_levels(
    first: np.ndarray, second: np.ndarray, directions: int = 512
) -> np.ndarray:
    """The distance between the 7 x 7 patches of two sets, at each level of a Laplacian pyramid.

    From each image and level, 128 patches are taken at random places. The places are the same for
    image i of both sets. The patches of a set are normalized to mean 0 and standard deviation 1,
    per channel and level. The patches of both sets are projected onto random unit vectors, and the
    sorted projections are compared. Fine levels measure edges and noise, and the coarsest level
    measures shapes. Because of the normalization, the distance does not change if all images of a
    set are brighter, or have more contrast, at all levels alike. The places and the directions are
    the same in every call.

    Args:
        first, second: `[N, H, W, C]` in [-1, 1], of the same shape, H and W at least 7. N must be
            equal, because the distance falls with N: taking the smaller N silently would compare
            nothing.
        directions: number of random projections.

    Returns:
        float64 `[L]`, the finest level first, each at least 0: the mean absolute difference of
        sorted projections, in thousandths of a standard deviation of the pixels of the level. The
        shorter side of the coarsest level has 14 to 27 pixels, or fewer if the image itself is
        smaller.

    Raises:
        ValueError: the sets differ in shape or are not images, the images are too small, or a value
            is not finite.

    Source: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and
    Variation".
    """
    # Check the images.
    first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if (
        first.shape != second.shape
        or first.ndim != 4
        or len(first) == 0
        or min(first.shape[1:3]) < PATCH
    ):
        raise ValueError(
            "The sliced Wasserstein distance needs two sets of equally many images [N, H, W, C] of "
            f"one size, at least {PATCH} x {PATCH}; received {list(first.shape)} and "
            f"{list(second.shape)}; leave out the surplus images of the larger set, at random."
        )
    _require_finite(first, second)

    # Compare the patches of each level.
    random = np.random.default_rng(SEED)
    distances = []
    for levels in zip(laplacian_pyramid(first), laplacian_pyramid(second), strict=True):
        count, height, width, channels = levels[0].shape
        tops = random.integers(height - PATCH + 1, size=(count, PATCHES_PER_IMAGE))
        lefts = random.integers(width - PATCH + 1, size=(count, PATCHES_PER_IMAGE))
        vectors = random.standard_normal((directions, PATCH * PATCH * channels)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        patches = (_patches(level, tops, lefts) for level in levels)
        distances.append(1000 * projected_distance(*patches, vectors))
    return np.array(distances)


def projected_distance(first: np.ndarray, second: np.ndarray, directions: np.ndarray) -> float:
    """The mean over directions of the 1-D Wasserstein distance of the two projected sets.

    The Wasserstein distance of numbers a and b is `mean |sort(a) - sort(b)|`.

    Args:
        first, second: `[P, F]`, equally many points.
        directions: `[D, F]`, unit vectors.

    Returns:
        A float, at least 0, in the unit of the points.
    """
    total = 0.0
    for start in range(0, len(directions), DIRECTIONS_AT_ONCE):
        batch = directions[start : start + DIRECTIONS_AT_ONCE]
        differences = np.sort(batch @ first.T, axis=1) - np.sort(batch @ second.T, axis=1)
        total += np.abs(differences, out=differences).mean(1, dtype=np.float64).sum()
    return total / len(directions)


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """The details that each halving loses, the finest first, and the images after the last halving.

    Halving blurs with the binomial (1, 4, 6, 4, 1) / 16 along H and W, mirrored at the border, and
    keeps every other pixel. The lost details are the difference between the images and the
    `expand`ed halved images. To reconstruct the images, `expand` the last level to the size of the
    level before, add that level, and so on.

    Args:
        images: `[N, H, W, C]` float.

    Returns:
        Arrays `[N, H / 2^l, W / 2^l, C]`, rounded up. No halving leaves fewer than 14 pixels.

    Source: Burt & Adelson 1983, "The Laplacian Pyramid as a Compact Image Code".
    """
    levels = []
    while min(images.shape[1:3]) >= 2 * MIN_SIDE:
        halved = _blur(_blur(images, 1)[:, ::2], 2)[:, :, ::2]
        levels.append(images - expand(halved, images.shape[1:3]))
        images = halved
    return [*levels, images]


def expand(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The images at twice their size, blurred as by `laplacian_pyramid`.

    Args:
        images: `[N, h, w, C]` with h = ceil(H / 2) and w = ceil(W / 2).
        size: H, W.

    Returns:
        `[N, H, W, C]`.
    """
    for axis in (1, 2):
        shape = list(images.shape)
        shape[axis] = size[axis - 1]
        spread = np.zeros(shape, images.dtype)
        np.moveaxis(spread, axis, 0)[::2] = 2 * np.moveaxis(images, axis, 0)
        images = _blur(spread, axis)
    return images


def _blur(images: np.ndarray, axis: int) -> np.ndarray:
    """Blurs with the binomial (1, 4, 6, 4, 1) / 16 along one axis, mirrored at the border."""
    margins = [(0, 0)] * images.ndim
    margins[axis] = (2, 2)
    padded = np.moveaxis(np.pad(images, margins, "reflect"), axis, 0)
    size = images.shape[axis]
    terms = (
        padded[offset : offset + size] * images.dtype.type(weight / 16)
        for offset, weight in enumerate((1, 4, 6, 4, 1))
    )
    return np.moveaxis(sum(terms), 0, axis)


def _patches(level: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
    """The normalized patches at the places `[N, P]`: `[N * P, 7 * 7 * C]` float32."""
    count, _, _, channels = level.shape
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    patches = windows[np.arange(count)[:, None], tops, lefts].reshape(-1, channels, PATCH * PATCH)
    scale = patches.std((0, 2), dtype=np.float64, keepdims=True)
    # Blank images leave rounding errors in the fine levels. These must not get standard deviation
    # 1.
    scale = np.where(scale > 1e-5, scale, 1)
    patches -= patches.mean((0, 2), dtype=np.float64, keepdims=True).astype(np.float32)
    patches /= scale.astype(np.float32)
    return patches.reshape(len(patches), -1)


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    """The sum of the kernel over all pairs, block by block."""
    total = 0.0
    for top in range(0, len(first), BLOCK):
        for left in range(0, len(second), BLOCK):
            products = first[top : top + BLOCK] @ second[left : left + BLOCK].T
            total += ((products / first.shape[1] + 1) ** 3).sum()
    return total


def _features(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The features as float64, checked."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shapes = first.shape, second.shape
    if (
        any(len(shape) != 2 or shape[0] < 2 for shape in shapes)
        or first.shape[1] != second.shape[1]
    ):
        raise ValueError(
            "Two sets of features [N, K] with at least 2 rows each and the same K are needed; "
            f"received {list(first.shape)} and {list(second.shape)}; "
            "compute both with one network, from more images."
        )
    _require_finite(first, second)
    return first, second


def _require_finite(first: np.ndarray, second: np.ndarray) -> None:
    """Raises a ValueError if a value is NaN or infinite."""
    for name, values in (("first", first), ("second", second)):
        bad_rows = np.count_nonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
        if bad_rows:
            raise ValueError(
                "A distance between sets needs finite values; received NaN or infinity in "
                f"{bad_rows} of the {name} set's {len(values)} rows; leave out these rows."
            )
