"""Settings of `evaluate`, and the names of its methods."""

import dataclasses

from tf_inpaint.config.flags import check_items, setting
from tf_inpaint.config.search_config import BLENDS, SearchConfig
from tf_inpaint.config.train_config import MEASURE

ESTIMATES = ("best", "sample", "mean")
OURS = (*ESTIMATES, *(f"{estimate}_{blend}" for estimate in ESTIMATES for blend in BLENDS))
"""The search by its settings; with the name of a blending, blended so."""
EXACT = {
    "tolerance": 0.0,
    "patience": 1.0,
    "solver": "adam",
    "learning_rate": 0.01,
    "restarts": 1,
    "prior_every": 1,
    "latent_constraint": "clip",
    "start": "random",
    "start_draws": 1,
    "samples": 0,
    "estimate": "best",
}
PUBLISHED = {
    "ancestor": EXACT
    | {
        "steps": 1000,
        "contextual": "l1",
        "prior": "non_saturating",
        "prior_weight": 0.1,
        "keep": "last",
        "blend": "paste",
    },
    "yeh": EXACT
    | {
        "steps": 1500,
        "contextual": "weighted_l1",
        "prior": "saturating",
        "prior_weight": 0.003,
        "keep": "best",
        "blend": "poisson",
    },
}
"""Searches as they were published, all their steps and D asked in each: of bamos/dcgan-completion.tensorflow (2016) and
of Yeh et al. (2017). Every setting but `block_size`, for our defaults are none of theirs."""
BASELINES = (
    "mean_color",
    "nearest_pixel",
    "harmonic",
    "biharmonic",
    "total_variation",
    "telea",
    "navier_stokes",
)
LEARNT = ("nearest_image", "conditional_gaussian")
"""Baselines that learn from the run's training images."""


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(SearchConfig):
    """What `evaluate` needs to know; the search's settings are those of the methods `best...`."""

    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    compare: tuple[str, ...] = setting(
        (), "further runs on the same data, whose searches stand beside"
    )
    out_dir: str = setting("", "directory to write; empty: RUN/evaluation")
    count: int = setting(256, "held-out images", minimum=1)
    few: int = setting(
        64, "of these, how many the published searches complete: they take 1,000 steps", minimum=1
    )
    masks: tuple[str, ...] = setting(
        ("center", "left", "random", "pattern", "strokes"),
        "masks' names, or files or folders of them (white = known), of which each image takes one",
    )
    invert_mask: bool = setting(False, "for mask files that draw the hole white")
    methods: tuple[str, ...] = setting(
        (*ESTIMATES, "best_paste", *PUBLISHED, *BASELINES, *LEARNT),
        "what completes them; MODULE:FUNCTION is a function (images, known) -> completions of your own",
    )
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random"),
        "distances between the completions and the originals as two sets",
    )
    seed: int = setting(0, "fixes the masks and the searches", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace what is in out_dir")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_items(
            "methods", self.methods, (*OURS, *PUBLISHED, *BASELINES, *LEARNT), "MODULE:FUNCTION"
        )
        check_items("measure", self.measure, MEASURE)
        for name in ("methods", "masks"):
            values = [value.rstrip("/").rpartition("/")[2] for value in getattr(self, name)]
            if not values or len(set(values)) < len(values):
                raise ValueError(
                    f"--{name} must be at least one, each of a name of its own; received {','.join(values) or 'none'}; "
                    f"name each once"
                )
        for mask in ("lowres", "full"):
            if mask in self.masks:
                raise ValueError(
                    f"--masks must leave pixels to complete the others from; received {mask}; leave it out"
                )
