"""LPIPS by its package; what is ours is the way in and out, so the package here is a stand-in."""

import contextlib
import sys
import types

import numpy as np
import pytest

from tf_inpaint.metrics import lpips


class Stand:
    """Its distance is the mean difference of the channels-first pictures it is given."""

    def __init__(self, net, verbose):
        assert net == "alex"
        self.seen = []

    def eval(self):
        return self

    def __call__(self, first, second):
        self.seen.append(first.shape)
        values = np.abs(first - second).mean(axis=(1, 2, 3), keepdims=True)
        return types.SimpleNamespace(numpy=lambda: values)


@pytest.fixture
def network(monkeypatch):
    torch = types.SimpleNamespace(from_numpy=lambda array: array, no_grad=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Stand))
    lpips._network.cache_clear()
    yield lpips._network()
    lpips._network.cache_clear()


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pair_goes_in_as_color_channels_first_and_large_enough(network, channels):
    random = np.random.default_rng(0)
    first, second = random.uniform(-1, 1, (2, 5, 28, 28, channels)).astype(np.float32)
    found = lpips.distance(first, second, batch_size=2)
    np.testing.assert_allclose(found, np.abs(first - second).mean(axis=(1, 2, 3)), rtol=1e-5)
    assert network.seen == [(2, 3, 84, 84), (2, 3, 84, 84), (1, 3, 84, 84)]


def test_large_pictures_stay_as_they_are(network):
    pictures = np.zeros((1, 64, 64, 3), np.float32)
    assert lpips.distance(pictures, pictures) == [0]
    assert network.seen == [(1, 3, 64, 64)]
