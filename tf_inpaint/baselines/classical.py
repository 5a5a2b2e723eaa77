"""The classical baselines: they fill a hole from the image alone, without learning anything.

`hole_filling.py` says what all methods have in common. The GAN's completions are compared with
those of the methods.
"""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np

from tf_inpaint.baselines.hole_filling import Fill, Method, fill_holes

OPENCV_RADIUS = 3.0
"""`inpaintRadius` of OpenCV in pixels, as in OpenCV's own example."""

DUAL_STEP = 0.1
"""Dual step of `total_variation`.

Among values from 0.1 to 2, 0.1 had the smallest duality gap for most step counts and masks.
"""

RELAXATION = 1.9
"""Over-relaxation of the steps of `total_variation`."""

CHECK_EVERY = 50
"""Number of steps of `total_variation` between two computations of the duality gap."""

VALUES_AT_ONCE = 65_536
"""Number of values that `total_variation` processes at once.

The 2 million values of many images of 64 x 64 x 3 do not fit into the cache of a core.
"""

PACKAGES = {"cv2": "OpenCV", "scipy": "SciPy", "skimage": "scikit-image"}
"""Names of the packages by the names of their modules."""


def mean_color(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the hole with one color, the mean of the image's known pixels."""

    def prepare(is_known):
        return lambda image: image[is_known].mean(0)

    return fill_holes(images, known, prepare)


def nearest_pixel(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Gives each hidden pixel the value of the nearest known pixel, in Euclidean distance.

    Raises:
        ValueError: SciPy is not installed.
    """
    ndimage = _package("scipy.ndimage", "nearest_pixel")

    def prepare(is_known):
        rows, columns = ndimage.distance_transform_edt(
            ~is_known, return_distances=False, return_indices=True
        )
        return lambda image: image[rows[~is_known], columns[~is_known]]

    return fill_holes(images, known, prepare)


def harmonic(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the hole with the smoothest membrane through the known pixels: Laplace's equation.

        min over the hole of || grad x ||^2    with x = images on the known pixels

    A hidden pixel is then the mean of its four neighbors. At the border of the image it has fewer
    neighbors, because no flux leaves the image. No hidden pixel is brighter than the brightest
    known pixel or darker than the darkest. The equations are solved directly, with one sparse
    factorization per mask. The solution is exact up to rounding, and at 64 px it is faster than
    conjugate gradients to 1e-3.

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

    def prepare(is_known):
        equations = laplacian[~is_known.ravel()]
        # The system is symmetric and positive definite: this ordering needs no pivoting.
        system = sparse.csc_array(equations[:, ~is_known.ravel()])
        factors = linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        border = equations[:, is_known.ravel()]
        return lambda image: factors.solve(-(border @ image[is_known]))

    return fill_holes(images, known, prepare)


def biharmonic(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the hole with the thin plate through the known pixels, by scikit-image.

        laplace laplace x = 0 in the hole

    The plate continues slopes into the hole, and a membrane does not. scikit-image clips each
    channel to the range of its known pixels.

    Raises:
        ValueError: scikit-image is not installed.

    Source: Damelin & Hoang 2018, "On Surface Completion and Image Inpainting by Biharmonic
    Functions".
    """
    restoration = _package("skimage.restoration", "biharmonic")

    def prepare(is_known):
        def fill(image):
            # The image as a whole: region by region took up to twice as long, for identical bits.
            return restoration.inpaint_biharmonic(image, ~is_known, channel_axis=-1)[~is_known]

        return fill

    return fill_holes(images, known, prepare)


def total_variation(
    images: np.ndarray, known: np.ndarray, tolerance: float = 0.004, max_iterations: int = 10_000
) -> np.ndarray:
    """Fills the hole with the completion of least total variation: short level lines, sharp edges.

        min over the hole of the sum over pixels of sqrt(sum over channels of (d_y x)^2 + (d_x x)^2)
        with x = images on the known pixels

    with differences to the next pixel down and right, and no differences across the border of the
    image. The channels are coupled: an edge costs less where all channels have the edge, so all
    channels change at the same place. Over-relaxed primal-dual steps start from the harmonic
    completion. Each image stops by itself, on the duality gap. With p any field of |p_i| <= 1,
    q = grad^T p, and [low, high] the range of the image's known pixels, the least total variation
    is at least

        sum over known of q_i images_i + sum over the hole of min(q_i low, q_i high)

    Args:
        images, known: as for every method.
        tolerance: an image is done when its total variation exceeds the least by at most this value
            per hidden pixel; 0.004 is half an 8-bit level.
        max_iterations: maximum number of steps for any image.

    Raises:
        ValueError: SciPy is not installed.

    Source: Chan & Shen 2001, "Nontexture Inpainting by Curvature-Driven Diffusions" and
    "Mathematical Models for Local Nontexture Inpaintings"; Chambolle & Pock 2011, "A First-Order
    Primal-Dual Algorithm".
    """
    completions = harmonic(images, known)
    is_known = np.broadcast_to(known > 0, completions.shape)
    rows = np.flatnonzero(is_known.any((1, 2, 3)) & ~is_known.all((1, 2, 3)))
    batch_size = max(1, VALUES_AT_ONCE // max(1, np.prod(completions.shape[1:])))
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        completions[batch] = _minimize_variation(
            completions[batch], is_known[batch], tolerance, max_iterations
        )
    return completions


def telea(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the hole with OpenCV's `INPAINT_TELEA`: weighted means from the border inwards.

    The radius is 3. OpenCV works on 8-bit levels; the known pixels keep their floats. OpenCV's
    result for a constant image differs from the constant by some levels.

    Raises:
        ValueError: OpenCV is not installed.

    Source: Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method".
    """
    return fill_holes(images, known, _opencv("INPAINT_TELEA", "telea"))


def navier_stokes(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the hole with OpenCV's `INPAINT_NS`: level lines continue like stream lines of a fluid.

    The radius is 3. OpenCV works on 8-bit levels; the known pixels keep their floats.

    Raises:
        ValueError: OpenCV is not installed.

    Source: Bertalmio, Bertozzi & Sapiro 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video
    Inpainting".
    """
    return fill_holes(images, known, _opencv("INPAINT_NS", "navier_stokes"))


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
"""The classical methods by name."""


def _minimize_variation(
    images: np.ndarray, is_known: np.ndarray, tolerance: float, max_iterations: int
) -> np.ndarray:
    """`total_variation` of images whose hidden pixels are the start values.

    Args:
        images: `[N, H, W, C]` in [-1, 1].
        is_known: bool `[N, H, W, C]`.
        tolerance, max_iterations: as for `total_variation`.

    Returns:
        `[N, H, W, C]`.
    """
    result = images.copy()
    low = np.where(is_known, images, np.inf).min((1, 2), keepdims=True)
    high = np.where(is_known, images, -np.inf).max((1, 2), keepdims=True)
    # 8 bounds the squared norm of the gradient.
    primal_step = 1 / (8 * DUAL_STEP)
    max_gap = tolerance * np.count_nonzero(~is_known[..., 0], axis=(1, 2))
    active = np.arange(len(images))
    x, p = images, np.zeros((2, *images.shape), np.float32)
    for iteration in range(1, max_iterations + 1):
        # Take a step.
        x_next = np.where(is_known, images, x - primal_step * _transposed_gradient(p))
        p_next = p + DUAL_STEP * _gradient(2 * x_next - x)
        p_next /= np.maximum(1, _lengths(p_next))

        # Drop the images whose gap is small enough.
        if iteration % CHECK_EVERY == 0 or iteration == max_iterations:
            # Clipping to the range of the known pixels enlarges no difference between pixels.
            candidate = np.clip(x_next, low, high)
            gap = _duality_gap(candidate, p_next, images, is_known, low, high)
            result[active] = candidate
            unfinished = gap > max_gap
            if not unfinished.any():
                break
            active, max_gap = active[unfinished], max_gap[unfinished]
            images, is_known, low, high, x, x_next = (
                array[unfinished] for array in (images, is_known, low, high, x, x_next)
            )
            p, p_next = p[:, unfinished], p_next[:, unfinished]

        # Over-relax.
        x, p = x + RELAXATION * (x_next - x), p + RELAXATION * (p_next - p)
    return result


def _duality_gap(
    x: np.ndarray,
    p: np.ndarray,
    images: np.ndarray,
    is_known: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """The total variation of x less the lower bound that p gives, `[N]`.

    x must be in [low, high], the range of the known pixels.
    """
    q = _transposed_gradient(p)
    bound = np.where(is_known, images * q, np.minimum(q * low, q * high)).reshape(len(q), -1).sum(1)
    return _lengths(_gradient(x)).reshape(len(q), -1).sum(1) - bound


def _gradient(images: np.ndarray) -> np.ndarray:
    """Differences to the pixel below and to the right, `[2, N, H, W, C]`, 0 at the border."""
    gradient = np.zeros((2, *images.shape), images.dtype)
    np.subtract(images[:, 1:], images[:, :-1], out=gradient[0, :, :-1])
    np.subtract(images[:, :, 1:], images[:, :, :-1], out=gradient[1, :, :, :-1])
    return gradient


def _transposed_gradient(p: np.ndarray) -> np.ndarray:
    """The transpose of `_gradient` applied to p `[2, N, H, W, C]`: `[N, H, W, C]`."""
    result = np.zeros_like(p[0])
    result[:, :-1] -= p[0, :, :-1]
    result[:, 1:] += p[0, :, :-1]
    result[:, :, :-1] -= p[1, :, :, :-1]
    result[:, :, 1:] += p[1, :, :, :-1]
    return result


def _lengths(gradient: np.ndarray) -> np.ndarray:
    """The length of each pixel's gradient over both directions and all channels, `[N, H, W, 1]`."""
    return np.sqrt(np.sum(gradient**2, axis=(0, 4), keepdims=True))[0]


def _opencv(flag: str, method: str) -> Callable[[np.ndarray], Fill]:
    """Returns the `prepare` function of an OpenCV algorithm, given by the name of its flag."""
    cv2 = _package("cv2", method)

    def prepare(is_known):
        def fill(image):
            levels = np.rint((image + 1) * 127.5).clip(0, 255).astype(np.uint8)
            hole = (~is_known).astype(np.uint8)
            completion = cv2.inpaint(levels, hole, OPENCV_RADIUS, getattr(cv2, flag))
            return completion.reshape(levels.shape)[~is_known] / 127.5 - 1

        return fill

    return prepare


@functools.cache
def _package(module: str, method: str) -> ModuleType:
    """Imports a module that `method` needs.

    Raises:
        ValueError: its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        name = PACKAGES[module.partition(".")[0]]
        raise ValueError(
            f"The method {method} needs {name}; the package is not installed; "
            "run pip install 'tf_inpaint[eval]'."
        ) from None
