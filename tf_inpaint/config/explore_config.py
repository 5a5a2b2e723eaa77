"""Settings of `explore`."""

import dataclasses
import re

from tf_inpaint.config.flags import setting, validate

KINDS = ("grid", "interpolation", "arithmetic", "neighbourhood", "nearest", "walk", "film")
SAMPLED = ("grid", "interpolation", "nearest", "walk")
SEARCHED = ("interpolation", "arithmetic")
FILMS = ("walk", "film")
BELONGS = {
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
"""The kinds that a setting means something to; one not listed means something to all."""
MEMBERS = 3
"""Of a concept: means of three were stable, single z were not (Radford et al. 2016)."""


def concept_form(items: tuple[str, ...]) -> str:
    """How a concept is given: "label", "seeds" or "files".

    Raises:
        ValueError: in none of these ways, or not three of them.
    """
    if len(items) == 1 and items[0].startswith("label:") and items[0] != "label:":
        return "label"
    if len(items) != MEMBERS:
        raise ValueError(
            f"A concept must be three seeds, three files or label:NAME; received {','.join(items)!r}; "
            "for example --a=12,35,7"
        )
    seeds = [re.fullmatch("[0-9]{1,18}", item) is not None for item in items]
    return "seeds" if all(seeds) else "files"


@dataclasses.dataclass(frozen=True)
class ExploreConfig:
    """What `explore` needs to know; everything about the networks comes from the run."""

    images: tuple[str, ...] = setting(
        (), "interpolation: image files, each two of them a strip", positional=True
    )
    kind: str = setting("grid", "what to show", choices=KINDS)
    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    out_dir: str = setting("", "directory to write; empty: RUN/exploration/KIND")
    seed: int = setting(
        0, "of the first z, seed + 1 of the next, and so on; of the noise", minimum=0, below=2**31
    )
    count: int | None = setting(
        None,
        "grid: samples (36); interpolation: strips (4); nearest: samples shown (10); walk: z's passed (8)",
        minimum=1,
    )
    columns: int = setting(6, "grid: samples in a row", minimum=1)
    path: str = setting(
        "slerp", "interpolation: over the sphere or straight", choices=("slerp", "lerp")
    )
    between: str = setting(
        "samples",
        "interpolation: what the strips join when no image is given",
        choices=("samples", "held_out"),
    )
    pictures: int = setting(9, "interpolation: G's pictures in a strip", minimum=2)
    a: tuple[str, ...] = setting(
        (), "arithmetic, a - b + c: three seeds, three files, or label:NAME"
    )
    b: tuple[str, ...] = setting((), "as a")
    c: tuple[str, ...] = setting((), "as a")
    noise: float = setting(
        0.25, "arithmetic, neighbourhood: how far neighbours lie, each entry of z by this", above=0
    )
    neighbours: int = setting(5, "nearest: training images beside each sample", minimum=1)
    frames: int = setting(16, "walk: frames from one z to the next", minimum=1)
    every: int | None = setting(
        None, "film: steps between frames; none: every sample grid that is there", minimum=1
    )
    frames_per_second: float = setting(10.0, "walk, film", above=0, below=51)
    format: str = setting("gif", "walk, film", choices=("gif", "webp"))
    steps: int = setting(
        300, "interpolation, arithmetic: search steps to find a real image's z, at most", minimum=1
    )
    restarts: int = setting(
        4, "interpolation, arithmetic: searches of each real image", minimum=1, below=65
    )
    overwrite: bool = setting(False, "replace the exploration that is in out_dir")

    def __post_init__(self) -> None:
        validate(self)
        for field in dataclasses.fields(self):
            kinds = BELONGS.get(field.name, KINDS)
            if self.kind not in kinds and getattr(self, field.name) != field.default:
                name = "image files" if field.name == "images" else f"--{field.name}"
                raise ValueError(
                    f"{name} must go with --kind={' or '.join(kinds)}; received --kind={self.kind}; drop one of the two"
                )
        if self.kind == "arithmetic":
            for name in "abc":
                concept_form(getattr(self, name))
        if self.kind == "walk" and self.count == 1:
            raise ValueError("--count must be at least 2 for a walk; received 1; raise it")
        if self.images and (self.between != "samples" or self.count is not None):
            raise ValueError(
                "--between and --count must go without images, for these say what is joined; received both; drop one"
            )
        if len(self.images) % 2:
            raise ValueError(
                f"Images must be given by twos, for each strip joins two; received {len(self.images)}; add or drop one"
            )
