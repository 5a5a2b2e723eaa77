"""A search on a GPU: the answer for an image does not depend on the images beside it."""

import keras
import numpy as np
import pytest
from small_inpainters import assert_same, rows

from tf_inpaint.compositing import masks
from tf_inpaint.gan.encoder import Encoder
from tf_inpaint.gan.networks import Discriminator, Generator, fold_normalization
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.settings.search_settings import SearchSettings

SIZE, CHANNELS, WIDTH, LATENT = 64, 3, 16, 100


def networks():
    """Networks of a usual size, whose kernels are those of real runs."""
    keras.utils.set_random_seed(0)
    pair = Generator(SIZE, CHANNELS, WIDTH), Discriminator(SIZE, CHANNELS, WIDTH)
    encoder = Encoder(SIZE, CHANNELS)
    for variable in pair[0].trainable_variables + pair[1].trainable_variables:
        if "kernel" in variable.name:
            variable.assign(3 * variable)
    return FrozenNetworks(*map(fold_normalization, pair), LATENT, encoder)


@pytest.mark.gpu
@pytest.mark.parametrize("block_size", [8, 64])
@pytest.mark.parametrize("settings", [{"start": "encoder"}, {"solver": "lbfgs", "start_draws": 8}])
def test_answer_does_not_depend_on_the_neighbors(block_size, settings):
    """The blocks have one size, and an image has other places and other neighbors in the blocks."""
    random = np.random.default_rng(0)
    count = block_size + 5
    images = random.uniform(-1, 1, (count, SIZE, SIZE, CHANNELS)).astype(np.float32)
    known = np.stack(
        [masks.make("center" if row % 2 else "random", SIZE, SIZE, row) for row in range(count)]
    )
    inputs = images, known, np.stack([np.full(count, 9), np.arange(count)], axis=1)
    inpainter = Inpainter(networks(), SearchSettings(block_size=block_size, steps=10, **settings))
    together = inpainter.complete(*inputs)
    assert np.ptp(together.z, axis=0).max() > 0.1
    for chosen in ([0], [count - 1, 2], random.permutation(count)):
        completions = inpainter.complete(*(part[chosen] for part in inputs))
        assert_same(completions, rows(together, chosen))
