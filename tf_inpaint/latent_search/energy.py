"""The energy of z, which a search minimizes: `contextual(G(z)) + prior_weight * perceptual(G(z))`.

The equations of the two terms are in `objective`. This module applies them to the pictures of a
generator and to the logits of a discriminator.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.latent_search import objective, solvers

DISTANCES = {
    "l1": objective.contextual_l1,
    "weighted_l1": objective.contextual_l1,
    "l2": objective.contextual_l2,
}
"""Distances of the contextual term, by the name of the setting."""
PRIORS = {
    "saturating": objective.saturating,
    "non_saturating": objective.non_saturating,
    "critic": objective.critic,
}
"""Functions from logits to the perceptual term, by the name of the setting."""


class LinearizedPrior(NamedTuple):
    """First-order approximation of the weighted perceptual term, around one picture per row."""

    value: tf.Tensor
    """`[B]`, the term at the picture."""
    slope: tf.Tensor
    """`[B, H, W, C]`, its gradient with respect to the picture."""
    picture: tf.Tensor
    """`[B, H, W, C]`."""


# A NamedTuple would not do: AutoGraph would not convert its methods, nor the networks of a caller.
@dataclasses.dataclass(frozen=True, eq=False)
class Energy:
    """The energy of z `[B, Z]` for images `[B, H, W, C]` and weights `[B, H, W, 1]`, and its terms.

    The energy and each term are float32 `[B]`.

    Args:
        generator: z to images in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        distance: `(generated, images, weights) -> [B]`; one of `DISTANCES`.
        prior: logits to `[B]`; one of `PRIORS`.
        prior_weight: weight of the perceptual term; with 0 the discriminator is not used.
        low_resolution_factor: side in pixels of the boxes whose averages are compared, instead of
            the known pixels; None: the known pixels are compared.
    """

    generator: Callable[[tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor], tf.Tensor]
    distance: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    prior: Callable[[tf.Tensor], tf.Tensor]
    prior_weight: float
    low_resolution_factor: int | None = None

    def __call__(self, z: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Returns the energy of z, `[B]`."""
        generated = self.generator(z)
        contextual = self.contextual(generated, images, weights)
        return contextual + self.prior_weight * self.perceptual(generated)

    def contextual(self, generated: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Returns the distance of the pictures from the known pixels of the images, `[B]`."""
        if self.low_resolution_factor:
            return objective.contextual_low_resolution(
                generated, images, self.low_resolution_factor
            )
        return self.distance(generated, images, weights)

    def perceptual(self, generated: tf.Tensor) -> tf.Tensor:
        """Returns the perceptual term of the pictures, `[B]`, without its weight."""
        if self.prior_weight == 0:
            return tf.zeros(tf.shape(generated)[:1])
        # Vector and scalar code round differently, so the logit of each row fills a whole vector.
        logits = tf.repeat(self.discriminator(generated), solvers.VECTOR_WIDTH, axis=1)
        return self.prior(logits)

    def linearize_prior(self, generated: tf.Tensor) -> LinearizedPrior:
        """Returns the linearized prior around the pictures.

        The approximation is linear in the picture and not in z: a slope in z would also contain the
        bend of G.
        """

        def weighted_prior(generated):
            return self.prior_weight * self.perceptual(generated)

        return LinearizedPrior(*solvers.value_and_gradient(weighted_prior, generated), generated)

    def with_linearized_prior(
        self,
        generated: tf.Tensor,
        linearized_prior: LinearizedPrior,
        images: tf.Tensor,
        weights: tf.Tensor,
    ) -> tf.Tensor:
        """Returns the energy of pictures G(z), `[B]`, with the linearized prior of other pictures.

        The discriminator is not evaluated.
        """
        value, slope, picture = linearized_prior
        prior = value + tf.reduce_sum(slope * (generated - picture), axis=[1, 2, 3])
        return self.contextual(generated, images, weights) + prior
