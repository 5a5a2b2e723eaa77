"""Tests of LPIPS: a stand-in for the package shows what the package receives and returns."""

import contextlib
import sys
import types

import numpy as np
import pytest

from tf_inpaint.metrics import lpips


class StandIn:
    """A network whose distance is the mean difference of the channels-first images."""

    def __init__(self, net, verbose):
        assert net == "alex"
        self.shapes = []

    def eval(self):
        """Returns the network itself, as torch does."""
        return self

    def __call__(self, first, second):
        self.shapes.append(first.shape)
        values = np.abs(first - second).mean(axis=(1, 2, 3), keepdims=True)
        return types.SimpleNamespace(numpy=lambda: values)


@pytest.fixture
def network(monkeypatch):
    """The stand-in that `lpips.distance` uses."""
    torch = types.SimpleNamespace(from_numpy=lambda array: array, no_grad=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=StandIn))
    lpips._network.cache_clear()
    yield lpips._network()
    lpips._network.cache_clear()


@pytest.mark.parametrize("channels", [1, 3])
def test_pairs_are_given_in_color_channels_first_and_enlarged(network, channels, monkeypatch):
    """The network receives RGB images of at least 64 pixels, batch by batch."""
    monkeypatch.setattr(lpips, "BATCH_SIZE", 2)
    random = np.random.default_rng(0)
    first, second = random.uniform(-1, 1, (2, 5, 28, 28, channels)).astype(np.float32)
    distances = lpips.distance(first, second)
    np.testing.assert_allclose(distances, np.abs(first - second).mean(axis=(1, 2, 3)), rtol=1e-5)
    assert network.shapes == [(2, 3, 84, 84), (2, 3, 84, 84), (1, 3, 84, 84)]


def test_large_images_are_not_enlarged(network):
    """Images of 64 pixels keep their size."""
    images = np.zeros((1, 64, 64, 3), np.float32)
    assert lpips.distance(images, images) == [0]
    assert network.shapes == [(1, 3, 64, 64)]
