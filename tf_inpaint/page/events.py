"""What the page of `paint` does when a visitor presses, chooses or uploads something."""

import base64
import contextlib
import html
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import numpy as np

from tf_inpaint.page import canvas
from tf_inpaint.page.controller import Controller
from tf_inpaint.page.page_results import Values
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


PICTURE_OUTPUTS = ("picture", "note", "hole", "canvas")
"""Names of the parts that change with the picture or its hole."""
QUICK = {"show_progress": "hidden", "concurrency_limit": 4, "api_visibility": "private"}
"""Options of an event that takes less than a second or two."""


def connect(parts: dict[str, gr.blocks.Block], controller: Controller) -> None:
    """Connects the parts of the page with the actions of the controller.

    Must be called inside the `gr.Blocks` of the page.
    """
    connect_holes(parts, controller)

    def fill(*values):
        with errors_for_visitors():
            for new_values in controller.fill(*values):
                yield updates(parts, new_values)

    parts["fill"].click(
        fill,
        [parts[name] for name in ("canvas", "picture", *SETTINGS)],
        [parts[name] for name in FILL_OUTPUTS],
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=parts["status"],
        api_visibility="private",
        js=asset("read_paint.js"),
    )
    parts["fill"].click(None, js=asset("scroll_to_results.js"))


def connect_holes(parts: dict[str, gr.blocks.Block], controller: Controller) -> None:
    """Connects the parts in which a visitor chooses a picture and its hole; see `connect`."""

    def choose_picture(hole: str, event: gr.SelectData):
        with errors_for_visitors():
            return updates(parts, controller.choose_picture(event.index, hole))

    def answer(action: Callable[..., Values]) -> Callable:
        def update(*values):
            with errors_for_visitors():
                return updates(parts, action(*values))

        update.__name__ = action.__name__
        return update

    def answer_upload(action: Callable[..., Values]) -> Callable:
        def update(file: str, value: object):
            # A forged event can name a file of the gallery, for Gradio keeps it beside the uploads.
            keep = file in list(parts["pictures"].keep_in_cache)
            return answer(action)(file, value, keep)

        update.__name__ = action.__name__
        return update

    # Choose a picture or a ready-made hole.
    picture, hole = parts["picture"], parts["hole"]
    outputs = [parts[name] for name in PICTURE_OUTPUTS]
    parts["pictures"].select(choose_picture, hole, outputs, **QUICK)
    upload, load_mask = parts["upload"], parts["load_mask"]
    upload.upload(answer_upload(controller.upload_picture), [upload, hole], outputs, **QUICK)
    shown = [parts["note"], parts["canvas"]]
    hole.input(answer(controller.show_hole), [picture, hole], shown, **QUICK)

    # Load, invert and save a mask.
    load_mask.upload(answer_upload(controller.upload_mask), [load_mask, picture], outputs, **QUICK)
    paint = {"inputs": [parts["canvas"], picture], "js": asset("read_paint.js"), **QUICK}
    parts["invert"].click(answer(controller.invert_hole), outputs=outputs, **paint)
    file = parts["mask_file"]
    saving = parts["save_mask"].click(answer(controller.save_mask), outputs=file, **paint)
    saving.success(None, file, js=asset("download.js"))


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
