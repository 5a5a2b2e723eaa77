"""TensorFlow's own command for SavedModels reads and runs an export."""

import re
import subprocess
import sys

import numpy as np
import pytest
import tiny

pytestmark = pytest.mark.slow
PRESETS = ("complete", "complete_fast", "complete_best")
ROWS, FILES = {"images", "masks", "seeds"}, {"image_bytes", "mask_bytes", "seeds"}
INPUTS = {"serving_default": ROWS, "generate": {"z"}, "discriminate": {"images"}}
INPUTS |= dict.fromkeys(PRESETS, ROWS) | {f"{name}_encoded": FILES for name in PRESETS}


def saved_model_cli(*arguments):
    """What the command prints."""
    command = [
        sys.executable,
        "-m",
        "tensorflow.python.tools.saved_model_cli",
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_show_lists_every_signature_with_its_inputs(exported):
    found = {}
    for part in saved_model_cli("show", "--dir", exported[1] / "1", "--all").split(
        "signature_def['"
    )[1:]:
        if part.count("Method name is: tensorflow/serving/predict"):
            found[part.split("'")[0]] = set(re.findall(r"inputs\['(\w+)'\]", part))
    assert found == INPUTS


def test_run_completes_and_keeps_what_is_known(exported, tmp_path):
    inputs = tiny.rows(3)
    np.savez(tmp_path / "rows.npz", **inputs)
    feeds = ";".join(f"{name}={tmp_path / 'rows.npz'}[{name}]" for name in inputs)
    signature = ("--tag_set", "serve", "--signature_def", "serving_default")
    saved_model_cli(
        "run", "--dir", exported[1] / "1", *signature, "--inputs", feeds, "--outdir", tmp_path
    )
    completed, known = np.load(tmp_path / "images.npy"), inputs["masks"] > 0
    assert completed.shape == inputs["images"].shape and np.isfinite(completed).all()
    assert np.array_equal(completed[known], inputs["images"][known])
    assert not np.array_equal(completed[~known], inputs["images"][~known])
    assert not np.load(tmp_path / "errors.npy", allow_pickle=True).any()
