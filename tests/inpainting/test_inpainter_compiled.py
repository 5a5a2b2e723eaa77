"""A search that XLA compiles, on a CPU too: the same random numbers, and the same answers but for
rounding.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_inpainters import SIZE, assert_same, digits, new_inpainter, rows

from tf_inpaint.gan import networks
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.settings.search_settings import SearchSettings

TOLERANCE = 3e-5
"""Maximum difference of an entry of z or of a picture, on [-1, 1].

XLA rounds otherwise. Its normal quantiles differ by up to 1e-5.
"""
EXCEPTIONS = 1
"""Number of images that may differ more. A difference in the last bit can grow at a kink of the
energy, or accept another proposal of a chain.
"""
SETTINGS = {
    "preconditioned": {
        "solver": "preconditioned",
        "encoded": True,
        "blend": "poisson",
        "deeper_steps": 6,
    },
    "chains": {"estimate": "sample", "samples": 2, "low_resolution_factor": 4, "prior_weight": 0.0},
}
SLOW_SETTINGS = {
    "lbfgs": {"solver": "lbfgs", "contextual": "weighted_l1", "prior": "non_saturating"},
    "no constraint": {
        "solver": "lbfgs",
        "contextual": "l2",
        "prior": "critic",
        "prior_every": 1,
        "latent_constraint": "none",
        "learning_rate": 0.05,
        "blend": "feather",
    },
    "stochastic": {"latent_constraint": "stochastic", "start": "random", "keep": "last"},
    "restarts": {"start": "random", "restarts": 2, "patience": 1.0},
    "mean": {"estimate": "mean", "samples": 2, "encoded": True, "start": "encoder"},
}


@pytest.mark.parametrize(
    "settings",
    [
        *(pytest.param(settings, id=name) for name, settings in SETTINGS.items()),
        *(
            pytest.param(settings, id=name, marks=pytest.mark.slow)
            for name, settings in SLOW_SETTINGS.items()
        ),
    ],
)
def test_compiled_search_answers_as_the_plain_one(settings):
    """The answer of an image depends on no neighbor in a compiled search either."""
    inputs = digits(5)
    compiled = new_inpainter(**settings, jit_compile="true")
    together = compiled.complete(*inputs)
    plain = new_inpainter(**settings).complete(*inputs)
    assert np.array_equal(together.steps, plain.steps)
    for name in ("z", "generated", "images", "samples", "uncertainty"):
        differences = np.abs(getattr(together, name) - getattr(plain, name)).reshape(5, -1)
        differing = (differences > TOLERANCE).any(axis=1)
        assert differing.sum() <= EXCEPTIONS, (name, differences.max(axis=1, initial=0))
    for chosen in ([4], [2, 0], [3, 4, 1, 0, 2]):
        alone = compiled.complete(*(part[chosen] for part in inputs))
        assert_same(alone, rows(together, chosen))
    watched = compiled.complete(*inputs, watch=lambda *_: None, watch_every=7)
    assert_same(watched, together)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "norm"),
    [("dcgan", "batch"), ("dcgan", "spectral"), ("dcgan", "layer"), ("resnet", "batch")],
)
def test_every_network_compiles(architecture, norm):
    """The networks of any run can be searched by a compiled search."""
    keras.utils.set_random_seed(0)
    settings = {"image_size": SIZE, "channels": 1, "width": 3, "architecture": architecture}
    frozen = FrozenNetworks(
        networks.fold_normalization(networks.Generator(**settings, latent_size=5)),
        networks.fold_normalization(networks.Discriminator(**settings, normalization=norm)),
        5,
    )
    plain, compiled = (
        Inpainter(
            frozen,
            SearchSettings(
                steps=3, solver="adam", start_draws=2, blend="paste", jit_compile=choice
            ),
        ).complete(*digits(2))
        for choice in ("false", "true")
    )
    np.testing.assert_allclose(compiled.z, plain.z, atol=TOLERANCE)


@pytest.mark.parametrize("choice", ["auto", "false", "true"])
def test_every_graph_of_a_compiled_search_is_compiled(choice, monkeypatch):
    """On a CPU, "auto" leaves XLA out, and nothing is said of XLA in a graph then."""
    original, compiled = tf.function, []

    def function(*functions, **settings):
        if functions and "autograph" in settings:  # Keras asks for other graphs.
            compiled.append(settings["jit_compile"])
        return original(*functions, **settings)

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(tf, "function", function)
    new_inpainter.__wrapped__(jit_compile=choice)
    assert len(compiled) == 8 and set(compiled) == {True if choice == "true" else None}
