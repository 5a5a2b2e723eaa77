"""Tests of `files.curves`: the panels of the picture, and when no picture is written."""

import logging
from types import SimpleNamespace

import numpy as np
from PIL import Image

from tf_inpaint.files import curves
from tf_inpaint.gan import callbacks


def test_curves_show_the_measured_values(tmp_path):
    rows = [
        dict.fromkeys(callbacks.COLUMNS, 0.5 + step / 100)
        | {"step": step, "far": float("nan") if step % 20 else step}
        for step in range(10, 60, 10)
    ]
    assert curves.training_curves(rows, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        # Losses, accuracies, diversity and the measured metric: two rows of panels.
        assert picture.size == (1000, 520)
        assert np.ptp(np.asarray(picture.convert("L"))) > 200
    assert curves.finite_values(rows, "far") == {20: 20.0, 40: 40.0}


def test_no_curves_without_rows_or_matplotlib(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    caplog.set_level(logging.INFO, "tf_inpaint")
    assert not curves.training_curves([], tmp_path / "curves.png")
    monkeypatch.setattr(curves.importlib.util, "find_spec", lambda name: None)
    assert not caplog.records
    assert not curves.training_curves([SimpleNamespace()], tmp_path / "curves.png")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"{tmp_path}/curves.png is not written"
    ]
    assert not list(tmp_path.iterdir())
