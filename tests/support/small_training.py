"""A training of a few seconds, and the train command in the process of a test."""

import pytest
import tensorflow as tf

from tf_inpaint import train
from tf_inpaint.config import TrainConfig, launch

# Logging periods do not end at checkpoints. At the last step, neither a row nor a checkpoint is
# due.
CONFIG = TrainConfig(
    width=2,
    latent_size=5,
    batch_size=4,
    steps=305,
    log_every=7,
    sample_every=75,
    checkpoint_every=30,
    measure=("frechet_random", "sliced_wasserstein"),
    measure_every=80,
    measure_images=4,
    best_by="sliced_wasserstein",
    encoder_steps=4,
    mean_images=0,
    deterministic=True,
)


def train_exit(capsys, *argv):
    """Runs the command with flags; returns the exit code and the lines on stderr."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_log_plainly", "import_tensorflow"):
            patch.setattr(launch, name, lambda: None)
        # Determinism would stay enabled in all later tests.
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
        with pytest.raises(SystemExit) as exit_:
            launch.launch(TrainConfig, train.run, "Usage.", argv)
    return exit_.value.code, capsys.readouterr().err.splitlines()


def file_contents(folder):
    """The bytes of all files below a folder, by path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
