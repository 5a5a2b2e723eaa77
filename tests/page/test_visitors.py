"""Visitors who join the queue and never read their answer."""

import asyncio
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from page_inputs import function_number, join_queue, read_answer

from tf_inpaint.page import canvas, visitors


class Queue:
    """Stands for the queue of Gradio."""

    def __init__(self, **sessions):
        self.event_ids_to_events = {
            name: SimpleNamespace(session_hash=session) for name, session in sessions.items()
        }
        self.removed = []

    async def clean_events(self, session_hash):
        """Notes the session."""
        self.removed.append(session_hash)


def test_visitor_who_is_absent_at_two_checks_loses_the_place():
    queue = Queue(a="reader", b="absent", c="new")
    open_requests = Counter(reader=1)
    check = visitors.remove_absent(SimpleNamespace(_queue=queue), open_requests, {"a", "b"})
    assert asyncio.run(check) == {"b", "c"} and queue.removed == ["absent"]


@pytest.mark.parametrize(
    ("path", "expected"), [("/gradio_api/queue/data", {"a": 1}), ("/gradio_api/queue/join", {})]
)
def test_readers_are_counted_while_their_request_is_open(path, expected):
    counts = []

    async def app(scope, receive, send):
        counts.append(dict(open_requests))
        raise ConnectionError

    open_requests = Counter()
    scope = {"type": "http", "path": path, "query_string": b"session_hash=a"}
    with pytest.raises(ConnectionError):
        asyncio.run(visitors.Readers(app, open_requests)(scope, None, None))
    assert counts == [expected] and not open_requests


def test_full_queue_of_absent_visitors_serves_the_next_one(serve, controller, monkeypatch):
    ended, absent = threading.Event(), []

    def fill(layer, picture, *settings):
        try:
            while layer in absent:
                yield {"status": "Searching."}
                time.sleep(0.01)
            yield {"status": "Filled."}
        finally:
            if layer in absent:
                ended.set()

    monkeypatch.setattr(controller, "fill", fill)
    monkeypatch.setattr(visitors, "SECONDS_BETWEEN_CHECKS", 0.2)
    server = serve(most_waiting=2)
    number, settings = function_number(server, "fill"), [10, 0.1, 1, "paste", 0, 0, 0]
    absent.append(canvas.PNG_PREFIX)

    # Absent visitors fill the queue: one search runs, and two wait.
    deadline, statuses = time.monotonic() + 20, []
    while 503 not in statuses:
        session = f"absent {len(statuses)}"
        statuses.append(join_queue(server, number, [*absent, None, *settings], None, session)[0])
        assert time.monotonic() < deadline
    # Their places become free, their search stops, and another visitor is served.
    while join_queue(server, number, ["", None, *settings], None, "reader")[0] != 200:
        assert time.monotonic() < deadline
    success, _ = read_answer(server, "reader")
    assert success and ended.wait(20)
