"""What training lowers: scalar losses of the discriminator's logits `[B, 1]`, computed in float32.

With `D = sigmoid(logits)`, `-log D = softplus(-logits)` and `-log(1 - D) = softplus(logits)`: exact at any
logit, where `log(sigmoid(logits))` overflows to minus infinity.
"""

import tensorflow as tf


def discriminator_loss(real_logits, generated_logits, label_smoothing: float = 0.0):
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


GENERATOR_LOSSES = {"minimax": minimax, "non_saturating": non_saturating}
