"""What a search lowers, through a generator and a discriminator: contextual + prior_weight * perceptual."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_inpaint.latent_search import objective, solvers

DISTANCES = {
    "l1": objective.contextual_l1,
    "weighted_l1": objective.contextual_l1,
    "l2": objective.contextual_l2,
}
PRIORS = {
    "saturating": objective.saturating,
    "non_saturating": objective.non_saturating,
    "critic": objective.critic,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Energy:  # no NamedTuple: AutoGraph would leave it, and so a caller's networks, unconverted
    """The terms of the energy of z `[B, Z]` for images `[B, H, W, C]` and weights `[B, H, W, 1]`, each `[B]`.

    Args:
        generator: z to images in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        distance: `(generated, images, weights) -> [B]`; one of `DISTANCES`.
        prior: logits to `[B]`; one of `PRIORS`.
        prior_weight: of the perceptual term; 0 leaves D out.
        low_resolution_factor: match box averages of that many pixels a side instead.
    """

    generator: Callable[[tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor], tf.Tensor]
    distance: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    prior: Callable[[tf.Tensor], tf.Tensor]
    prior_weight: float
    low_resolution_factor: int | None = None

    def __call__(self, z: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        generated = self.generator(z)
        return self.contextual(generated, images, weights) + self.prior_weight * self.perceptual(
            generated
        )

    def contextual(self, generated: tf.Tensor, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """How far the pictures are from what is given."""
        if self.low_resolution_factor:
            return objective.contextual_low_resolution(
                generated, images, self.low_resolution_factor
            )
        return self.distance(generated, images, weights)

    def perceptual(self, generated: tf.Tensor) -> tf.Tensor:
        """What D makes of the pictures; where that weighs nothing, D is not asked."""
        if self.prior_weight == 0:
            return tf.zeros(tf.shape(generated)[:1])
        # A vector instruction and the scalar code for what is left over round differently: each row has its own.
        return self.prior(tf.repeat(self.discriminator(generated), solvers.VECTOR_WIDTH, axis=1))

    def linearize_prior(self, z: tf.Tensor) -> Any:
        """The prior as it looks from G(z): its value, its slope, and G(z), to which a slope in z would add G's bend."""
        generated = self.generator(z)
        penalty = lambda generated: self.prior_weight * self.perceptual(generated)  # noqa: E731
        return *solvers.value_and_gradient(penalty, generated), generated

    def with_linearized_prior(
        self, z: tf.Tensor, linearized_prior: Any, images: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        """The energy with the prior's tangent, of some z before, for the prior."""
        value, slope, origin = linearized_prior
        generated = self.generator(z)
        prior = value + tf.reduce_sum(slope * (generated - origin), axis=[1, 2, 3])
        return self.contextual(generated, images, weights) + prior
