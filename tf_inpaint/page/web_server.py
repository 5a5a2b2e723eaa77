"""Serves the page of `paint`."""

import ipaddress
import socket
from collections import Counter

import gradio as gr
from starlette.middleware import Middleware

from tf_inpaint.config import PaintConfig
from tf_inpaint.page import refusals, style, visitors


def serve(blocks: gr.Blocks, config: PaintConfig) -> gr.Blocks:
    """Serves the page in a thread, and returns at once.

    Raises:
        OSError: the port is taken, or the host is not an address of this machine.
    """
    refusals.bound_log()

    # Serve to visitors only: no API, no public link, no analytics.
    blocks.queue(max_size=config.most_waiting, api_open=False)
    open_requests: Counter[str] = Counter()
    try:
        blocks.launch(
            server_name=config.host,
            server_port=config.port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            max_file_size=int(config.most_megabytes * 1e6),
            theme=style.THEME,
            css=style.CSS,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            state_session_capacity=64,
            app_kwargs={
                "exception_handlers": {Exception: refusals.answer},
                "middleware": [Middleware(visitors.Readers, open_requests=open_requests)],
                "lifespan": lambda _: visitors.only_readers_wait(blocks, open_requests),
            },
        )
    except OSError:
        raise address_error(config, "another program uses the port") from None
    return blocks


def check_address(config: PaintConfig) -> bool:
    """Checks that the page can listen at its host and port.

    Returns:
        whether only this machine can reach the host.

    Raises:
        OSError: the port is taken or may not be used, or the host is not an address of this
            machine.
    """
    if not config.host:
        raise address_error(config, "the host is empty")
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                connection.bind(address)
    except (OSError, UnicodeError) as error:
        raise address_error(config, getattr(error, "strerror", None) or str(error)) from None
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def address_error(config: PaintConfig, reason: str) -> OSError:
    """The error of a host and a port at which the page cannot listen."""
    return OSError(
        "--port must be free and --host must be an address of this machine; "
        f"received {config.port} and {config.host!r} ({reason}); "
        "pass another --port, or --host=127.0.0.1."
    )
