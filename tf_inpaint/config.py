"""What every command needs to know: one frozen dataclass each, and the rules between its settings.

Library functions never see a config: a command's `run` takes it apart into plain arguments.
"""

import dataclasses
import re
from collections.abc import Sequence

from tf_inpaint.flags import setting, validate

AUGMENT = ("color", "translation", "cutout")
BLENDS = ("paste", "poisson")
OURS = ("best",)
"""Methods of `evaluate`: by the search's settings, and with `_paste` or `_poisson` blended so."""
PUBLISHED = {
    "ancestor": {
        "start": "random",
        "solver": "adam",
        "learning_rate": 0.01,
        "steps": 1000,
        "prior": "non_saturating",
        "blend": "paste",
    },
    "yeh": {
        "start": "random",
        "solver": "adam",
        "learning_rate": 0.01,
        "steps": 1500,
        "contextual": "weighted_l1",
        "prior": "saturating",
        "prior_weight": 0.003,
        "blend": "poisson",
    },
}
"""Searches as they were published: of bamos/dcgan-completion.tensorflow (2016) and of Yeh et al. (2017)."""
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
MEASURE = ("sliced_wasserstein", "frechet_random", "kernel_random", "frechet_inception", "kernel_inception")


def check_items(name: str, items: Sequence[str], known: Sequence[str], form: str = "") -> None:
    """Refuses an item of a list that is not known; with a `form` such as A:B, any that has a colon is taken."""
    unknown = [item for item in items if item not in known and not (form and re.fullmatch(r"[\w.]+:\w+", item))]
    if unknown:
        choices = ",".join(filter(None, [*known, form]))
        raise ValueError(f"--{name} must be any of {choices}; received {unknown[0]!r}; correct or remove it")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What `train` needs to know; a run directory keeps it as `config.json` and `config.flags`."""

    run_dir: str = setting("", "directory to write, or to continue; empty: runs/NAME after the data set")
    dataset: str = setting("digits", "training images: digits, tfds:NAME, folder:DIR or npz:FILE")
    data_dir: str = setting("", "where TensorFlow Datasets keeps its files; empty: its own default")
    train_images: int = setting(0, "learn from so many images only, spread over the data; 0: all", minimum=0)
    crop: int = setting(0, "side of the centre crop made before resizing; 0: the shorter side", minimum=0)
    image_size: int = setting(28, "side of the images learnt, in pixels", choices=(16, 28, 32, 64, 128))
    channels: int = setting(1, "1 for gray, 3 for colour", choices=(1, 3))
    width: int = setting(32, "channels of the layer next to the image; deeper ones have multiples", minimum=1)
    latent_size: int = setting(100, "entries of z", minimum=1)
    architecture: str = setting("dcgan", "what both networks are built of", choices=("dcgan", "resnet"))
    discriminator_norm: str = setting("batch", "normalisation in D", choices=("batch", "spectral", "layer", "none"))
    loss: str = setting(
        "non_saturating", "of both networks", choices=("non_saturating", "minimax", "hinge", "wasserstein")
    )
    gradient_penalty: float = setting(0.0, "weight of the penalty on a slope of D other than 1", minimum=0)
    r1: float = setting(0.0, "weight of the penalty on D's slope at real images", minimum=0)
    feature_matching: float = setting(0.0, "weight of matching D's mean features, in G's loss", minimum=0)
    augment: tuple[str, ...] = setting(
        (), "changes made to all that D sees, for small data sets: any of color,translation,cutout"
    )
    steps: int = setting(4250, "training steps in all", minimum=1)
    batch_size: int = setting(64, "images in a step; batch normalisation needs two", minimum=2)
    learning_rate: float = setting(2e-4, "Adam's step size", above=0)
    discriminator_learning_rate: float | None = setting(None, "D's own, if not the same", above=0)
    learning_rate_schedule: str = setting(
        "constant", "how step sizes fall to 0 at the last step", choices=("constant", "linear", "cosine")
    )
    beta_1: float = setting(0.5, "Adam's decay of the mean gradient", minimum=0, below=1)
    beta_2: float = setting(0.999, "Adam's decay of the mean squared gradient", minimum=0, below=1)
    discriminator_steps: int = setting(1, "discriminator updates in a step", minimum=1)
    generator_steps: int = setting(1, "generator updates in a step", minimum=1)
    reuse_generated: bool = setting(False, "both updates see one generated batch: faster, but no fresh z for G")
    label_smoothing: float = setting(0.0, "real images' target is 1 minus this", minimum=0, below=0.5)
    ema_decay: float = setting(0.999, "decay of the averaged generator, the one used", minimum=0, below=1)
    mixed_precision: str = setting(
        "float32", "number format of the layers", choices=("float32", "mixed_float16", "mixed_bfloat16")
    )
    strategy: str = setting(
        "none",
        "none: one device; mirrored: all of this machine; multi_worker: the machines in TF_CONFIG",
        choices=("none", "mirrored", "multi_worker"),
    )
    synchronized_batch_norm: bool = setting(False, "batch statistics over all replicas, not each one's own")
    jit_compile: bool = setting(False, "compile the step with XLA, which draws other random numbers; slower on a CPU")
    log_every: int = setting(50, "steps between rows of metrics.csv", minimum=1)
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random", "kernel_random"),
        "distances of generated to held-out images, in metrics.csv; also frechet_inception, kernel_inception",
    )
    measure_every: int = setting(1000, "steps between these measurements, each in the next row; 0: never", minimum=0)
    measure_images: int = setting(1000, "images in them", minimum=2)
    best_by: str = setting("none", "one of --measure: the networks of its lowest value are kept and used")
    sample_every: int = setting(250, "steps between sample grids", minimum=1)
    checkpoint_every: int = setting(500, "steps between checkpoints", minimum=1)
    keep_checkpoints: int = setting(3, "how many of the newest checkpoints to keep", minimum=1)
    seed: int = setting(0, "fixes the weights, z and the data order", minimum=0, below=2**31)
    encoder_steps: int = setting(2000, "then train an encoder, from which searches start; 0: none", minimum=0)
    deterministic: bool = setting(False, "bit-identical from run to run on one machine; slower")

    def __post_init__(self) -> None:
        validate(self)
        source, _, place = self.dataset.partition(":")
        if self.dataset != "digits" and (source not in ("tfds", "folder", "npz") or not place):
            raise ValueError(
                f"--dataset must be digits, tfds:NAME, folder:DIR or npz:FILE; received {self.dataset!r}; "
                f"for a folder of images pass --dataset=folder:DIR"
            )
        if self.data_dir and source != "tfds":
            raise ValueError(
                f"--data_dir must go with --dataset=tfds:NAME; received {self.data_dir!r} with "
                f"--dataset={self.dataset}; leave it out"
            )
        if self.discriminator_norm == "batch" and (self.gradient_penalty or self.r1):
            name = "gradient_penalty" if self.gradient_penalty else "r1"
            raise ValueError(
                f"--{name} must go with --discriminator_norm=spectral, layer or none, for with batch normalisation "
                f"an image's slope depends on its neighbours; received --{name}={getattr(self, name)} with batch; "
                f"change one of the two"
            )
        if self.loss == "wasserstein" and not self.gradient_penalty and self.discriminator_norm != "spectral":
            raise ValueError(
                f"--loss=wasserstein must bound D's slope; received --discriminator_norm={self.discriminator_norm} "
                f"without a penalty; pass --gradient_penalty=10 --discriminator_norm=layer, or spectral"
            )
        if self.label_smoothing and self.loss in ("hinge", "wasserstein"):
            raise ValueError(
                f"--label_smoothing must go with --loss=non_saturating or minimax, which have labels; received "
                f"--loss={self.loss}; leave it out"
            )
        check_items("augment", self.augment, AUGMENT)
        check_items("measure", self.measure, MEASURE)
        if self.best_by != "none" and (self.best_by not in self.measure or not self.measure_every):
            raise ValueError(
                f"--best_by must be none or one of --measure, with --measure_every above 0; received "
                f"{self.best_by!r}; add it to --measure or choose another"
            )
        if self.reuse_generated and self.generator_steps != 1:
            raise ValueError(
                f"--reuse_generated must go with --generator_steps=1, for there is one batch to reuse; "
                f"received --generator_steps={self.generator_steps}; drop one of the two"
            )


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How a z is searched for and its picture blended in: part of every command that completes images."""

    steps: int = setting(100, "search steps", minimum=1)
    solver: str = setting(
        "preconditioned",
        "what moves z: Adam along the generator's directions with falling steps, or plain Adam",
        choices=("preconditioned", "adam"),
    )
    learning_rate: float = setting(0.08, "the solver's step size", above=0)
    restarts: int = setting(1, "searches of each image, of which the best is kept", minimum=1)
    contextual: str = setting("l1", "distance on the known pixels", choices=("l1", "weighted_l1"))
    prior: str = setting(
        "auto",
        "log(1 - D), -log D or -logit; auto: the first, for a run with hinge or Wasserstein loss the last",
        choices=("auto", "saturating", "non_saturating", "critic"),
    )
    prior_weight: float = setting(0.1, "weight of the prior in the energy", minimum=0)
    latent_constraint: str = setting("clip", "what keeps z inside [-1, 1]", choices=("clip", "none"))
    start: str = setting(
        "best",
        "z to start from: the best of the encoder's and of --start_draws, any, or the encoder's",
        choices=("best", "random", "encoder"),
    )
    start_draws: int = setting(64, "z drawn for each image to choose the start from", minimum=1)
    blend: str = setting("paste", "how the hole joins the known pixels", choices=BLENDS)
    block_size: int = setting(8, "searches run together; rounding, and so the answer, depends on it", minimum=1)

    def __post_init__(self) -> None:
        validate(self)
        if self.start == "best" and self.start_draws < self.restarts:
            raise ValueError(
                f"--start_draws must be at least --restarts, for every restart takes one; received "
                f"{self.start_draws} and {self.restarts}; pass --start_draws={self.restarts} or more"
            )


@dataclasses.dataclass(frozen=True)
class CompleteConfig(SearchConfig):
    """What `complete` needs to know; everything about the networks comes from the run."""

    images: tuple[str, ...] = setting(
        (), "image files or folders; none: held-out images of the run's own data", positional=True
    )
    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    out_dir: str = setting("", "directory to write; empty: RUN/completions")
    count: int = setting(16, "held-out images to complete when no image is given", minimum=1)
    mask: str = setting("center", "a mask's name, a file (white = known), or a folder matched by file stem")
    invert_mask: bool = setting(False, "for mask files that draw the hole white")
    mask_scale: float | None = setting(
        None, "size of the hole: share of the side, or of the pixels; none: the mask's own", above=0, below=1
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


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(SearchConfig):
    """What `evaluate` needs to know; the search's settings are those of the methods `best...`."""

    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    compare: tuple[str, ...] = setting((), "further runs on the same data, whose searches stand beside")
    out_dir: str = setting("", "directory to write; empty: RUN/evaluation")
    count: int = setting(256, "held-out images", minimum=1)
    few: int = setting(64, "of these, how many the published searches complete: they take 1,000 steps", minimum=1)
    masks: tuple[str, ...] = setting(
        ("center", "left", "random", "pattern", "strokes"),
        "masks' names, or files or folders of them (white = known), of which each image takes one",
    )
    invert_mask: bool = setting(False, "for mask files that draw the hole white")
    methods: tuple[str, ...] = setting(
        (*OURS, "best_poisson", *PUBLISHED, *BASELINES, *LEARNT),
        "what completes them; MODULE:FUNCTION is a function (images, known) -> completions of your own",
    )
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random"), "distances between the completions and the originals as two sets"
    )
    seed: int = setting(0, "fixes the masks and the searches", minimum=0, below=2**31)
    overwrite: bool = setting(False, "replace what is in out_dir")

    def __post_init__(self) -> None:
        super().__post_init__()
        ours = [f"{method}_{blend}" for method in OURS for blend in BLENDS]
        check_items("methods", self.methods, (*OURS, *ours, *PUBLISHED, *BASELINES, *LEARNT), "MODULE:FUNCTION")
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


@dataclasses.dataclass(frozen=True)
class StoryConfig:
    """What `python -m tf_inpaint`, the whole story on the embedded digits, needs to know."""

    run_dir: str = setting("runs/story", "directory to write, or to continue")
    steps: int = setting(6000, "training steps", minimum=1)
    encoder_steps: int = setting(1500, "the encoder's training steps", minimum=0)
    count: int = setting(64, "held-out digits to complete", minimum=1)
    seed: int = setting(0, "fixes everything that is drawn", minimum=0, below=2**31)

    def __post_init__(self) -> None:
        validate(self)
