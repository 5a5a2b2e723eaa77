"""Tests of `exploration.latents`: the properties of paths, sums and neighbors."""

import numpy as np
import pytest

from tf_inpaint.exploration import latents

FIRST, LAST, OTHER = latents.draw([3, 4, 5], 100)
T = np.linspace(0, 1, 11)


def angles(z):
    """Returns the angles between successive z."""
    units = z / np.linalg.norm(z, axis=1, keepdims=True)
    return np.arccos((units[:-1] * units[1:]).sum(1))


def test_z_depends_only_on_its_seed():
    z = latents.draw([7, 12], 5)
    np.testing.assert_array_equal(latents.draw([12], 5)[0], z[1])
    assert z.dtype == np.float32 and np.abs(z[0] - z[1]).max() > 0.1
    many = latents.draw(range(400), 50)
    assert np.abs(many).max() <= 1
    assert many.var() == pytest.approx(1 / 3, rel=0.02)
    assert many.mean() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("path", latents.PATHS.values())
@pytest.mark.parametrize("last", [LAST, FIRST, -FIRST, 2 * FIRST, 0 * FIRST], ids=list("zspd0"))
def test_a_path_joins_its_ends(path, last):
    points = path(FIRST, last, T)
    assert points.shape == (11, 100) and np.isfinite(points).all()
    np.testing.assert_allclose(points[[0, -1]], [FIRST, last], atol=1e-6)
    np.testing.assert_allclose(path(last, FIRST, 1 - T), points, atol=1e-6)


def test_lerp_is_straight():
    points = latents.lerp(FIRST, LAST, T)
    np.testing.assert_allclose(
        np.diff(points, axis=0), np.tile((LAST - FIRST) / 10, (10, 1)), atol=1e-6
    )


def test_slerp_turns_at_constant_speed_and_its_radius_is_linear():
    points = latents.slerp(FIRST, 0.5 * LAST, T)
    steps = angles(points)
    assert steps[0] > 0.05
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    radii = np.linalg.norm(FIRST), np.linalg.norm(0.5 * LAST)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.linspace(*radii, 11), rtol=1e-6)
    plane = np.linalg.qr(np.stack([FIRST, LAST], 1).astype(float))[0]
    np.testing.assert_allclose(points @ plane @ plane.T, points, atol=1e-6)


def test_slerp_of_a_right_angle():
    middle = latents.slerp(np.array([2.0, 0]), np.array([0, 2.0]), [0.5, 1 / 3])
    np.testing.assert_allclose(middle, [[2**0.5, 2**0.5], [3**0.5, 1]])


def test_slerp_of_nearly_parallel_z_is_nearly_straight():
    close = FIRST + 1e-4 * LAST
    np.testing.assert_allclose(
        latents.slerp(FIRST, close, T), latents.lerp(FIRST, close, T), atol=1e-6
    )
    np.testing.assert_allclose(
        latents.slerp(FIRST, 3 * FIRST, T), latents.lerp(FIRST, 3 * FIRST, T)
    )


def test_walk_contains_every_z_and_returns_to_the_first():
    z = np.stack([FIRST, LAST, OTHER])
    points = latents.walk(z, 4)
    assert points.shape == (12, 100)
    np.testing.assert_allclose(points[::4], z, atol=1e-6)
    np.testing.assert_allclose(
        points[9:], latents.slerp(OTHER, FIRST, [0.25, 0.5, 0.75]), atol=1e-6
    )


def test_arithmetic():
    a, b, c = (latents.draw(range(start, start + 3), 20) for start in (0, 10, 20))
    np.testing.assert_allclose(latents.arithmetic(a, a, c), c.mean(0), atol=1e-6)
    np.testing.assert_allclose(latents.arithmetic(a, b, b), a.mean(0), atol=1e-6)
    expected = [sum(a[:, i]) / 3 - sum(b[:, i]) / 3 + sum(c[:, i]) / 3 for i in range(20)]
    np.testing.assert_allclose(latents.arithmetic(a, b, c), expected, atol=1e-6)


def test_arithmetic_keeps_the_variance_of_the_prior():
    z = latents.arithmetic(*latents.draw(range(9), 30_000).reshape(3, 3, -1))
    assert z.var() == pytest.approx(1 / 3, rel=0.03)


def test_neighbors_lie_within_the_noise():
    neighbors = latents.neighbors(FIRST, 0.25, seed=1)
    noise = neighbors - FIRST
    assert neighbors.shape == (8, 100)
    assert 0.24 < np.abs(noise).max() <= 0.25
    assert noise.std() == pytest.approx(0.25 / 3**0.5, rel=0.05)
    np.testing.assert_array_equal(neighbors, latents.neighbors(FIRST, 0.25, seed=1))
    assert np.abs(neighbors - latents.neighbors(FIRST, 0.25, seed=2)).max() > 0.1
    np.testing.assert_allclose(latents.neighbors(FIRST, 0.5, seed=1) - FIRST, 2 * noise, atol=1e-6)


def test_the_center_is_in_the_middle():
    square = latents.around(FIRST, latents.neighbors(FIRST, 0.25, 0)).reshape(3, 3, -1)
    distances = np.abs(square - FIRST).max(2)
    assert distances[1, 1] == 0 and (distances > 0).sum() == 8
