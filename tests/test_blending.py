import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_inpaint.inpainting.blending import paste, poisson

BLENDS = [paste, poisson]


def random_batch(seed, shape=(4, 9, 11, 3), hole_share=0.6):
    random = np.random.default_rng(seed)
    images, generated = random.uniform(-0.9, 0.9, (2, *shape)).astype(np.float32)
    known = (random.uniform(size=(*shape[:3], 1)) >= hole_share).astype(np.float32)
    return images, known, generated


def thin_lines():
    """Holes on both sides of a known line, beside a known column, around one pixel, between known rows."""
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


@pytest.mark.parametrize("known", [random_batch(5)[1], random_batch(6, hole_share=0.95)[1], thin_lines()])
@pytest.mark.parametrize("channels", [1, 3])
def test_poisson_agrees_with_a_dense_solution(known, channels):
    images, _, generated = random_batch(7, (4, 9, 11, channels))
    # Small amplitudes, so that nothing is clipped.
    images, generated = 0.1 * images, 0.1 * generated
    expected = [reference.poisson(i, k[:, :, 0], g) for i, k, g in zip(images, known, generated, strict=True)]
    np.testing.assert_allclose(poisson(images, known, generated, tolerance=1e-6), expected, atol=1e-5)
    np.testing.assert_allclose(poisson(images, known, generated), expected, atol=1e-3)


@pytest.mark.parametrize("known", [random_batch(8)[1], thin_lines()])
def test_poisson_removes_a_constant_offset(known):
    images = 0.5 * random_batch(9)[0]
    offset = np.array([0.3, -0.2, 0.1], np.float32)
    np.testing.assert_allclose(poisson(images, known, images + offset), images, atol=1e-3)


def test_poisson_bends_the_picture_by_a_harmonic_function():
    # On a hole between a known left and a known right edge, an error that grows linearly is undone linearly.
    generated = 0.3 * random_batch(10)[2]
    known = np.zeros((4, 9, 11, 1), np.float32)
    known[:, :, [0, -1]] = 1
    ramp = np.linspace(-0.5, 0.5, 11, dtype=np.float32)[:, None]
    np.testing.assert_allclose(poisson(generated + ramp, known, generated), generated + ramp, atol=1e-3)


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
    np.testing.assert_array_equal(poisson(images, known, generated, max_iterations=0), paste(images, known, generated))
    one, all_of_them = (poisson(images, known, generated, max_iterations=steps).numpy() for steps in (1, 1000))
    assert not np.allclose(one, all_of_them, atol=1e-2)


def test_poisson_can_be_exported_with_a_free_batch_dimension(tmp_path):
    images, known, generated = random_batch(12)
    module = tf.Module()
    module.blend = tf.function(
        lambda images, known, generated: {"completed": poisson(images, known, generated)},
        input_signature=[tf.TensorSpec([None, 9, 11, channels]) for channels in (3, 1, 3)],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.blend)
    blend = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    for rows in (4, 1):
        batch = [tf.constant(array[:rows]) for array in (images, known, generated)]
        served = blend(**dict(zip(["images", "known", "generated"], batch, strict=True)))["completed"]
        assert served.numpy().tobytes() == poisson(*batch).numpy().tobytes()
