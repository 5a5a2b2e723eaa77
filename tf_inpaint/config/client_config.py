"""Settings of `client`."""

import dataclasses

from tf_inpaint.settings.fields import setting, validate


@dataclasses.dataclass(frozen=True)
class ClientConfig:
    """Settings of `client`. The settings of the search were fixed when the model was exported."""

    images: tuple[str, ...] = setting(
        (), "image files or folders, or their URLs", positional=True, path=True
    )
    url: str = setting(
        "http://localhost:8501",
        "REST API of the server; after the host may follow the path of a proxy",
    )
    model: str = setting("", "name of the model on the server")
    version: str = setting("", "version of the model, a number or a label; empty: the newest")
    signature: str = setting(
        "complete_encoded", "signature of the model that completes encoded images"
    )
    mask: str = setting(
        "center",
        "name of a mask, a file (white = known), a folder of files, matched by file stem "
        "(photo.png, photo_mask.png or mask_photo.png), the URL of either, or alpha: the "
        "transparency of the images",
        path=True,
    )
    invert_mask: bool = setting(
        False, "in mask files white is the hole; with alpha, what is opaque"
    )
    grow_mask: int = setting(
        0,
        "number of pixels by which the hole is grown in all directions, before the mask is "
        "resized; negative: the hole is shrunk",
        minimum=-1000,
        maximum=1000,
    )
    mask_scale: float | None = setting(
        None,
        "size of the hole of a mask with a name: fraction of the side, or of the pixels; "
        "none: the default of the mask",
        above=0,
        below=1,
    )
    out_dir: str = setting("completions", "directory to write", path=True)
    seed: int = setting(0, "seed of all random numbers: masks and searches", minimum=0, below=2**31)
    batch_size: int = setting(
        8,
        "number of images in a request; a server without batching fills each request up to its "
        "block size",
        minimum=1,
        maximum=2**16,
    )
    workers: int = setting(4, "number of requests at a time", minimum=1, maximum=1024)
    timeout: float = setting(60.0, "seconds to wait for an answer", above=0, maximum=10**6)
    retries: int = setting(
        4,
        "number of further tries when the server is busy, unavailable or cannot be reached",
        minimum=0,
        maximum=1000,
    )
    max_pixels: int = setting(
        100_000_000,
        "maximum number of pixels of an image or mask file, checked by its header",
        minimum=1,
        maximum=100_000_000,
    )
    format: str = setting(
        "png",
        "format of what is written, with the input's quality, ICC profile, EXIF data and "
        "transparency; same: the input's format; JPEG and lossy WebP change known pixels",
        choices=("png", "jpeg", "webp", "same"),
    )
    overwrite: bool = setting(False, "replace the job in out_dir")

    def __post_init__(self) -> None:
        validate(self)
