"""The settings of TensorFlow in tests, the mark `gpu`, and models that are exported once."""

import os

# The commands set this too: other kernels sum the last rows of a batch in another order.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# On a GPU: several processes share its memory, float32 is no TF32, and a kernel that is called
# twice gives the same bits. These settings are for the processes that tests start too.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
os.environ.setdefault("TF_CUDNN_DETERMINISTIC", "1")

import cpp_loader  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402
import tiny  # noqa: E402
from tensorflow.python.framework import config as tensorflow_config  # noqa: E402

from tf_inpaint import export  # noqa: E402
from tf_inpaint.config import ExportConfig  # noqa: E402
from tf_inpaint.runs import run_directory  # noqa: E402

tf.config.experimental.enable_tensor_float_32_execution(False)


def pytest_runtest_setup(item):
    """Skips a test with the mark `gpu` where there is no GPU."""
    if item.get_closest_marker("gpu") and not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU, and TensorFlow sees none")


@pytest.fixture
def deterministic_kernels():
    """Lets two equal trainings have equal bits on a GPU, where some gradients are summed in any
    order otherwise.
    """
    tensorflow_config.enable_op_determinism()
    yield
    tensorflow_config.disable_op_determinism()


def export_of(run_dir, export_dir, **settings):
    """Exports a run; returns the settings and the folder of its versions."""
    config = ExportConfig(
        run_dir=run_dir, export_dir=str(export_dir), samples=2, fast_steps=2, **settings
    )
    assert export.run(config) == 0
    return config, export_dir


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """An export of digits without an encoder: its settings and the folder of its versions."""
    folder = tmp_path_factory.mktemp("export")
    run_dir = tiny.new_run(folder / "run", encoder_steps=0)
    return export_of(
        run_dir, folder / "digits", steps=6, best_samples=4, start_draws=4, max_pixels=100_000
    )


@pytest.fixture(scope="session")
def exported_with_encoder(tmp_path_factory):
    """An export in color, at 16 pixels, with an encoder and a mean estimate.

    Its number of steps is not given.
    """
    folder = tmp_path_factory.mktemp("export_with_encoder")
    run_dir = tiny.new_run(folder / "run", image_size=16, channels=3, encoder_steps=2)
    training, manager = run_directory.encoder_training(run_directory.load(run_dir))
    for variable in training.encoder.variables:
        if "kernel" in variable.name:
            variable.assign(3 * variable)
    manager.save(checkpoint_number=2)
    tiny.write_mean_estimate(run_directory.load(run_dir))
    return export_of(run_dir, folder / "colors", best_samples=2, start_draws=2)


@pytest.fixture(scope="session")
def signatures(exported):
    """The signatures of `exported` as functions of arrays, run by TensorFlow's Python."""
    loaded = tf.saved_model.load(str(exported[1] / "1"))

    def call(name, **inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = loaded.signatures[name](**tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    return call


@pytest.fixture(scope="session")
def model(exported):
    """The model of `exported`, run by TensorFlow Serving's C++ loader."""
    with cpp_loader.process(exported[1] / "1") as model:
        yield model


@pytest.fixture(scope="session")
def model_with_encoder(exported_with_encoder):
    """The model of `exported_with_encoder`, run by TensorFlow Serving's C++ loader."""
    with cpp_loader.process(exported_with_encoder[1] / "1") as model:
        yield model
