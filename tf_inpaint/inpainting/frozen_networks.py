"""The trained networks of a search, as plain functions whose weights no longer change."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_inpaint.latent_search import curvature, starting_points

MeanEstimate = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Type of `FrozenNetworks.mean_estimate`."""

SCALE_DRAWS = 256
"""Number of random z for `FrozenNetworks.feature_scale`."""


class FrozenNetworks:
    """Generator, discriminator and perhaps an encoder, for any number of `Inpainter`s.

    Any functions of these shapes can be searched. They must consist of TensorFlow operations:
    AutoGraph does not convert them, so `if` and `len` of a tensor do not work in them. Functions
    that XLA cannot compile need `SearchSettings(jit_compile="false")` on a GPU.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        latent_size: Z.
        encoder: images `[B, H, W, C]`, 0 in the hole, and known `[B, H, W, 1]` to a z `[B, Z]` to
            start from. None: there is no encoder.
        prior: form of the prior that fits the loss of the discriminator; used where
            `SearchSettings.prior` is "auto".
        load_mean_estimate: gives `mean_estimate` when it is first needed. Default: there is none.
        parts: the generator as two functions, from z to feature maps `[B, h, w, c]` and from these
            to images, for deeper steps. None: such steps are not possible.
    """

    def __init__(
        self,
        generator: Callable[[tf.Tensor], tf.Tensor],
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        latent_size: int,
        encoder: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
        prior: str = "saturating",
        load_mean_estimate: Callable[[], MeanEstimate | None] = lambda: None,
        parts: tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]
        | None = None,
    ):
        self.generator = generator
        self.discriminator = discriminator
        self.latent_size = latent_size
        self.encoder = encoder
        self.prior = prior
        self.load_mean_estimate = load_mean_estimate
        self.parts = parts

    @functools.cached_property
    def mean_estimate(self) -> MeanEstimate | None:
        """What estimates the mean for `SearchSettings(estimate="mean")`.

        A function of images `[B, H, W, C]`, known `[B, H, W, 1]` and completions `[B, H, W, C]`. It
        gives the expected images and the standard deviations of their errors `[B, H, W, 1]`. None:
        the mean is that of several answers. The first access may take half a second.
        """
        return self.load_mean_estimate()

    @functools.cached_property
    def feature_scale(self) -> np.ndarray:
        """Standard deviation of each entry of the feature map over random z, `[h, w, c]`.

        There must be `parts`.
        """
        seeds = tf.stack(
            [tf.zeros(SCALE_DRAWS, tf.int64), tf.range(SCALE_DRAWS, dtype=tf.int64)], 1
        )
        z = starting_points.random_candidates(seeds, 1, self.latent_size)[:, 0]
        return tf.math.reduce_std(self.parts[0](z), axis=0).numpy()

    @functools.cached_property
    def curvature(self) -> np.ndarray:
        """`[Z, Z]`, see `curvature.curvature`. The first access takes about a second."""
        return curvature.curvature(self.generator, self.latent_size)
