"""Settings of `paint`."""

import dataclasses

from tf_inpaint.config.flags import setting
from tf_inpaint.config.search_config import SearchConfig


@dataclasses.dataclass(frozen=True)
class PaintConfig(SearchConfig):
    """What `paint` needs to know; those of the search are where the page's sliders begin."""

    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    host: str = setting(
        "127.0.0.1", "address to listen at; 0.0.0.0: for everybody who can reach this machine"
    )
    port: int = setting(7860, "port to listen at", minimum=1, below=2**16)
    count: int = setting(12, "held-out images to choose from", minimum=1)
    samples: int = setting(
        6, "further answers drawn for each image, and how far they differ; 0: none", minimum=0
    )
    most_megabytes: float = setting(12.0, "size of an uploaded file, at most", above=0)
    most_pixels: int = setting(
        16_000_000, "width times height of an uploaded image, at most", minimum=64
    )
    most_waiting: int = setting(20, "searches that may wait for their turn, at most", minimum=1)
    seed: int = setting(0, "fixes the ready-made holes and the search", minimum=0, below=2**31)
