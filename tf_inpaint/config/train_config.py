"""Settings of `train`."""

import dataclasses

from tf_inpaint.config.loss_contradictions import check_losses
from tf_inpaint.settings.fields import SWITCH, check_items, setting, validate

AUGMENT = ("color", "translation", "cutout")
"""Names of the augmentations, see `gan.augment`."""

MEASURE = (
    "sliced_wasserstein",
    "frechet_random",
    "kernel_random",
    "frechet_inception",
    "kernel_inception",
)
"""Names of the distances between two sets of images, see `metrics.distances`."""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of `train`. A run directory keeps them as `config.json` and `config.flags`."""

    run_dir: str = setting(
        "",
        "directory to write, or to continue; empty: runs/NAME with the name of the data set",
        path=True,
    )
    dataset: str = setting(
        "digits", "training images: digits, tfds:NAME, folder:DIR or npz:FILE", path=True
    )
    data_dir: str = setting(
        "", "folder of TensorFlow Datasets; empty: its default folder", path=True
    )
    train_images: int = setting(
        0,
        "maximum number of training images, spread over the data set; 0: all",
        minimum=0,
        maximum=10**9,
    )
    crop: int = setting(
        0,
        "side of the center crop before resizing, in pixels; 0: the shorter side",
        minimum=0,
        maximum=10**6,
    )
    image_size: int = setting(
        28, "side of the images that the networks see, in pixels", choices=(16, 28, 32, 64, 128)
    )
    channels: int = setting(1, "1 for gray, 3 for color", choices=(1, 3))
    width: int = setting(
        32,
        "channels of the layer next to the image; deeper layers have multiples of it",
        minimum=1,
        maximum=1024,
    )
    latent_size: int = setting(100, "number of entries of z", minimum=1, maximum=2**16)
    architecture: str = setting(
        "dcgan", "architecture of both networks", choices=("dcgan", "resnet")
    )
    discriminator_norm: str = setting(
        "batch", "normalization in D", choices=("batch", "spectral", "layer", "none")
    )
    loss: str = setting(
        "non_saturating",
        "loss of both networks",
        choices=("non_saturating", "minimax", "hinge", "wasserstein"),
    )
    gradient_penalty: float = setting(
        0.0, "weight of the penalty on slopes of D other than 1", minimum=0, maximum=10**6
    )
    r1: float = setting(
        0.0, "weight of the penalty on the slope of D at real images", minimum=0, maximum=10**6
    )
    feature_matching: float = setting(
        0.0, "weight of feature matching in the loss of G", minimum=0, maximum=10**6
    )
    augment: tuple[str, ...] = setting(
        (),
        "augmentations of all images that D sees, for small data sets: any of "
        "color,translation,cutout",
    )
    steps: int = setting(4250, "number of training steps", minimum=1, maximum=10**9)
    batch_size: int = setting(
        64, "number of images in a batch; batch normalization needs two", minimum=2, maximum=2**16
    )
    learning_rate: float = setting(2e-4, "step size of Adam", above=0, maximum=100)
    discriminator_learning_rate: float | None = setting(
        None, "step size of D; none: --learning_rate", above=0, maximum=100
    )
    learning_rate_schedule: str = setting(
        "constant",
        "how the step sizes change; linear and cosine fall to 0 at the last step",
        choices=("constant", "linear", "cosine"),
    )
    beta_1: float = setting(0.5, "decay of Adam's mean gradient", minimum=0, below=1)
    beta_2: float = setting(0.999, "decay of Adam's mean squared gradient", minimum=0, below=1)
    discriminator_steps: int = setting(
        1, "number of updates of D in a step", minimum=1, maximum=1000
    )
    generator_steps: int = setting(1, "number of updates of G in a step", minimum=1, maximum=1000)
    reuse_generated: bool = setting(
        False, "use one generated batch for both updates: faster, but G sees no new z"
    )
    label_smoothing: float = setting(
        0.0, "D's target for real images is 1 minus this", minimum=0, below=0.5
    )
    ema_decay: float = setting(
        0.999,
        "decay of the moving average of G, which is the generator that is used",
        minimum=0,
        below=1,
    )
    mixed_precision: str = setting(
        "float32",
        "number format of the layers",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    strategy: str = setting(
        "none",
        "devices to train on; none: one device; mirrored: all devices of this machine; "
        "multi_worker: the machines in TF_CONFIG",
        choices=("none", "mirrored", "multi_worker"),
    )
    synchronized_batch_norm: bool = setting(False, "take the batch statistics over all replicas")
    jit_compile: str = setting(
        "auto",
        "compile the steps with XLA; auto: on one GPU; not with --strategy or --deterministic",
        choices=SWITCH,
    )
    cache_gigabytes: float = setting(
        4.0,
        "maximum size of the decoded training images, in gigabytes, to keep on the device; larger "
        "sets are read from memory or from files in each step; without --strategy",
        minimum=0,
        maximum=10**6,
    )
    log_every: int = setting(
        50, "number of steps between rows of metrics.csv", minimum=1, maximum=10**9
    )
    measure: tuple[str, ...] = setting(
        ("sliced_wasserstein", "frechet_random", "kernel_random"),
        "distances between generated and held-out images, in metrics.csv; also frechet_inception, "
        "kernel_inception",
    )
    measure_every: int = setting(
        1000, "number of steps between these measurements; 0: never", minimum=0, maximum=10**9
    )
    measure_images: int = setting(
        1000, "number of images in a measurement", minimum=2, maximum=10**6
    )
    best_by: str = setting(
        "none", "one of --measure: keep and use the networks with its lowest value"
    )
    sample_every: int = setting(
        250, "number of steps between sample grids", minimum=1, maximum=10**9
    )
    checkpoint_every: int = setting(
        500, "number of steps between checkpoints", minimum=1, maximum=10**9
    )
    keep_checkpoints: int = setting(3, "number of checkpoints to keep", minimum=1, maximum=10**6)
    seed: int = setting(
        0, "seed of all random numbers: weights, z and data order", minimum=0, below=2**31
    )
    encoder_steps: int = setting(
        2000,
        "number of training steps of the encoder, whose z a search starts from; 0: no encoder",
        minimum=0,
        maximum=10**9,
    )
    mean_images: int = setting(
        512, "number of images to fit --estimate=mean to; 0: none", minimum=0, maximum=10**6
    )
    deterministic: bool = setting(False, "make runs on one machine bit-identical; slower")

    def __post_init__(self) -> None:
        validate(self)
        # Data.
        source, _, place = self.dataset.partition(":")
        if self.dataset != "digits" and (source not in ("tfds", "folder", "npz") or not place):
            raise ValueError(
                "--dataset must be digits, tfds:NAME, folder:DIR or npz:FILE; "
                f"received {self.dataset!r}; for a folder of images pass --dataset=folder:DIR."
            )
        if self.data_dir and source != "tfds":
            raise ValueError(
                f"--data_dir must go with --dataset=tfds:NAME; received {self.data_dir!r} with "
                f"--dataset={self.dataset}; leave it out."
            )
        check_losses(self)
        # Lists, and settings that need others.
        if self.jit_compile == "true" and self.strategy != "none":
            raise ValueError(
                "--jit_compile=true must go with --strategy=none, for several devices exchange "
                f"gradients within a step; received --strategy={self.strategy}; leave one out."
            )
        if self.jit_compile == "true" and self.deterministic:
            raise ValueError(
                "--jit_compile=true must go without --deterministic, for the deterministic kernels "
                "are not those of XLA; received --deterministic; leave one out."
            )
        check_items("augment", self.augment, AUGMENT)
        check_items("measure", self.measure, MEASURE)
        if self.best_by != "none" and (self.best_by not in self.measure or not self.measure_every):
            raise ValueError(
                "--best_by must be none or one of --measure, with --measure_every above 0; "
                f"received {self.best_by!r}; add it to --measure or choose another."
            )
        if self.reuse_generated and self.generator_steps != 1:
            raise ValueError(
                "--reuse_generated must go with --generator_steps=1, for there is one batch to "
                f"reuse; received --generator_steps={self.generator_steps}; drop one of the two."
            )
