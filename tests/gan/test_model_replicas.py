"""Two replicas train as one replica does with the same images."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import BATCH, equal, new_gan, random_images, with_sgd

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path[:0] = ["tests/gan", "tests/support"]
import test_model_replicas
test_model_replicas.train_on_replicas(sys.argv[1])
"""


def train_on_replicas(path):
    """Writes the variables of GANs trained on one device and on two; must run in a new process."""
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [device, device]
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    batches = tf.data.Dataset.from_tensor_slices(random_images(count=6 * BATCH)).batch(2 * BATCH)
    arrays = {}

    def train(case, scope, undivided=False, rate=0.1, **settings):
        with scope:
            gan = with_sgd(new_gan(**{"normalization": "none"} | settings), rate)
        if undivided:
            gan.scaled_loss = lambda loss, optimizer: loss
        gan.fit(batches, shuffle=False, verbose=0)
        arrays[f"{case}/logs"] = np.array([mean.result() for mean in gan.means.values()])
        for index, variable in enumerate(gan.variables):
            for replica, copy in enumerate(getattr(variable.value, "values", [variable.value])):
                arrays[f"{case}/{replica}/{index}"] = copy.numpy()

    train("one", contextlib.nullcontext())
    train("two", strategy.scope())
    train("undivided", strategy.scope(), undivided=True)
    train("normalized", strategy.scope(), normalization="batch")
    train("one_synchronized", contextlib.nullcontext(), rate=0.01, normalization="batch")
    train("synchronized", strategy.scope(), rate=0.01, normalization="batch", synchronized=True)
    train("one_matched", contextlib.nullcontext(), rate=0.01, feature_matching=1.0)
    train("matched", strategy.scope(), rate=0.01, feature_matching=1.0)
    np.savez(path, **arrays)


@pytest.mark.slow
def test_two_replicas_are_one(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "arrays.npz"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "arrays.npz") as archive:
        arrays = dict(archive)

    def variables(case, replica):
        return [array for name, array in arrays.items() if name.startswith(f"{case}/{replica}/")]

    def difference(case, reference="one"):
        pairs = zip(variables(case, 0), variables(reference, 0), strict=True)
        return max(np.abs(array - expected).max() for array, expected in pairs)

    for case in ("two", "undivided", "normalized", "synchronized", "matched"):
        assert all(equal(variables(case, 0), variables(case, 1)))
    assert difference("two") < 1e-5
    assert difference("matched", "one_matched") < 1e-5
    assert difference("synchronized", "one_synchronized") < 1e-3
    assert difference("normalized", "one_synchronized") > 1e-2
    # Undivided losses show what happens if the gradients of replicas are added, not averaged.
    assert difference("undivided") > 1e-2
    np.testing.assert_allclose(arrays["two/logs"], arrays["one/logs"], rtol=1e-5)
