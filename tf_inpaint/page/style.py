"""How the page of `paint` looks, and what it says: style, scripts and texts. Nothing of it comes from the network."""

import gradio as gr

from tf_inpaint.page import canvas

GRADIENT = ", ".join("rgb({}, {}, {})".format(*colour) for colour in canvas.HEAT)

THEME = gr.themes.Soft(
    primary_hue="violet",
    secondary_hue="violet",
    neutral_hue="slate",
    # Names of fonts that are there, not Gradio's, some of which would be fetched.
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
CSS = f"""
.gradio-container {{ width: 100%; max-width: 1240px !important; margin: 0 auto !important; }}
#title h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0.2rem 0 0.4rem; letter-spacing: -0.02em; }}
#title p, .hint p {{ color: var(--body-text-color-subdued); margin: 0; }}
#top {{ flex-wrap: nowrap; }}
#dark {{ flex: 0 0 auto; }}
.step h2 {{ font-size: 1.1rem; margin: 0.4rem 0 0; }}
.html-container {{ padding: 0 !important; }}
figure {{ margin: 0; }}
figure img {{ width: 100%; max-height: 24rem; object-fit: contain; object-position: left; border-radius: 0.4rem; }}
#heat img {{ max-width: 26rem; max-height: 40rem; }}
#scale {{ max-width: 26rem; }}
#answers .thumbnail-item {{ aspect-ratio: auto; height: auto; }}
figcaption {{ font-size: 0.9rem; line-height: 1.3; padding-top: 0.3rem; }}
#three {{ flex-wrap: nowrap; gap: 0.6rem; }}
.grid-wrap {{ min-height: 0 !important; height: auto !important; max-height: none !important; }}
#pictures .grid-container {{ grid-template-columns: repeat(auto-fill, minmax(4.2rem, 1fr)); gap: 0.5rem; }}
#answers .grid-container {{ grid-template-columns: repeat(3, 1fr); gap: 0.5rem; }}
#pictures .thumbnail-item {{ aspect-ratio: 1; height: auto; }}
.grid-container {{ grid-template-rows: none !important; grid-auto-rows: auto !important; height: auto !important; }}
.gallery-item {{ height: auto !important; }}
.caption-label {{ display: none; }}
#fill {{ font-size: 1.15rem; min-height: 3.2rem; }}
#status {{ min-height: 1.6rem; }}
#scale .bar {{ height: 0.8rem; border-radius: 0.4rem; background: linear-gradient(to right, {GRADIENT}); }}
#scale .ends {{ display: flex; justify-content: space-between; font-size: 0.9rem; }}
#scale p {{ font-size: 0.9rem; }}
:is(button, label, a):is(:focus-visible, :has(:focus-visible)) {{
    outline: 3px solid var(--color-accent); outline-offset: 2px;
}}
footer {{ display: none !important; }}
"""
DARK = "() => { document.body.classList.toggle('dark'); }"
# What happens would be out of sight where the columns stand below each other, or after scrolling down.
LOOK = """() => {
    const right = document.getElementById('right');
    if (right.getBoundingClientRect().top < 0 || right.offsetLeft < 200) right.scrollIntoView({block: 'start'});
}"""
HOW = """
### How it works

A network has looked at many pictures of one kind until it could make up new ones. To fill a hole, it **searches among
all the pictures it can make up** for one that agrees with what you left, and puts its part into the hole.

You will see the search as it runs, the picture it ends with, **other answers that fit as well**, and where they differ.
"""
LEGEND = """<div class="bar"></div><div class="ends"><span>all agree</span><span>differ by {1:.0%}</span></div>
<p>Over the whole hole, the answers differ by {0:.0%} of the way from black to white (one standard deviation).</p>
"""
CAPTION = {
    "film": "The search as it runs: what the network makes up, and the same put into the hole",
    "given": "What it was given",
    "filled": "What it filled in",
    "original": "What was there",
    "heat": "Where the answers differ: dark is sure, bright could be otherwise",
}
