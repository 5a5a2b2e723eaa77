"""The block size where a setting leaves it open."""

import pytest
import tensorflow as tf

from tf_inpaint.settings.block_sizes import default_block_size


@pytest.mark.parametrize(("devices", "size"), [([], 8), (["GPU:0"], 256)])
def test_default_block_size_is_that_of_the_device(monkeypatch, devices, size):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    assert default_block_size() == size
