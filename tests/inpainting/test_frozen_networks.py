"""Networks of a search: their curvature is computed once, and only if it is needed."""

import numpy as np
import tensorflow as tf

from tf_inpaint.inpainting import search_parts
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.settings.search_settings import SearchSettings


def test_curvature_is_computed_when_it_is_first_needed():
    calls = []

    def generator(z):
        calls.append(1)
        return 3.0 * tf.reshape(z, [-1, 2, 2, 1])

    networks = FrozenNetworks(generator, lambda images: tf.reduce_mean(images, axis=[1, 2]), 4)
    search_parts.new_solver(SearchSettings(solver="adam"), networks, 10)
    assert not calls
    first = networks.curvature
    # J = 3 I, so J^T J = 9 I.
    np.testing.assert_allclose(np.diag(first), 9.0)
    traced = len(calls)
    assert networks.curvature is first and len(calls) == traced
