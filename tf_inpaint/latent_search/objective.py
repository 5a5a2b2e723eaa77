"""What the search lowers: the contextual and the perceptual terms of the energy.

    energy(z) = contextual(G(z)) + prior_weight * perceptual(D(G(z)))

Each function is an equation over a batch and gives one float32 number per image, `[B]`: a sum over pixels and
channels, never a mean and never reduced over the batch, so that an image's energy is its own.

Source: Yeh et al. 2017, "Semantic Image Inpainting with Deep Generative Models".
"""

import tensorflow as tf


def importance(known: tf.Tensor, window: int = 7) -> tf.Tensor:
    """How much each known pixel tells about the hole: the share of hole in the window around it.

        W_i = sum over j in the n x n window around i of (1 - known_j) / n^2    where pixel i is known
        W_i = 0                                                                 in the hole

    A known pixel beside the hole says more about what is missing than one far away. The picture is mirrored
    at its border, edge pixel included.

    Args:
        known: `[B, H, W, 1]`, 1 = given, 0 = hole.
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
    """The distance between picture and image on the known pixels, `sum weights * |generated - images|`.

    With `weights = known` this is the lecture's `||known * G(z) - known * images||_1`; with
    `weights = importance(known)` it is Yeh et al.'s.

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

    Minus the log-likelihood under Gaussian noise of variance 1/2 in each pixel. A pixel that is 1 off, half the
    range, costs 1 here as in `contextual_l1`; smaller errors cost less (0.1 off: 0.01 against 0.1), larger ones
    more, up to 4 against 2.

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
    """`generated - images`, and 0 where the weight is, `[B, H, W, C]` float32."""
    # A product alone would let a NaN through: 0 * NaN is NaN.
    return tf.where(weights > 0, tf.cast(generated, tf.float32) - tf.cast(images, tf.float32), 0.0)


def low_resolution(images: tf.Tensor, factor: int) -> tf.Tensor:
    """The box-averaged images: each `factor` x `factor` block becomes its mean.

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
            f"received factor {factor} for {height} x {width} pixels; choose a common divisor of the two."
        )
    return tf.nn.avg_pool2d(tf.cast(images, tf.float32), factor, strides=factor, padding="VALID")


def contextual_low_resolution(generated: tf.Tensor, images: tf.Tensor, factor: int) -> tf.Tensor:
    """The distance between box averages, `factor^2 * sum |box(generated) - box(images)|`: super-resolution.

    Each average stands for factor^2 pixels. Counting it that often keeps the scale of a sum over pixels, so
    that one `prior_weight` serves every factor: a constant offset costs what it costs in `contextual_l1`.

    Args:
        generated: `[B, H, W, C]`, G(z).
        images: `[B, H, W, C]`; read only through its box averages.
        factor: at least 1; must divide H and W.

    Returns:
        `[B]` float32.

    Raises:
        ValueError: `factor` does not divide the images' size.
    """
    distance = tf.abs(low_resolution(generated, factor) - low_resolution(images, factor))
    return factor**2 * tf.reduce_sum(distance, axis=[1, 2, 3])


def saturating(logits: tf.Tensor) -> tf.Tensor:
    """The lecture's perceptual term `log(1 - D) = -softplus(logit)`: low where D takes the picture for real.

    Computed from the logit, since `log(1 - sigmoid(logit))` is -inf from about logit 17 on in float32. Its
    slope is -D: nearly none on a picture that D rejects, which is what `non_saturating` mends.

    Args:
        logits: `[B, 1]`, D before the sigmoid.

    Returns:
        `[B]` float32, at most 0.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets".
    """
    return -tf.nn.softplus(tf.cast(logits, tf.float32))[:, 0]


def non_saturating(logits: tf.Tensor) -> tf.Tensor:
    """The perceptual term `-log D = softplus(-logit)`: steepest on the pictures that D rejects (slope D - 1).

    Args:
        logits: `[B, 1]`, D before the sigmoid.

    Returns:
        `[B]` float32, at least 0.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets".
    """
    return tf.nn.softplus(-tf.cast(logits, tf.float32))[:, 0]


def critic(logits: tf.Tensor) -> tf.Tensor:
    """The perceptual term `-logit`, for a critic: trained by hinge or Wasserstein loss it gives no probability.

    Args:
        logits: `[B, 1]`.

    Returns:
        `[B]` float32.

    Source: Arjovsky et al. 2017, "Wasserstein GAN".
    """
    return -tf.cast(logits, tf.float32)[:, 0]
