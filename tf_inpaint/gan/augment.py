"""Differentiable augmentation: one random change for what D sees, real and generated alike.

With a few hundred images D soon knows each by heart. Shown changed images only, of both kinds and in both
networks' updates, it cannot, and G learns the unchanged distribution nevertheless. Each function is an equation
over a batch whose random numbers `u` come as an argument.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
https://arxiv.org/abs/2006.10738
"""

import tensorflow as tf


def color(images, u):
    """Brightness, saturation and contrast: shifted by up to 0.5, scaled by 0 to 2 and by 0.5 to 1.5.

    Args:
        images: `[B, H, W, C]`.
        u: `[B, 3]` in [0, 1).
    """
    brightness, saturation, contrast = tf.unstack(u[:, :, None, None, None], axis=1)
    images += brightness - 0.5
    images = _about(tf.reduce_mean(images, axis=3, keepdims=True), images, 2.0 * saturation)
    return _about(tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True), images, contrast + 0.5)


def translation(images, u, share: float = 0.125):
    """Shifted by up to `share` of the side both ways; what comes in from outside is 0.

    Args:
        images: `[B, H, W, C]`, H = W known when the graph is built.
        u: `[B, 2]` in [0, 1).
    """
    side = images.shape[1]
    reach = int(side * share + 0.5)
    shift = tf.cast(tf.floor(u * (2 * reach + 1)), tf.int32)
    padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    place = shift[:, :, None] + tf.range(side)
    rows = tf.gather(padded, place[:, 0], axis=1, batch_dims=1)
    return tf.gather(rows, place[:, 1], axis=2, batch_dims=1)


def cutout(images, u, share: float = 0.5):
    """A square of `share` of the side becomes 0; its middle is anywhere in the image, so part may lie outside.

    Args:
        images: `[B, H, W, C]`, H = W known when the graph is built.
        u: `[B, 2]` in [0, 1).
    """
    side = images.shape[1]
    size = int(side * share + 0.5)
    first = tf.floor(u * (side + 1 - size % 2)) - size // 2
    inside = tf.range(float(side)) - first[:, :, None]
    inside = (inside >= 0) & (inside < size)
    hole = inside[:, 0, :, None, None] & inside[:, 1, None, :, None]
    return tf.where(hole, tf.zeros_like(images), images)


def _about(middle, images, scale):
    return middle + scale * (images - middle)


POLICIES = {"color": (color, 3), "translation": (translation, 2), "cutout": (cutout, 2)}
"""A change and how many random numbers it takes, by name; made in this order."""


def numbers(policy: tuple[str, ...]) -> int:
    """How many random numbers an image takes."""
    return sum(POLICIES[name][1] for name in policy)


def augment(images, u, policy: tuple[str, ...]):
    """The images after each change of the policy.

    Args:
        images: `[B, H, W, C]` in [-1, 1]; may leave that range.
        u: `[B, numbers(policy)]`, uniform in [0, 1).
        policy: names of `POLICIES`.
    """
    for name in policy:
        change, count = POLICIES[name]
        images, u = change(images, u[:, :count]), u[:, count:]
    return images
