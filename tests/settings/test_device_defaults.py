"""What a setting means that leaves a choice to the device."""

import pytest
import tensorflow as tf

from tf_inpaint.settings.device_defaults import compiles, default_block_size, has_gpu


@pytest.mark.parametrize(("devices", "size"), [([], 8), (["GPU:0"], 256)])
def test_defaults_are_those_of_the_device(monkeypatch, devices, size):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: devices)
    assert has_gpu() == bool(devices)
    assert default_block_size() == size
    # Another device has its own.
    assert default_block_size(False) == 8 and default_block_size(True) == 256
    assert [compiles(choice) for choice in ("auto", "true", "false")] == [
        bool(devices),
        True,
        False,
    ]
