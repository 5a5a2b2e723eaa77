"""Answers to requests that no page sends: a sentence for the sender, one short line in the log.

Gradio answers such a request without a reason, and writes a traceback with all received values.
"""

import logging
import sys
import types

import fastapi
import gradio as gr
from fastapi.responses import JSONResponse
from gradio import queueing, routes

log = logging.getLogger("tf_inpaint")

MAX_LINE_LENGTH = 450
"""Maximum number of characters of a line in the log, without the name of its level."""
SENTENCE = "A request must be one that the page sends; received another; reload the page."
"""Answer to a request that no page sends."""
LOGGERS = ("uvicorn.error", "asyncio")
"""Names of the loggers of the server below the page."""
PRINTING_MODULES = (queueing, routes)
"""Modules of Gradio that print tracebacks and received names."""


class Page(gr.Blocks):
    """A page whose events answer every error with a sentence."""

    async def process_api(self, *args, **kwargs):
        """Runs an event, as Gradio does."""
        try:
            return await super().process_api(*args, **kwargs)
        except Exception as error:
            # An error of the page itself has its sentence, and was logged where it happened.
            if isinstance(error, gr.Error) and not error.print_exception:
                raise
            log.warning(one_line("An event was refused", error))
            raise gr.Error(SENTENCE, print_exception=False) from None


def one_line(text: str, error: BaseException | None) -> str:
    """A text and an error with its place, as one line of at most `MAX_LINE_LENGTH` characters."""
    if error:
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        text = f"{text.strip()}: {type(error).__name__}{place}: {error}"
    # A line of any length is cut first, for some have megabytes.
    return " ".join(text[: 2 * MAX_LINE_LENGTH].split())[:MAX_LINE_LENGTH]


def bound_log() -> None:
    """Makes the server and Gradio write at most one short line about a request."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(shorten)
    for module in PRINTING_MODULES:
        # These names stand before the module `traceback` and before Python's `print`.
        vars(module).update(
            traceback=types.SimpleNamespace(print_exc=log_current_error), print=print_nothing
        )


def log_current_error() -> None:
    """Logs the error that is handled right now."""
    log.warning(one_line("A request failed", sys.exc_info()[1]))


def print_nothing(*_: object) -> None:
    """Takes the place of `print`."""


async def answer(request: fastapi.Request, error: Exception) -> JSONResponse:
    """The answer of the server to a request that failed outside of an event."""
    return JSONResponse({"detail": SENTENCE}, status_code=500)


def shorten(record: logging.LogRecord) -> bool:
    """Makes a record of the server one short line, and drops it if only a browser was closed."""
    error = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = one_line(record.getMessage(), error), ()
    record.exc_info = record.exc_text = None
    return type(error).__name__ != "ClientDisconnect"
