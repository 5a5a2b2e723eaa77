"""Differentiable augmentation: a random change of each image that D sees, real or generated.

With a few hundred images, D soon knows each image by heart. Here, D sees changed images only. Real
and generated images are changed, in the updates of both networks. G nevertheless learns the
distribution of the unchanged images. Each function is an equation over a batch, and its random
numbers `u` are an argument.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
https://arxiv.org/abs/2006.10738
"""

import tensorflow as tf


def color(images, u):
    """Changes brightness, saturation and contrast.

    Brightness is shifted by up to 0.5. Saturation is scaled by 0 to 2, contrast by 0.5 to 1.5.

    Args:
        images: `[B, H, W, C]`.
        u: `[B, 3]` in [0, 1).
    """
    brightness, saturation, contrast = tf.unstack(u[:, :, None, None, None], axis=1)
    images += brightness - 0.5
    images = _scale_around(tf.reduce_mean(images, axis=3, keepdims=True), images, 2.0 * saturation)
    means = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return _scale_around(means, images, contrast + 0.5)


def translation(images, u, share: float = 0.125):
    """Shifts each image, down or up and right or left; pixels from outside the image are 0.

    Args:
        images: `[B, H, W, C]`, H = W known when the graph is built.
        u: `[B, 2]` in [0, 1).
        share: the largest shift, as a share of the side.
    """
    side = images.shape[1]
    max_shift = int(side * share + 0.5)
    shift = tf.cast(tf.floor(u * (2 * max_shift + 1)), tf.int32)
    padding = [max_shift, max_shift]
    padded = tf.pad(images, [[0, 0], padding, padding, [0, 0]])
    indices = shift[:, :, None] + tf.range(side)
    rows = tf.gather(padded, indices[:, 0], axis=1, batch_dims=1)
    return tf.gather(rows, indices[:, 1], axis=2, batch_dims=1)


def cutout(images, u, share: float = 0.5):
    """Sets a square to 0. The center may be any pixel, so a part of the square may lie outside.

    Args:
        images: `[B, H, W, C]`, H = W known when the graph is built.
        u: `[B, 2]` in [0, 1).
        share: the side of the square, as a share of the side of the image.
    """
    side = images.shape[1]
    size = int(side * share + 0.5)
    start = tf.floor(u * (side + 1 - size % 2)) - size // 2
    offset = tf.range(float(side)) - start[:, :, None]
    inside = (offset >= 0) & (offset < size)
    hole = inside[:, 0, :, None, None] & inside[:, 1, None, :, None]
    return tf.where(hole, tf.zeros_like(images), images)


def _scale_around(center, images, scale):
    return center + scale * (images - center)


POLICIES = {"color": (color, 3), "translation": (translation, 2), "cutout": (cutout, 2)}
"""Function of each change, and its random numbers per image. The names are those of `--augment`."""


def numbers_per_image(policy: tuple[str, ...]) -> int:
    """The number of random numbers that a policy needs for each image."""
    return sum(POLICIES[name][1] for name in policy)


def augment(images, u, policy: tuple[str, ...]):
    """Makes the changes of the policy, one after the other.

    Args:
        images: `[B, H, W, C]` in [-1, 1].
        u: `[B, numbers_per_image(policy)]`, uniform in [0, 1).
        policy: names of `POLICIES`.

    Returns:
        `[B, H, W, C]`, perhaps beyond [-1, 1].
    """
    for name in policy:
        change, count = POLICIES[name]
        images, u = change(images, u[:, :count]), u[:, count:]
    return images
