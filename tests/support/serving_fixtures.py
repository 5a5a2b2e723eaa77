"""Fixtures for the tests of the client, which several folders of tests share."""

import types

import fake_model
import pytest
from serving_double import serving


@pytest.fixture
def double():
    """A server with the model of `fake_model`, as a `ServerDouble`."""
    with serving(fake_model.predict, fake_model.SIGNATURES) as double:
        yield double


@pytest.fixture
def waits(monkeypatch):
    """List of the seconds between the attempts of a request. The waits pass at once."""
    seconds = []
    clock = types.SimpleNamespace(sleep=seconds.append)
    monkeypatch.setattr("tf_inpaint.serving.rest_endpoint.time", clock)
    return seconds
