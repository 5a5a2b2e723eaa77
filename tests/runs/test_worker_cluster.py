"""The addresses of the workers, and the wait until all workers are started."""

import contextlib
import json
import logging
import signal
import socket
import threading
import types

import pytest
import tensorflow as tf
from sentences import assert_one_sentence

from tf_inpaint.runs import worker_cluster


@pytest.fixture
def log(caplog, monkeypatch):
    """The log of the package, whose lines are `log.messages`."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


def free_addresses(count):
    """Addresses of this machine at which no process listens."""
    servers = [socket.create_server(("localhost", 0)) for _ in range(count)]
    numbers = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return [f"localhost:{number}" for number in numbers]


def tf_config(job, index, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


def test_addresses_of_the_machines_that_train():
    cluster = {"chief": ["a:1"], "worker": ["b:2", "[::1]:3"], "ps": ["c:4"]}
    text = tf_config("worker", 1, **cluster)
    assert worker_cluster.addresses(text) == ("worker 1", "[::1]:3", ["a:1", "b:2"])
    assert worker_cluster.addresses(tf_config("chief", 0, chief=["a:1"])) == ("chief 0", "a:1", [])
    assert worker_cluster.host_and_port("[::1]:3") == ("::1", 3)


@pytest.mark.parametrize(
    "text",
    [
        None,
        tf_config("worker", 0, worker=["a:1", "a:1"]),
        tf_config("worker", 0, worker=["a:1", "b"]),
        tf_config("worker", 0, worker=["a:1", "b:0"]),
        tf_config("worker", 0, worker=["a:1", "b:65536"]),
        tf_config("ps", 0, worker=["a:1"], ps=["b:1"]),
    ],
)
def test_addresses_that_cannot_work_are_refused(text):
    with pytest.raises(ValueError, match=f"TF_CONFIG; it is {'{' if text else 'not set'}.*; set"):
        worker_cluster.addresses(text)


def test_workers_find_each_other_whatever_the_order(monkeypatch, log):
    monkeypatch.setattr(worker_cluster, "POLL_SECONDS", 0.01)
    addresses = free_addresses(3)

    def start_worker(index, own):
        others = [address for address in addresses if address != own]
        worker_cluster.wait_for_workers(f"worker {index}", own, others)
        # TensorFlow opens the port at the end of the wait.
        port = worker_cluster.host_and_port(own)[1]
        servers.enter_context(socket.create_server(("", port)))

    with contextlib.ExitStack() as servers:
        threads = [
            threading.Thread(target=start_worker, args=arguments, daemon=True)
            for arguments in enumerate(addresses)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()
    assert log.messages.count("All 3 workers are started.") == 3


def test_missing_workers_are_named_every_thirty_seconds(monkeypatch, log):
    seconds = [0.0]

    def sleep(duration):
        seconds.append(seconds[-1] + duration)

    clock = types.SimpleNamespace(monotonic=lambda: seconds[-1], sleep=sleep)
    monkeypatch.setattr(worker_cluster, "time", clock)
    starts = {"b:1": 5, "c:1": 65}
    monkeypatch.setattr(
        worker_cluster,
        "unreachable",
        lambda address: "" if seconds[-1] >= starts[address] else "Connection refused",
    )
    (own,) = free_addresses(1)
    worker_cluster.wait_for_workers("worker 0", own, ["b:1", "c:1"])
    first, *reports, last = log.messages
    assert first == f"This is worker 0 at {own}. It waits for b:1, c:1."
    missing = [
        "b:1 (Connection refused), c:1 (Connection refused)",
        *["c:1 (Connection refused)"] * 2,
    ]
    assert reports == [
        f"Not started, or not to be reached: {text}. Ctrl-C ends the wait." for text in missing
    ]
    assert last == "All 3 workers are started." and seconds[-1] == 65


def test_reasons_for_a_missing_worker():
    assert worker_cluster.unreachable(free_addresses(1)[0]) == "Connection refused"
    for name in ("worker.invalid", f"{'a' * 70}.invalid", "a..b"):
        assert worker_cluster.unreachable(f"{name}:2222")
    with socket.create_server(("localhost", 0)) as server:
        assert worker_cluster.unreachable(f"localhost:{server.getsockname()[1]}") == ""


def test_port_that_is_not_free_is_one_sentence():
    with socket.create_server(("", 0)) as server:
        own = f"localhost:{server.getsockname()[1]}"
        with pytest.raises(ValueError) as error:
            worker_cluster.wait_for_workers("worker 0", own, ["b:1"])
    assert_one_sentence(error.value, [own, "Address already in use"])


@pytest.mark.parametrize(
    "cause", [tf.errors.UnknownError(None, None, "no server\nat all"), ValueError("no server")]
)
def test_error_of_tensorflow_is_one_sentence(cause, monkeypatch):
    def fail():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        raise cause

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    monkeypatch.setenv("TF_CONFIG", tf_config("worker", 0, worker=["a:1"]))
    with pytest.raises(ValueError) as error:
        worker_cluster.connected_strategy()
    assert_one_sentence(error.value, ["'no server'", "worker 0", '["a:1"]'])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("unhealthy:\n/job:worker/replica:0/task:1\n of /job:worker/task:1", "names worker 1;"),
        ("Connection reset by peer", "names no worker;"),
    ],
)
def test_lost_worker_is_one_sentence(text, name):
    with pytest.raises(ValueError) as error, worker_cluster.lost_worker_named():
        raise tf.errors.UnavailableError(None, None, text)
    assert_one_sentence(error.value, ["UnavailableError", name])
    # An error of the disk stays what it is.
    with pytest.raises(tf.errors.ResourceExhaustedError), worker_cluster.lost_worker_named():
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
