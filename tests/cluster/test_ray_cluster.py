"""The connection to Ray, and the number of workers."""

import socket
import sys
import time

import pytest
from sentences import assert_one_sentence

from tf_inpaint.cluster.ray_cluster import Cluster, connected, with_workers
from tf_inpaint.settings.engine_settings import EngineSettings


def refusal_of(address):
    """Returns the text of the error that ends a connection."""
    with pytest.raises(ValueError) as refusal, connected(address):
        pytest.fail("there is no such cluster")
    return str(refusal.value)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_unreachable_head_is_one_sentence_within_seconds(form):
    """Ray itself would try for half a minute or for two minutes."""
    with socket.socket() as taken:  # Bound, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        address = form.format(taken.getsockname()[1])
        start = time.monotonic()
        text = refusal_of(address)
    assert time.monotonic() - start < 10
    assert_one_sentence(
        text, f"--ray_address must be that of a cluster of Ray; received '{address}'"
    )
    assert "refused" in text


def test_automatic_address_without_a_cluster_is_one_sentence(monkeypatch, tmp_path):
    """Ray looks for a cluster that was started on this machine."""
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert_one_sentence(refusal_of("auto"), ["received 'auto'"])


@pytest.mark.parametrize("address", ["head", "ray://head", "http://head:1", "head:123456"])
def test_address_of_another_form_is_refused(address):
    assert_one_sentence(refusal_of(address), ["the form is ray://HOST:10001, HOST:6379 or auto"])


def test_missing_package_is_one_sentence_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    text = refusal_of("")
    assert_one_sentence(text, ["--engine=ray must have the package ray"])
    assert "pip install 'tf_inpaint[cluster]'" in text


@pytest.mark.parametrize(
    ("resources", "settings", "expected"),
    [
        ({"CPU": 7.0}, {}, (7, 0)),
        ({"CPU": 7.0}, {"threads": 3}, (2, 0)),
        ({"CPU": 7.0}, {"threads": 3, "workers": 9}, (9, 0)),
        ({"CPU": 64.0, "GPU": 4.0}, {}, (4, 1)),
        ({"CPU": 64.0, "GPU": 4.0}, {"worker_gpus": 0.1}, (40, 0.1)),
        ({"CPU": 64.0, "GPU": 4.0}, {"worker_gpus": 0.0}, (64, 0)),
        ({"CPU": 2.0, "GPU": 4.0}, {}, (2, 1)),
    ],
)
def test_as_many_workers_as_fit(resources, settings, expected):
    config = EngineSettings(engine="ray", **{"threads": 1} | settings)
    config = with_workers(config, Cluster(resources, set()))
    assert (config.workers, config.worker_gpus) == expected


@pytest.mark.parametrize(
    ("resources", "settings"),
    [({}, {}), ({"CPU": 2.0}, {"threads": 3}), ({"CPU": 2.0}, {"worker_gpus": 1.0, "workers": 2})],
)
def test_cluster_that_cannot_hold_one_worker_is_refused(resources, settings):
    """Ray would wait for it without end."""
    config = EngineSettings(engine="ray", **{"threads": 1} | settings)
    with pytest.raises(ValueError) as refusal:
        with_workers(config, Cluster(resources, set()))
    assert_one_sentence(str(refusal.value), ["A cluster must hold a worker of"])
