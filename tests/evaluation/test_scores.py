"""Scores of an evaluation: labels, and distances whose network is missing."""

import numpy as np
import pytest
from small_evaluations import METHODS, contents, new_config, rows
from tiny import new_run

from tf_inpaint import evaluate
from tf_inpaint.files import images
from tf_inpaint.metrics import features


def test_labels_are_those_of_the_pictures(done):
    """The agreement of a row is that of its written completion; one original has a wrong label."""
    for method in METHODS:
        assert contents(done)["summary"][method]["center"]["original_label_agreement"] == 0.8
    for (method, mask, _), row in rows(done).items():
        completion = images.to_float(images.read(done / "images" / method / mask / row["file"]))
        assert row["label_agreement"] == float((completion.mean() > 0) == row["label"])


@pytest.mark.parametrize(
    "labels", [{"y_train": np.zeros(30, int), "y_test": np.zeros(5, int)}, {"y_test": np.arange(5)}]
)
def test_useless_labels_are_left_out(folder, tmp_path, labels):
    """A single label, or labels of the held-out images alone, give no agreement."""
    with np.load(folder / "data.npz") as data:
        np.savez(tmp_path / "data.npz", x_train=data["x_train"], x_test=data["x_test"], **labels)
    new_run(tmp_path / "run", dataset=f"npz:{tmp_path}/data.npz")
    out = tmp_path / "out"
    config = new_config(tmp_path, out, methods=("mean_color",), masks=("left",), measure=())
    assert evaluate.run(config) == 0
    assert contents(out)["summary"]["mean_color"]["left"]["label_agreement"] is None


def test_missing_weights_are_noticed_at_the_start(folder, tmp_path, monkeypatch):
    """A distance whose network cannot be loaded is refused before anything is written."""

    def offline(**_):
        raise OSError("no network")

    monkeypatch.setattr(features.keras.applications, "InceptionV3", offline)
    features._inception_network.cache_clear()
    config = new_config(
        folder, tmp_path / "out", methods=("mean_color",), measure=("frechet_inception",)
    )
    with pytest.raises(ValueError, match="InceptionV3 weights.*no network"):
        evaluate.run(config)
    assert not (tmp_path / "out").exists()
