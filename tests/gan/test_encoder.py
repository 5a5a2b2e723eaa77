"""The encoder, its loss by hand, and its training: learning, resuming, random numbers."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from rounding import kernel_tolerance
from tiny_gan import equal, values

from tf_inpaint.gan.encoder import LOGS, Encoder, EncoderTraining, encoder_loss, real_rows
from tf_inpaint.gan.networks import Generator
from tf_inpaint.runs import run_directory

SIZE, LATENT, BATCH = 16, 6, 16


def new_generator():
    """A tiny generator whose kernels are ten times the paper's, so that its images depend on z."""
    keras.utils.set_random_seed(0)
    generator = Generator(SIZE, 1, width=4, latent_size=LATENT)
    for variable in generator.trainable_variables:
        if variable.name == "kernel":
            variable.assign(variable * 10)
    return generator


def new_encoder(weights_seed=1, size=SIZE, channels=1, **kwargs):
    keras.utils.set_random_seed(weights_seed)
    return Encoder(
        size, channels, **({"width": 4, "latent_size": LATENT, "hidden_size": 32} | kwargs)
    )


def new_training(generator=None, weights_seed=1, steps=40, **kwargs):
    generator = new_generator() if generator is None else generator
    return EncoderTraining(
        new_encoder(weights_seed), partial(generator, training=False), steps, **kwargs
    )


def sample_masks(step, count=BATCH):
    """Half of the masks hide a side, half of them single pixels."""
    random = np.random.default_rng(step)
    known = np.ones((count, SIZE, SIZE, 1), np.float32)
    known[::2, :, : SIZE // 2] = 0
    known[1::2] = random.random(known[1::2].shape) < 0.3
    return known


def real_images(step, count=BATCH // 2):
    """Images that replace the training images: images of the corners of z, which are rare."""
    corners = np.random.default_rng([7, step]).choice(
        np.array([-1, 1], np.float32), (count, LATENT)
    )
    return new_generator()(corners).numpy()


REAL = np.stack([real_images(step) for step in range(8)])


def real(training, count=BATCH // 2):
    """The real images of the remaining steps: eight batches in turn."""
    steps = range(training.step, training.steps)
    shape = tf.TensorSpec([count, SIZE, SIZE, 1])
    return tf.data.Dataset.from_generator(
        lambda: (REAL[step % 8, :count] for step in steps), output_signature=shape
    )


def step_of(training, step):
    return training.train_step((tf.constant(sample_masks(step)), tf.constant(REAL[step % 8])))


def inputs(size=SIZE, channels=1, count=3, seed=0):
    random = np.random.default_rng(seed)
    images = random.uniform(-1, 1, (count, size, size, channels)).astype(np.float32)
    return images, (random.random((count, size, size, 1)) < 0.5).astype(np.float32)


# --- the network


@pytest.mark.parametrize(
    ("size", "channels", "dtype"),
    [
        (16, 1, "float32"),
        (28, 1, "mixed_bfloat16"),
        (32, 3, "float32"),
        (64, 3, "mixed_float16"),
        (128, 1, "float32"),
    ],
)
def test_z_has_the_shape_range_and_type_of_the_prior(size, channels, dtype):
    encoder = new_encoder(size=size, channels=channels, dtype=dtype)
    images, known = inputs(size, channels)
    z = encoder(images, known)
    assert z.shape == (3, LATENT)
    assert z.dtype == tf.float32
    assert np.abs(z).max() <= 1
    assert np.std(z, axis=0).min() > 1e-5  # z depends on the inputs
    assert np.abs(z).max() < 0.1  # tanh is steep at the start
    large = encoder(images * np.float32(1e4), known).numpy()
    assert np.isfinite(large).all()
    assert np.abs(large).max() <= 1
    for variable in encoder.variables:
        assert variable.dtype == "float32"


def test_any_batch_size_in_one_trace():
    encoder = new_encoder()
    spec = tf.TensorSpec([None, SIZE, SIZE, 1])
    traced = tf.function(lambda *arrays: encoder(*arrays)).get_concrete_function(spec, spec)
    for count in (1, 5):
        arrays = inputs(count=count)
        np.testing.assert_allclose(traced(*arrays), encoder(*arrays), atol=kernel_tolerance(1e-6))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize("hidden", [7.0, 1e30, np.nan, np.inf])
def test_hidden_pixels_are_never_read(hidden, dtype):
    encoder = new_encoder(dtype=dtype)
    images, known = inputs()
    z = encoder(images, known).numpy()
    np.testing.assert_array_equal(
        encoder(np.where(known > 0, images, np.float32(hidden)), known), z
    )
    known_pixel = tuple(np.argwhere(known[..., 0] > 0)[0])
    images[known_pixel] = -images[known_pixel]
    assert np.abs(encoder(images, known)[0] - z[0]).max() > 0
    np.testing.assert_array_equal(encoder(images, known)[1:], z[1:])


def test_mask_is_read():
    """Known gray pixels differ from hidden pixels: in an image of zeros, only the mask differs."""
    encoder, (images, known) = new_encoder(), inputs()
    z = [encoder(0 * images, mask).numpy() for mask in (known, 1 - known)]
    assert np.abs(z[0] - z[1]).max() > 1e-4


@pytest.mark.parametrize("training", [False, True])
def test_z_of_an_image_does_not_depend_on_other_images(training):
    encoder, (images, known) = new_encoder(), inputs(count=4)
    z = encoder(images, known, training=training).numpy()
    others = images.copy()
    others[1:] = 1
    np.testing.assert_array_equal(encoder(others, known, training=training)[0], z[0])
    np.testing.assert_array_equal(encoder(images[::-1], known[::-1], training=training)[::-1], z)


def test_config_and_file_restore_the_encoder(tmp_path):
    encoder, (images, known) = new_encoder(width=3, hidden_size=5), inputs()
    twin = Encoder.from_config(encoder.get_config())
    assert twin.get_config() == encoder.get_config()
    assert [variable.shape for variable in twin.variables] == [
        variable.shape for variable in encoder.variables
    ]
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert type(loaded) is Encoder
    np.testing.assert_array_equal(loaded(images, known), encoder(images, known))


def test_pass_costs_less_than_two_steps_of_the_search():
    """Counts the multiplications of a pass, and those of G and D forward and backward."""

    def multiplications(network, pixels):
        kernels = [variable for variable in network.variables if variable.name == "kernel"]
        return sum(
            int(np.prod(kernel.shape)) * count
            for kernel, count in zip(kernels, pixels, strict=True)
        )

    encoder = Encoder(64, 3)
    cost = multiplications(encoder, [32**2, 16**2, 8**2, 4**2, 1, 1])
    step = 4 * multiplications(Generator(64, 3, width=32), [1, 4**2, 8**2, 16**2, 32**2])
    assert cost < 2 * step
    assert encoder.count_params() < 4e6


# --- the loss


def test_loss_by_hand():
    images = np.zeros((2, 1, 2, 2), np.float32)
    generated = np.array([[[[1, 0], [0.5, 0.5]]], [[[0, 2], [1, 1]]]], np.float32)
    known = np.array([[[[1], [0]]], [[[1], [1]]]], np.float32)
    z, encoded = np.array([[1.0], [0]], np.float32), np.array([[0.0], [0.5]], np.float32)
    logs = encoder_loss(
        images, known, z, tf.constant(generated), encoded, image_weight=0.5, latent_weight=0.2
    )
    known_error, image_error, latent_error = 5 / 6, 6 / 8, 1.25 / 2
    expected = known_error + 0.5 * image_error + 0.2 * latent_error
    assert tuple(logs) == LOGS
    assert [float(value) for value in logs.values()] == pytest.approx(
        [expected, known_error, image_error, latent_error]
    )


def test_loss_is_zero_for_the_right_z_and_finite_without_a_known_pixel():
    images, known = inputs()
    z = np.zeros((3, LATENT), np.float32)
    assert float(encoder_loss(images, known, z, tf.constant(images), z)["loss"]) == 0
    logs = encoder_loss(images, 0 * known, z, tf.constant(-images), z)
    assert float(logs["known_error"]) == 0
    assert float(logs["loss"]) == pytest.approx(2 * np.abs(images).mean(), rel=1e-5)


def test_rows_without_z_do_not_count_in_the_latent_error():
    images, known = inputs(count=5)
    random = np.random.default_rng(3)
    z, encoded = (random.uniform(-1, 1, (count, LATENT)).astype(np.float32) for count in (2, 5))
    generated, encoded = tf.constant(images[::-1]), tf.Variable(encoded)
    with tf.GradientTape() as tape:
        logs = encoder_loss(images, known, z, generated, encoded)
    samples_only = encoder_loss(images[:2], known[:2], z, generated[:2], encoded[:2])
    assert float(logs["latent_error"]) == pytest.approx(float(samples_only["latent_error"]))
    slope = tape.gradient(logs["latent_error"], encoded).numpy()
    assert np.abs(slope[:2]).min() > 0
    np.testing.assert_array_equal(slope[2:], 0)
    assert float(logs["image_error"]) == pytest.approx(np.abs(images - images[::-1]).mean())
    no_samples = encoder_loss(images, known, z[:0], generated, encoded)
    assert float(no_samples["latent_error"]) == 0
    expected = float(logs["known_error"] + logs["image_error"])
    assert float(no_samples["loss"]) == pytest.approx(expected)


# --- the training


@pytest.mark.parametrize(("batch_size", "rows"), [(2, 1), (3, 2), (4, 3), (16, 14), (64, 56)])
def test_every_batch_has_a_sample(batch_size, rows):
    assert real_rows(batch_size) == rows


@pytest.fixture(scope="module")
def trained():
    """A generator, its variables before, the training of an encoder, its losses, and its last logs.

    Half of the images are real images.
    """
    generator = new_generator()
    before = values(generator.variables)
    training, losses = new_training(generator, steps=300, learning_rate=5e-3), []
    recorder = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    recorder.period = 1
    last_logs = training.train(sample_masks, real(training), [recorder])
    return generator, before, training, losses, last_logs


def test_training_lowers_the_loss(trained):
    _, _, training, losses, last_logs = trained
    assert len(losses) == training.step == 300
    assert np.isfinite(losses).all()
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])
    assert set(last_logs) == set(LOGS)


def test_generator_is_not_changed(trained):
    generator, before, training, *_ = trained
    assert all(equal(values(generator.variables), before))
    state = {id(variable) for part in training.state.values() for variable in part}
    assert not {id(variable.value) for variable in generator.variables} & state


def test_search_starts_lower_than_at_random(trained):
    """Compares the contextual energy per image, for samples and masks that are not in training."""
    generator, _, training, *_ = trained
    random = np.random.default_rng(99)
    z, start = random.uniform(-1, 1, (2, 64, LATENT)).astype(np.float32)
    images, known = generator(z).numpy(), sample_masks(10**6, 64)

    def energy(point):
        return np.sum(known * np.abs(generator(point) - images), axis=(1, 2, 3))

    encoded = training.encoder(images, known)
    assert np.median(energy(encoded)) < 0.5 * np.median(energy(start))
    assert np.mean(energy(encoded) < energy(start)) > 0.9
    untrained = new_training(generator).encoder(images, known)
    assert np.median(energy(encoded)) < 0.6 * np.median(energy(untrained))


def test_training_on_real_images_completes_real_images_better(trained):
    """Compares whole images, with an encoder that is trained on samples alone."""
    generator, _, training, *_ = trained
    samples_only = new_training(generator, steps=300, learning_rate=5e-3)
    samples_only.train(sample_masks, real(samples_only, 0))
    images, known = real_images(10**6, 64), sample_masks(10**6, 64)
    errors = [
        np.abs(generator(case.encoder(images, known)) - images).mean()
        for case in (training, samples_only)
    ]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("stop", [1, 4])
def test_resumed_is_uninterrupted_bit_for_bit(stop, tmp_path, deterministic_kernels):
    class Stop(keras.callbacks.Callback):
        period = 1

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = self.model.step == stop

    expected, first, second = (new_training(weights_seed=seed, steps=7) for seed in (1, 1, 2))
    expected.train(sample_masks, real(expected))
    first.train(sample_masks, real(first), [Stop()])
    assert first.step == stop
    run_directory.checkpoints(tmp_path, first.state).save(1)
    assert run_directory.restore(run_directory.checkpoints(tmp_path, second.state))
    second.train(sample_masks, real(second))
    assert expected.state.keys() == second.state.keys()
    for name, part in expected.state.items():
        assert all(equal(values(part), values(second.state[name]))), name
    assert second.step == 7
    assert second.train(sample_masks, real(second)) == {}


def test_seeds_fix_all_weights(deterministic_kernels):
    def after(**kwargs):
        training = new_training(steps=3, **kwargs)
        training.train(sample_masks, real(training))
        return values(training.encoder.variables)

    first = after()
    assert all(equal(first, after()))
    assert not all(equal(first, after(seed=1)))
    assert not all(equal(first, after(weights_seed=2)))


def test_each_step_draws_new_z():
    training = new_training()
    losses = [float(step_of(training, 0)["image_error"])]
    training.encoder.set_weights(new_encoder().get_weights())
    losses.append(float(step_of(training, 0)["image_error"]))
    assert losses[0] != losses[1]


def test_state_holds_every_variable_once():
    training = new_training()
    expected = [
        *training.encoder.variables,
        *training.encoder_optimizer.variables,
        training.counter,
    ]
    identities = [id(variable) for part in training.state.values() for variable in part]
    assert len(identities) == len(set(identities))
    assert set(identities) == {id(variable.value) for variable in expected}


def test_learning_rate_rises_and_then_falls_to_zero():
    training = new_training(steps=20, learning_rate=0.01)
    rates = []
    for step in range(20):
        rates.append(float(training.encoder_optimizer.learning_rate))
        step_of(training, step)
    falling = 0.005 * (1 + np.cos(np.pi * np.arange(18) / 18))
    np.testing.assert_allclose(rates, [0, 0.005, *falling], rtol=1e-4)
    before = values(training.encoder.variables)
    step_of(training, 20)
    np.testing.assert_allclose(float(training.encoder_optimizer.learning_rate), 0, atol=1e-9)
    for value, expected in zip(values(training.encoder.variables), before, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-8)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_few_steps_change_the_weights_and_keep_them_finite(steps):
    training = new_training(steps=steps + 1)
    before = values(training.encoder.variables)
    training.train(sample_masks, real(training))
    after = values(training.encoder.variables)
    assert not all(equal(before, after))
    assert all(np.isfinite(value).all() for value in after)


def test_float16_overflow_skips_the_step():
    generator = new_generator()
    training = EncoderTraining(
        new_encoder(dtype="mixed_float16"), partial(generator, training=False), 10
    )
    before = values(training.encoder.variables)
    training.encoder_optimizer.dynamic_scale.assign(2.0**80)
    step_of(training, 0)
    assert all(equal(values(training.encoder.variables), before))
    training.encoder_optimizer.dynamic_scale.assign(2.0**8)
    for step in (1, 2):  # the first of these steps has a learning rate of 0
        step_of(training, step)
    after = values(training.encoder.variables)
    assert not all(equal(after, before))
    assert all(np.isfinite(value).all() for value in after)
    assert int(training.encoder_optimizer.inner_optimizer.iterations) == 2
    assert training.step == 3


@pytest.mark.parametrize("steps", [0, -3])
def test_steps_below_one_are_refused(steps):
    with pytest.raises(ValueError, match="steps of an encoder must be at least 1; received"):
        new_training(steps=steps)
