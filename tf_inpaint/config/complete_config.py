"""Settings of `complete`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Self

from tf_inpaint.config.moved_data_config import moved_dataset, trained_run
from tf_inpaint.settings.device_defaults import default_block_size
from tf_inpaint.settings.engine_settings import EngineSettings
from tf_inpaint.settings.fields import setting
from tf_inpaint.settings.search_settings import SearchSettings


@dataclasses.dataclass(frozen=True)
class CompleteConfig(EngineSettings, SearchSettings):
    """Settings of `complete`. The settings of the networks come from the run."""

    images: tuple[str, ...] = setting(
        (),
        "image files or folders, or their URLs; none: held-out images of the run's data set",
        positional=True,
        path=True,
    )
    run_dir: str = trained_run()
    dataset: str = moved_dataset()
    out_dir: str = setting("", "directory or URL to write; empty: RUN/completions/MASK", path=True)
    count: int = setting(
        16, "number of held-out images to complete when no image is given", minimum=1, maximum=10**7
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
    framing: str = setting(
        "image",
        "what the network sees of an image whose mask has the size of the image: the middle "
        "square, or squares around the holes",
        choices=("image", "hole"),
    )
    details: int = setting(
        8, "number of images with intermediate pictures", minimum=0, maximum=10**7
    )
    seed: int = setting(0, "seed of all random numbers: masks and searches", minimum=0, below=2**31)
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
    sequence: bool = setting(
        False,
        "the images are the frames of a film, in the order of their names (9 before 10); each "
        "search may start at the last frame's z, and --patience has no minimum of 25 steps: fewer "
        "steps and less flicker, but a slightly worse hole where there is an encoder, unless "
        "--estimate=mean",
    )
    shard: str = setting("0/1", "i/n: this is machine i of n machines, 0 <= i < n")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_engine()
        if self.images and self.count != type(self).count:
            raise ValueError(
                "--count must go without images, for all given images are completed; received "
                f"--count={self.count} with {self.images[0]!r}; drop one of the two."
            )
        if self.mask == "alpha" and not self.images:
            raise ValueError(
                "--mask=alpha must go with images, for the run's own have no transparency; "
                "received none; name image files or folders."
            )
        shard = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", self.shard)
        if not shard or int(shard[1]) >= int(shard[2]):
            raise ValueError(
                f"--shard must be i/n with 0 <= i < n; received {self.shard!r}; "
                "with two machines pass --shard=0/2 on one and --shard=1/2 on the other."
            )
        if self.sequence:
            self.check_sequence()

    def check_sequence(self) -> None:
        """Checks that the other settings go with a film.

        Raises:
            ValueError: they do not.
        """
        start = "--sequence must go with"
        if not self.images:
            raise ValueError(
                f"{start} the frames of a film; received no images, and the run's own have no "
                "order; name a folder of frames."
            )
        if self.shard != "0/1":
            raise ValueError(
                f"{start} one machine, for each frame needs the one before; received "
                f"--shard={self.shard}; leave --shard out."
            )
        if self.estimate == "sample":
            raise ValueError(
                f"{start} a search, and drawn answers have none; received --estimate=sample; "
                "pass --estimate=best or mean."
            )

    @property
    def min_patience(self) -> int:
        """See `SearchSettings`. In a film, the next search may go on where a search stopped."""
        return 1 if self.sequence else super().min_patience

    def with_block_size(
        self, recorded: Mapping[str, Any] | None = None, has_gpu: bool | None = None
    ) -> Self:
        """See `SearchSettings`. The default for a film is the number of searches of one frame.

        The frames are searched one after the other.
        """
        if self.sequence:
            size = min(self.restarts, default_block_size(has_gpu))
            recorded = {"block_size": size} | dict(recorded or {})
        return super().with_block_size(recorded, has_gpu)
