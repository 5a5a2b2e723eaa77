"""The training step against algorithm 1 written out naively, its randomness, its state, and two replicas."""

import contextlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan import augment
from tf_inpaint.gan.model import CHANGES, GAN, LOGS, SHARES, draw_latents
from tf_inpaint.gan.networks import Discriminator, Generator
from tf_inpaint.gan.optimizer import Adam
from tf_inpaint.runs import run_directory

ROOT = Path(__file__).parents[2]
BATCH, LATENT = 4, 5


def new_gan(weights_seed=0, dtype="float32", normalization="batch", synchronized=False, **kwargs):
    """A tiny GAN with weights ten times the paper's, whose gradients are then well above rounding."""
    keras.utils.set_random_seed(weights_seed)
    settings = {"width": 2, "latent_size": LATENT, "normalization": normalization, "dtype": dtype}
    settings["synchronized"] = synchronized
    networks = Generator(28, 1, **settings), Discriminator(28, 1, **settings)
    for network in networks:
        for variable in network.trainable_variables:
            if variable.name == "kernel":
                variable.assign(variable * 10)
    gan = GAN(*networks, **kwargs)
    gan.compile()
    return gan


def with_sgd(gan, learning_rate=0.1):
    """Adam hides a gradient of the wrong size: it takes the same step."""
    for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        optimizer = keras.optimizers.SGD(learning_rate)
        optimizer.build(network.trainable_variables)
        setattr(gan, f"{name}_optimizer", optimizer)
    return gan


def random_images(seed=0, count=BATCH):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 28, 28, 1)).astype(np.float32)


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def same(first, second):
    return [np.array_equal(one, other) for one, other in zip(first, second, strict=True)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "squares"}, "loss must be one of .*'wasserstein'.*; received squares; choose"),
        (
            {"loss": "hinge", "label_smoothing": 0.1},
            "label_smoothing must go with .* labels; received hinge; leave",
        ),
        ({"loss": "wasserstein", "label_smoothing": 0.1}, "received wasserstein; leave it out"),
        (
            {"gradient_penalty": 1.0},
            "gradient_penalty and r1 must go with .*; received one with it; pass",
        ),
        ({"r1": 1.0}, "gradient_penalty and r1 must go with .*; received one with it; pass"),
    ],
)
def test_contradictory_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        new_gan(**settings)


# --- one step against algorithm 1


def naive_step(generator, discriminator, images, latents, loss, counts, reuse, smoothing, rate=0.1):
    """Algorithm 1 by plain gradient descent on logarithms of probabilities; returns the logs."""
    latents, logs = list(latents), {name: [] for name in LOGS}

    def descend(variables, cost_of):
        with tf.GradientTape() as tape:
            cost = cost_of()
        gradients = tape.gradient(cost, [variable.value for variable in variables])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign(variable - rate * gradient)
        return cost

    def discriminator_cost(batch, generated):
        real, fake = (
            tf.sigmoid(discriminator(pictures, training=True)) for pictures in (batch, generated)
        )
        logs["real_accuracy"].append(np.mean(real > 0.5))
        logs["fake_accuracy"].append(np.mean(fake <= 0.5))
        cross_entropy = (1 - smoothing) * tf.math.log(real) + smoothing * tf.math.log(1 - real)
        return -tf.reduce_mean(cross_entropy) - tf.reduce_mean(tf.math.log(1 - fake))

    def generator_cost():
        fake = tf.sigmoid(discriminator(generator(z, training=True), training=True))
        return tf.reduce_mean(tf.math.log(1 - fake) if loss == "minimax" else -tf.math.log(fake))

    for batch in np.split(images, counts[0]):
        z = latents.pop(0)
        generated = generator(z, training=True)
        cost = descend(
            discriminator.trainable_variables, partial(discriminator_cost, batch, generated)
        )
        logs["discriminator_loss"].append(cost)
    for index in range(counts[1]):
        reused = reuse and index == 0
        z = z if reused else latents.pop(0)
        statistics = values(generator.non_trainable_variables)
        logs["generator_loss"].append(descend(generator.trainable_variables, generator_cost))
        if reused:  # G has not run again
            for variable, value in zip(generator.non_trainable_variables, statistics, strict=True):
                variable.assign(value)
    return {name: np.mean(entries) if entries else 0 for name, entries in logs.items()}


@pytest.mark.parametrize(
    ("loss", "counts", "reuse", "smoothing"),
    [
        ("non_saturating", (1, 1), False, 0.0),
        ("minimax", (2, 1), False, 0.2),
        ("minimax", (1, 2), False, 0.0),
        ("non_saturating", (1, 1), True, 0.0),
        ("minimax", (2, 1), True, 0.1),
    ],
)
def test_step_is_algorithm_1(loss, counts, reuse, smoothing):
    twin = new_gan()
    gan = with_sgd(
        new_gan(
            loss=loss,
            discriminator_steps=counts[0],
            generator_steps=counts[1],
            reuse_generated=reuse,
            label_smoothing=smoothing,
            seed=3,
        )
    )
    before = values(gan.generator.variables + gan.discriminator.variables)
    images = random_images(count=counts[0] * BATCH)
    z = tf.random.stateless_uniform([sum(counts) * BATCH, LATENT], seed=(3, 0), minval=-1)
    z = tf.reshape(z, [sum(counts), BATCH, LATENT])
    expected = naive_step(
        twin.generator, twin.discriminator, images, z, loss, counts, reuse, smoothing
    )
    received = gan.train_step(tf.constant(images))

    assert {name: float(value) for name, value in received.items()} == pytest.approx(
        expected, rel=1e-4
    )
    theirs = values(twin.generator.variables + twin.discriminator.variables)
    for start, variable, value in zip(
        before, gan.generator.variables + gan.discriminator.variables, theirs, strict=True
    ):
        change = np.abs(value - start).max()
        assert change > 1e-5, variable.path
        np.testing.assert_allclose(
            variable.numpy(), value, atol=1e-3 * change, err_msg=variable.path
        )
    assert int(gan.discriminator_optimizer.iterations) == counts[0]
    assert int(gan.generator_optimizer.iterations) == counts[1]
    assert gan.step == 1


def naive_costs(
    gan, images, z, loss, gradient_penalty=0.0, r1=0.0, feature_matching=0.0, policy=()
):
    """D's and G's cost of one step as functions, by the definitions, on logits."""
    discriminator = gan.discriminator
    changes = iter(gan.uniform(CHANGES, 4, BATCH, augment.numbers(policy)))
    shares = tf.reshape(gan.uniform(SHARES, 1, BATCH, 1), [BATCH, 1, 1, 1])
    real, fake = (
        augment.augment(part, next(changes), policy) for part in (images, gan.generator(z[0]))
    )
    last = next(changes), next(changes)

    def squared_slopes(pictures):
        total = []
        for picture in pictures:  # one at a time: its own slope for sure
            with tf.GradientTape() as tape:
                tape.watch(picture := picture[None])
                logit = discriminator(picture)
            total.append(tf.reduce_sum(tape.gradient(logit, picture) ** 2))
        return tf.stack(total)

    def discriminator_cost():
        logits = discriminator(real), discriminator(fake)
        if loss == "hinge":
            cost = tf.reduce_mean(tf.maximum(1 - logits[0], 0)) + tf.reduce_mean(
                tf.maximum(1 + logits[1], 0)
            )
        else:
            cost = tf.reduce_mean(logits[1]) - tf.reduce_mean(logits[0])
        if gradient_penalty:
            slopes = tf.sqrt(squared_slopes(shares * real + (1 - shares) * fake))
            cost += gradient_penalty * tf.reduce_mean((slopes - 1) ** 2)
        return cost + r1 / 2 * tf.reduce_mean(squared_slopes(real)) if r1 else cost

    def generator_cost():
        shown = augment.augment(gan.generator(z[1]), last[0], policy)
        cost = -tf.reduce_mean(discriminator(shown))
        if feature_matching:
            means = [
                tf.reduce_mean(discriminator.features(part), 0)
                for part in (shown, augment.augment(images, last[1], policy))
            ]
            cost += feature_matching * tf.reduce_sum((means[0] - means[1]) ** 2)
        return cost

    return discriminator_cost, generator_cost


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("hinge", {}),
        ("wasserstein", {"gradient_penalty": 10.0}),
        ("hinge", {"r1": 3.0, "augment": ("color", "translation", "cutout")}),
        (
            "wasserstein",
            {"gradient_penalty": 1.0, "r1": 2.0, "feature_matching": 5.0, "augment": ("color",)},
        ),
    ],
)
def test_step_lowers_what_the_settings_say(loss, settings):
    gan, twin = (
        with_sgd(new_gan(normalization="none", loss=loss, seed=3, **settings), learning_rate=0.01)
        for _ in range(2)
    )
    images, z = tf.constant(random_images()), twin.latents(2, BATCH)
    weights = {name: value for name, value in settings.items() if name != "augment"}
    costs = naive_costs(twin, images, z, loss, policy=settings.get("augment", ()), **weights)
    received = gan.train_step(images)
    for network, cost in zip((twin.discriminator, twin.generator), costs, strict=True):
        with tf.GradientTape() as tape:
            value = cost()
        gradients = tape.gradient(
            value, [variable.value for variable in network.trainable_variables]
        )
        ours = gan.discriminator if network is twin.discriminator else gan.generator
        for variable, our, gradient in zip(
            network.trainable_variables, ours.trainable_variables, gradients, strict=True
        ):
            change = our.numpy() - variable.numpy()
            # What is added to all logits cancels.
            assert np.abs(change).max() > 0 or "logits/bias" in variable.path, variable.path
            tolerance = 1e-3 * np.abs(change).max() + 1e-7
            np.testing.assert_allclose(
                change, -0.01 * gradient, atol=tolerance, err_msg=variable.path
            )
            variable.assign(our)  # G's update is against the D that has just been updated
    assert float(received["penalty"]) > 0 or not set(weights) - {"feature_matching"}


def test_schedules_and_rates_are_each_network_s_own():
    gan = new_gan()
    gan.compile(
        keras.optimizers.schedules.PolynomialDecay(0.1, 4, 0.0),
        discriminator_learning_rate=0.3,
        beta_2=0.9,
    )
    rates = []
    for _ in range(4):
        rates.append(float(gan.generator_optimizer.learning_rate))
        gan.train_step(tf.constant(random_images()))
    np.testing.assert_allclose(rates, [0.1, 0.075, 0.05, 0.025], rtol=1e-5)
    assert float(gan.discriminator_optimizer.learning_rate) == pytest.approx(0.3)
    assert gan.generator_optimizer.beta_2 == gan.discriminator_optimizer.beta_2 == 0.9


def test_each_update_moves_one_network_only():
    gan = with_sgd(new_gan())
    tape, generated = gan.generate(draw_latents(BATCH, LATENT, (0, 0)))
    generator, discriminator = gan.generator.variables, gan.discriminator.trainable_variables

    before = values(generator), values(discriminator)
    gan.update_discriminator(random_images(), generated, tf.zeros([BATCH, 1]))
    assert all(same(before[0], values(generator)))
    assert not any(same(before[1], values(discriminator)))

    before = values(gan.generator.trainable_variables), values(discriminator)
    gan.update_generator(tape, generated, random_images(), tf.identity)
    assert not any(same(before[0], values(gan.generator.trainable_variables)))
    assert all(same(before[1], values(discriminator)))


def test_fit_does_what_the_steps_do_and_resets_no_mean():
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    images = random_images(count=2 * BATCH)
    gan.fit(
        tf.data.Dataset.from_tensor_slices(images).batch(BATCH), epochs=2, shuffle=False, verbose=0
    )
    for batch in 2 * np.split(images, 2):
        logs = twin.train_step(tf.constant(batch))
    for one, other in zip(values(gan.variables), values(twin.variables), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert gan.metrics == []
    for name in LOGS:
        assert float(gan.means[name].count) == float(twin.means[name].count)
        assert float(gan.means[name].result()) == pytest.approx(float(logs[name]), rel=1e-3)


def test_end_of_the_data_is_no_step():
    # Of a data set of unknown length Keras learns the end from a step that finds nothing.
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    batches = [random_images(seed) for seed in range(3)]
    shape = tf.TensorSpec(batches[0].shape)
    gan.fit(
        tf.data.Dataset.from_generator(lambda: batches, output_signature=shape),
        shuffle=False,
        verbose=0,
    )
    for batch in batches:
        twin.train_step(tf.constant(batch))
    assert gan.step == 3
    for one, other in zip(values(gan.variables), values(twin.variables), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_means_run_until_they_are_reset():
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    batches = [tf.constant(batch) for batch in (random_images(0), random_images(1))]
    first, both = (gan.train_step(batch) for batch in batches)
    for batch in batches:
        for mean in twin.means.values():
            mean.reset_state()
        second = twin.train_step(batch)
    for name in LOGS:
        assert float(both[name]) == pytest.approx(float(first[name] + second[name]) / 2, rel=1e-5)


# --- randomness


def test_z_is_a_function_of_seed_and_step():
    gan = new_gan(seed=7)
    first = gan.latents(2, BATCH).numpy()
    assert first.shape == (2, BATCH, LATENT)
    np.testing.assert_array_equal(gan.latents(2, BATCH), first)
    np.testing.assert_array_equal(new_gan(weights_seed=1, seed=7).latents(2, BATCH), first)
    drawn = {first.tobytes(), new_gan(seed=8).latents(2, BATCH).numpy().tobytes()}
    for _ in range(2):
        gan.counter.assign_add(1)
        drawn.add(gan.latents(2, BATCH).numpy().tobytes())
    assert len(drawn) == 4


def test_z_is_uniform_and_without_repetition():
    z = draw_latents(20000, 2, (0, 5)).numpy()
    assert z.dtype == np.float32
    assert np.abs(z).max() <= 1
    assert len(np.unique(z[:, 0] * 2 + z[:, 1])) > 19900
    # Moments of the uniform distribution, within five standard errors.
    np.testing.assert_allclose(z.mean(0), 0, atol=5 * (1 / 3 / 20000) ** 0.5)
    np.testing.assert_allclose((z**2).mean(0), 1 / 3, atol=5 * (4 / 45 / 20000) ** 0.5)
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(2), atol=5 / 20000**0.5)


# --- the average


@pytest.mark.parametrize(("step", "decay"), [(0, 1 / 10), (98, 99 / 108), (10**6, 0.95)])
def test_average_is_of_every_variable(step, decay):
    gan = new_gan(ema_decay=0.95)
    gan.counter.assign(step)
    random = np.random.default_rng(0)
    for variable in gan.ema_generator.variables:
        variable.assign(random.uniform(0.5, 2, variable.shape))
    old = values(gan.ema_generator.variables)
    gan.train_step(tf.constant(random_images()))
    names = {variable.name for variable in gan.ema_generator.variables}
    assert {"moving_mean", "moving_variance"} <= names
    for average, before, variable in zip(
        gan.ema_generator.variables, old, gan.generator.variables, strict=True
    ):
        assert average.path.split("/")[1:] == variable.path.split("/")[1:]
        expected = decay * before + (1 - decay) * variable.numpy()
        np.testing.assert_allclose(average.numpy(), expected, atol=1e-5, err_msg=average.path)


def test_calling_the_gan_calls_the_average():
    gan = new_gan()
    assert all(same(values(gan.generator.variables), values(gan.ema_generator.variables)))
    z = draw_latents(3, LATENT, (0, 0))
    start = gan(z).numpy()
    for variable in gan.ema_generator.variables:
        variable.assign(variable * 1.5)
    np.testing.assert_array_equal(gan(z, training=True), gan.ema_generator(z, training=False))
    assert np.abs(gan(z) - start).max() > 0.01


# --- optimizers and precision


@pytest.mark.slow
def test_step_compiled_by_xla_is_the_same_step():
    random, trained = np.random.default_rng(0), []
    z = random.uniform(-1, 1, (2, BATCH, LATENT)).astype(np.float32)
    u = random.random((4, BATCH, 7), np.float32)
    for jit_compile in (False, True):
        gan = new_gan(
            normalization="none",
            loss="wasserstein",
            gradient_penalty=1.0,
            augment=("color", "cutout"),
        )
        gan.compile(jit_compile=jit_compile)
        assert gan.jit_compile is jit_compile
        with_sgd(gan, learning_rate=0.01)
        # XLA's random numbers are others, for the same seed.
        gan.latents = lambda draws, size: tf.constant(z[:draws])
        gan.uniform = lambda purpose, draws, size, count: tf.constant(u[:draws, :, :count])
        before = values(gan.generator.variables + gan.discriminator.variables)
        gan.fit(tf.data.Dataset.from_tensors(random_images()), shuffle=False, verbose=0)
        trained.append(values(gan.generator.variables + gan.discriminator.variables))
    for start, one, other in zip(before, *trained, strict=True):
        np.testing.assert_allclose(one, other, atol=0.02 * np.abs(one - start).max() + 1e-7)


def test_fused_adam_is_keras_adam():
    random = np.random.default_rng(0)
    start = random.normal(size=(3, 2)).astype(np.float32)
    variables, optimizers = [], [Adam(0.01, beta_1=0.5), keras.optimizers.Adam(0.01, beta_1=0.5)]
    for optimizer in optimizers:
        variables.append([keras.Variable(start), keras.Variable(start[0])])
        optimizer.build(variables[-1])
    for step in range(5):
        gradients = [
            random.normal(size=shape).astype(np.float32) * 10.0**-step for shape in ((3, 2), (2,))
        ]
        for optimizer, ours in zip(optimizers, variables, strict=True):
            optimizer.apply([tf.constant(gradient) for gradient in gradients], ours)
        if step == 0:  # by hand: from zero moments, a step of the learning rate against the sign
            np.testing.assert_allclose(
                variables[0][0].numpy(), start - 0.01 * np.sign(gradients[0]), atol=1e-5
            )
    for one, other in zip(*(optimizer.variables for optimizer in optimizers), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4)
    for one, other in zip(*variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_no_loss_scale_outside_float16(dtype):
    gan = new_gan(dtype=dtype)
    assert type(gan.generator_optimizer) is type(gan.discriminator_optimizer) is Adam
    assert gan.loss_scale == gan.discriminator_loss_scale == 1


def test_overflow_skips_both_updates_and_halves_the_scale():
    gan = new_gan(dtype="mixed_float16")
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    for optimizer in optimizers:
        optimizer.dynamic_scale.assign(2.0**80)
    assert gan.loss_scale == gan.discriminator_loss_scale == 2.0**80
    gan.discriminator_optimizer.dynamic_scale.assign(2.0**79)
    assert (gan.loss_scale, gan.discriminator_loss_scale) == (2.0**80, 2.0**79)
    gan.discriminator_optimizer.dynamic_scale.assign(2.0**80)
    trained = gan.generator.trainable_variables + gan.discriminator.trainable_variables
    before = values(trained)
    gan.train_step(tf.constant(random_images()))
    assert all(same(before, values(trained)))
    for optimizer in optimizers:
        assert float(optimizer.dynamic_scale) == 2.0**79
        assert int(optimizer.inner_optimizer.iterations) == 0
        optimizer.dynamic_scale.assign(2.0**10)
    assert gan.step == 1

    gan.train_step(tf.constant(random_images()))
    assert not any(same(before, values(trained)))
    for optimizer in optimizers:
        assert float(optimizer.dynamic_scale) == 2.0**10
        assert int(optimizer.inner_optimizer.iterations) == 1
    assert gan.step == 2
    assert all(np.isfinite(value).all() for value in values(gan.variables))


@pytest.mark.parametrize("where", ["images", "generator"])
def test_overflow_of_the_layers_leaves_nothing_behind(where):
    gan, images = new_gan(dtype="mixed_float16"), random_images()
    if where == "images":
        images *= 1e6
    else:
        gan.generator.stack[0].kernel.assign(gan.generator.stack[0].kernel * 1e8)
    skipped = gan.discriminator.trainable_variables
    if where == "generator":
        skipped = skipped + gan.generator.trainable_variables
    before = values(skipped)
    gan.train_step(tf.constant(images))
    assert all(same(before, values(skipped)))
    assert int(gan.discriminator_optimizer.inner_optimizer.iterations) == 0
    for part in (gan.generator, gan.discriminator, gan.ema_generator):
        for variable in part.variables:
            assert np.isfinite(variable.numpy()).all(), variable.path


@pytest.mark.parametrize(
    "settings", [{}, {"normalization": "none", "loss": "wasserstein", "gradient_penalty": 10.0}]
)
def test_loss_scale_does_not_change_the_step(settings):
    trained = []
    for gan, scale in (
        (new_gan(dtype="mixed_float16", **settings), 2.0**6),
        (new_gan(**settings), None),
    ):
        with_sgd(gan, learning_rate=0.01)
        if scale:
            for name in ("generator_optimizer", "discriminator_optimizer"):
                wrapped = keras.optimizers.LossScaleOptimizer(
                    getattr(gan, name), initial_scale=scale
                )
                setattr(gan, name, wrapped)
        variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
        before = values(variables)
        gan.train_step(tf.constant(random_images()))
        after = values(variables)
        trained.append([new - old for new, old in zip(after, before, strict=True)])
    for scaled, plain in zip(*trained, strict=True):
        np.testing.assert_allclose(scaled, plain, atol=0.1 * np.abs(plain).max())


# --- state


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_state_is_every_variable_once(dtype):
    gan = new_gan(dtype=dtype)
    optimizers = [gan.generator_optimizer, gan.discriminator_optimizer]
    inner = [getattr(optimizer, "inner_optimizer", optimizer) for optimizer in optimizers]
    everything = gan.variables + [
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema_generator.variables,
        *(variable for one in optimizers + inner for variable in one.variables),
        *(moment for one in inner for moment in one._momentums + one._velocities),
        *(variable for mean in gan.means.values() for variable in mean.variables),
        gan.counter,
    ]
    held = [id(variable) for part in gan.state.values() for variable in part]
    assert len(held) == len(set(held))
    assert set(held) == {id(variable.value) for variable in everything}


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_restored_gan_is_the_saved_one(dtype, tmp_path):
    gan, fresh = new_gan(dtype=dtype), new_gan(weights_seed=1, dtype=dtype)
    for seed in range(2):
        gan.train_step(tf.constant(random_images(seed)))
    run_directory.checkpoints(tmp_path, gan.state).save()
    assert run_directory.restore(run_directory.checkpoints(tmp_path, fresh.state))
    assert fresh.state.keys() == gan.state.keys()
    for name, part in gan.state.items():
        assert all(same(values(part), values(fresh.state[name]))), name
    assert fresh.step == 2
    assert fresh.loss_scale == gan.loss_scale


# --- replicas


def train_on_replicas(path):
    """Writes the variables of GANs trained on one and on two devices; runs in a process of its own."""
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [device, device]
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    batches = tf.data.Dataset.from_tensor_slices(random_images(count=6 * BATCH)).batch(2 * BATCH)
    arrays = {}

    def train(case, scope, undivided=False, rate=0.1, **settings):
        with scope:
            gan = with_sgd(new_gan(**{"normalization": "none"} | settings), rate)
        if undivided:
            gan.scaled = lambda loss, optimizer: loss
        gan.fit(batches, shuffle=False, verbose=0)
        arrays[f"{case}/logs"] = np.array([mean.result() for mean in gan.means.values()])
        for index, variable in enumerate(gan.variables):
            for replica, copy in enumerate(getattr(variable.value, "values", [variable.value])):
                arrays[f"{case}/{replica}/{index}"] = copy.numpy()

    train("one", contextlib.nullcontext())
    train("two", strategy.scope())
    train("undivided", strategy.scope(), undivided=True)
    train("normalised", strategy.scope(), normalization="batch")
    train("one_synchronised", contextlib.nullcontext(), rate=0.01, normalization="batch")
    train("synchronised", strategy.scope(), rate=0.01, normalization="batch", synchronized=True)
    train("one_matched", contextlib.nullcontext(), rate=0.01, feature_matching=1.0)
    train("matched", strategy.scope(), rate=0.01, feature_matching=1.0)
    np.savez(path, **arrays)


@pytest.mark.slow
def test_two_replicas_are_one(tmp_path):
    code = "import sys; sys.path.insert(0, 'tests/gan'); import test_model; test_model.train_on_replicas(sys.argv[1])"
    command = [sys.executable, "-c", code, tmp_path / "arrays.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "arrays.npz") as archive:
        arrays = dict(archive)

    def variables(case, replica):
        return [array for name, array in arrays.items() if name.startswith(f"{case}/{replica}/")]

    for case in ("two", "undivided", "normalised", "synchronised", "matched"):
        assert all(same(variables(case, 0), variables(case, 1)))

    def difference(case, one="one"):
        pairs = zip(variables(case, 0), variables(one, 0), strict=True)
        return max(np.abs(array - expected).max() for array, expected in pairs)

    assert difference("two") < 1e-5
    assert difference("matched", "one_matched") < 1e-5
    assert difference("synchronised", "one_synchronised") < 1e-3
    assert difference("normalised", "one_synchronised") > 1e-2
    assert (
        difference("undivided") > 1e-2
    )  # what is seen where replicas' gradients are added, not averaged
    np.testing.assert_allclose(arrays["two/logs"], arrays["one/logs"], rtol=1e-5)
