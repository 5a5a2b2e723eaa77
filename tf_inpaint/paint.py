"""A web page on which to paint a hole into a picture, and to watch it being filled.

    python -m tf_inpaint.paint --run_dir=runs/digits
    python -m tf_inpaint.paint --run_dir=runs/faces --port=8000 --samples=8

Open http://127.0.0.1:7860 in a browser. Only this machine can: --host=0.0.0.0 lets in everybody who can reach it, and
asks for no password. Nothing is loaded from the network and nothing is sent there; what is uploaded is read into
memory and deleted. Ctrl-C ends it.
"""

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tf_inpaint.config import PaintConfig

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PRIVATE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
"""What keeps Gradio from telling others that it runs."""

log = logging.getLogger("tf_inpaint")


def run(config: PaintConfig) -> int:
    """Serves the page until it is interrupted."""
    with temporary_files():
        server = serve(config)
        print(f"Open {server.local_url} in a browser; Ctrl-C ends it.", flush=True)
        server.block_thread()
    return 0


def serve(config: PaintConfig):
    """The page, served from now on by a thread of its own: a `gradio.Blocks`, to be closed.

    Raises:
        ValueError, OSError: Gradio is not installed, no such run, or the port is taken.
    """
    os.environ.update(PRIVATE)
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise ValueError(
            "paint needs Gradio, which is not installed; pip install 'tf_inpaint[web]'"
        ) from None

    from tf_inpaint.inputs.named_images import held_out, pictures
    from tf_inpaint.page import layout
    from tf_inpaint.page.controller import Visits
    from tf_inpaint.page.page_search import Filler
    from tf_inpaint.runs import run_directory

    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = run_directory.read_config(Path(config.run_dir))
    items = held_out(pictures(trained, "held_out"), config.count)
    filler = Filler(run_directory.load(config.run_dir), config, config.seed)
    config = dataclasses.replace(config, steps=filler.inpainter(filler.search()).steps)
    visits = Visits(filler, items, config)
    if config.host not in LOOPBACK:
        log.warning(
            "Everybody who can reach this machine can use the page: --host is %s.", config.host
        )
    server = layout.serve(layout.build(visits, config), config)
    filler.warm_up(visits.pictures[0].pixels)
    return server


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """A folder for whatever Gradio writes, deleted at the end, also by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="tf_inpaint-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(PaintConfig, run, __doc__)
