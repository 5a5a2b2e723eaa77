"""A run directory, which `train` writes and every other command reads.

config.json  config.flags     the settings
data.json                     the number of training images
checkpoints/                  the complete state of the training at the last steps
best/                         the networks of the best step, with --best_by
encoder/STEP/                 the encoder for the generator of that step
mean_estimate/STEP.npz        what --estimate=mean needs
metrics.csv  training.png  samples/  training.gif  events/
"""

import contextlib
import logging
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_inpaint.config import TrainConfig
from tf_inpaint.config.flags import differing, from_json, to_flags, to_json
from tf_inpaint.files import folders, images
from tf_inpaint.files.folder_lock import locked
from tf_inpaint.files.literal_paths import literal_path
from tf_inpaint.files.paths import local_path, to_path
from tf_inpaint.gan.encoder import Encoder, EncoderTraining
from tf_inpaint.gan.networks import Discriminator, Generator, fold_normalization
from tf_inpaint.runs import from_config, packaged_run
from tf_inpaint.runs.checkpoint_folder import CheckpointFolder, last_step, restore
from tf_inpaint.runs.worker_cluster import lost_worker_named

RUNS = Path("runs")
"""The folder of all runs."""

CHANGEABLE_SETTINGS = {
    "run_dir",
    "steps",
    "sample_every",
    "checkpoint_every",
    "keep_checkpoints",
    "data_dir",
    "encoder_steps",
    "mean_images",
    "cache_gigabytes",
    "jit_compile",
}
"""Settings that may change when a run continues. They change neither the images and random numbers
of a step nor its rank; XLA changes rounding, as another machine does."""

LEARNING_RATES = {"learning_rate", "discriminator_learning_rate"}
"""Settings that may change when a run continues, so that a training that failed can be saved."""

log = logging.getLogger("tf_inpaint")


class Run(NamedTuple):
    """A trained run with its networks, in float32."""

    directory: Path
    config: TrainConfig
    generator: Generator
    discriminator: Discriminator
    step: int
    encoder: Encoder | None = None
    """The encoder.

    None: its training did not end, or it belongs to the generator of another step.
    """

    @property
    def mean_estimate_file(self) -> Path:
        """The file of the mean estimate, which belongs to the generator of one step."""
        return packaged_run.resolve(self.directory) / "mean_estimate" / f"{self.step}.npz"

    @property
    def identity(self) -> str:
        """The step, the encoder and the mean estimate of these networks, in words.

        A job goes on only with the networks that it began with. An encoder and a mean estimate may
        be made later than their GAN.
        """
        steps, file = self.config.encoder_steps, self.mean_estimate_file
        encoder = f"encoder of {steps} steps" if self.encoder else "no encoder"
        estimate = "no mean estimate"
        if file.exists():
            estimate = f"mean estimate {zlib.crc32(file.read_bytes()):08x}"
        return f"step {self.step}, {encoder}, {estimate}"


def directory(config: TrainConfig) -> Path:
    """`run_dir`, or `runs/NAME` with the name of the data set.

    The name is `mnist` for `tfds:mnist` and `faces` for `folder:my/faces`.

    Raises:
        ValueError: `run_dir` is a URL, where TensorFlow cannot lock and rename files.
    """
    if config.run_dir:
        return local_path("run_dir", config.run_dir)
    kind, _, name = config.dataset.partition(":")
    return RUNS / (Path(name).stem.replace(":", "-") or kind)


@contextlib.contextmanager
def created(config: TrainConfig, strategy: tf.distribute.Strategy) -> Iterator[Path]:
    """The folder to write to: the run directory on the chief, a temporary folder on other workers.

    Every worker must do what the chief does, for reading a variable may involve all workers. Only
    the chief locks the run directory.

    Raises:
        ValueError: the run directory cannot be used (see `create`), another training writes it, or
            another worker is lost.
    """
    resolver = strategy.cluster_resolver
    if resolver:  # worker 0 is the chief where `TF_CONFIG` names none
        chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    if resolver is None or (resolver.task_type or chief, resolver.task_id or 0) == (chief, 0):
        with locked(directory(config)), lost_worker_named():
            yield create(config)
    else:
        with tempfile.TemporaryDirectory() as folder, lost_worker_named():
            (Path(folder) / "samples").mkdir()
            yield Path(folder)


def create(config: TrainConfig) -> Path:
    """Makes the run directory, or checks that the existing one has the same settings.

    Raises:
        ValueError: the folder holds another run, or something else.
    """
    folder = directory(config)
    if (folder / "config.json").exists():
        existing = read_config(folder)
        changeable = CHANGEABLE_SETTINGS | LEARNING_RATES
        if config.learning_rate_schedule != "constant":
            changeable = CHANGEABLE_SETTINGS - {"steps"}
        changed = differing(existing, config)
        if "dataset" in changed and has_moved(existing, config):
            changeable = changeable | {"dataset"}
        for name in sorted(LEARNING_RATES.intersection(changed) & changeable):
            old, new = getattr(existing, name), getattr(config, name)
            log.info("%s goes on with --%s=%s; until now it was %s.", folder, name, new, old)
        fields = [name for name in changed if name not in changeable]
        if fields:
            changes = ", ".join(f"--{name} ({getattr(existing, name)} there)" for name in fields)
            raise ValueError(
                f"A run must continue with the settings that it began with; {folder} differs in "
                f"{changes}; pass these values, or another --run_dir."
            )
        if "dataset" in changed:
            log.warning(
                "%s goes on with the images in %s, for nothing is left at %s. They must be the "
                "same images with the same names below that place.",
                folder,
                config.dataset,
                existing.dataset,
            )
    elif folder.exists() and (
        not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())
    ):
        raise ValueError(
            f"--run_dir must be a new or empty folder, or a run to continue; {folder} holds "
            "something else; choose another."
        )
    # config.json comes first, and whole: a folder with other files but without it is no run.
    texts = {"config.json": to_json(config), "config.flags": to_flags(config)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with images.atomic(folder / name) as path:
            path.write_text(text)
    (folder / "samples").mkdir(exist_ok=True)
    return folder


def has_moved(existing: TrainConfig, config: TrainConfig) -> bool:
    """Whether the images of a run may be those at another place: the old place is gone.

    If something is left at the old place, somebody may have named a wrong run.
    """
    kind, _, place = existing.dataset.partition(":")
    same_kind = config.dataset.startswith(f"{kind}:")
    return same_kind and kind in ("folder", "npz") and not os.path.lexists(place)


def record_size(folder: Path, size: int) -> None:
    """Records the number of training images, and warns if the training began with another one."""
    path = folder / "data.json"
    old = (folders.read_object(path) or {}).get("training_images", size)
    if old != size:
        log.warning(
            "%s was trained on %s images, and goes on with %d. The images come in another order "
            "than before.",
            folder,
            old,
            size,
        )
    folders.write_json(path, {"training_images": size})


def read_config(folder: Any) -> TrainConfig:
    """The settings of a run. `digits` is also the name of a run of the package.

    Args:
        folder: path or URL.

    Raises:
        FileNotFoundError: the folder is no run directory.
        ValueError: the `config.json` of the run is damaged.
    """
    path = packaged_run.resolve(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"--run_dir must be a folder that `python -m tf_inpaint.train` wrote; {folder} has no "
            "config.json; "
            "train first or name another."
        )
    try:
        return from_json(TrainConfig, path.read_bytes())
    except ValueError as error:
        text = str(error)  # which holds the wrong value, of any length
        text = text if len(text) < 400 else f"{text[:200]} ... {text[-100:]}"
        raise ValueError(f"{path}: {text}") from None
    except RecursionError:  # nested almost too deep to be read, and too deep for the error's text
        raise ValueError(f"{path} must be the settings of a run; it is not; restore it.") from None


def newest() -> Path:
    """The newest run under `runs/`.

    Raises:
        FileNotFoundError: there is no run.
    """
    folders = sorted(RUNS.glob("*/checkpoints"), key=lambda path: path.stat().st_mtime)
    if not folders:
        raise FileNotFoundError(
            "--run_dir must name a run, and there is none under runs/; train one first: "
            f"python -m tf_inpaint.train, or pass --run_dir={packaged_run.NAME}."
        )
    return folders[-1].parent


def checkpoints(
    folder: Path, state: dict[str, list[tf.Variable]], keep: int | None = None
) -> CheckpointFolder:
    """The checkpoints of a run, with the parts of the training in `state` (see `GAN.state`)."""
    return CheckpointFolder(literal_path(folder) / "checkpoints", state, keep)


def best(folder: Path, state: dict[str, list[tf.Variable]]) -> CheckpointFolder:
    """The checkpoint that `--best_by` keeps, with the parts that `load` needs."""
    parts = {name: state[name] for name in ("ema_generator", "discriminator", "step")}
    return CheckpointFolder(literal_path(folder) / "best", parts, 1)


def encoder_training(run: Run) -> tuple[EncoderTraining, CheckpointFolder]:
    """The training of an encoder for the generator of a run, and its checkpoints.

    The training is restored from its newest checkpoint.
    """
    keras.utils.set_random_seed(run.config.seed)
    training = EncoderTraining(
        from_config.new_encoder(run.config),
        fold_normalization(run.generator),
        run.config.encoder_steps,
        seed=run.config.seed,
        jit_compile=from_config.compiles_steps(run.config),
    )
    manager = encoder_checkpoints(run, training.state)
    restore(manager)
    return training, manager


def encoder_checkpoints(run: Run, state: dict[str, list[tf.Variable]]) -> CheckpointFolder:
    """The checkpoints of an encoder, in a folder for each step of the GAN."""
    return CheckpointFolder(literal_path(run.directory) / "encoder" / f"{run.step}", state, 1)


def load(folder: Any) -> Run:
    """The trained networks of a run: averaged generator, discriminator and perhaps encoder.

    They are those of the step that `--best_by` chose, or of the last step.

    Args:
        folder: path or URL.

    Raises:
        FileNotFoundError: there is no run, or the run has no readable checkpoint.
        ValueError: the settings are damaged, or they do not fit the checkpoint.
    """
    folder = to_path(folder)
    config = read_config(folder)
    generator, discriminator = from_config.networks(config, "float32")
    if packaged_run.resolve(folder) == packaged_run.FOLDER:
        run = Run(folder, config, generator, discriminator, 0, from_config.new_encoder(config))
        return run._replace(step=packaged_run.restore(packaged_run.FOLDER, run))
    step = tf.Variable(0, dtype=tf.int64)
    parts = {"ema_generator": generator, "discriminator": discriminator}
    state = {name: [variable.value for variable in part.variables] for name, part in parts.items()}
    state["step"] = [step]
    has_best = config.best_by != "none" and restore(best(folder, state))
    if not has_best and not restore(checkpoints(folder, state)):
        raise FileNotFoundError(
            f"--run_dir must hold a checkpoint that can be read; {folder}/checkpoints has none; "
            "train on with the same --run_dir, or name another."
        )
    run = Run(folder, config, generator, discriminator, int(step))
    encoder = from_config.new_encoder(config)
    manager = encoder_checkpoints(
        run, {"encoder": [variable.value for variable in encoder.variables]}
    )
    encoder_steps = last_step(manager)
    if 0 < config.encoder_steps <= encoder_steps and restore(manager):
        return run._replace(encoder=encoder)
    return run
