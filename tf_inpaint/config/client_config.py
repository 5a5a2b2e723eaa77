"""Settings of `client`."""

import dataclasses

from tf_inpaint.config.flags import setting, validate


@dataclasses.dataclass(frozen=True)
class ClientConfig:
    """What `client` needs to know; everything about the search was fixed when the model was exported."""

    images: tuple[str, ...] = setting((), "image files or folders", positional=True)
    url: str = setting(
        "http://localhost:8501", "the server's REST API; a proxy's path may follow the host"
    )
    model: str = setting("", "the model's name on the server")
    version: str = setting("", "the model's version, by number or label; empty: the newest")
    signature: str = setting(
        "complete_encoded", "which of the model's ways to complete encoded images"
    )
    mask: str = setting(
        "center", "a mask's name, a file (white = known), or a folder matched by file stem"
    )
    invert_mask: bool = setting(False, "for mask files that draw the hole white")
    mask_scale: float | None = setting(
        None,
        "size of the hole: share of the side, or of the pixels; none: the mask's own",
        above=0,
        below=1,
    )
    out_dir: str = setting("completions", "directory to write")
    seed: int = setting(0, "fixes the masks and the search", minimum=0, below=2**31)
    batch_size: int = setting(
        8,
        "images in a request; a server that merges none fills each up to its own block",
        minimum=1,
    )
    workers: int = setting(4, "requests under way at a time", minimum=1)
    timeout: float = setting(60.0, "seconds to wait for an answer", above=0)
    retries: int = setting(
        4, "times to try again when the server is busy, unavailable or cannot be reached", minimum=0
    )
    overwrite: bool = setting(False, "replace what is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
