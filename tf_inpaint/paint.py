"""Serves a web page on which visitors paint a hole into a picture and watch a network fill it.

    python -m tf_inpaint.paint --run_dir=runs/digits
    python -m tf_inpaint.paint --run_dir=runs/faces --port=8000 --samples=8

A mask file can be loaded, and the painted hole can be saved as a mask file, such as photo_mask.png
for photo.jpg. `complete` takes this file too. The transparent part of an uploaded picture becomes
the hole.

Open http://127.0.0.1:7860 in a browser. By default, only this machine can open the page. With
--host=0.0.0.0, everybody who can reach this machine can open the page, without a password.

The page loads nothing from the network and sends nothing to the network. An uploaded file is read
into memory, and then deleted. Ctrl-C ends the program.
"""

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator

from tf_inpaint.config import PaintConfig

PRIVACY = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
"""Environment variables that stop Gradio from reporting its use."""

log = logging.getLogger("tf_inpaint")


def run(config: PaintConfig) -> int:
    """Serves the page until it is interrupted. Returns the exit code."""
    with temporary_files():
        server = serve(config)
        print(f"Open {server.local_url} in a browser; Ctrl-C ends the program.", flush=True)
        server.block_thread()
    return 0


def serve(config: PaintConfig):
    """Serves the page in a thread, and returns at once.

    Returns:
        the page, a `gradio.Blocks`, which the caller must close.

    Raises:
        ValueError: Gradio is not installed, or the run cannot do this search.
        OSError: the run does not exist, or the page cannot listen at its host and port.
    """
    os.environ.update(PRIVACY)
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise ValueError(
            "paint requires Gradio; Gradio is not installed; run pip install 'tf_inpaint[web]'."
        ) from None

    from tf_inpaint.inputs.named_images import held_out, pictures, with_dataset
    from tf_inpaint.page import layout, web_server
    from tf_inpaint.page.controller import Controller
    from tf_inpaint.page.page_search import PageSearch
    from tf_inpaint.runs import required_memory, run_directory

    is_private = web_server.check_address(config)

    # Load the run and its held-out pictures.
    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = with_dataset(run_directory.read_config(config.run_dir), config.dataset)
    required_memory.check_search(config, trained)
    inputs = held_out(pictures(trained, "held_out"), config.count)
    search = PageSearch(run_directory.load(config.run_dir), config)

    # Build the page. Its slider shows the number of steps that the search really uses.
    config = dataclasses.replace(config, steps=search.inpainter(search.search_config()).steps)
    controller = Controller(search, inputs, config)
    page = layout.build(controller, config)

    # Serve the page.
    if not is_private:
        log.warning(
            "Everybody who can reach this machine can use the page: --host is %s.", config.host
        )
    server = web_server.serve(page, config)
    search.warm_up(controller.pictures[0].pixels)
    return server


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Gives Gradio a temporary folder for its files, which is deleted at the end.

    SIGTERM ends the program too, and the folder is deleted.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="tf_inpaint-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(PaintConfig, run, __doc__)
