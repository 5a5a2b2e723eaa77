"""A run directory: what `train` writes and every other command reads.

config.json  config.flags     what was asked for
checkpoints/                  the last few states of the training, whole
metrics.csv  samples/  training.gif
"""

import logging
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_inpaint import images
from tf_inpaint.config import TrainConfig
from tf_inpaint.flags import differing, from_json, to_flags, to_json
from tf_inpaint.gan.model import GAN
from tf_inpaint.gan.networks import Discriminator, Generator

RUNS = Path("runs")
CONTINUABLE = {"run_dir", "steps", "sample_every", "checkpoint_every", "keep_checkpoints", "data_dir"}
"""Settings that may change when a run is continued: none of them changes a step."""

log = logging.getLogger("tf_inpaint")


class Run(NamedTuple):
    """A trained run: the networks to sample and complete with, in float32."""

    directory: Path
    config: TrainConfig
    generator: Generator
    discriminator: Discriminator
    step: int


def directory(config: TrainConfig) -> Path:
    """`run_dir`, or `runs/NAME` after the data set: `mnist` for `tfds:mnist`, `faces` for `folder:my/faces`."""
    if config.run_dir:
        return Path(config.run_dir)
    kind, _, name = config.dataset.partition(":")
    return RUNS / (Path(name).stem.replace(":", "-") or kind)


def create(config: TrainConfig) -> Path:
    """Makes the run directory, or checks that the one that is there was made with the same settings.

    Raises:
        ValueError: it is another run, or a folder with other things in it.
    """
    folder = directory(config)
    if (folder / "config.json").exists():
        fields = [name for name in differing(read_config(folder), config) if name not in CONTINUABLE]
        if fields:
            there = read_config(folder)
            changes = ", ".join(f"--{name} ({getattr(there, name)} there)" for name in fields)
            raise ValueError(
                f"A run is continued with the settings it was started with; {folder} differs in {changes}; "
                "give these values, or another --run_dir."
            )
    elif folder.exists() and (not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())):
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
        ema_decay=config.ema_decay,
        seed=config.seed,
    )
    gan.compile(config.learning_rate, config.beta_1, jit_compile=config.jit_compile)
    return gan


def networks(config: TrainConfig, dtype: str) -> tuple[Generator, Discriminator]:
    settings = {name: getattr(config, name) for name in ("image_size", "channels", "width", "latent_size")}
    return Generator(**settings, dtype=dtype), Discriminator(**settings, dtype=dtype)


def checkpoints(
    folder: Path, state: dict[str, list[tf.Variable]], keep: int | None = None
) -> tf.train.CheckpointManager:
    """The checkpoints of a run, of the parts of the training that `state` names (see `GAN.state`)."""
    return tf.train.CheckpointManager(tf.train.Checkpoint(**state), str(folder / "checkpoints"), max_to_keep=keep)


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


def load(folder: Path) -> Run:
    """The trained networks of a run: the averaged generator, and the discriminator.

    Raises:
        FileNotFoundError: no such run, or no readable checkpoint in it.
    """
    config = read_config(folder)
    generator, discriminator = networks(config, "float32")
    step = tf.Variable(0, dtype=tf.int64)
    parts = {"ema_generator": generator, "discriminator": discriminator}
    state = {name: [variable.value for variable in part.variables] for name, part in parts.items()}
    if not restore(checkpoints(folder, state | {"step": [step]})):
        raise FileNotFoundError(
            f"--run_dir must hold a checkpoint that can be read; {folder}/checkpoints has none; "
            "train on with the same --run_dir, or name another."
        )
    return Run(Path(folder), config, generator, discriminator, int(step))
