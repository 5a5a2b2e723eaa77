"""Losses and regularizers of the training.

Each loss is a float32 scalar, and a function of the discriminator's logits `[B, 1]`.
With `D = sigmoid(logits)`, `-log D = softplus(-logits)` and `-log(1 - D) = softplus(logits)`. These
forms are exact at any logit, where `log(sigmoid(logits))` overflows to minus infinity.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

# --- losses of the discriminator


def cross_entropy(real_logits, generated_logits, label_smoothing: float = 0.0):
    """The mean of `-[(1 - s) log D(x) + s log(1 - D(x))] - log(1 - D(G(z)))`.

    With `s = 0` this is minus the value that algorithm 1 of Goodfellow et al. (2014) ascends. `s`
    smooths only the labels of real images. Smoothed labels of generated images would reward the
    generator for its present errors.

    Args:
        real_logits: `[B, 1]`, logits of images from the data.
        generated_logits: `[B, 1]`, logits of images from G.
        label_smoothing: `s`, in [0, 0.5).

    Returns:
        A float32 scalar, at least 0.

    Source: https://arxiv.org/abs/1406.2661; label smoothing: Salimans et al. 2016,
    https://arxiv.org/abs/1606.03498
    """
    real_logits = tf.cast(real_logits, tf.float32)
    real = tf.reduce_mean(tf.nn.softplus(-real_logits) + label_smoothing * real_logits)
    return real + tf.reduce_mean(tf.nn.softplus(tf.cast(generated_logits, tf.float32)))


def hinge(real_logits, generated_logits):
    """The mean of `max(0, 1 - logit(x)) + max(0, 1 + logit(G(z)))`.

    Images that D separates by this margin add nothing to the gradient.

    Source: Lim & Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018,
    https://arxiv.org/abs/1802.05957
    """
    real = tf.reduce_mean(tf.nn.relu(1.0 - tf.cast(real_logits, tf.float32)))
    return real + tf.reduce_mean(tf.nn.relu(1.0 + tf.cast(generated_logits, tf.float32)))


def wasserstein(real_logits, generated_logits):
    """The mean of `critic(G(z)) - critic(x)`.

    For a critic of slope 1, this is minus the Wasserstein distance of the two distributions.

    Source: Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875
    """
    return tf.reduce_mean(tf.cast(generated_logits, tf.float32)) - tf.reduce_mean(
        tf.cast(real_logits, tf.float32)
    )


# --- losses of the generator


def minimax(generated_logits):
    """The mean of `log(1 - D(G(z)))`, the lecture's loss: its gradient vanishes while D is ahead.

    Source: Goodfellow et al. 2014, algorithm 1, https://arxiv.org/abs/1406.2661
    """
    return -tf.reduce_mean(tf.nn.softplus(tf.cast(generated_logits, tf.float32)))


def non_saturating(generated_logits):
    """The mean of `-log D(G(z))`.

    The fixed point is that of `minimax`, and the gradient is strongest where D is ahead.

    Source: Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661
    """
    return tf.reduce_mean(tf.nn.softplus(-tf.cast(generated_logits, tf.float32)))


def critic(generated_logits):
    """The mean of `-critic(G(z))`, the partner of `hinge` and `wasserstein`."""
    return -tf.reduce_mean(tf.cast(generated_logits, tf.float32))


PAIRS = {
    "non_saturating": (cross_entropy, non_saturating),
    "minimax": (cross_entropy, minimax),
    "hinge": (hinge, critic),
    "wasserstein": (wasserstein, critic),
}
"""The discriminator's and the generator's loss, by name. The names are those of `--loss`."""


def pair(name: str, label_smoothing: float = 0.0) -> tuple[Callable, Callable]:
    """The discriminator's and the generator's loss of this name.

    Args:
        name: a name of `PAIRS`.
        label_smoothing: see `cross_entropy`. 0 for the other losses.

    Raises:
        ValueError: the name is unknown, or a loss without labels has label smoothing.
    """
    if name not in PAIRS:
        raise ValueError(
            f"loss must be one of {list(PAIRS)}; received {name}; choose one of these."
        )
    discriminator_loss, generator_loss = PAIRS[name]
    if not label_smoothing:
        return discriminator_loss, generator_loss
    if discriminator_loss is not cross_entropy:
        raise ValueError(
            f"label_smoothing must go with a loss that has labels; received {name}; leave it out."
        )
    smoothed = functools.partial(cross_entropy, label_smoothing=label_smoothing)
    return smoothed, generator_loss


# --- regularizers


def squared_slopes(discriminator: Callable[[tf.Tensor], tf.Tensor], images, scale=1.0):
    """`|| grad_x logit(x) ||^2` of each image, `[B]` float32.

    The logit of an image must not depend on the other images. With batch normalization it does, and
    the result would be the slope of all logits together.

    Args:
        discriminator: images to logits `[B, 1]`.
        images: `[B, H, W, C]`.
        scale: factor of the logits during differentiation, against underflow of float16 gradients.
    """
    images = tf.convert_to_tensor(images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = tf.cast(discriminator(images), tf.float32) * scale
    gradients = tf.cast(tape.gradient(logits, images), tf.float32) / scale
    return tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])


def gradient_penalty(discriminator, real_images, generated_images, weights, scale=1.0):
    """The mean of `(|| grad_x critic(x) || - 1)^2` between real and generated images.

    The gradient is taken at `x = weight * real + (1 - weight) * generated`.

    Args:
        discriminator: images to logits `[B, 1]`. See `squared_slopes`.
        real_images, generated_images: `[B, H, W, C]`.
        weights: interpolation weights `[B]`, uniform in [0, 1].
        scale: see `squared_slopes`.

    Source: Gulrajani et al. 2017, algorithm 1, https://arxiv.org/abs/1704.00028
    """
    weights = tf.reshape(weights, [-1, 1, 1, 1])
    images = weights * real_images + (1.0 - weights) * generated_images
    squares = squared_slopes(discriminator, images, scale)
    # The derivative of the root is infinite at 0, and the slope of a new critic may be 0.
    return tf.reduce_mean(tf.square(tf.sqrt(tf.maximum(squares, 1e-12)) - 1.0))


def r1(discriminator, real_images, scale=1.0):
    """The mean of `|| grad_x logit(x) ||^2 / 2` at real images: D must be flat at the data.

    Source: Mescheder et al. 2018, equation 9, https://arxiv.org/abs/1801.04406
    """
    return tf.reduce_mean(squared_slopes(discriminator, real_images, scale)) / 2.0


def feature_matching(real_features, generated_features):
    """`|| mean f(x) - mean f(G(z)) ||^2`, where f are D's last features `[B, F]`.

    G thus matches the mean features of the data.

    Source: Salimans et al. 2016, section 3.1, https://arxiv.org/abs/1606.03498
    """
    means = [
        tf.reduce_mean(tf.cast(features, tf.float32), axis=0)
        for features in (real_features, generated_features)
    ]
    return tf.reduce_sum(tf.square(means[0] - means[1]))
