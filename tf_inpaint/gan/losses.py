"""What training lowers: scalar losses of the discriminator's logits `[B, 1]`, computed in float32.

With `D = sigmoid(logits)`, `-log D = softplus(-logits)` and `-log(1 - D) = softplus(logits)`: exact at any
logit, where `log(sigmoid(logits))` overflows to minus infinity.
"""

from collections.abc import Callable

import tensorflow as tf

# --- the discriminator's


def cross_entropy(real_logits, generated_logits, label_smoothing: float = 0.0):
    """The mean of `-[(1 - s) log D(x) + s log(1 - D(x))] - log(1 - D(G(z)))`.

    With `s = 0` this is minus the value that algorithm 1 of Goodfellow et al. (2014) ascends. `s` smooths the
    labels of real images only: smoothing the others would reward the generator for its present errors.

    Args:
        real_logits: `[B, 1]`, of images from the data.
        generated_logits: `[B, 1]`, of images from G.
        label_smoothing: `s`, in [0, 0.5).

    Returns:
        A float32 scalar, at least 0.

    Source: https://arxiv.org/abs/1406.2661; label smoothing, Salimans et al. 2016, https://arxiv.org/abs/1606.03498
    """
    real_logits = tf.cast(real_logits, tf.float32)
    real = tf.reduce_mean(tf.nn.softplus(-real_logits) + label_smoothing * real_logits)
    return real + tf.reduce_mean(tf.nn.softplus(tf.cast(generated_logits, tf.float32)))


def hinge(real_logits, generated_logits):
    """The mean of `max(0, 1 - logit(x)) + max(0, 1 + logit(G(z)))`: what is told apart by a margin is left alone.

    Source: Lim & Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018, https://arxiv.org/abs/1802.05957
    """
    real = tf.reduce_mean(tf.nn.relu(1.0 - tf.cast(real_logits, tf.float32)))
    return real + tf.reduce_mean(tf.nn.relu(1.0 + tf.cast(generated_logits, tf.float32)))


def wasserstein(real_logits, generated_logits):
    """The mean of `critic(G(z)) - critic(x)`: minus the distance of the two distributions, for a critic of slope 1.

    Source: Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875
    """
    return tf.reduce_mean(tf.cast(generated_logits, tf.float32)) - tf.reduce_mean(
        tf.cast(real_logits, tf.float32)
    )


# --- the generator's


def minimax(generated_logits):
    """The mean of `log(1 - D(G(z)))`, the lecture's: its gradient fades while D still wins.

    Source: Goodfellow et al. 2014, algorithm 1, https://arxiv.org/abs/1406.2661
    """
    return -tf.reduce_mean(tf.nn.softplus(tf.cast(generated_logits, tf.float32)))


def non_saturating(generated_logits):
    """The mean of `-log D(G(z))`: the same fixed point, and the strongest gradient where D wins.

    Source: Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661
    """
    return tf.reduce_mean(tf.nn.softplus(-tf.cast(generated_logits, tf.float32)))


def critic(generated_logits):
    """The mean of `-critic(G(z))`, which goes with `hinge` and `wasserstein`."""
    return -tf.reduce_mean(tf.cast(generated_logits, tf.float32))


PAIRS = {
    "non_saturating": (cross_entropy, non_saturating),
    "minimax": (cross_entropy, minimax),
    "hinge": (hinge, critic),
    "wasserstein": (wasserstein, critic),
}
"""The discriminator's and the generator's loss, by the name of the flag."""


# --- regularisers


def slopes(discriminator: Callable[[tf.Tensor], tf.Tensor], images, scale=1.0):
    """`|| grad_x logit(x) ||^2` of each image, `[B]` float32.

    An image's logit must not depend on the others, as it does with batch normalisation: its slope would be that
    of them all.

    Args:
        discriminator: images to logits `[B, 1]`.
        images: `[B, H, W, C]`.
        scale: of the logits while they are differentiated, so that float16 gradients do not vanish.
    """
    images = tf.convert_to_tensor(images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = tf.cast(discriminator(images), tf.float32) * scale
    gradients = tf.cast(tape.gradient(logits, images), tf.float32) / scale
    return tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])


def gradient_penalty(discriminator, real_images, generated_images, shares, scale=1.0):
    """The mean of `(|| grad_x critic(x) || - 1)^2` at `x = share * real + (1 - share) * generated`.

    Args:
        discriminator: images to logits `[B, 1]`, an image's own; see `slopes`.
        real_images, generated_images: `[B, H, W, C]`.
        shares: `[B]`, uniform in [0, 1].
        scale: see `slopes`.

    Source: Gulrajani et al. 2017, algorithm 1, https://arxiv.org/abs/1704.00028
    """
    shares = tf.reshape(shares, [-1, 1, 1, 1])
    squares = slopes(discriminator, shares * real_images + (1.0 - shares) * generated_images, scale)
    # The root's own slope is infinite at 0, where a new critic may well be.
    return tf.reduce_mean(tf.square(tf.sqrt(tf.maximum(squares, 1e-12)) - 1.0))


def r1(discriminator, real_images, scale=1.0):
    """The mean of `|| grad_x logit(x) ||^2 / 2` at real images: D must be flat where the data are.

    Source: Mescheder et al. 2018, equation 9, https://arxiv.org/abs/1801.04406
    """
    return tf.reduce_mean(slopes(discriminator, real_images, scale)) / 2.0


def feature_matching(real_features, generated_features):
    """`|| mean f(x) - mean f(G(z)) ||^2`, f being D's last features `[B, F]`: G matches the data's averages.

    Source: Salimans et al. 2016, section 3.1, https://arxiv.org/abs/1606.03498
    """
    means = [
        tf.reduce_mean(tf.cast(part, tf.float32), axis=0)
        for part in (real_features, generated_features)
    ]
    return tf.reduce_sum(tf.square(means[0] - means[1]))
