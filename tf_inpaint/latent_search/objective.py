"""The contextual and perceptual terms of the energy, as equations.

    energy(z) = contextual(G(z)) + prior_weight * perceptual(D(G(z)))

Each function takes a batch and returns one float32 number per image, `[B]`: a sum over pixels and
channels, never a mean. No function reduces over the batch, so the energy of an image depends on
this image only.

Source: Yeh et al. 2017, "Semantic Image Inpainting with Deep Generative Models".
"""

import tensorflow as tf


def importance(known: tf.Tensor, window: int = 7) -> tf.Tensor:
    """Weights each known pixel by the share of hole in the window around it.

        W_i = sum over j in the n x n window around i of (1 - known_j) / n^2    for a known pixel i
        W_i = 0                                                                 in the hole

    A known pixel near the hole says more about the hole than a distant pixel. At its border the
    mask is mirrored, including the edge pixel.

    Args:
        known: `[B, H, W, 1]`, 1 = known, 0 = hole.
        window: n, odd; half of it must not exceed H or W.

    Returns:
        `[B, H, W, 1]` float32 in [0, 1).

    Raises:
        ValueError: `window` is even or below 1.

    Source: Yeh et al. 2017.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(
            f"window must be odd and positive, to have a middle; received {window}; choose e.g. 7."
        )
    known = tf.cast(known, tf.float32)
    margin = [window // 2, window // 2]
    hole = tf.pad(1.0 - known, [[0, 0], margin, margin, [0, 0]], mode="SYMMETRIC")
    return known * tf.nn.avg_pool2d(hole, window, strides=1, padding="VALID")


def contextual_l1(generated: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The L1 distance on the known pixels, `sum weights * |generated - images|`.

    `weights = known` gives the distance of the lecture, `||known * G(z) - known * images||_1`.
    `weights = importance(known)` gives the distance of Yeh et al.

    Args:
        generated: `[B, H, W, C]`, G(z).
        images: `[B, H, W, C]`; pixels of weight 0 are never read, and may be NaN.
        weights: `[B, H, W, 1]`, at least 0.

    Returns:
        `[B]` float32.
    """
    weights = tf.cast(weights, tf.float32)
    return tf.reduce_sum(weights * tf.abs(difference(generated, images, weights)), axis=[1, 2, 3])


def contextual_l2(generated: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The squared distance on the known pixels, `sum weights * (generated - images)^2`.

    The squared distance is minus the log-likelihood under Gaussian noise of variance 1/2 in each
    pixel, up to a constant. An error of 1, half the range, costs 1 here as in `contextual_l1`.
    Smaller errors cost less (an error of 0.1 costs 0.01 against 0.1); larger errors cost more, up
    to 4 against 2.

    Args:
        generated: `[B, H, W, C]`, G(z).
        images: `[B, H, W, C]`; pixels of weight 0 are never read, and may be NaN.
        weights: `[B, H, W, 1]`, at least 0.

    Returns:
        `[B]` float32.
    """
    weights = tf.cast(weights, tf.float32)
    return tf.reduce_sum(
        weights * tf.square(difference(generated, images, weights)), axis=[1, 2, 3]
    )


def difference(generated: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns `generated - images`, and 0 where the weight is 0: `[B, H, W, C]` float32."""
    # A product would not remove a NaN: 0 * NaN is NaN.
    return tf.where(weights > 0, tf.cast(generated, tf.float32) - tf.cast(images, tf.float32), 0.0)


def low_resolution(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Returns the box-averaged images: the mean of each block of `factor` x `factor` pixels.

    Args:
        images: `[B, H, W, C]`, H and W known when the graph is built.
        factor: at least 1; must divide H and W.

    Returns:
        `[B, H / factor, W / factor, C]` float32.

    Raises:
        ValueError: `factor` does not divide the images' size.
    """
    height, width = images.shape[1:3]
    if factor < 1 or height % factor or width % factor:
        raise ValueError(
            "factor must divide the images' height and width; "
            f"received factor {factor} for {height} x {width} pixels; "
            "choose a common divisor of the two."
        )
    return tf.nn.avg_pool2d(tf.cast(images, tf.float32), factor, strides=factor, padding="VALID")


def contextual_low_resolution(generated: tf.Tensor, images: tf.Tensor, factor: int) -> tf.Tensor:
    """The L1 distance of box averages, `factor^2 * sum |box(generated) - box(images)|`.

    This distance serves super-resolution. Each average stands for factor^2 pixels and counts
    factor^2 times. So the distance has the scale of a sum over pixels, and one `prior_weight` suits
    every factor: a constant offset costs the same here and in `contextual_l1`.

    Args:
        generated: `[B, H, W, C]`, G(z).
        images: `[B, H, W, C]`; only their box averages are used.
        factor: at least 1; must divide H and W.

    Returns:
        `[B]` float32.

    Raises:
        ValueError: `factor` does not divide the images' size.
    """
    distance = tf.abs(low_resolution(generated, factor) - low_resolution(images, factor))
    return factor**2 * tf.reduce_sum(distance, axis=[1, 2, 3])


def saturating(logits: tf.Tensor) -> tf.Tensor:
    """The perceptual term of the lecture, `log(1 - D) = -softplus(logit)`.

    The term is low if D takes the picture for a real image. The code uses the logit, because
    `log(1 - sigmoid(logit))` in float32 is -inf from a logit of about 17. The slope is -D, so the
    term is nearly flat on a picture that D rejects. `non_saturating` does not have this problem.

    Args:
        logits: `[B, 1]`, output of D before the sigmoid.

    Returns:
        `[B]` float32, at most 0.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets".
    """
    return -tf.nn.softplus(tf.cast(logits, tf.float32))[:, 0]


def non_saturating(logits: tf.Tensor) -> tf.Tensor:
    """The perceptual term `-log D = softplus(-logit)`.

    The slope is D - 1, so the term is steepest on the pictures that D rejects.

    Args:
        logits: `[B, 1]`, output of D before the sigmoid.

    Returns:
        `[B]` float32, at least 0.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets".
    """
    return tf.nn.softplus(-tf.cast(logits, tf.float32))[:, 0]


def critic(logits: tf.Tensor) -> tf.Tensor:
    """The perceptual term `-logit`, for a critic.

    A critic is a discriminator that is trained by the hinge loss or the Wasserstein loss. The
    output of a critic is not a probability.

    Args:
        logits: `[B, 1]`.

    Returns:
        `[B]` float32.

    Source: Arjovsky et al. 2017, "Wasserstein GAN".
    """
    return -tf.cast(logits, tf.float32)[:, 0]
