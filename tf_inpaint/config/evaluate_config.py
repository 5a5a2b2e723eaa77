"""Settings of `evaluate`, and the names of its methods."""

import dataclasses

from tf_inpaint.config.moved_data_config import moved_dataset, trained_run
from tf_inpaint.config.train_config import MEASURE
from tf_inpaint.settings.fields import check_items, setting
from tf_inpaint.settings.search_settings import BLENDS, SearchSettings

ESTIMATES = ("best", "sample", "mean")
SEARCHES = (*ESTIMATES, *(f"{estimate}_{blend}" for estimate in ESTIMATES for blend in BLENDS))
"""Names of the searches with the settings of the command: an estimate, and perhaps a blending."""

UNMODIFIED_ADAM = SearchSettings(
    steps=1000,
    tolerance=0.0,
    patience=1.0,
    solver="adam",
    learning_rate=0.01,
    restarts=1,
    contextual="l1",
    prior="non_saturating",
    prior_weight=0.1,
    prior_every=1,
    latent_constraint="clip",
    keep="last",
    start="random",
    start_draws=1,
    deeper_steps=0,
    samples=0,
    estimate="best",
    blend="paste",
)
"""A search by plain Adam that takes all its steps and evaluates D in each of them.

Every setting but `block_size` and `jit_compile` is given, for the defaults of this package are not
those of the published searches.
"""

PUBLISHED_SEARCHES = {
    "ancestor": UNMODIFIED_ADAM,
    "yeh": dataclasses.replace(
        UNMODIFIED_ADAM,
        steps=1500,
        contextual="weighted_l1",
        prior="saturating",
        prior_weight=0.003,
        keep="best",
        blend="poisson",
    ),
}
"""Searches as they were published, by name.

Source: bamos/dcgan-completion.tensorflow (2016); Yeh et al. 2017, Semantic Image Inpainting with
Deep Generative Models.
"""

BASELINES = (
    "mean_color",
    "nearest_pixel",
    "harmonic",
    "biharmonic",
    "total_variation",
    "telea",
    "navier_stokes",
)
"""Names of the methods that only use the image itself."""

TRAINED_BASELINES = ("nearest_image", "conditional_gaussian")
"""Names of the methods without a network that learn from the training images of the run."""


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(SearchSettings):
    """Settings of `evaluate`. The settings of the search are those of the methods `best...`."""

    run_dir: str = trained_run()
    dataset: str = moved_dataset()
    compare: tuple[str, ...] = setting(
        (), "further runs on the same data set; their searches are evaluated too", path=True
    )
    out_dir: str = setting("", "directory to write; empty: RUN/evaluation", path=True)
    count: int = setting(256, "number of held-out images", minimum=1, maximum=10**7)
    few: int = setting(
        64,
        "number of images for the published searches, which take 1,000 steps and more",
        minimum=1,
        maximum=10**7,
    )
    masks: tuple[str, ...] = setting(
        ("center", "left", "random", "pattern", "strokes"),
        "names of masks, mask files (white = known), or folders of mask files; from a folder each "
        "image takes one file",
        path=True,
    )
    invert_mask: bool = setting(False, "in mask files white is the hole")
    methods: tuple[str, ...] = setting(
        (*ESTIMATES, "best_paste", *PUBLISHED_SEARCHES, *BASELINES, *TRAINED_BASELINES),
        "methods to evaluate; MODULE:FUNCTION is your own function (images, known) -> completions",
    )
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random"),
        "distances between the set of completions and the set of originals",
    )
    seed: int = setting(0, "seed of all random numbers: masks and searches", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace the evaluation in out_dir")

    def __post_init__(self) -> None:
        super().__post_init__()
        methods = (*SEARCHES, *PUBLISHED_SEARCHES, *BASELINES, *TRAINED_BASELINES)
        check_items("methods", self.methods, methods, "MODULE:FUNCTION")
        check_items("measure", self.measure, MEASURE)
        for name in ("methods", "masks"):
            values = [value.rstrip("/").rpartition("/")[2] for value in getattr(self, name)]
            if not values or len(set(values)) < len(values):
                raise ValueError(
                    f"--{name} must be at least one, and all names must differ; received "
                    f"{','.join(values) or 'none'}; pass every name once."
                )
        for mask in ("lowres", "full"):
            if mask in self.masks:
                raise ValueError(
                    "--masks must have a hole and known pixels beside the hole; received "
                    f"{mask}; leave it out."
                )
