"""Forged requests: a sentence for the sender, and one short line in the log."""

import logging
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest
from page_inputs import function_number, join_queue, read_answer

from tf_inpaint.page import refusals

FORGED_EVENTS = {
    "number out of range": ("choose_picture", ["none"], {"index": 99, "value": 0}),
    "number that is a text": ("choose_picture", ["none"], {"index": "x" * 10**6, "value": 0}),
    "event without a number": ("choose_picture", ["none"], None),
    "too few values": ("fill", [], None),
    "hole that does not exist": ("show_hole", [None, "x" * 10**6], None),
    "hole that is a list": ("show_hole", [None, ["none"]], None),
    "file that was not uploaded": ("upload_picture", [{"path": "/etc/passwd"}, "none"], None),
    "no file": ("upload_picture", [None, "none"], None),
    "mask that was not uploaded": ("upload_mask", [{"path": "/etc/passwd"}, None], None),
    "no mask": ("upload_mask", [None, None], None),
    "mask of no paint": ("save_mask", [None, None], None),
    "hole of no paint": ("invert_hole", ["x" * 10**6, None], None),
    "null for each setting": ("fill", [None] * 8, None),
    "setting that is not a number": ("fill", [None, None, float("nan"), *[0] * 5], None),
    "setting of a megabyte": ("fill", [None, None, "x" * 10**6, *[0] * 5], None),
}
"""Function, values and data of events that no page sends."""


@pytest.fixture
def server(serve):
    """A page that is being served."""
    return serve()


@pytest.fixture
def server_log(server, caplog):
    """The log of the page and of its server."""
    server_logger = logging.getLogger("uvicorn.error")
    server_logger.addHandler(caplog.handler)
    yield caplog
    server_logger.removeHandler(caplog.handler)


def test_forged_events_get_a_sentence_and_a_normal_one_its_answer(server, server_log, capsys):
    for name, (function, data, event) in FORGED_EVENTS.items():
        server_log.clear()
        status, _ = join_queue(server, function_number(server, function), data, event)
        success, output = read_answer(server)
        assert status == 200 and not success, name
        assert output["error"].endswith(".") and len(output["error"]) < 500, name
        lines = server_log.text.splitlines()
        assert len(lines) <= 1 and all(len(line) <= 600 for line in lines), name
    join_queue(
        server, function_number(server, "choose_picture"), ["none"], {"index": 1, "value": 0}
    )
    assert read_answer(server)[0]
    assert "Traceback" not in capsys.readouterr().err


def test_failed_requests_get_a_sentence_and_one_line_in_the_log(server, server_log, capsys):
    capsys.readouterr()
    status, body = join_queue(server, -1, [])
    assert (status, body) == (500, {"detail": refusals.SENTENCE})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.local_url}static/{'x' * 5000}")
    assert refused.value.code == 500 and refusals.SENTENCE.encode() in refused.value.read()
    # Gradio prints the error of a session without a name, and the names of components.
    path = urllib.parse.quote("a/client/b/c\nforged line")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.local_url}gradio_api/custom_component/{path}")
    join_queue(server, 1, [], session="")
    server.close(verbose=False)  # The server writes its log after its answer.
    lines = [record.getMessage() for record in server_log.records if record.name != "asyncio"]
    starts = [f"Exception in ASGI application: {name} at" for name in ("KeyError", "OSError")]
    assert all(any(line.startswith(start) for line in lines) for start in starts)
    assert all(len(line) <= refusals.MAX_LINE_LENGTH and "\n" not in line for line in lines)
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err


def test_gallery_survives_an_upload_that_names_its_file(server):
    (gallery,) = [part for part in server.blocks.values() if part.elem_id == "pictures"]
    path = sorted(gallery.keep_in_cache)[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    join_queue(server, function_number(server, "upload_picture"), [file, "none"])
    assert read_answer(server)
    address = f"{server.local_url}gradio_api/file={urllib.parse.quote(path)}"
    assert urllib.request.urlopen(address).status == 200


def raised(error):
    """The error, raised and caught, and so with a traceback."""
    try:
        raise error
    except Exception:
        return sys.exc_info()


def test_record_is_one_short_line_with_the_place_of_its_error():
    record = logging.LogRecord("n", logging.ERROR, "", 0, "a\n%s", ("b",), None)
    record.exc_info = raised(KeyError("x" * 10**6 + "\n"))
    assert refusals.shorten(record)
    line = logging.Formatter().format(record)
    assert line.startswith("a b: KeyError at ") and "test_refusals.py:" in line
    assert len(line) == refusals.MAX_LINE_LENGTH and "\n" not in line


def test_closed_browser_is_not_logged():
    class ClientDisconnect(Exception):
        """Stands for the exception of the same name in Starlette."""

    record = logging.LogRecord("n", logging.ERROR, "", 0, "m", (), raised(ClientDisconnect()))
    assert not refusals.shorten(record)
    assert refusals.shorten(logging.LogRecord("n", logging.INFO, "", 0, "m", (), None))
