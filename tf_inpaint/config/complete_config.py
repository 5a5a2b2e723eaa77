"""Settings of `complete`."""

import dataclasses
import re

from tf_inpaint.config.flags import setting
from tf_inpaint.config.search_config import SearchConfig


@dataclasses.dataclass(frozen=True)
class CompleteConfig(SearchConfig):
    """What `complete` needs to know; everything about the networks comes from the run."""

    images: tuple[str, ...] = setting(
        (), "image files or folders; none: held-out images of the run's own data", positional=True
    )
    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    out_dir: str = setting("", "directory to write; empty: RUN/completions")
    count: int = setting(16, "held-out images to complete when no image is given", minimum=1)
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
    framing: str = setting(
        "image",
        "what the network is shown of an image whose mask has its size: the middle square, or squares around the holes",
        choices=("image", "hole"),
    )
    details: int = setting(8, "images whose intermediate pictures are written too", minimum=0)
    seed: int = setting(0, "fixes the masks and the search", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace what is in out_dir")
    shard: str = setting("0/1", "i/n: this is machine i of n, 0 <= i < n")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images and self.count != type(self).count:
            raise ValueError(
                f"--count must go without images, for all that are given are completed; received "
                f"--count={self.count} with {self.images[0]!r}; drop one of the two"
            )
        shard = re.fullmatch(r"([0-9]+)/([0-9]+)", self.shard)
        if not shard or int(shard[1]) >= int(shard[2]):
            raise ValueError(
                f"--shard must be i/n with 0 <= i < n; received {self.shard!r}; "
                f"of two machines one takes --shard=0/2 and the other --shard=1/2"
            )
