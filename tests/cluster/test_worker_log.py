"""What workers log reaches the log of the command once."""

import logging
import pickle

import pytest

from tf_inpaint.cluster.worker_log import Recorder, log, log_once, recorded_messages


@pytest.fixture
def restored_log():
    """Restores the log of the package at the end."""
    before = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate, log.level = before


def records_of(*values):
    """Returns the records of a worker that logs one message with each of the values."""
    recorder = Recorder()
    recorder.install()
    for value in values:
        log.warning("Received %s.", value)
    return pickle.loads(pickle.dumps(recorder.take()))


def test_workers_say_it_once(restored_log):
    """Two workers log the same message, and another one."""
    first, second = records_of(1, 2), records_of(lambda: 3)
    messages = Recorder()
    messages.install()
    with recorded_messages() as logged:
        log_once(first, logged)
        log_once(second, logged)
    assert [record.text for record in messages.take()] == ["Received 1."]
    assert messages.take() == []


def test_what_the_command_said_is_not_repeated(restored_log):
    records = records_of(1)
    messages = Recorder()
    messages.install()
    with recorded_messages() as logged:
        log.log(logging.INFO, "Received %s.", 0)
        log_once(records, logged)
    assert [record.text for record in messages.take()] == ["Received 0."]
    log.warning("Something else.")
    assert "Something else." not in logged
