"""What fills a hole without learning anything: the classical methods that a GAN's completions are compared with.

A method is a function `(images, known) -> completions`, NumPy arrays in and out. All of them return known pixels
bit-exact, never read a hidden pixel of `images`, and treat each image by itself. An image of which nothing is
known comes back gray, 0; one of which all is known, as it is.

    images       [N, H, W, C] float32 in [-1, 1]; hidden pixels may hold anything
    known        [N, H, W, 1], 1 = given, 0 = hole
    completions  [N, H, W, C] float32 in [-1, 1]
"""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
Fill = Callable[[np.ndarray], np.ndarray]

RADIUS = 3.0
"""OpenCV's `inpaintRadius` in pixels, as in its own example."""

SIGMA = 0.1
"""Total variation's dual step. 0.1 had the smallest gap at most step counts and masks, of 0.1 to 2 tried."""

RELAXATION = 1.9
BLOCK = 65_536
"""Numbers that total variation treats at once: 2 million of 64 x 64 x 3 images do not fit a core's cache."""

PACKAGES = {"cv2": "OpenCV", "scipy": "SciPy", "skimage": "scikit-image"}


def mean_color(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The hole in one colour, the mean of the image's known pixels."""
    return complete(images, known, lambda given: lambda image: image[given].mean(0))


def nearest_pixel(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Each hidden pixel has the value of the known pixel nearest to it, in Euclidean distance.

    Raises:
        ValueError: SciPy is not installed.
    """
    ndimage = _package("scipy.ndimage", "nearest_pixel")

    def prepare(given):
        rows, columns = ndimage.distance_transform_edt(
            ~given, return_distances=False, return_indices=True
        )
        return lambda image: image[rows[~given], columns[~given]]

    return complete(images, known, prepare)


def harmonic(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The smoothest membrane through the known pixels: Laplace's equation in the hole.

        min over the hole of || grad x ||^2    with x = images on the known pixels

    so that a hidden pixel is the mean of its four neighbours, of fewer at the picture's border, where no flux
    leaves. No hidden pixel is brighter than the brightest known one or darker than the darkest. Solved directly, a
    sparse factorisation a mask: to rounding, and at 64 px faster than conjugate gradients to 1e-3.

    Raises:
        ValueError: SciPy is not installed.
    """
    sparse = _package("scipy.sparse", "harmonic")
    linalg = _package("scipy.sparse.linalg", "harmonic")

    def differences(size):
        ones = np.ones(size - 1)
        return sparse.diags_array([-ones, ones], offsets=[0, 1], shape=(size - 1, size))

    down, right = (differences(size) for size in np.shape(images)[1:3])
    laplacian = sparse.csr_array(sparse.kronsum(right.T @ right, down.T @ down))

    def prepare(given):
        equations = laplacian[~given.ravel()]
        # Symmetric and positive definite: this ordering and no pivoting.
        system = sparse.csc_array(equations[:, ~given.ravel()])
        factors = linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        border = equations[:, given.ravel()]
        return lambda image: factors.solve(-(border @ image[given]))

    return complete(images, known, prepare)


def biharmonic(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The thin plate through the known pixels, `laplace laplace x = 0` in the hole, by scikit-image.

    It continues slopes into the hole, which a membrane does not. scikit-image clips each channel to the range of
    its known pixels.

    Raises:
        ValueError: scikit-image is not installed.

    Source: Damelin & Hoang 2018, "On Surface Completion and Image Inpainting by Biharmonic Functions".
    """
    restoration = _package("skimage.restoration", "biharmonic")

    def prepare(given):
        # In whole: region by region gives the same to the last bit and took up to twice as long.
        return lambda image: restoration.inpaint_biharmonic(image, ~given, channel_axis=-1)[~given]

    return complete(images, known, prepare)


def total_variation(
    images: np.ndarray, known: np.ndarray, tolerance: float = 0.004, max_iterations: int = 10_000
) -> np.ndarray:
    """The completion of least total variation: level lines as short as can be, edges kept sharp.

        min over the hole of the sum over pixels of sqrt(sum over channels of (d_y x)^2 + (d_x x)^2)
        with x = images on the known pixels

    with differences to the next pixel down and right, none across the picture's border. The channels are coupled:
    an edge costs less where all of them have it, so colours break together. Over-relaxed primal-dual steps start
    from the harmonic completion; each image stops by itself, on the duality gap: with p any field of
    |p_i| <= 1, q = grad^T p, and [low, high] the range of the image's known pixels, the least total variation is at
    least

        sum over known of q_i images_i + sum over the hole of min(q_i low, q_i high)

    Args:
        images, known: as for every method.
        tolerance: an image is done when its total variation exceeds the least by at most this much a hidden pixel;
            0.004 is half an 8-bit level.
        max_iterations: the most steps for any image.

    Raises:
        ValueError: SciPy is not installed.

    Source: Chan & Shen 2001, "Nontexture Inpainting by Curvature-Driven Diffusions" and "Mathematical Models for
    Local Nontexture Inpaintings"; Chambolle & Pock 2011, "A First-Order Primal-Dual Algorithm".
    """
    completions = harmonic(images, known)
    given = np.broadcast_to(known > 0, completions.shape)
    rows = np.flatnonzero(given.any((1, 2, 3)) & ~given.all((1, 2, 3)))
    at_once = max(1, BLOCK // max(1, np.prod(completions.shape[1:])))
    for some in (rows[start : start + at_once] for start in range(0, len(rows), at_once)):
        completions[some] = _least_variation(
            completions[some], given[some], tolerance, max_iterations
        )
    return completions


def telea(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """OpenCV's `INPAINT_TELEA`, radius 3: weighted means that march inwards from the hole's border.

    On 8-bit levels, as OpenCV works; the known pixels keep their floats. OpenCV's leaves even a constant by some
    levels.

    Raises:
        ValueError: OpenCV is not installed.

    Source: Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method".
    """
    return complete(images, known, _opencv("INPAINT_TELEA", "telea"))


def navier_stokes(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """OpenCV's `INPAINT_NS`, radius 3: level lines continued into the hole as a fluid's stream lines.

    On 8-bit levels, as OpenCV works; the known pixels keep their floats.

    Raises:
        ValueError: OpenCV is not installed.

    Source: Bertalmio, Bertozzi & Sapiro 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting".
    """
    return complete(images, known, _opencv("INPAINT_NS", "navier_stokes"))


METHODS: dict[str, Method] = {
    method.__name__: method
    for method in (
        mean_color,
        nearest_pixel,
        harmonic,
        biharmonic,
        total_variation,
        telea,
        navier_stokes,
    )
}
"""Name -> method. Those that learn from training images are in `statistical.py`."""


def complete(
    images: np.ndarray,
    known: np.ndarray,
    prepare: Callable[[np.ndarray], Fill],
    nothing_known: np.ndarray | float = 0.0,
) -> np.ndarray:
    """The images with their holes filled one by one; what depends on the mask alone is done once a mask.

    Args:
        images: `[N, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[N, H, W, 1]`, 1 = given, 0 = hole.
        prepare: takes `given`, bool `[H, W]` of which some is True and some False, and gives `fill`, which takes an
            image, float64 `[H, W, C]` and 0 in the hole, and gives the hidden pixels in order, `[K, C]` or `[C]`.
        nothing_known: `[H, W, C]` or a number, the completion where no pixel is known.

    Returns:
        `[N, H, W, C]` float32; hidden pixels are clipped to [-1, 1].

    Raises:
        ValueError: shapes that do not belong together.
    """
    images, known = np.asarray(images, np.float32), np.asarray(known)
    if images.ndim != 4 or known.shape != (*images.shape[:3], 1):
        raise ValueError(
            "a method needs images [N, H, W, C] and a mask for each, known [N, H, W, 1]; "
            f"received {list(images.shape)} and {list(known.shape)}; repeat a mask that all share."
        )
    given = known[..., 0] > 0
    completions = np.where(given[..., None], images, np.float32(0))
    by_mask = {}
    for row, mask in enumerate(given):
        by_mask.setdefault(mask.tobytes(), []).append(row)
    for rows in by_mask.values():
        mask = given[rows[0]]
        if not mask.any():
            completions[rows] = np.clip(nothing_known, -1, 1)
        elif not mask.all():
            fill = prepare(mask)
            for row in rows:
                completions[row][~mask] = np.clip(fill(completions[row].astype(np.float64)), -1, 1)
    return completions


def _least_variation(
    images: np.ndarray,
    given: np.ndarray,
    tolerance: float,
    max_iterations: int,
    check_every: int = 50,
) -> np.ndarray:
    """`total_variation` of images that start from their hidden pixels; `given` is bool `[N, H, W, C]`."""
    result = images.copy()
    low = np.where(given, images, np.inf).min((1, 2), keepdims=True)
    high = np.where(given, images, -np.inf).max((1, 2), keepdims=True)
    # As 8 bounds the squared norm of the gradient.
    step, allowed = 1 / (8 * SIGMA), tolerance * np.count_nonzero(~given[..., 0], axis=(1, 2))
    active = np.arange(len(images))
    x, p = images, np.zeros((2, *images.shape), np.float32)
    for iteration in range(1, max_iterations + 1):
        x_next = np.where(given, images, x - step * _transposed_gradient(p))
        p_next = p + SIGMA * _gradient(2 * x_next - x)
        p_next /= np.maximum(1, _lengths(p_next))
        if iteration % check_every == 0 or iteration == max_iterations:
            # With x in the known pixels' range; to bring it there raises no difference.
            candidate, q = np.clip(x_next, low, high), _transposed_gradient(p_next)
            bound = (
                np.where(given, images * q, np.minimum(q * low, q * high))
                .reshape(len(q), -1)
                .sum(1)
            )
            gap = _lengths(_gradient(candidate)).reshape(len(q), -1).sum(1) - bound
            result[active] = candidate
            left = gap > allowed
            if not left.any():
                break
            active, allowed = active[left], allowed[left]
            images, given, low, high, x, x_next = (
                a[left] for a in (images, given, low, high, x, x_next)
            )
            p, p_next = p[:, left], p_next[:, left]
        x, p = x + RELAXATION * (x_next - x), p + RELAXATION * (p_next - p)
    return result


def _gradient(images: np.ndarray) -> np.ndarray:
    """Differences to the pixel below and to the right, `[2, N, H, W, C]`, 0 at the border."""
    gradient = np.zeros((2, *images.shape), images.dtype)
    np.subtract(images[:, 1:], images[:, :-1], out=gradient[0, :, :-1])
    np.subtract(images[:, :, 1:], images[:, :, :-1], out=gradient[1, :, :, :-1])
    return gradient


def _transposed_gradient(p: np.ndarray) -> np.ndarray:
    result = np.zeros_like(p[0])
    result[:, :-1] -= p[0, :, :-1]
    result[:, 1:] += p[0, :, :-1]
    result[:, :, :-1] -= p[1, :, :, :-1]
    result[:, :, 1:] += p[1, :, :, :-1]
    return result


def _lengths(gradient: np.ndarray) -> np.ndarray:
    return np.sqrt(np.sum(gradient**2, axis=(0, 4), keepdims=True))[0]


def _opencv(flag: str, method: str) -> Callable[[np.ndarray], Fill]:
    cv2 = _package("cv2", method)

    def prepare(given):
        def fill(image):
            levels = np.rint((image + 1) * 127.5).clip(0, 255).astype(np.uint8)
            filled = cv2.inpaint(levels, (~given).astype(np.uint8), RADIUS, getattr(cv2, flag))
            return filled.reshape(levels.shape)[~given] / 127.5 - 1

        return fill

    return prepare


@functools.cache
def _package(module: str, method: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        name = PACKAGES[module.partition(".")[0]]
        raise ValueError(
            f"The method {method} needs {name}; it is not installed; run pip install 'tf_inpaint[eval]'."
        ) from None
