"""Distances, chosen by name, between generated images and a fixed set of real images."""

from collections.abc import Sequence

import numpy as np

from tf_inpaint.metrics import distribution, features

DISTANCES = {"frechet": distribution.frechet_distance, "kernel": distribution.kernel_distance}
"""Distances between sets of features, by the first part of a name."""


class Distances:
    """Distances to a set of real images. The features of the real images are computed once.

    `frechet_inception` and `kernel_inception` are FID and KID. `frechet_random` and `kernel_random`
    are the same distances on a fixed network of random convolutions, which needs no download. The
    random distances compare runs on the same data with each other, but not with a published number.

    Args:
        names: each is `sliced_wasserstein`, or a distance and a network: `frechet_random`,
            `kernel_inception`, ...
        images: `[N, H, W, C]` in [-1, 1], the real images.
    """

    def __init__(self, names: Sequence[str], images: np.ndarray):
        self.names = tuple(names)
        self.images = images
        self.real_features = self.features_of(images)

    def features_of(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The features that the distances need.

        Args:
            images: `[N, H, W, C]` in [-1, 1].

        Returns:
            `[N, K]` by the name of a network.
        """
        networks = {name.partition("_")[2] for name in self.names}
        return {
            network: extract(images)
            for network, extract in features.EXTRACTORS.items()
            if network in networks
        }

    def __call__(self, generated: np.ndarray) -> list[float]:
        """Computes the distances of the generated images from the real images.

        Args:
            generated: `[N, H, W, C]` in [-1, 1], as many as the real images.

        Returns:
            One number for each of `names`, 0 for equal distributions.
        """
        generated_features = self.features_of(generated)
        values = []
        for name in self.names:
            distance, _, network = name.partition("_")
            if network in generated_features:
                pair = self.real_features[network], generated_features[network]
                values.append(DISTANCES[distance](*pair))
            else:
                values.append(distribution.sliced_wasserstein(self.images, generated))
        return list(map(float, values))
