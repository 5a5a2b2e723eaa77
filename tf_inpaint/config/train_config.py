"""Settings of `train`."""

import dataclasses

from tf_inpaint.config.flags import check_items, setting, validate

AUGMENT = ("color", "translation", "cutout")
MEASURE = (
    "sliced_wasserstein",
    "frechet_random",
    "kernel_random",
    "frechet_inception",
    "kernel_inception",
)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What `train` needs to know; a run directory keeps it as `config.json` and `config.flags`."""

    run_dir: str = setting(
        "", "directory to write, or to continue; empty: runs/NAME after the data set"
    )
    dataset: str = setting("digits", "training images: digits, tfds:NAME, folder:DIR or npz:FILE")
    data_dir: str = setting("", "where TensorFlow Datasets keeps its files; empty: its own default")
    train_images: int = setting(
        0, "learn from so many images only, spread over the data; 0: all", minimum=0
    )
    crop: int = setting(
        0, "side of the centre crop made before resizing; 0: the shorter side", minimum=0
    )
    image_size: int = setting(
        28, "side of the images learnt, in pixels", choices=(16, 28, 32, 64, 128)
    )
    channels: int = setting(1, "1 for gray, 3 for colour", choices=(1, 3))
    width: int = setting(
        32, "channels of the layer next to the image; deeper ones have multiples", minimum=1
    )
    latent_size: int = setting(100, "entries of z", minimum=1)
    architecture: str = setting(
        "dcgan", "what both networks are built of", choices=("dcgan", "resnet")
    )
    discriminator_norm: str = setting(
        "batch", "normalisation in D", choices=("batch", "spectral", "layer", "none")
    )
    loss: str = setting(
        "non_saturating",
        "of both networks",
        choices=("non_saturating", "minimax", "hinge", "wasserstein"),
    )
    gradient_penalty: float = setting(
        0.0, "weight of the penalty on a slope of D other than 1", minimum=0
    )
    r1: float = setting(0.0, "weight of the penalty on D's slope at real images", minimum=0)
    feature_matching: float = setting(
        0.0, "weight of matching D's mean features, in G's loss", minimum=0
    )
    augment: tuple[str, ...] = setting(
        (), "changes made to all that D sees, for small data sets: any of color,translation,cutout"
    )
    steps: int = setting(4250, "training steps in all", minimum=1)
    batch_size: int = setting(64, "images in a step; batch normalisation needs two", minimum=2)
    learning_rate: float = setting(2e-4, "Adam's step size", above=0)
    discriminator_learning_rate: float | None = setting(None, "D's own, if not the same", above=0)
    learning_rate_schedule: str = setting(
        "constant",
        "how step sizes fall to 0 at the last step",
        choices=("constant", "linear", "cosine"),
    )
    beta_1: float = setting(0.5, "Adam's decay of the mean gradient", minimum=0, below=1)
    beta_2: float = setting(0.999, "Adam's decay of the mean squared gradient", minimum=0, below=1)
    discriminator_steps: int = setting(1, "discriminator updates in a step", minimum=1)
    generator_steps: int = setting(1, "generator updates in a step", minimum=1)
    reuse_generated: bool = setting(
        False, "both updates see one generated batch: faster, but no fresh z for G"
    )
    label_smoothing: float = setting(
        0.0, "real images' target is 1 minus this", minimum=0, below=0.5
    )
    ema_decay: float = setting(
        0.999, "decay of the averaged generator, the one used", minimum=0, below=1
    )
    mixed_precision: str = setting(
        "float32",
        "number format of the layers",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    strategy: str = setting(
        "none",
        "none: one device; mirrored: all of this machine; multi_worker: the machines in TF_CONFIG",
        choices=("none", "mirrored", "multi_worker"),
    )
    synchronized_batch_norm: bool = setting(
        False, "batch statistics over all replicas, not each one's own"
    )
    jit_compile: bool = setting(
        False, "compile the step with XLA, which draws other random numbers; slower on a CPU"
    )
    log_every: int = setting(50, "steps between rows of metrics.csv", minimum=1)
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random", "kernel_random"),
        "distances of generated to held-out images, in metrics.csv; also frechet_inception, kernel_inception",
    )
    measure_every: int = setting(
        1000, "steps between these measurements, each in the next row; 0: never", minimum=0
    )
    measure_images: int = setting(1000, "images in them", minimum=2)
    best_by: str = setting(
        "none", "one of --measure: the networks of its lowest value are kept and used"
    )
    sample_every: int = setting(250, "steps between sample grids", minimum=1)
    checkpoint_every: int = setting(500, "steps between checkpoints", minimum=1)
    keep_checkpoints: int = setting(3, "how many of the newest checkpoints to keep", minimum=1)
    seed: int = setting(0, "fixes the weights, z and the data order", minimum=0, below=2**31)
    encoder_steps: int = setting(
        2000, "then train an encoder, from which searches start; 0: none", minimum=0
    )
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
        if (
            self.loss == "wasserstein"
            and not self.gradient_penalty
            and self.discriminator_norm != "spectral"
        ):
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
