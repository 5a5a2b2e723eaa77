"""What the page of `paint` does when a visitor presses, chooses or uploads something."""

import base64
import contextlib
import html
import logging
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np

from tf_inpaint.page import canvas
from tf_inpaint.page.controller import Controller, Picture, Values
from tf_inpaint.page.style import CAPTIONS, HEAT_COLORS, asset, fill_in

log = logging.getLogger("tf_inpaint")

SETTINGS = ("steps", "prior_weight", "restarts", "blend", "samples", "seed", "grow_mask")
"""Names of the parts with settings, in the order of the parameters of `Controller.fill`."""
FILL_OUTPUTS = (
    "status",
    "explanation_section",
    "progress_section",
    "film",
    "result_section",
    "known",
    "filled",
    "original",
    "save_picture",
    "save_film",
    "alternatives_section",
    "alternatives",
    "heat",
    "scale",
)
"""Names of the parts that change while a hole is filled."""


def connect(parts: dict[str, gr.blocks.Block], controller: Controller) -> None:
    """Connects the parts of the page with the actions of the controller.

    Must be called inside the `gr.Blocks` of the page.
    """

    def choose_picture(hole: str, event: gr.SelectData):
        with errors_for_visitors():
            return updates(parts, controller.choose_picture(event.index, hole))

    def upload_picture(file: str, hole: str):
        with errors_for_visitors():
            # A forged event can name a file of the gallery, for Gradio keeps it beside the uploads.
            keep = file in list(parts["pictures"].keep_in_cache)
            return updates(parts, controller.upload_picture(file, hole, keep))

    def show_hole(picture: Picture, hole: str):
        with errors_for_visitors():
            return updates(parts, controller.show_hole(picture, hole))

    def fill(*values):
        with errors_for_visitors():
            for new_values in controller.fill(*values):
                yield updates(parts, new_values)

    def named(*names: str) -> list[gr.blocks.Block]:
        return [parts[name] for name in names]

    # Choose a picture or a ready-made hole.
    picture_parts = named("picture", "note", "hole", "canvas")
    quick = {"show_progress": "hidden", "concurrency_limit": 4, "api_visibility": "private"}
    parts["pictures"].select(choose_picture, parts["hole"], picture_parts, **quick)
    parts["upload"].upload(upload_picture, named("upload", "hole"), picture_parts, **quick)
    parts["hole"].input(show_hole, named("picture", "hole"), parts["canvas"], **quick)

    # Fill the hole.
    parts["fill"].click(
        fill,
        named("canvas", "picture", *SETTINGS),
        named(*FILL_OUTPUTS),
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=parts["status"],
        api_visibility="private",
        js=asset("read_paint.js"),
    )
    parts["fill"].click(None, js=asset("scroll_to_results.js"))


def updates(parts: dict[str, gr.blocks.Block], values: Values) -> dict[gr.blocks.Block, object]:
    """Converts the values of the controller to updates for Gradio."""
    result = {}
    for name, value in values.items():
        if name == "hole":
            labels, label = value
            value = gr.update(choices=labels, value=label)
        elif name == "status":
            value = f'<span role="status">{html.escape(value)}</span>'
        elif name in CAPTIONS:
            value = fill_in("figure.html", source=data_url(value), caption=CAPTIONS[name])
        elif name == "scale":
            mean, largest = value
            value = fill_in(
                "scale.html", colors=HEAT_COLORS, mean=f"{mean:.0%}", largest=f"{largest:.0%}"
            )
        elif isinstance(parts[name], gr.Column):
            value = gr.update(visible=value)
        result[parts[name]] = value
    return result


def data_url(picture: np.ndarray | str) -> str:
    """The data URL of a picture, uint8 `[H, W, 3]`, or of a GIF file at a path."""
    if isinstance(picture, str):
        return f"data:image/gif;base64,{base64.b64encode(Path(picture).read_bytes()).decode()}"
    return canvas.to_data_url(picture)


@contextlib.contextmanager
def errors_for_visitors() -> Iterator[None]:
    """Shows the message of an error to the visitor.

    The message of an unexpected error is not shown. Its traceback goes to the log.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        # Gradio shows the message as HTML, and the message can contain the name of a file.
        raise gr.Error(html.escape(str(error)), print_exception=False) from None
    except Exception:
        log.exception("A visitor's request failed.")
        raise gr.Error(
            "Something went wrong. The log of the server says what.", print_exception=False
        ) from None
