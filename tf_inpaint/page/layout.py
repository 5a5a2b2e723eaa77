"""The parts of the page of `paint`: choices in the left column, results in the right column."""

import gradio as gr

from tf_inpaint.config import PaintConfig
from tf_inpaint.page import canvas, style
from tf_inpaint.page.controller import HOLES, Controller
from tf_inpaint.page.events import connect
from tf_inpaint.page.page_results import Values
from tf_inpaint.page.refusals import Page
from tf_inpaint.page.style import asset

Parts = dict[str, gr.blocks.Block]
"""Parts of the page by their names, which are the keys of `controller.Values` too."""

MAX_IDLE_SECONDS = 1800
"""Seconds after which Gradio deletes the data and the files of a visitor."""
BLENDS = (("seamless", "poisson"), ("soft edge", "feather"), ("none", "paste"))
"""Labels of the blends, and their names in `blending`."""


def build(controller: Controller, config: PaintConfig) -> gr.Blocks:
    """Builds the page.

    Args:
        controller: computes what the page shows.
        config: settings of the command. The sliders start at these values.
    """
    values = controller.choose_picture(0, next(iter(HOLES)))
    cleanup = (MAX_IDLE_SECONDS // 6, MAX_IDLE_SECONDS)
    with Page(title="Paint a hole", analytics_enabled=False, delete_cache=cleanup) as blocks:
        with gr.Row(elem_id="top"):
            gr.Markdown(style.TITLE, elem_id="title")
            dark = gr.Button("Dark / light", size="sm", scale=0, min_width=100, elem_id="dark")
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=320):
                parts = picture_and_hole(controller, values) | search_settings(config)
            with gr.Column(min_width=320, elem_id="right"):
                parts |= results()
        connect(parts, controller)
        dark.click(None, js=asset("toggle_dark.js"))
    return blocks


def picture_and_hole(controller: Controller, values: Values) -> Parts:
    """Builds the parts in which a visitor chooses a picture and paints the hole.

    Args:
        controller: holds the pictures of the gallery.
        values: first picture and its canvas, from `Controller.choose_picture`.
    """
    parts: Parts = {"picture": gr.State(values["picture"], time_to_live=MAX_IDLE_SECONDS)}

    # Gallery and upload.
    gr.Markdown("## 1. Choose a picture", elem_classes="step")
    thumbnails = [
        (canvas.resize_for_display(picture.pixels), f"picture {number}")
        for number, picture in enumerate(controller.pictures, 1)
    ]
    parts["pictures"] = gr.Gallery(
        thumbnails,
        show_label=False,
        columns=6,
        rows=2,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        interactive=False,
        buttons=[],
        format="png",
        elem_id="pictures",
    )
    parts["upload"] = gr.UploadButton("Upload your picture", file_types=["image"], size="md")

    # Canvas, masks and ready-made holes.
    gr.Markdown("## 2. Paint over the part to fill in", elem_classes="step")
    parts["canvas"] = gr.HTML(
        values["canvas"],
        html_template=style.fill_in("brush.html", side=canvas.SIDE, color=style.PAINT_COLOR),
        css_template=asset("brush.css"),
        js_on_load=asset("brush.js"),
        padding=False,
        elem_id="canvas",
    )
    with gr.Row(elem_id="masks"):
        quiet = {"size": "sm", "min_width": 80}
        parts["load_mask"] = gr.UploadButton("Load mask", file_types=["image"], **quiet)
        parts["save_mask"] = gr.Button("Save mask", **quiet)
        parts["invert"] = gr.Button("Invert", **quiet)
    parts["mask_file"] = gr.HTML(visible=False)
    parts["note"] = gr.Markdown(values["note"], elem_classes="hint")
    labels, label = values["hole"]
    parts["hole"] = gr.Radio(labels, value=label, label="Or start with a ready-made hole")
    return parts


def search_settings(config: PaintConfig) -> Parts:
    """Builds the button that starts the search, and the settings of the search."""
    parts: Parts = {}

    # Button that starts the search.
    gr.Markdown("## 3. Start the search", elem_classes="step")
    parts["fill"] = gr.Button("Fill the hole", variant="primary", elem_id="fill")

    # Settings, hidden at first.
    with gr.Accordion("Settings", open=False):
        parts["steps"] = gr.Slider(
            10,
            max(300, config.steps),
            config.steps,
            step=1,
            label="Steps",
            info="Maximum number of steps of the search",
        )
        parts["prior_weight"] = gr.Slider(
            0,
            max(1, config.prior_weight),
            config.prior_weight,
            step=0.01,
            label="Weight of the prior",
            info="How much a realistic look counts beside the fit to the known part",
        )
        parts["restarts"] = gr.Slider(
            1,
            max(8, config.restarts),
            config.restarts,
            step=1,
            label="Restarts",
            info="Number of searches from different starts. The best result is shown",
        )
        parts["blend"] = gr.Radio(
            BLENDS, value=config.blend, label="Blending", info="How the edge of the hole is joined"
        )
        parts["samples"] = gr.Slider(
            0,
            max(12, config.samples),
            config.samples,
            step=1,
            label="Alternatives",
            info="Number of other pictures that fit as well. 0 is faster",
        )
        parts["seed"] = gr.Slider(
            0,
            max(99, config.seed),
            config.seed,
            step=1,
            label="Random seed",
            info="Another seed gives another picture",
        )
        parts["grow_mask"] = growth_slider(config.grow_mask)
    return parts


def growth_slider(pixels: int) -> gr.Slider:
    """Builds the slider that grows the hole. It starts at a number of pixels."""
    furthest = max(20, abs(pixels))
    return gr.Slider(
        -furthest,
        furthest,
        pixels,
        step=1,
        label="Grow the hole",
        info="Number of pixels around the paint that are filled too. Below 0 the hole shrinks",
    )


def results() -> Parts:
    """Builds the parts that show the search, its result and the alternatives."""
    parts: Parts = {"status": gr.HTML("", elem_id="status", padding=False)}

    # Before the first search.
    with gr.Column() as parts["explanation_section"]:
        gr.Markdown(style.EXPLANATION)

    # While a search runs, and after it.
    with gr.Column(visible=False) as parts["progress_section"]:
        parts["film"] = figure("film")
    with gr.Column(visible=False) as parts["result_section"]:
        with gr.Row(elem_id="comparison"):
            for name in ("known", "filled", "original"):
                parts[name] = figure(name)
        with gr.Row():
            parts["save_picture"] = gr.DownloadButton("Save the picture", min_width=120)
            parts["save_film"] = gr.DownloadButton("Save the film", min_width=120)

    # After the search for alternatives.
    with gr.Column(visible=False) as parts["alternatives_section"]:
        gr.Markdown("## Alternatives that fit as well", elem_classes="step")
        parts["alternatives"] = gr.Gallery(
            show_label=False,
            columns=6,
            height="auto",
            object_fit="contain",
            interactive=False,
            buttons=["download"],
            format="png",
            elem_id="alternatives",
        )
        gr.Markdown("## How certain is the result?", elem_classes="step")
        parts["heat"] = figure("heat")
        parts["scale"] = gr.HTML(elem_id="scale", padding=False)
    return parts


def figure(name: str) -> gr.HTML:
    """Builds a place for a picture with its caption.

    `gr.Image` would leave a copy of the picture on the disk.
    """
    return gr.HTML(elem_id=name, padding=False, min_width=80)
