"""From a generated picture to a completion: known pixels of the image, the rest from G(z).

    paste      the picture as it is
    poisson    its gradients, bent until it meets the known pixels without a seam
    feather    the same near the known pixels, the picture as it is far from them

All return known pixels bit-exact, never read a hidden pixel of `images`, and treat each image by itself. They
are pure TensorFlow with free B, H and W, so they can be exported.
"""

from typing import NamedTuple

import tensorflow as tf

LEVELS = 13
"""Of the multigrid where H and W are not known when the graph is built: enough for 4096 pixels a side."""
DAMPING = 0.8
"""Of the Jacobi steps. The preconditioner stays positive definite up to 1; 0.8 damps what is rough the fastest."""


def paste(images: tf.Tensor, known: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The lecture's completion, `known * images + (1 - known) * G(z)`.

    Chosen pixel by pixel instead of multiplied, since 0 * NaN is NaN: nothing in a hidden pixel of `images`
    or in a known pixel of `generated` can reach the result.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
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
    """The completion that has the generated picture's gradients and meets the known pixels without a seam.

        min over the hole of || grad x - grad G(z) ||^2    with x = images on the known pixels

    summed over all pairs of neighbouring pixels of which at least one is hidden. With the correction
    e = x - G(z) this is the linear system `A e = b`: over a hidden pixel's neighbours j inside the picture,

        sum_j (e_i - e_j) = 0     with e_j = images_j - G(z)_j where j is known

    A is symmetric and, as every hole touches a known pixel, positive definite. An image without a known pixel has
    b = 0 and comes back as G(z).

    The system is solved by conjugate gradients, preconditioned by a multigrid cycle: some ten iterations for a
    hole of any size. They stop by the error of e, not by the residual b - A e, behind which the error of a hole of
    d pixels can be d^2 / 8 times as large: in the norm of A the error is, nearly, sqrt(r^T M r), with the residual
    r and the preconditioner M, and no pixel is much further off than that (by Cauchy and Schwarz at most
    sqrt(A^-1_ii) times as far, which grows as the root of the logarithm of d).

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1]; hidden pixels may hold anything.
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
        generated: `[B, H, W, C]` in [-1, 1], G(z). An image for which it is not finite may lose its hole, but
            no known pixel.
        tolerance: an image is done when the error, in the norm of A, does not exceed this: 1e-3 is an eighth
            of one of 256 levels.
        max_iterations: the most steps for any image.

    Returns:
        `[B, H, W, C]` float32, the completions. Hidden pixels are clipped to [-1, 1]: meeting the border can
        push them beyond what a file can hold.

    Source: Perez, Gangnet & Blake 2003, "Poisson Image Editing"; Tatebe 1993, "The Multigrid Preconditioned
        Conjugate Gradient Method".
    """
    return _bent(images, known, generated, 0.0, tolerance, max_iterations)


def feather(
    images: tf.Tensor,
    known: tf.Tensor,
    generated: tf.Tensor,
    width: float = 8.0,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
) -> tf.Tensor:
    """The completion that meets the known pixels without a seam and is the generated picture far from them.

        min over the hole of || grad x - grad G(z) ||^2 + || x - G(z) ||^2 / width^2

    with x = images on the known pixels: `poisson`, with a price on the correction. Beside a straight border the
    correction falls to 1 / e within `width` pixels. So a border that the picture misses by much, a dark one
    where it is bright, does not tint the whole of a large hole.

    Args:
        images, known, generated, tolerance, max_iterations: see `poisson`.
        width: in pixels, above 0. Small, this is nearly `paste`; larger than the hole, `poisson`.

    Returns:
        `[B, H, W, C]` float32, the completions, hidden pixels clipped to [-1, 1].

    Source: Bhat et al. 2008, "Fourier Analysis of the 2D Screened Poisson Equation for Gradient Domain Problems".
    """
    return _bent(images, known, generated, 1.0 / width**2, tolerance, max_iterations)


class Grid(NamedTuple):
    """The system of one level of the multigrid, `(A e)_i = mass_i e_i + sum over neighbours j of w_ij (e_i - e_j)`."""

    across: tf.Tensor
    """`[B, H, W - 1, 1]`, w of each pixel and the one right of it; 0 unless both are hidden."""
    down: tf.Tensor
    """`[B, H - 1, W, 1]`, w of each pixel and the one below it."""
    mass: tf.Tensor
    """`[B, H, W, 1]`, what ties a pixel to the known ones; 0 where none of it is hidden."""

    def product(self, field: tf.Tensor) -> tf.Tensor:
        """A e."""
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
        across = _pad(self.across, 2, 0, 1) + _pad(self.across, 2, 1)
        down = _pad(self.down, 1, 0, 1) + _pad(self.down, 1, 1)
        return tf.math.divide_no_nan(1.0, self.mass + across + down)

    def coarser(self) -> "Grid":
        """The system of boxes of 2 x 2 pixels.

        Two boxes are joined by two pairs of pixels but lie twice as far apart: half the sum. To a known pixel it is
        half a pixel further from a box's middle than from its pixel's: a mass m and a weight 2 in series.
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
    """One V-cycle, M r: nearly A^-1 r, symmetric and positive definite as A is."""
    (grid, inverse), *coarser = grids
    if not coarser:
        return inverse * residual
    height, width = _size(residual)
    field = DAMPING * inverse * residual
    correction = _cycle(coarser, _boxes(residual - grid.product(field)))
    # Each box's value for its four pixels.
    field += tf.nn.depth_to_space(tf.tile(correction, [1, 1, 1, 4]), 2)[:, :height, :width]
    return field + DAMPING * inverse * (residual - grid.product(field))


def _bent(images, known, generated, screening, tolerance, max_iterations):
    """G(z) plus the correction for which `poisson` and `feather` say the equation; `screening` is 1 / width^2."""
    given = known > 0
    images, generated = tf.cast(images, tf.float32), tf.cast(generated, tf.float32)
    hole = tf.where(given, 0.0, tf.ones_like(known, tf.float32))
    grid = Grid(
        hole[:, :, 1:] * hole[:, :, :-1],
        hole[:, 1:] * hole[:, :-1],
        hole * (_neighbours(1.0 - hole) + screening),
    )
    grids = [(grid, grid.inverse_diagonal())]
    free = None in hole.shape[1:3]
    while len(grids) < LEVELS if free else max(grids[-1][1].shape[1:3]) > 1:
        coarser = grids[-1][0].coarser()
        grids.append((coarser, coarser.inverse_diagonal()))

    # An image that is done takes steps of length 0, not the 0 / 0 of its formula.
    def step(correction, residual, direction, squared, active):
        product = grid.product(direction)
        rate = tf.where(active, squared / _dot(direction, product), 0.0)
        correction += rate * direction
        residual -= rate * product
        preconditioned = _cycle(grids, residual)
        squared_before, squared = squared, _dot(residual, preconditioned)
        direction = preconditioned + tf.where(active, squared / squared_before, 0.0) * direction
        return correction, residual, direction, squared, squared > tolerance**2

    right = hole * _neighbours(tf.where(given, images - generated, 0.0))
    direction = _cycle(grids, right)
    squared = _dot(right, direction)
    correction, *_ = tf.while_loop(
        lambda *state: tf.reduce_any(state[-1]),
        step,
        (tf.zeros_like(right), right, direction, squared, squared > tolerance**2),
        maximum_iterations=max_iterations,
    )
    return paste(images, known, tf.clip_by_value(generated + correction, -1.0, 1.0))


def _neighbours(field: tf.Tensor) -> tf.Tensor:
    """The sum over each pixel's four neighbours; beyond the border there are none."""
    padded = tf.pad(field, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]


def _boxes(field: tf.Tensor) -> tf.Tensor:
    """The sums over boxes of 2 x 2 pixels; beyond an odd border there is nothing."""
    height, width = _size(field)
    return 4.0 * tf.nn.avg_pool2d(
        _pad(_pad(field, 1, 0, height % 2), 2, 0, width % 2), 2, 2, "VALID"
    )


def _size(field: tf.Tensor) -> tuple[int, int] | tf.Tensor:
    """H and W, as numbers where they are known."""
    static = field.shape[1:3]
    return tf.unstack(tf.shape(field)[1:3]) if None in static else tuple(static)


def _pad(field: tf.Tensor, axis: int, before: int, after: int | tf.Tensor = 0) -> tf.Tensor:
    margins: list = [[0, 0] for _ in range(4)]
    margins[axis] = [before, after]
    return tf.pad(field, margins)


def _dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(first * second, axis=[1, 2, 3], keepdims=True)
