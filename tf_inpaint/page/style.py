"""The look and the texts of the page of `paint`. Nothing comes from the network."""

import string
from importlib import resources

import gradio as gr

from tf_inpaint.files import heat_maps
from tf_inpaint.page import canvas


def asset(name: str) -> str:
    """Reads an HTML, CSS or JavaScript file of this folder."""
    return resources.files("tf_inpaint.page").joinpath(name).read_text("utf-8")


def fill_in(name: str, **values: object) -> str:
    """Reads an HTML file of this folder, and replaces each `$name` by the value of that name."""
    return string.Template(asset(name)).substitute(values)


THEME = gr.themes.Soft(
    primary_hue="violet",
    secondary_hue="violet",
    neutral_hue="slate",
    # Installed fonts. Gradio would fetch some of its default fonts from the network.
    font=[
        "ui-sans-serif",
        "system-ui",
        "Segoe UI",
        "Roboto",
        "Helvetica Neue",
        "Arial",
        "sans-serif",
    ],
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
)
"""Theme of Gradio: colors and fonts."""
CSS = asset("style.css")
"""Style sheet of the page, except the canvas."""
PAINT_COLOR = f"rgb{canvas.PAINT_COLOR}"
"""Color of the paint, as CSS."""
HEAT_COLORS = ", ".join(f"rgb{color}" for color in heat_maps.HEAT_COLORS)
"""Colors of the heat map, as CSS."""

TITLE = """# Paint a hole and watch it fill
Paint over a part of a picture. A network that has never seen this picture fills in what could have
been there.
"""
"""Title of the page, as Markdown."""
EXPLANATION = """### How it works

A network was trained on many pictures of one kind, until it could make up new pictures of this
kind. To fill a hole, the program **searches among all pictures that the network can make up** for a
picture that agrees with the part you left. Then the program puts that picture into the hole.

You will see the search while it runs, its result, **other pictures that fit as well**, and where
these pictures differ.
"""
"""Text that the page shows before the first search, as Markdown."""
CAPTIONS = {
    "film": "The search: pictures that the network makes up, alone and inside the hole",
    "known": "Known part",
    "filled": "Filled in",
    "original": "Original",
    "heat": "Where the alternatives differ: dark is certain, bright is uncertain",
}
"""Captions of the figures, by name."""
