"""The training step against a plain version of algorithm 1, and against all definitions."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import BATCH, LATENT, equal, new_gan, random_images, values, with_sgd

from tf_inpaint.gan import augment
from tf_inpaint.gan.model import LOGS
from tf_inpaint.gan.random_numbers import AUGMENTATION, INTERPOLATION, draw_latents


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "squares"}, "loss must be one of .*'wasserstein'.*; received squares; choose"),
        (
            {"loss": "hinge", "label_smoothing": 0.1},
            "label_smoothing must go with .* labels; received hinge; leave",
        ),
        ({"loss": "wasserstein", "label_smoothing": 0.1}, "received wasserstein; leave it out"),
        (
            {"gradient_penalty": 1.0},
            "gradient_penalty and r1 must go with .*; received .* batch normalization; pass",
        ),
        (
            {"r1": 1.0},
            "gradient_penalty and r1 must go with .*; received .* batch normalization; pass",
        ),
    ],
)
def test_contradictory_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        new_gan(**settings)


# --- one step against algorithm 1


def naive_step(generator, discriminator, images, latents, loss, counts, reuse, smoothing, rate=0.1):
    """Algorithm 1 by plain gradient descent on logarithms of probabilities; returns the logs."""
    latents, logs = list(latents), {name: [] for name in LOGS}

    def descend(variables, cost_function):
        with tf.GradientTape() as tape:
            cost = cost_function()
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

    # The updates of D.
    for batch in np.split(images, counts[0]):
        z = latents.pop(0)
        generated = generator(z, training=True)
        cost = descend(
            discriminator.trainable_variables, partial(discriminator_cost, batch, generated)
        )
        logs["discriminator_loss"].append(cost)

    # The updates of G.
    for index in range(counts[1]):
        reused = reuse and index == 0
        z = z if reused else latents.pop(0)
        statistics = values(generator.non_trainable_variables)
        logs["generator_loss"].append(descend(generator.trainable_variables, generator_cost))
        if reused:  # the GAN does not run G again
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
    # Make the same step twice.
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
    start = values(gan.generator.variables + gan.discriminator.variables)
    images = random_images(count=counts[0] * BATCH)
    z = tf.random.stateless_uniform([sum(counts) * BATCH, LATENT], seed=(3, 0), minval=-1)
    z = tf.reshape(z, [sum(counts), BATCH, LATENT])
    expected_logs = naive_step(
        twin.generator, twin.discriminator, images, z, loss, counts, reuse, smoothing
    )
    logs = gan.train_step(tf.constant(images))

    # Compare logs, variables and counts.
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(
        expected_logs, rel=1e-4
    )
    for before, variable, expected in zip(
        start,
        gan.generator.variables + gan.discriminator.variables,
        values(twin.generator.variables + twin.discriminator.variables),
        strict=True,
    ):
        change = np.abs(expected - before).max()
        assert change > 1e-5, variable.path
        np.testing.assert_allclose(
            variable.numpy(), expected, atol=1e-3 * change, err_msg=variable.path
        )
    assert int(gan.discriminator_optimizer.iterations) == counts[0]
    assert int(gan.generator_optimizer.iterations) == counts[1]
    assert gan.step == 1


def naive_costs(
    gan, images, z, loss, gradient_penalty=0.0, r1=0.0, feature_matching=0.0, policy=()
):
    """D's and G's cost of one step as functions, by the definitions, on logits."""
    discriminator = gan.discriminator
    numbers = augment.numbers_per_image(policy)
    changes = iter(gan.uniform(AUGMENTATION, 4, BATCH, numbers))
    weights = tf.reshape(gan.uniform(INTERPOLATION, 1, BATCH, 1), [BATCH, 1, 1, 1])
    real, fake = (
        augment.augment(batch, next(changes), policy) for batch in (images, gan.generator(z[0]))
    )
    generator_changes = next(changes), next(changes)

    def squared_slopes(pictures):
        total = []
        for picture in pictures:  # one picture at a time, so that no other picture has an influence
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
            slopes = tf.sqrt(squared_slopes(weights * real + (1 - weights) * fake))
            cost += gradient_penalty * tf.reduce_mean((slopes - 1) ** 2)
        return cost + r1 / 2 * tf.reduce_mean(squared_slopes(real)) if r1 else cost

    def generator_cost():
        generated = augment.augment(gan.generator(z[1]), generator_changes[0], policy)
        cost = -tf.reduce_mean(discriminator(generated))
        if feature_matching:
            augmented = augment.augment(images, generator_changes[1], policy)
            means = [
                tf.reduce_mean(discriminator.features(batch), 0) for batch in (generated, augmented)
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
def test_step_minimizes_all_terms_of_the_settings(loss, settings):
    gan, twin = (
        with_sgd(new_gan(normalization="none", loss=loss, seed=3, **settings), learning_rate=0.01)
        for _ in range(2)
    )
    images, z = tf.constant(random_images()), twin.latents(2, BATCH)
    weights = {name: value for name, value in settings.items() if name != "augment"}
    costs = naive_costs(twin, images, z, loss, policy=settings.get("augment", ()), **weights)
    logs = gan.train_step(images)
    for network, trained, cost_function in zip(
        (twin.discriminator, twin.generator),
        (gan.discriminator, gan.generator),
        costs,
        strict=True,
    ):
        with tf.GradientTape() as tape:
            cost = cost_function()
        gradients = tape.gradient(
            cost, [variable.value for variable in network.trainable_variables]
        )
        for variable, trained_variable, gradient in zip(
            network.trainable_variables, trained.trainable_variables, gradients, strict=True
        ):
            change = trained_variable.numpy() - variable.numpy()
            # A constant that is added to all logits cancels.
            assert np.abs(change).max() > 0 or "logits/bias" in variable.path, variable.path
            tolerance = 1e-3 * np.abs(change).max() + 1e-7
            np.testing.assert_allclose(
                change, -0.01 * gradient, atol=tolerance, err_msg=variable.path
            )
            variable.assign(trained_variable)  # the update of G uses the updated D
    assert float(logs["penalty"]) > 0 or not set(weights) - {"feature_matching"}


def test_each_network_has_its_own_schedule_and_rate():
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


def test_each_update_changes_one_network_only():
    gan = with_sgd(new_gan())
    tape, generated = gan.generate(draw_latents(BATCH, LATENT, (0, 0)))
    generator, discriminator = gan.generator.variables, gan.discriminator.trainable_variables

    before = values(generator), values(discriminator)
    gan.update_discriminator(random_images(), generated, tf.zeros([BATCH, 1]))
    assert all(equal(before[0], values(generator)))
    assert not any(equal(before[1], values(discriminator)))

    before = values(gan.generator.trainable_variables), values(discriminator)
    gan.update_generator(tape, generated, random_images(), tf.identity)
    assert not any(equal(before[0], values(gan.generator.trainable_variables)))
    assert all(equal(before[1], values(discriminator)))


# --- many steps


def test_fit_makes_the_same_steps_and_resets_no_mean():
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    images = random_images(count=2 * BATCH)
    gan.fit(
        tf.data.Dataset.from_tensor_slices(images).batch(BATCH), epochs=2, shuffle=False, verbose=0
    )
    for batch in 2 * np.split(images, 2):
        logs = twin.train_step(tf.constant(batch))
    for value, expected in zip(values(gan.variables), values(twin.variables), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-4)
    assert gan.metrics == []
    for name in LOGS:
        assert float(gan.means[name].count) == float(twin.means[name].count)
        assert float(gan.means[name].result()) == pytest.approx(float(logs[name]), rel=1e-3)


def test_end_of_the_data_is_no_step():
    # For a data set of unknown length, Keras learns of the end by a step that finds no images.
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
    for value, expected in zip(values(gan.variables), values(twin.variables), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-4)


def test_means_run_until_they_are_reset():
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    batches = [tf.constant(batch) for batch in (random_images(0), random_images(1))]
    first, total = (gan.train_step(batch) for batch in batches)
    for batch in batches:
        for mean in twin.means.values():
            mean.reset_state()
        second = twin.train_step(batch)
    for name in LOGS:
        assert float(total[name]) == pytest.approx(float(first[name] + second[name]) / 2, rel=1e-5)
