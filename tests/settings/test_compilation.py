"""Whether a setting asks for XLA."""

import pytest
import tensorflow as tf

from tf_inpaint.settings.compilation import compiles


@pytest.mark.parametrize("devices", [[], ["GPU:0"]])
def test_automatic_compilation_needs_a_gpu(monkeypatch, devices):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    assert [compiles(choice) for choice in ("auto", "true", "false")] == [
        bool(devices),
        True,
        False,
    ]
