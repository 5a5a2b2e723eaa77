"""Keeps the queue of the page free of visitors who do not wait for their answer.

A browser joins the queue with one request, and reads the answer with another. Gradio frees a place
when the second request ends, but a place without a second request only when the work is done.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import gradio as gr

SECONDS_BETWEEN_CHECKS = 3.0
"""Seconds between two checks. Whoever reads no answer at two checks loses the place."""


class Readers:
    """Counts the open requests that read answers.

    Args:
        app: the ASGI application behind this one.
        open_requests: counts by the visitor's session, which are kept up to date.
    """

    def __init__(self, app, open_requests: Counter[str]):
        self.app = app
        self.open_requests = open_requests

    async def __call__(self, scope, receive, send) -> None:
        """Passes a request on, and counts it as long as it is open."""
        sessions = []
        if scope["type"] == "http" and scope["path"].endswith("/queue/data"):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            sessions = query.get("session_hash", [])
        self.open_requests.update(sessions)
        try:
            await self.app(scope, receive, send)
        finally:
            self.open_requests -= Counter(sessions)


@contextlib.asynccontextmanager
async def only_readers_wait(blocks: gr.Blocks, open_requests: Counter[str]) -> AsyncIterator[None]:
    """Frees the places of visitors who read no answer, as long as the context is open."""

    async def check_again_and_again() -> None:
        absent: set[str] = set()
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
            absent = await remove_absent(blocks, open_requests, absent)

    task = asyncio.create_task(check_again_and_again())
    try:
        yield
    finally:
        task.cancel()


async def remove_absent(
    blocks: gr.Blocks, open_requests: Counter[str], absent_before: set[str]
) -> set[str]:
    """Removes the events whose answer nobody reads, now and at the check before.

    A search that runs for such an event stops.

    Args:
        blocks: the page.
        open_requests: number of requests that read answers, by session.
        absent_before: events whose answer nobody read at the check before.

    Returns:
        the events whose answer nobody reads now.
    """
    events = list(blocks._queue.event_ids_to_events.items())
    absent = {name: event.session_hash for name, event in events}
    absent = {name: session for name, session in absent.items() if not open_requests[session]}
    for session in {absent[name] for name in absent_before & absent.keys()}:
        await blocks._queue.clean_events(session_hash=session)
    return set(absent)
