"""How far generated images are, as a set, from a fixed set of real ones: several distances by name."""

from collections.abc import Callable, Sequence

import numpy as np

from tf_inpaint.metrics import distribution, features

DISTANCES = {"frechet": distribution.frechet_distance, "kernel": distribution.kernel_distance}


class Distances:
    """Distances to `images`, whose features are computed once.

    `frechet_inception` and `kernel_inception` are FID and KID. `frechet_random` and `kernel_random` are the same
    on a fixed network of random convolutions, which needs no download; they compare runs on the same data with
    each other, and with no published figure.

    Args:
        names: `sliced_wasserstein`, or a distance and a network: `frechet_random`, `kernel_inception`, ...
        images: `[N, H, W, C]` in [-1, 1], the real ones.
    """

    def __init__(self, names: Sequence[str], images: np.ndarray):
        self.names = tuple(names)
        self.images = images
        self.real = {name: extract(images) for name, extract in self.extractors().items()}

    def extractors(self) -> dict[str, Callable]:
        wanted = {name.partition("_")[2] for name in self.names}
        return {name: extract for name, extract in features.EXTRACTORS.items() if name in wanted}

    def __call__(self, generated: np.ndarray) -> list[float]:
        """A number for each of `names`, 0 for equal distributions.

        Args:
            generated: `[N, H, W, C]` in [-1, 1], as many as the real images.
        """
        found = {name: extract(generated) for name, extract in self.extractors().items()}
        values = []
        for name in self.names:
            distance, _, network = name.partition("_")
            if network in found:
                values.append(DISTANCES[distance](self.real[network], found[network]))
            else:
                values.append(distribution.sliced_wasserstein(self.images, generated))
        return list(map(float, values))
