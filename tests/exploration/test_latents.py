"""latents: what makes a path, a sum and a neighbourhood what they are; nearest: exact, in any chunks."""

import numpy as np
import pytest

from tf_inpaint.exploration import latents, nearest_training_images

FIRST, LAST, OTHER = latents.draw([3, 4, 5], 100)
SHARES = np.linspace(0, 1, 11)


def angles(z):
    units = z / np.linalg.norm(z, axis=1, keepdims=True)
    return np.arccos((units[:-1] * units[1:]).sum(1))


def test_a_seed_is_its_z_whatever_stands_beside_it():
    z = latents.draw([7, 12], 5)
    np.testing.assert_array_equal(latents.draw([12], 5)[0], z[1])
    assert z.dtype == np.float32 and np.abs(z[0] - z[1]).max() > 0.1
    many = latents.draw(range(400), 50)
    assert np.abs(many).max() <= 1
    assert many.var() == pytest.approx(1 / 3, rel=0.02) and many.mean() == pytest.approx(
        0, abs=0.02
    )


@pytest.mark.parametrize("path", latents.PATHS.values())
@pytest.mark.parametrize("last", [LAST, FIRST, -FIRST, 2 * FIRST, 0 * FIRST], ids=list("zspd0"))
def test_a_path_goes_from_one_to_the_other(path, last):
    points = path(FIRST, last, SHARES)
    assert points.shape == (11, 100) and np.isfinite(points).all()
    np.testing.assert_allclose(points[[0, -1]], [FIRST, last], atol=1e-6)
    np.testing.assert_allclose(path(last, FIRST, 1 - SHARES), points, atol=1e-6)


def test_lerp_is_straight():
    points = latents.lerp(FIRST, LAST, SHARES)
    np.testing.assert_allclose(
        np.diff(points, axis=0), np.tile((LAST - FIRST) / 10, (10, 1)), atol=1e-6
    )


def test_slerp_turns_at_constant_speed_and_its_radius_is_straight():
    points = latents.slerp(FIRST, 0.5 * LAST, SHARES)
    turned = angles(points)
    assert turned[0] > 0.05
    np.testing.assert_allclose(turned, turned[0], rtol=1e-6)
    radii = np.linalg.norm(FIRST), np.linalg.norm(0.5 * LAST)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.linspace(*radii, 11), rtol=1e-6)
    plane = np.linalg.qr(np.stack([FIRST, LAST], 1).astype(float))[0]
    np.testing.assert_allclose(points @ plane @ plane.T, points, atol=1e-6)


def test_slerp_of_a_right_angle():
    middle = latents.slerp(np.array([2.0, 0]), np.array([0, 2.0]), [0.5, 1 / 3])
    np.testing.assert_allclose(middle, [[2**0.5, 2**0.5], [3**0.5, 1]])


def test_slerp_of_nearly_parallel_z_is_nearly_straight():
    near = FIRST + 1e-4 * LAST
    np.testing.assert_allclose(
        latents.slerp(FIRST, near, SHARES), latents.lerp(FIRST, near, SHARES), atol=1e-6
    )
    np.testing.assert_allclose(
        latents.slerp(FIRST, 3 * FIRST, SHARES), latents.lerp(FIRST, 3 * FIRST, SHARES)
    )


def test_walk_passes_every_z_and_comes_back():
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
    answers = latents.arithmetic(*latents.draw(range(9), 30_000).reshape(3, 3, -1))
    assert answers.var() == pytest.approx(1 / 3, rel=0.03)


def test_neighbours_lie_within_the_noise():
    near = latents.neighbours(FIRST, 0.25, seed=1)
    away = near - FIRST
    assert near.shape == (8, 100)
    assert 0.24 < np.abs(away).max() <= 0.25 and away.std() == pytest.approx(
        0.25 / 3**0.5, rel=0.05
    )
    np.testing.assert_array_equal(near, latents.neighbours(FIRST, 0.25, seed=1))
    assert np.abs(near - latents.neighbours(FIRST, 0.25, seed=2)).max() > 0.1
    np.testing.assert_allclose(latents.neighbours(FIRST, 0.5, seed=1) - FIRST, 2 * away, atol=1e-6)


def test_the_centre_is_in_the_middle():
    square = latents.around(FIRST, latents.neighbours(FIRST, 0.25, 0)).reshape(3, 3, -1)
    distances = np.abs(square - FIRST).max(2)
    assert distances[1, 1] == 0 and (distances > 0).sum() == 8


@pytest.mark.parametrize("size", [3, 7, 40])
def test_nearest_is_that_of_brute_force(size):
    random = np.random.default_rng(0)
    queries, others = (random.integers(0, 256, (n, 4, 5, 3), dtype=np.uint8) for n in (6, 40))
    queries[2] = others[31]
    chunks = (others[first : first + size] for first in range(0, 40, size))
    distances, found = nearest_training_images.nearest(queries, chunks, 5)
    whole = np.sqrt(((queries[:, None] / 255 - others[None] / 255) ** 2).sum((2, 3, 4)))
    order = whole.argsort(1)[:, :5]
    np.testing.assert_allclose(distances, np.take_along_axis(whole, order, 1), rtol=1e-5)
    np.testing.assert_array_equal(found, others[order])
    assert distances[2, 0] == 0


def test_verdict():
    new = np.array([4.0, 5, 9])
    ratio, says = nearest_training_images.verdict(new, new)
    assert ratio == 1 and "1.00 times" in says and "no sign" in says
    ratio, says = nearest_training_images.verdict(new / 10, new)
    assert ratio == pytest.approx(0.1) and "may be copying" in says
