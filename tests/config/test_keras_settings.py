"""The settings of Keras that a user changed do not change what a command computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sentences import assert_one_sentence

ROOT = Path(__file__).parents[2]
# Prints the settings that a command has, and an image of a network.
PROGRAM = """
from tf_inpaint.config import StoryConfig
from tf_inpaint.config.launch import launch

def run(config):
    import keras
    import tensorflow as tf
    from tf_inpaint.gan.networks import Generator
    keras.utils.set_random_seed(1)
    generator = Generator(16, 1, width=2, latent_size=3)
    print(keras.config.epsilon(), keras.config.max_steps_per_epoch(), keras.config.backend())
    print(generator(tf.constant([[0.1, 0.2, 0.3]])).numpy().tobytes().hex())

launch(StoryConfig, run, "Usage.", [])
"""
LIBRARY = """
import tf_inpaint

tf_inpaint.Generator(16, 1)
"""


def run_python(program, home, content, **variables):
    """Runs a program with this content of keras.json."""
    home.mkdir()
    if content is not None:
        (home / "keras.json").write_text(json.dumps(content))
    environment = os.environ | {"KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_commands_have_the_default_settings(tmp_path):
    default = run_python(PROGRAM, tmp_path / "default", None)
    assert default.returncode == 0 and default.stdout.startswith("1e-07 None tensorflow\n")
    settings = {
        "floatx": "float64",
        "epsilon": 0.5,
        "backend": "jax",
        "image_data_format": "channels_first",
        "nnx_enabled": True,
    }
    changed = run_python(
        PROGRAM, tmp_path / "changed", settings, KERAS_MAX_STEPS_PER_EPOCH="2", KERAS_MAX_EPOCHS="1"
    )
    assert changed.stdout == default.stdout, changed.stderr


def test_damaged_settings_are_refused(tmp_path):
    done = run_python(PROGRAM, tmp_path / "home", ["no object"])
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert_one_sentence(done.stderr.strip(), [f"{tmp_path}/home/keras.json", "remove the file"])


@pytest.mark.parametrize(
    "settings", [{"image_data_format": "channels_first"}, {"floatx": "float16"}]
)
def test_library_refuses_other_settings(settings, tmp_path):
    done = run_python(LIBRARY, tmp_path / "home", settings, KERAS_BACKEND="tensorflow")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert_one_sentence(error, ["ValueError: Keras must have the settings", *settings.values()])
