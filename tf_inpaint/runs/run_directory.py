"""A run directory: what `train` writes and every other command reads.

config.json  config.flags     what was asked for
checkpoints/                  the last few states of the training, whole
best/                         the networks of the best step, if asked for
encoder/STEP/                 the encoder for the generator of that step
metrics.csv  training.png  samples/  training.gif  events/
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_inpaint.config import TrainConfig
from tf_inpaint.config.flags import differing, from_json, to_flags, to_json
from tf_inpaint.files import images
from tf_inpaint.gan.encoder import Encoder, EncoderTraining
from tf_inpaint.gan.model import GAN
from tf_inpaint.gan.networks import Discriminator, Generator, folded

RUNS = Path("runs")
CONTINUABLE = {
    "run_dir",
    "steps",
    "sample_every",
    "checkpoint_every",
    "keep_checkpoints",
    "data_dir",
    "encoder_steps",
}
"""Settings that may change when a run is continued: none changes a step, or which one is the best."""

log = logging.getLogger("tf_inpaint")


class Run(NamedTuple):
    """A trained run: the networks to sample and complete with, in float32."""

    directory: Path
    config: TrainConfig
    generator: Generator
    discriminator: Discriminator
    step: int
    encoder: Encoder | None = None
    """None: not trained to its end, or with another generator than this one."""

    @property
    def identity(self) -> str:
        """Which networks these are, in words: jobs go on only with the networks that they began with.

        The encoder is named too, for it may come later than its GAN.
        """
        steps = self.config.encoder_steps
        return f"step {self.step}, {f'encoder of {steps} steps' if self.encoder else 'no encoder'}"


def directory(config: TrainConfig) -> Path:
    """`run_dir`, or `runs/NAME` after the data set: `mnist` for `tfds:mnist`, `faces` for `folder:my/faces`."""
    if config.run_dir:
        return Path(config.run_dir)
    kind, _, name = config.dataset.partition(":")
    return RUNS / (Path(name).stem.replace(":", "-") or kind)


@contextlib.contextmanager
def created(config: TrainConfig, strategy: tf.distribute.Strategy) -> Iterator[Path]:
    """The folder to write a run to: the run directory, and on all workers but the chief one that is thrown away.

    All workers must take part in what the chief does: reading a variable may ask them all.
    """
    resolver = strategy.cluster_resolver
    if resolver:  # worker 0 is the chief where `TF_CONFIG` names none
        chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    if resolver is None or (resolver.task_type or chief, resolver.task_id or 0) == (chief, 0):
        yield create(config)
    else:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "samples").mkdir()
            yield Path(folder)


def create(config: TrainConfig) -> Path:
    """Makes the run directory, or checks that the one that is there was made with the same settings.

    Raises:
        ValueError: it is another run, or a folder with other things in it.
    """
    folder = directory(config)
    if (folder / "config.json").exists():
        fixed = {"steps"} if config.learning_rate_schedule != "constant" else set()
        fields = [
            name
            for name in differing(read_config(folder), config)
            if name not in CONTINUABLE - fixed
        ]
        if fields:
            there = read_config(folder)
            changes = ", ".join(f"--{name} ({getattr(there, name)} there)" for name in fields)
            raise ValueError(
                f"A run is continued with the settings it was started with; {folder} differs in {changes}; "
                "give these values, or another --run_dir."
            )
    elif folder.exists() and (
        not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())
    ):
        raise ValueError(
            f"--run_dir must be a new or empty folder, or a run to continue; {folder} holds something else; "
            "choose another."
        )
    # config.json first and whole: a folder that holds anything else but no config.json is no run.
    texts = {"config.json": to_json(config), "config.flags": to_flags(config)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with images.atomic(folder / name) as path:
            path.write_text(text)
    (folder / "samples").mkdir(exist_ok=True)
    return folder


def read_config(folder: Path) -> TrainConfig:
    """The settings that a run was started with.

    Raises:
        FileNotFoundError: the folder is no run directory.
        ValueError: its `config.json` is damaged.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"--run_dir must be a folder that `python -m tf_inpaint.train` wrote; {folder} has no config.json; "
            "train first or name another."
        )
    return from_json(TrainConfig, path.read_text())


def newest() -> Path:
    """The run under `runs/` that was written to last."""
    found = sorted(RUNS.glob("*/checkpoints"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(
            "--run_dir must name a run, and there is none under runs/; train one first: python -m tf_inpaint.train"
        )
    return found[-1].parent


def strategy(config: TrainConfig) -> tf.distribute.Strategy:
    """Where the training runs: one device, all GPUs (else CPUs) of this machine, or the machines in `TF_CONFIG`.

    To be called before anything else of TensorFlow is used.

    Raises:
        ValueError: `TF_CONFIG` is missing or malformed, or the replicas cannot share a batch evenly.
    """
    if config.strategy == "multi_worker":
        text = os.environ.get("TF_CONFIG")
        try:
            given = json.loads(text or "{}")
            tf.train.ClusterSpec(given["cluster"]).task_address(
                given["task"]["type"], int(given["task"]["index"])
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(
                "--strategy=multi_worker must find all workers' addresses, and which one is this machine's, in "
                f"TF_CONFIG; it is {text or 'not set'}; set it on each machine, as in "
                """{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}, or pass """
                "--strategy=mirrored."
            ) from error
        result = tf.distribute.MultiWorkerMirroredStrategy()
    elif config.strategy == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        result = tf.distribute.MirroredStrategy([device.name for device in devices])
    else:
        return tf.distribute.get_strategy()
    replicas = result.num_replicas_in_sync
    if config.batch_size % replicas:
        raise ValueError(
            f"--batch_size must be a multiple of the replicas; received {config.batch_size} for {replicas}; "
            f"pass {-(-config.batch_size // replicas) * replicas}."
        )
    return result


def new_gan(config: TrainConfig) -> GAN:
    """The untrained, compiled GAN that the settings ask for: the same for one seed."""
    keras.utils.set_random_seed(config.seed)
    gan = GAN(
        *networks(config, config.mixed_precision),
        loss=config.loss,
        discriminator_steps=config.discriminator_steps,
        generator_steps=config.generator_steps,
        reuse_generated=config.reuse_generated,
        label_smoothing=config.label_smoothing,
        gradient_penalty=config.gradient_penalty,
        r1=config.r1,
        feature_matching=config.feature_matching,
        augment=config.augment,
        ema_decay=config.ema_decay,
        seed=config.seed,
    )
    gan.compile(
        learning_rate(config, config.learning_rate, config.generator_steps),
        config.beta_1,
        config.beta_2,
        learning_rate(
            config,
            config.discriminator_learning_rate or config.learning_rate,
            config.discriminator_steps,
        ),
        jit_compile=config.jit_compile,
    )
    return gan


def learning_rate(config: TrainConfig, start: float, updates: int):
    """The step size over a network's own updates, of which a training step makes `updates`."""
    if config.learning_rate_schedule == "linear":
        return keras.optimizers.schedules.PolynomialDecay(start, config.steps * updates, 0.0)
    if config.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(start, config.steps * updates)
    return start


def networks(config: TrainConfig, dtype: str) -> tuple[Generator, Discriminator]:
    names = ("image_size", "channels", "width", "latent_size", "architecture")
    settings = {name: getattr(config, name) for name in names}
    settings |= {"synchronized": config.synchronized_batch_norm, "dtype": dtype}
    return Generator(**settings), Discriminator(normalization=config.discriminator_norm, **settings)


def checkpoints(
    folder: Path, state: dict[str, list[tf.Variable]], keep: int | None = None
) -> tf.train.CheckpointManager:
    """The checkpoints of a run, of the parts of the training that `state` names (see `GAN.state`)."""
    return tf.train.CheckpointManager(
        tf.train.Checkpoint(**state), str(folder / "checkpoints"), max_to_keep=keep
    )


def best(folder: Path, state: dict[str, list[tf.Variable]]) -> tf.train.CheckpointManager:
    """The one checkpoint that `--best_by` keeps: what `load` needs."""
    parts = {name: state[name] for name in ("ema_generator", "discriminator", "step")}
    return tf.train.CheckpointManager(
        tf.train.Checkpoint(**parts), str(folder / "best"), max_to_keep=1
    )


def encoder_training(run: Run) -> tuple[EncoderTraining, tf.train.CheckpointManager]:
    """The training of an encoder for the run's generator, from where it was left, and its checkpoints."""
    keras.utils.set_random_seed(run.config.seed)
    training = EncoderTraining(
        encoder(run.config), folded(run.generator), run.config.encoder_steps, seed=run.config.seed
    )
    manager = encoder_checkpoints(run, training.state)
    restore(manager)
    return training, manager


def encoder_checkpoints(
    run: Run, state: dict[str, list[tf.Variable]]
) -> tf.train.CheckpointManager:
    """In a folder for each generator: after more steps of the GAN there is another."""
    folder = run.directory / "encoder" / str(run.step)
    return tf.train.CheckpointManager(tf.train.Checkpoint(**state), str(folder), max_to_keep=1)


def encoder(config: TrainConfig) -> Encoder:
    return Encoder(config.image_size, config.channels, latent_size=config.latent_size)


def restore(manager: tf.train.CheckpointManager) -> bool:
    """Restores the newest checkpoint that can be read; True when there was one.

    A damaged one, say after the disk was full, is passed over with a warning: TensorFlow keeps a checksum of
    every tensor.
    """
    for path in reversed(manager.checkpoints):
        try:
            status = manager.checkpoint.restore(path)
            status.assert_existing_objects_matched()
            status.expect_partial()
            return True
        except Exception as error:  # a truncated file raises IndexError, others others
            reason = (str(error) or type(error).__name__).splitlines()[0]
            log.warning("Checkpoint %s cannot be read (%s); trying the one before.", path, reason)
    return False


def load(folder: str | os.PathLike) -> Run:
    """The trained networks of a run: the averaged generator, the discriminator, and the encoder if there is one.

    They are of the step that `--best_by` chose, else of the last one.

    Raises:
        FileNotFoundError: no such run, or no readable checkpoint in it.
    """
    folder = Path(folder)
    config = read_config(folder)
    generator, discriminator = networks(config, "float32")
    step = tf.Variable(0, dtype=tf.int64)
    parts = {"ema_generator": generator, "discriminator": discriminator}
    state = {name: [variable.value for variable in part.variables] for name, part in parts.items()}
    state["step"] = [step]
    chosen = config.best_by != "none" and restore(best(folder, state))
    if not chosen and not restore(checkpoints(folder, state)):
        raise FileNotFoundError(
            f"--run_dir must hold a checkpoint that can be read; {folder}/checkpoints has none; "
            "train on with the same --run_dir, or name another."
        )
    run = Run(folder, config, generator, discriminator, int(step))
    trained = encoder(config)
    manager = encoder_checkpoints(
        run, {"encoder": [variable.value for variable in trained.variables]}
    )
    done = int((manager.latest_checkpoint or "-0").rpartition("-")[2])
    if 0 < config.encoder_steps <= done and restore(manager):
        return run._replace(encoder=trained)
    return run
