"""Serves the page of `paint`."""

import logging

import gradio as gr

from tf_inpaint.config import PaintConfig
from tf_inpaint.page import style


def serve(blocks: gr.Blocks, config: PaintConfig) -> gr.Blocks:
    """Serves the page in a thread, and returns at once.

    Raises:
        OSError: the port is taken, or the host is not an address of this machine.
    """
    # Keep closed browsers out of the log.
    logging.getLogger("uvicorn.error").addFilter(is_worth_logging)

    # Serve to visitors only: no API, no public link, no analytics.
    blocks.queue(max_size=config.most_waiting, api_open=False)
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
        )
    except OSError:
        raise OSError(
            "--port must be free and --host must be an address of this machine; "
            f"received {config.port} and {config.host}; pass another --port."
        ) from None
    return blocks


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a log record is more than a browser that was closed during a transfer."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ClientDisconnect"
