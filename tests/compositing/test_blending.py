import numpy as np
import pytest
import reference
import scipy.sparse.linalg
import tensorflow as tf

from tf_inpaint.compositing.blending import feather, paste, poisson

BLENDS = [paste, poisson, feather]


def random_batch(seed, shape=(4, 9, 11, 3), hole_share=0.6):
    random = np.random.default_rng(seed)
    images, generated = random.uniform(-0.9, 0.9, (2, *shape)).astype(np.float32)
    known = (random.uniform(size=(*shape[:3], 1)) >= hole_share).astype(np.float32)
    return images, known, generated


def thin_lines():
    """Holes on both sides of a known line, beside a known column, around one pixel, between
    known rows."""
    known = np.zeros((4, 9, 11, 1), np.float32)
    known[0, 4] = 1
    known[1, :, 0] = 1
    known[2, 8, 10] = 1
    known[3, ::2] = 1
    return known


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("hidden", [np.nan, np.inf, -7.0])
def test_no_hidden_pixel_is_read(blend, hidden):
    images, known, generated = random_batch(0)
    scrambled = np.where(known > 0, images, np.float32(hidden))
    expected, received = blend(images, known, generated), blend(scrambled, known, generated)
    assert received.numpy().tobytes() == expected.numpy().tobytes()
    assert np.isfinite(received).all()


@pytest.mark.parametrize("blend", BLENDS)
def test_known_pixels_are_bit_exact(blend):
    images, known, generated = random_batch(1)
    images.flat[::7] = 1e-42
    images.flat[::11] = -0.0
    completed = blend(images, known, generated).numpy()
    chosen = np.broadcast_to(known > 0, images.shape)
    assert completed[chosen].tobytes() == images[chosen].tobytes()


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("where", ["hole", "everywhere"])
def test_a_broken_picture_harms_no_known_pixel_and_no_other_image(blend, where):
    images, known, generated = random_batch(2)
    expected = blend(images, known, generated).numpy()
    generated[1] = np.where(known[1] > 0, generated[1], np.nan) if where == "hole" else np.nan
    generated[2, 0, 0] = np.inf
    received = blend(images, known, generated).numpy()
    assert received[[0, 3]].tobytes() == expected[[0, 3]].tobytes()
    chosen = np.broadcast_to(known > 0, images.shape)
    np.testing.assert_array_equal(received[chosen], images[chosen])


@pytest.mark.parametrize("blend", BLENDS)
def test_all_known_gives_the_image_and_all_hole_the_picture(blend):
    images, known, generated = random_batch(3)
    known[0], known[1] = 1, 0
    completed = blend(images, known, generated).numpy()
    assert completed[0].tobytes() == images[0].tobytes()
    assert completed[1].tobytes() == generated[1].tobytes()


@pytest.mark.parametrize("blend", BLENDS)
def test_neighbours_in_the_batch_do_not_matter(blend):
    images, known, generated = random_batch(4, (8, 16, 16, 3))
    # Rows that take many steps beside rows that take one or none.
    known[1], known[2], known[3] = 1, 0, 0
    known[3, 0, 0] = 1
    completed = blend(images, known, generated).numpy()
    order = np.random.default_rng(0).permutation(8)
    permuted = blend(images[order], known[order], generated[order]).numpy()
    assert permuted.tobytes() == completed[order].tobytes()
    kept = [0, 1, 2, 2, 0, 1, 0, 1]
    beside_easier_ones = blend(images[kept], known[kept], generated[kept]).numpy()
    assert beside_easier_ones.tobytes() == completed[kept].tobytes()


def test_paste_by_hand():
    known = np.array([[[[1.0], [0.0]]]], np.float32)
    completed = paste(np.array([[[[0.25], [np.nan]]]]), known, np.array([[[[np.nan], [-0.5]]]]))
    np.testing.assert_array_equal(completed, [[[[0.25], [-0.5]]]])


@pytest.mark.parametrize(
    "known", [random_batch(5)[1], random_batch(6, hole_share=0.95)[1], thin_lines()]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_poisson_agrees_with_a_dense_solution(known, channels):
    images, _, generated = random_batch(7, (4, 9, 11, channels))
    # Small amplitudes, so that nothing is clipped.
    images, generated = 0.1 * images, 0.1 * generated
    expected = [
        reference.poisson(i, k[:, :, 0], g)
        for i, k, g in zip(images, known, generated, strict=True)
    ]
    np.testing.assert_allclose(
        poisson(images, known, generated, tolerance=1e-6), expected, atol=1e-5
    )
    np.testing.assert_allclose(poisson(images, known, generated), expected, atol=1e-3)


def directly(image, known, generated, screening=0.0):
    """The completion of one image by a direct solution of the sparse system, not clipped."""

    def path(length):
        steps = scipy.sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(length - 1, length))
        return steps.T @ steps

    height, width, channels = image.shape
    laplacian = scipy.sparse.csc_array(scipy.sparse.kronsum(path(width), path(height)))
    hidden = known.ravel() == 0
    matrix = laplacian[hidden][:, hidden] + screening * scipy.sparse.eye_array(hidden.sum())
    residual = (image.astype(np.float64) - generated).reshape(-1, channels)[~hidden]
    result = image.astype(np.float64).reshape(-1, channels)
    correction = scipy.sparse.linalg.splu(matrix.tocsc()).solve(
        -(laplacian[hidden][:, ~hidden] @ residual)
    )
    result[hidden] = generated.reshape(-1, channels)[hidden] + correction
    return result.reshape(image.shape)


def wide_holes(size):
    """Large holes: inside, at a side, with one known pixel in a corner, with a known line, 80 %
    of the pixels."""
    known = np.zeros((6, size, size, 1), np.float32)
    known[0] = 1
    known[0, size // 5 : -(size // 5), size // 5 : -(size // 5)] = 0
    known[1, :, size // 2 :] = 1
    known[2, -1, -1] = 1
    known[3, size // 2] = 1
    known[4] = np.random.default_rng(0).uniform(size=(size, size, 1)) < 0.2
    known[5, :, [0, -1]] = 1
    return known


def check_wide_holes(size, iterations):
    known = wide_holes(size)
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:size, :size, :1][:2] / size
    # A correction that is smooth, and large, is the one that a residual says least about.
    images = np.float32(
        0.2 * np.sin(3 * rows + 2 * columns) + random.uniform(-0.1, 0.1, (6, size, size, 1))
    )
    generated = random.uniform(-0.1, 0.1, images.shape).astype(np.float32)
    for blend, screening in ((poisson, 0.0), (feather, 1 / 8**2)):
        expected = [directly(*one, screening) for one in zip(images, known, generated, strict=True)]
        # No more iterations for large holes than for small ones.
        np.testing.assert_allclose(
            blend(images, known, generated, max_iterations=iterations), expected, atol=1e-3
        )
        closer = blend(images, known, generated, tolerance=1e-4)
        np.testing.assert_allclose(closer, expected, atol=1e-4)


@pytest.mark.parametrize("size", [28, 65])
def test_wide_holes_are_solved_to_the_tolerance(size):
    check_wide_holes(size, iterations=10)


@pytest.mark.slow
def test_very_wide_holes_are_solved_to_the_tolerance():
    check_wide_holes(256, iterations=12)


@pytest.mark.parametrize("width", [2.0, 5.0])
def test_feather_falls_off_with_the_distance_from_the_known_pixels(width):
    # Beside a straight border the correction is r q^d: q + 1 / q = 2 + 1 / width^2.
    known = np.zeros((1, 5, 90, 1), np.float32)
    known[:, :, :4] = 1
    generated = 0.2 * random_batch(13, (1, 5, 90, 1))[0]
    completed = feather(generated + 0.5, known, generated, width, tolerance=1e-5)
    half = 1 + 0.5 / width**2
    expected = 0.5 * (half - np.sqrt(half**2 - 1)) ** np.arange(1, 87)
    np.testing.assert_allclose(
        (completed - generated)[0, :, 4:, 0], np.tile(expected, (5, 1)), atol=1e-5
    )
    assert np.interp(width, np.arange(1, 87), expected) == pytest.approx(0.5 / np.e, rel=0.03)


def test_feather_lies_between_paste_and_poisson():
    images, known, generated = (0.1 * array for array in random_batch(14))
    for width, limit in ((0.01, paste), (100.0, poisson)):
        np.testing.assert_allclose(
            feather(images, known, generated, width), limit(images, known, generated), atol=1e-3
        )


def seam(images, known):
    """The mean absolute difference of neighbours of which one is known and one hidden."""
    total = pairs = 0.0
    for axis in (1, 2):
        across = np.diff(known, axis=axis) != 0
        total += np.abs(np.diff(images, axis=axis) * across).sum()
        pairs += across.sum() * images.shape[-1]
    return total / pairs


@pytest.mark.parametrize("blend, apart", [(poisson, 0.02), (feather, 0.2)])
def test_a_picture_of_another_brightness_leaves_no_seam(blend, apart):
    rows, columns = np.mgrid[:32, :32] / 32
    images = (
        0.4
        * np.stack([np.sin(9 * rows + 4 * c) * np.cos(7 * columns) for c in range(3)], axis=-1)[
            None
        ]
    )
    images = images.astype(np.float32)
    known = np.ones((1, 32, 32, 1), np.float32)
    known[:, 8:24, 8:24] = 0
    generated = images + np.array([0.3, -0.2, 0.1], np.float32)
    assert seam(paste(images, known, generated).numpy(), known) > 3 * seam(images, known)
    assert seam(blend(images, known, generated).numpy(), known) == pytest.approx(
        seam(images, known), rel=apart
    )


@pytest.mark.parametrize("known", [random_batch(8)[1], thin_lines()])
def test_poisson_removes_a_constant_offset(known):
    images = 0.5 * random_batch(9)[0]
    offset = np.array([0.3, -0.2, 0.1], np.float32)
    np.testing.assert_allclose(poisson(images, known, images + offset), images, atol=1e-3)


def test_poisson_bends_the_picture_by_a_harmonic_function():
    # On a hole between a known left and a known right edge, an error that grows linearly is undone
    # linearly.
    generated = 0.3 * random_batch(10)[2]
    known = np.zeros((4, 9, 11, 1), np.float32)
    known[:, :, [0, -1]] = 1
    ramp = np.linspace(-0.5, 0.5, 11, dtype=np.float32)[:, None]
    np.testing.assert_allclose(
        poisson(generated + ramp, known, generated), generated + ramp, atol=1e-3
    )


def test_poisson_clips_the_hole():
    known = np.ones((1, 5, 5, 1), np.float32)
    known[0, 1:4, 1:4] = 0
    generated = np.full((1, 5, 5, 1), -0.5, np.float32)
    generated[0, 2, 2] = 0.9
    completed = poisson(np.full_like(generated, 0.8), known, generated).numpy()
    assert completed[0, 2, 2, 0] == 1.0
    assert completed.max() == 1.0


def test_poisson_stops_at_max_iterations():
    images, known, generated = random_batch(11)
    np.testing.assert_array_equal(
        poisson(images, known, generated, max_iterations=0), paste(images, known, generated)
    )
    one, all_of_them = (
        poisson(images, known, generated, max_iterations=steps).numpy() for steps in (1, 1000)
    )
    assert not np.allclose(one, all_of_them, atol=1e-2)


@pytest.mark.parametrize("blend", [poisson, feather])
def test_can_be_exported_with_a_free_batch_dimension(blend, tmp_path):
    images, known, generated = random_batch(12)
    module = tf.Module()
    module.blend = tf.function(
        lambda images, known, generated: {"completed": blend(images, known, generated)},
        input_signature=[tf.TensorSpec([None, 9, 11, channels]) for channels in (3, 1, 3)],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.blend)
    serve = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    whole = None
    for rows in (4, 1):
        batch = [tf.constant(array[:rows]) for array in (images, known, generated)]
        served = serve(**dict(zip(["images", "known", "generated"], batch, strict=True)))[
            "completed"
        ].numpy()
        # Compiled, sums are ordered otherwise.
        np.testing.assert_allclose(served, blend(*batch), atol=1e-6)
        whole = served if whole is None else whole
        assert served.tobytes() == whole[:rows].tobytes()
