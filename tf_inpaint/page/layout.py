"""The page of `paint`: what stands where, and what it does by `visits`. Gradio, and nothing from the network."""

import base64
import contextlib
import html
import logging
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np

from tf_inpaint.config import PaintConfig
from tf_inpaint.page import brush, canvas
from tf_inpaint.page.controller import READY, Picture, Values, Visits
from tf_inpaint.page.style import CAPTION, CSS, DARK, HOW, LEGEND, LOOK, THEME

log = logging.getLogger("tf_inpaint")

FORGOTTEN = 1800
"""Seconds after which what was shown is deleted."""
BLENDS = (("seamless", "poisson"), ("soft edge", "feather"), ("just pasted", "paste"))
SHOWN = {
    "status", "how", "working", "film", "found", "given", "filled", "original", "save_picture", "save_film", "several",
    "answers", "heat", "scale",
}  # fmt: skip
"""What changes while a hole is filled."""


def build(visits: Visits, config: PaintConfig) -> gr.Blocks:
    """The page."""
    first = visits.picked(0, next(iter(READY)))
    with gr.Blocks(
        title="Paint a hole", analytics_enabled=False, delete_cache=(FORGOTTEN // 6, FORGOTTEN)
    ) as blocks:
        with gr.Row(elem_id="top"):
            gr.Markdown(
                "# Paint a hole, watch it come back\nRub out a part of a picture. A network that has never seen the "
                "picture fills in what could have been there.",
                elem_id="title",
            )
            dark = gr.Button("Dark / light", size="sm", scale=0, min_width=100, elem_id="dark")
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=320):
                parts = left(visits, config, first)
            with gr.Column(min_width=320, elem_id="right"):
                parts |= right()
        wire(parts, visits)
        dark.click(None, js=DARK)
    return blocks


def left(visits: Visits, config: PaintConfig, first: Values) -> dict[str, gr.components.Component]:
    """What a visitor chooses: picture, hole, settings."""
    parts = {"picture": gr.State(first["picture"], time_to_live=FORGOTTEN)}
    gr.Markdown("## 1. Choose a picture", elem_classes="step")
    parts["pictures"] = gr.Gallery(
        [(canvas.shown(one.pixels), f"picture {number}") for number, one in enumerate(visits.pictures, 1)],
        show_label=False, columns=6, rows=2, height="auto", object_fit="contain", allow_preview=False,
        interactive=False, buttons=[], format="png", elem_id="pictures",
    )  # fmt: skip
    parts["upload"] = gr.UploadButton("Upload a picture of mine", file_types=["image"], size="md")
    gr.Markdown("## 2. Paint over what should be filled in", elem_classes="step")
    parts["canvas"] = gr.HTML(
        first["canvas"], html_template=brush.TEMPLATE, css_template=brush.STYLE, js_on_load=brush.SCRIPT,
        padding=False, elem_id="canvas",
    )  # fmt: skip
    parts["note"] = gr.Markdown(first["note"], elem_classes="hint")
    names, chosen = first["ready"]
    parts["ready"] = gr.Radio(names, value=chosen, label="Or take a ready-made hole, and paint on")
    gr.Markdown("## 3. Let it be filled", elem_classes="step")
    parts["fill"] = gr.Button("Fill the hole", variant="primary", elem_id="fill")
    with gr.Accordion("Settings", open=False):
        parts["steps"] = gr.Slider(
            10,
            max(300, config.steps),
            config.steps,
            step=1,
            label="Steps",
            info="How long it may search, at most",
        )
        parts["prior_weight"] = gr.Slider(
            0, max(1, config.prior_weight), config.prior_weight, step=0.01, label="Weight of the prior",
            info="How much it matters that the picture looks real, beside agreeing with what is known",
        )  # fmt: skip
        parts["restarts"] = gr.Slider(
            1, max(8, config.restarts), config.restarts, step=1, label="Restarts",
            info="Searches from different beginnings, of which the best is kept",
        )  # fmt: skip
        parts["blend"] = gr.Radio(
            BLENDS, value=config.blend, label="Blending", info="How the edge of the hole is joined"
        )
        parts["samples"] = gr.Slider(
            0,
            max(12, config.samples),
            config.samples,
            step=1,
            label="Other answers",
            info="0: none, which is faster",
        )
        parts["seed"] = gr.Slider(
            0,
            max(99, config.seed),
            config.seed,
            step=1,
            label="Dice",
            info="Another number, another answer",
        )
    return parts


def right() -> dict[str, gr.components.Component]:
    """What comes of it."""
    parts = {"status": gr.HTML("", elem_id="status", padding=False)}
    with gr.Column() as parts["how"]:
        gr.Markdown(HOW)
    with gr.Column(visible=False) as parts["working"]:
        parts["film"] = figure("film")
    with gr.Column(visible=False) as parts["found"]:
        with gr.Row(elem_id="three"):
            for name in ("given", "filled", "original"):
                parts[name] = figure(name)
        with gr.Row():
            parts["save_picture"] = gr.DownloadButton("Save the picture", min_width=120)
            parts["save_film"] = gr.DownloadButton("Save the film", min_width=120)
    with gr.Column(visible=False) as parts["several"]:
        gr.Markdown("## Other answers that fit as well", elem_classes="step")
        parts["answers"] = gr.Gallery(
            show_label=False, columns=6, height="auto", object_fit="contain", interactive=False, buttons=["download"],
            format="png", elem_id="answers",
        )  # fmt: skip
        gr.Markdown("## How sure is it?", elem_classes="step")
        parts["heat"] = figure("heat")
        parts["scale"] = gr.HTML("", elem_id="scale", padding=False)
    return parts


def figure(name: str) -> gr.HTML:
    return gr.HTML(elem_id=name, padding=False, min_width=80)


def figured(name: str, picture: np.ndarray | str) -> str:
    """HTML of a picture, uint8 `[H, W, 3]` or a GIF file, with its caption.

    The picture is part of it: the cache of `gr.Image` would be a trace of it on the disk.
    """
    if isinstance(picture, str):
        source = f"data:image/gif;base64,{base64.b64encode(Path(picture).read_bytes()).decode()}"
    else:
        source = canvas.encoded(picture)
    return f'<figure><img src="{source}" alt="{CAPTION[name]}"><figcaption>{CAPTION[name]}</figcaption></figure>'


def wire(parts: dict[str, gr.components.Component], visits: Visits) -> None:
    """What happens when something is pressed."""
    quick = {"show_progress": "hidden", "concurrency_limit": 4, "api_visibility": "private"}
    begun = [parts[name] for name in ("picture", "note", "ready", "canvas")]

    def pick(ready: str, event: gr.SelectData):
        with spoken():
            return updates(parts, visits.picked(event.index, ready))

    def upload(file: str, ready: str):
        with spoken():
            return updates(parts, visits.uploaded(file, ready))

    def ready_made(chosen: Picture, ready: str):
        with spoken():
            return updates(parts, visits.painted(chosen, ready))

    def fill(*values):
        with spoken():
            for moment in visits.fill(*values):
                yield updates(parts, moment)

    parts["pictures"].select(pick, parts["ready"], begun, **quick)
    parts["upload"].upload(upload, [parts["upload"], parts["ready"]], begun, **quick)
    parts["ready"].input(ready_made, [parts["picture"], parts["ready"]], parts["canvas"], **quick)
    settings = ("steps", "prior_weight", "restarts", "blend", "samples", "seed")
    outputs = [part for name, part in parts.items() if name in SHOWN]
    parts["fill"].click(
        fill, [parts[name] for name in ("canvas", "picture", *settings)], outputs, concurrency_limit=1,
        show_progress="minimal", show_progress_on=parts["status"], api_visibility="private", js=brush.PAINTED,
    )  # fmt: skip
    parts["fill"].click(None, js=LOOK)


def updates(
    parts: dict[str, gr.components.Component], values: Values
) -> dict[gr.components.Component, object]:
    """The values as Gradio takes them."""
    changed = {}
    for name, value in values.items():
        if name == "ready":
            value = gr.update(choices=value[0], value=value[1])
        elif name == "status":
            value = f'<span role="status">{html.escape(value)}</span>'
        elif name in CAPTION:
            value = figured(name, value)
        elif name == "scale":
            value = LEGEND.format(*value)
        elif isinstance(parts[name], gr.Column):
            value = gr.update(visible=value)
        changed[parts[name]] = value
    return changed


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Errors reach the visitor as a sentence; of what is no refusal, the log keeps the traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        # Gradio shows it as HTML, and it can hold the name of a file.
        raise gr.Error(html.escape(str(error)), print_exception=False) from None
    except Exception:
        log.exception("A visitor's request failed.")
        raise gr.Error(
            "Something went wrong; the server's log says what.", print_exception=False
        ) from None


def is_gone(error: BaseException | None) -> bool:
    """Whether an error only says that the browser was closed while something was on its way."""
    return type(error).__name__ == "ClientDisconnect"


def serve(blocks: gr.Blocks, config: PaintConfig) -> gr.Blocks:
    """The page, served by a thread of its own.

    Raises:
        OSError: the port is taken.
    """
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not (record.exc_info and is_gone(record.exc_info[1]))
    )
    blocks.queue(max_size=config.most_waiting, api_open=False)
    try:
        blocks.launch(
            server_name=config.host, server_port=config.port, prevent_thread_lock=True, quiet=True, share=False,
            max_file_size=int(config.most_megabytes * 1e6), theme=THEME, css=CSS, footer_links=[], run_history=False,
            ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False, state_session_capacity=64,
        )  # fmt: skip
    except OSError:
        raise OSError(
            f"--port must be free and --host an address of this machine; {config.port} at {config.host} is not; "
            "pass another --port."
        ) from None
    return blocks
