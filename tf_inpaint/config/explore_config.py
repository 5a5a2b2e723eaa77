"""Settings of `explore`."""

import dataclasses
import re

from tf_inpaint.config.moved_data_config import moved_dataset, trained_run
from tf_inpaint.settings.fields import setting, validate

KINDS = ("grid", "interpolation", "arithmetic", "neighbourhood", "nearest", "walk", "film")
"""Names of the kinds of exploration."""

SAMPLED = ("grid", "interpolation", "nearest", "walk")
"""Kinds that show a number of samples."""

SEARCHED = ("interpolation", "arithmetic")
"""Kinds that search for the z of real images."""

FILMS = ("walk", "film")
"""Kinds that write an animation."""

KINDS_OF_SETTING = {
    "dataset": ("interpolation", "arithmetic", "nearest"),
    "images": ("interpolation",),
    "between": ("interpolation",),
    "pictures": ("interpolation",),
    "path": ("interpolation",),
    "count": SAMPLED,
    "columns": ("grid",),
    "a": ("arithmetic",),
    "b": ("arithmetic",),
    "c": ("arithmetic",),
    "noise": ("arithmetic", "neighbourhood"),
    "neighbours": ("nearest",),
    "frames": ("walk",),
    "every": ("film",),
    "format": FILMS,
    "frames_per_second": FILMS,
    "steps": SEARCHED,
    "restarts": SEARCHED,
}
"""Kinds that use a setting. A setting that is not listed is used by all kinds."""

MEMBERS = 3
"""Number of z whose mean is a concept.

Means of three were stable, single z were not (Radford et al. 2016).
"""


def concept_form(items: tuple[str, ...]) -> str:
    """The form in which a concept is given: "label", "seeds" or "files".

    Raises:
        ValueError: the items have none of these forms, or they are not three.
    """
    if len(items) == 1 and items[0].startswith("label:") and items[0] != "label:":
        return "label"
    if len(items) != MEMBERS:
        raise ValueError(
            "A concept must be three seeds, three files or label:NAME; received "
            f"{','.join(items)!r}; "
            "for example --a=12,35,7."
        )
    seeds = [re.fullmatch("[0-9]{1,18}", item) is not None for item in items]
    return "seeds" if all(seeds) else "files"


@dataclasses.dataclass(frozen=True)
class ExploreConfig:
    """Settings of `explore`. The settings of the networks come from the run."""

    images: tuple[str, ...] = setting(
        (), "interpolation: image files; every two files give a strip", positional=True, path=True
    )
    kind: str = setting("grid", "what to show", choices=KINDS)
    run_dir: str = trained_run()
    dataset: str = moved_dataset()
    out_dir: str = setting("", "directory to write; empty: RUN/exploration/KIND", path=True)
    seed: int = setting(
        0,
        "seed of the first z and of the noise; the next z has seed + 1, and so on",
        minimum=0,
        below=2**31,
    )
    count: int | None = setting(
        None,
        "number of samples (grid: 36, nearest: 10), of strips (interpolation: 4), or of z on the "
        "way (walk: 8)",
        minimum=1,
        maximum=10**4,
    )
    columns: int = setting(6, "grid: samples in a row", minimum=1, maximum=10**4)
    path: str = setting(
        "slerp",
        "interpolation: path over the sphere or along a straight line",
        choices=("slerp", "lerp"),
    )
    between: str = setting(
        "samples",
        "interpolation: ends of the strips when no image is given",
        choices=("samples", "held_out"),
    )
    pictures: int = setting(
        9, "interpolation: number of generated pictures in a strip", minimum=2, maximum=1000
    )
    a: tuple[str, ...] = setting(
        (), "arithmetic, a - b + c: three seeds, three files, or label:NAME", path=True
    )
    b: tuple[str, ...] = setting((), "arithmetic: as --a", path=True)
    c: tuple[str, ...] = setting((), "arithmetic: as --a", path=True)
    noise: float = setting(
        0.25,
        "arithmetic, neighbourhood: distance of neighbors in every entry of z",
        above=0,
        maximum=1000,
    )
    neighbours: int = setting(
        5, "nearest: number of training images beside each sample", minimum=1, maximum=1000
    )
    frames: int = setting(
        16, "walk: number of frames from one z to the next", minimum=1, maximum=1000
    )
    every: int | None = setting(
        None,
        "film: number of training steps between frames; none: every sample grid",
        minimum=1,
        maximum=10**9,
    )
    frames_per_second: float = setting(
        10.0, "walk, film: frames per second", minimum=0.01, below=51
    )
    format: str = setting("gif", "walk, film: file format", choices=("gif", "webp"))
    steps: int = setting(
        300,
        "interpolation, arithmetic: maximum number of steps of the search for a real image's z",
        minimum=1,
        maximum=10**9,
    )
    restarts: int = setting(
        4, "interpolation, arithmetic: number of searches for each real image", minimum=1, below=65
    )
    overwrite: bool = setting(False, "replace the exploration that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        # Settings that the kind does not use.
        for field in dataclasses.fields(self):
            kinds = KINDS_OF_SETTING.get(field.name, KINDS)
            if self.kind not in kinds and getattr(self, field.name) != field.default:
                name = "image files" if field.name == "images" else f"--{field.name}"
                raise ValueError(
                    f"{name} must go with --kind={' or '.join(kinds)}; received "
                    f"--kind={self.kind}; drop one of the two."
                )
        # Concepts, walks and strips.
        if self.kind == "arithmetic":
            for name in "abc":
                concept_form(getattr(self, name))
        if self.kind == "walk" and self.count == 1:
            raise ValueError("--count must be at least 2 for a walk; received 1; raise it.")
        if self.images and (self.between != "samples" or self.count is not None):
            raise ValueError(
                "--between and --count must go without images, which are the ends of the strips; "
                "received both; drop one."
            )
        if len(self.images) % 2:
            raise ValueError(
                "The number of images must be even, for each strip joins two images; received "
                f"{len(self.images)}; add or drop one."
            )
