"""The served page: privacy, limits and errors."""

import errno
import os
import re
import socket
import urllib.error
import urllib.request

import pytest
from page_inputs import SEARCH, free_port

from tf_inpaint import paint
from tf_inpaint.config import PaintConfig
from tf_inpaint.page import layout, style, web_server


@pytest.fixture(scope="module")
def served(run_dir):
    """The settings of a page, and the page, which is being served."""
    config = PaintConfig(run_dir=run_dir, port=free_port(), **SEARCH)
    server = paint.serve(config)
    yield config, server
    server.close(verbose=False)


def test_page_loads_nothing_from_elsewhere_and_reports_to_nobody(served):
    config, server = served
    text = urllib.request.urlopen(server.local_url).read().decode()
    text += urllib.request.urlopen(f"{server.local_url}theme.css").read().decode()
    text += style.CSS + style.asset("brush.css")
    sources = re.findall(
        r"""(?:<(?:script|link|img|iframe)[^>]*?(?:src|href)=|url\(|@import )["']?([^"')> ]+)""",
        text,
    )
    assert sources
    remote = [source for source in sources if re.match(r"(https?:)?//", source)]
    assert [source for source in remote if "127.0.0.1" not in source] == []
    assert style.THEME._stylesheets == []
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and not server.analytics_enabled
    assert not server.share and not server.run_history and server.footer_links == []


def test_page_listens_on_the_loopback_only_and_limits_its_inputs(served):
    config, server = served
    assert PaintConfig().host == "127.0.0.1" and server.server_name == "127.0.0.1"
    assert server.max_file_size == 12_000_000 and server._queue.max_size == config.most_waiting
    # Gradio decodes no input by itself: a picture comes as a file, and paint comes as a text.
    inputs = {type(part).__name__ for function in server.fns.values() for part in function.inputs}
    assert inputs <= {"HTML", "State", "Slider", "Radio", "UploadButton"}
    searches = [function for function in server.fns.values() if function.name == "fill"]
    assert [function.concurrency_limit for function in searches] == [1]
    functions = [function for function in server.fns.values() if function.fn]
    assert all(function.api_visibility == "private" for function in functions)
    assert server.delete_cache is not None


def test_too_large_file_is_refused(served):
    _, server = served
    header = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = header + bytes(12_100_000) + b"\r\n--x--\r\n"
    request = urllib.request.Request(f"{server.local_url}gradio_api/upload", body)
    request.add_header("Content-Type", "multipart/form-data; boundary=x")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 413


def test_taken_port_is_refused_in_one_sentence(served, controller):
    config, _ = served
    message = f"--port must be free .* received {config.port} and '127.0.0.1' .*; pass another"
    with pytest.raises(OSError, match=message):
        web_server.serve(layout.build(controller, config), config)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("300.1.1.1", ""), ("", "the host is empty"), ("no.such.name.invalid", ""), ("192.0.2.1", "")],
)
def test_host_of_no_machine_is_refused_in_one_sentence(host, reason):
    with pytest.raises(OSError, match=f"received 7860 and '{host}' .*{reason}.*; pass another"):
        web_server.check_address(PaintConfig(host=host))


def test_port_that_cannot_be_bound_is_refused_in_one_sentence(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"received {port} .*Address already in use"):
            web_server.check_address(PaintConfig(port=port))

    def refuse(self, address):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(web_server.socket.socket, "bind", refuse)
    with pytest.raises(OSError, match="received 80 and '127.0.0.1' .Permission denied"):
        web_server.check_address(PaintConfig(port=80))


def test_only_addresses_of_this_machine_are_private():
    hosts = {"127.0.0.1": True, "localhost": True, "127.9.9.9": True, "0.0.0.0": False}
    port = free_port()
    private = {host: web_server.check_address(PaintConfig(host=host, port=port)) for host in hosts}
    assert private == hosts
