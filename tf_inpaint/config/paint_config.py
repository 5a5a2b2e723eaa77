"""Settings of `paint`."""

import dataclasses

from tf_inpaint.config.moved_data_config import moved_dataset, trained_run
from tf_inpaint.settings.fields import SWITCH, setting
from tf_inpaint.settings.search_settings import SearchSettings


@dataclasses.dataclass(frozen=True)
class PaintConfig(SearchSettings):
    """Settings of `paint`.

    The settings of the search are the first values of the page's sliders.
    """

    run_dir: str = trained_run()
    dataset: str = moved_dataset()
    host: str = setting("127.0.0.1", "address to listen at; 0.0.0.0: reachable from other machines")
    port: int = setting(7860, "port to listen at", minimum=1, below=2**16)
    count: int = setting(12, "number of held-out images to choose from", minimum=1, maximum=10**4)
    samples: int = setting(
        6,
        "number of further answers to draw for each image, with their uncertainty; 0: none",
        minimum=0,
        maximum=4096,
    )
    jit_compile: str = setting(
        "false",
        "compile the search with XLA; auto: on a GPU; it takes seconds after every change of a "
        "setting on the page",
        choices=SWITCH,
    )
    grow_mask: int = setting(
        0,
        "number of pixels by which a painted hole is grown in all directions; negative: the hole "
        "is shrunk",
        minimum=-100,
        maximum=100,
    )
    format: str = setting(
        "png",
        "format of a saved picture, with the upload's quality, ICC profile, EXIF data and "
        "transparency; same: the upload's format; JPEG and lossy WebP change known pixels",
        choices=("png", "jpeg", "webp", "same"),
    )
    most_megabytes: float = setting(
        12.0, "maximum size of an uploaded file", above=0, maximum=10**5
    )
    most_pixels: int = setting(
        16_000_000, "maximum width times height of an uploaded image", minimum=64, maximum=2**30
    )
    most_waiting: int = setting(
        20, "maximum number of searches that wait", minimum=1, maximum=10**4
    )
    seed: int = setting(
        0, "seed of all random numbers: ready-made holes and searches", minimum=0, below=2**31
    )
