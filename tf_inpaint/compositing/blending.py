"""Blending: a completion has the known pixels of the image, and hidden pixels made from G(z).

    paste      the generated picture
    poisson    the gradients of the generated picture, without a seam at the known pixels
    feather    as poisson near the known pixels, as paste far from them

All functions return known pixels bit for bit, never read a hidden pixel of `images`, and treat each
image by itself. They consist of TensorFlow operations with free B, H and W, so that they can be
exported.
"""

from typing import NamedTuple

import tensorflow as tf

LEVELS = 13
"""Number of levels of the multigrid if H and W are unknown when the graph is built.

Enough for sides of 4096 pixels.
"""

DAMPING = 0.8
"""Damping of the Jacobi steps.

The preconditioner is positive definite up to 1. 0.8 removes high frequencies fastest.
"""


def paste(images: tf.Tensor, known: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The completion of the lecture, `known * images + (1 - known) * G(z)`.

    Every pixel is selected and not multiplied, for 0 * NaN is NaN: no hidden pixel of `images` and
    no known pixel of `generated` can change the result.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]. Hidden pixels may have any value.
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
        generated: `[B, H, W, C]` in [-1, 1], G(z).

    Returns:
        `[B, H, W, C]` float32, the completions.
    """
    return tf.where(known > 0, tf.cast(images, tf.float32), tf.cast(generated, tf.float32))


def poisson(
    images: tf.Tensor,
    known: tf.Tensor,
    generated: tf.Tensor,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
) -> tf.Tensor:
    """The completion with the gradients of the generated picture and no seam at the known pixels.

        min over the hole of || grad x - grad G(z) ||^2    with x = images on the known pixels

    The sum goes over all pairs of neighboring pixels with at least one hidden pixel. With the
    correction e = x - G(z) this is the linear system `A e = b`. For a hidden pixel i and its
    neighbors j inside the picture,

        sum_j (e_i - e_j) = 0     with e_j = images_j - G(z)_j where j is known

    A is symmetric, and positive definite because every hole touches a known pixel. For an image
    without a known pixel b is 0, and the completion is G(z).

    The system is solved by conjugate gradients with a multigrid cycle as preconditioner, which
    takes about ten iterations for a hole of any size. The iterations stop by the error of e, not by
    the residual r = b - A e: in a hole of d pixels the error can be d^2 / 8 times as large as the
    residual. With the preconditioner M, the error in the norm of A is close to sqrt(r^T M r). By
    the Cauchy-Schwarz inequality the error of a pixel is at most sqrt(A^-1_ii) times as large, a
    factor that grows as the square root of log d.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]. Hidden pixels may have any value.
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
        generated: `[B, H, W, C]` in [-1, 1], G(z). Where G(z) is not finite, the hole of its image
            may be lost, but no known pixel.
        tolerance: maximum error, in the norm of A, of a finished image. 1e-3 is an eighth of one of
            256 levels.
        max_iterations: maximum number of iterations.

    Returns:
        `[B, H, W, C]` float32, the completions. Hidden pixels are clipped to [-1, 1], for the
        correction can lead out of the range of a file.

    Source: Perez, Gangnet & Blake 2003, "Poisson Image Editing"; Tatebe 1993, "The Multigrid
        Preconditioned Conjugate Gradient Method".
    """
    return _corrected(images, known, generated, 0.0, tolerance, max_iterations)


def feather(
    images: tf.Tensor,
    known: tf.Tensor,
    generated: tf.Tensor,
    width: float = 8.0,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
) -> tf.Tensor:
    """The completion without a seam at the known pixels that equals G(z) far from them.

        min over the hole of || grad x - grad G(z) ||^2 + || x - G(z) ||^2 / width^2

    with x = images on the known pixels. This is `poisson` with a penalty on the correction. Beside
    a straight border the correction falls to 1 / e within `width` pixels. So a border where G(z)
    differs much from the known pixels does not change the color of the whole of a large hole.

    Args:
        images, known, generated, tolerance, max_iterations: see `poisson`.
        width: in pixels, above 0. A small width gives nearly `paste`, a width larger than the hole
            nearly `poisson`.

    Returns:
        `[B, H, W, C]` float32, the completions, hidden pixels clipped to [-1, 1].

    Source: Bhat et al. 2008, "Fourier Analysis of the 2D Screened Poisson Equation for Gradient
        Domain Problems".
    """
    return _corrected(images, known, generated, 1.0 / width**2, tolerance, max_iterations)


class Grid(NamedTuple):
    """The linear system of one level of the multigrid.

    (A e)_i = mass_i e_i + sum over neighbors j of w_ij (e_i - e_j)
    """

    across: tf.Tensor
    """`[B, H, W - 1, 1]`, w of each pixel and its right neighbor; 0 unless both are hidden."""
    down: tf.Tensor
    """`[B, H - 1, W, 1]`, w of each pixel and its lower neighbor; 0 unless both are hidden."""
    mass: tf.Tensor
    """`[B, H, W, 1]`, weight of the known neighbors of each pixel; 0 where nothing is hidden."""

    def product(self, field: tf.Tensor) -> tf.Tensor:
        """The product A e."""
        across = self.across * (field[:, :, :-1] - field[:, :, 1:])
        down = self.down * (field[:, :-1] - field[:, 1:])
        return (
            self.mass * field
            + _pad(across, 2, 0, 1)
            - _pad(across, 2, 1)
            + _pad(down, 1, 0, 1)
            - _pad(down, 1, 1)
        )

    def inverse_diagonal(self) -> tf.Tensor:
        """The inverse of the diagonal of A, 0 where nothing is hidden."""
        across = _pad(self.across, 2, 0, 1) + _pad(self.across, 2, 1)
        down = _pad(self.down, 1, 0, 1) + _pad(self.down, 1, 1)
        return tf.math.divide_no_nan(1.0, self.mass + across + down)

    def coarser(self) -> "Grid":
        """The linear system of boxes of 2 x 2 pixels.

        Two pairs of pixels join two boxes, but the boxes are twice as far apart: the weight is half
        the sum of theirs. The middle of a box is half a pixel farther from a known pixel than the
        middle of its pixel: the mass is that of a mass m and a weight 2 in series.
        """
        height, width = _size(self.mass)
        across = _pad(self.across, 1, 0, height % 2)[:, :, 1::2]
        down = _pad(self.down, 2, 0, width % 2)[:, 1::2]
        return Grid(
            0.5 * (across[:, ::2] + across[:, 1::2]),
            0.5 * (down[:, :, ::2] + down[:, :, 1::2]),
            _boxes(self.mass / (1.0 + 0.5 * self.mass)),
        )


def _cycle(grids: list[tuple[Grid, tf.Tensor]], residual: tf.Tensor) -> tf.Tensor:
    """One V-cycle M r, close to A^-1 r. M is symmetric and positive definite, as A is."""
    (grid, inverse), *coarser = grids
    if not coarser:
        return inverse * residual
    height, width = _size(residual)
    field = DAMPING * inverse * residual
    correction = _cycle(coarser, _boxes(residual - grid.product(field)))
    # The four pixels of a box get the value of the box.
    field += tf.nn.depth_to_space(tf.tile(correction, [1, 1, 1, 4]), 2)[:, :height, :width]
    return field + DAMPING * inverse * (residual - grid.product(field))


def _corrected(images, known, generated, screening, tolerance, max_iterations):
    """G(z) plus the correction of `poisson` (screening 0) or `feather` (screening 1 / width^2)."""
    # Build the linear system at all levels.
    is_known = known > 0
    images, generated = tf.cast(images, tf.float32), tf.cast(generated, tf.float32)
    hole = tf.where(is_known, 0.0, tf.ones_like(known, tf.float32))
    grid = Grid(
        hole[:, :, 1:] * hole[:, :, :-1],
        hole[:, 1:] * hole[:, :-1],
        hole * (_neighbor_sum(1.0 - hole) + screening),
    )
    grids = [(grid, grid.inverse_diagonal())]
    is_size_unknown = None in hole.shape[1:3]
    while len(grids) < LEVELS if is_size_unknown else max(grids[-1][1].shape[1:3]) > 1:
        coarser = grids[-1][0].coarser()
        grids.append((coarser, coarser.inverse_diagonal()))

    # One step of conjugate gradients. For a finished image the rate would be 0 / 0.
    def step(correction, residual, direction, squared, active):
        product = grid.product(direction)
        rate = tf.where(active, squared / _dot(direction, product), 0.0)
        correction += rate * direction
        residual -= rate * product
        preconditioned = _cycle(grids, residual)
        squared_before, squared = squared, _dot(residual, preconditioned)
        direction = preconditioned + tf.where(active, squared / squared_before, 0.0) * direction
        return correction, residual, direction, squared, squared > tolerance**2

    right_side = hole * _neighbor_sum(tf.where(is_known, images - generated, 0.0))
    direction = _cycle(grids, right_side)
    squared = _dot(right_side, direction)
    correction, *_ = tf.while_loop(
        lambda *state: tf.reduce_any(state[-1]),
        step,
        (tf.zeros_like(right_side), right_side, direction, squared, squared > tolerance**2),
        maximum_iterations=max_iterations,
    )
    return paste(images, known, tf.clip_by_value(generated + correction, -1.0, 1.0))


def _neighbor_sum(field: tf.Tensor) -> tf.Tensor:
    """The sum over the four neighbors of each pixel. There are none beyond the border."""
    padded = tf.pad(field, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]


def _boxes(field: tf.Tensor) -> tf.Tensor:
    """The sums over boxes of 2 x 2 pixels, with zeros beyond an odd border."""
    height, width = _size(field)
    return 4.0 * tf.nn.avg_pool2d(
        _pad(_pad(field, 1, 0, height % 2), 2, 0, width % 2), 2, 2, "VALID"
    )


def _size(field: tf.Tensor) -> tuple[int, int] | tf.Tensor:
    """H and W, as numbers if the graph knows them, else as tensors."""
    static = field.shape[1:3]
    return tf.unstack(tf.shape(field)[1:3]) if None in static else tuple(static)


def _pad(field: tf.Tensor, axis: int, before: int, after: int | tf.Tensor = 0) -> tf.Tensor:
    margins: list = [[0, 0] for _ in range(4)]
    margins[axis] = [before, after]
    return tf.pad(field, margins)


def _dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(first * second, axis=[1, 2, 3], keepdims=True)
