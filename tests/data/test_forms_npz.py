"""Tests of npz files in `data.forms`: pictures, splits, labels and bad files."""

import os
import zipfile

import numpy as np
import pytest
from source_contents import labeled_levels, levels, names

from tf_inpaint.data import sources
from tf_inpaint.data.sources import open_source

RAMP = np.tile(np.arange(25, dtype=np.uint8)[:, None, None], (1, 6, 6))


@pytest.mark.parametrize("key", ["x_train", "images", "x"])
@pytest.mark.parametrize("array", [RAMP, RAMP[..., None], RAMP / np.float32(255)])
def test_npz_splits_by_index(tmp_path, key, array):
    np.savez(tmp_path / "a.npz", **{key: array, "y": np.arange(25)})
    train = open_source(f"npz:{tmp_path}/a.npz", 6, 1)
    held_out = open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out")
    assert names(held_out) == [f"{key}/0", f"{key}/10", f"{key}/20"]
    assert levels(held_out.read(np.arange(3))) == [0, 10, 20]
    assert levels(train.read(np.arange(22))) == [index for index in range(25) if index % 10]


def test_npz_uses_its_test_pictures(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x_train=RAMP, x_test=RAMP[:4] + 100)
    assert open_source(f"npz:{tmp_path}/a.npz", 6, 1).size == 25
    held_out = open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out")
    assert names(held_out) == [f"x_test/{index}" for index in range(4)]
    assert levels(held_out.read(np.arange(4))) == [100, 101, 102, 103]


CLASSES = np.arange(25) * 7 % 10


LETTERS = np.array(list("ABCDEFGHIJ"))[CLASSES]


@pytest.mark.parametrize(
    "key", [("x_train", "y_train"), ("images", "labels"), ("images", "y"), ("x", "labels")]
)
@pytest.mark.parametrize(
    "classes", [CLASSES.astype(np.uint8), CLASSES[:, None], LETTERS, LETTERS[:, None]]
)
def test_npz_labels(tmp_path, key, classes):
    np.savez(tmp_path / "a.npz", **{key[0]: RAMP, key[1]: classes})
    expected = list(enumerate(classes.ravel().tolist()))
    held_out = [expected[index] for index in (0, 10, 20)]
    train = [pair for pair in expected if pair not in held_out]
    assert labeled_levels(open_source(f"npz:{tmp_path}/a.npz", 6, 1)) == train
    assert labeled_levels(open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out")) == held_out
    limited = open_source(f"npz:{tmp_path}/a.npz", 6, 1, limit=11)
    assert labeled_levels(limited) == train[::2]
    assert limited.labels.dtype == (np.int64 if classes.dtype.kind in "iu" else "<U1")


def test_npz_uses_the_labels_of_its_test_pictures(tmp_path):
    arrays = {"x_train": RAMP, "x_test": RAMP[:4] + 100, "y_train": CLASSES}
    np.savez(tmp_path / "a.npz", **arrays, y_test=LETTERS[:4])
    np.savez(tmp_path / "half.npz", **arrays, y=CLASSES)
    for name in ("a", "half"):
        assert labeled_levels(open_source(f"npz:{tmp_path}/{name}.npz", 6, 1)) == list(
            enumerate(CLASSES.tolist())
        )
    held_out = open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out", limit=2)
    assert labeled_levels(held_out) == [(100, LETTERS[0]), (102, LETTERS[2])]
    assert open_source(f"npz:{tmp_path}/half.npz", 6, 1, split="held_out").labels is None


def test_npz_labels_depend_on_the_name_of_the_pictures(tmp_path):
    for key, label in (("x_train", None), ("images", 1), ("x", 2)):
        np.savez(tmp_path / "a.npz", **{key: RAMP, "labels": np.full(25, 1), "y": np.full(25, 2)})
        labels = open_source(f"npz:{tmp_path}/a.npz", 6, 1).labels
        assert labels is None if label is None else set(labels.tolist()) == {label}


@pytest.mark.parametrize(
    "classes, reason",
    [
        (CLASSES[:24], "y of .* must have a label for each of the 25 pictures in x; received 24"),
        (np.append(CLASSES, 0), "received 26"),
        (
            np.eye(10, dtype=int)[CLASSES],
            r"must be integers or strings, \[N\] or \[N, 1\]; received int64 \(25, 10\)",
        ),
        (CLASSES / 2, r"y of .* received float64 \(25,\)"),
        (CLASSES > 3, r"received bool \(25,\)"),
        (LETTERS.astype(bytes), r"received \|S1 \(25,\)"),
        (np.int64(3), r"received int64 \(\)"),
        (LETTERS.astype(object), "must be an npz file without objects"),
    ],
)
def test_npz_refuses_bad_labels_only_when_they_are_read(tmp_path, classes, reason):
    np.savez(tmp_path / "a.npz", x=RAMP, y=classes)
    source = open_source(f"npz:{tmp_path}/a.npz", 6, 1)
    assert levels(source.read(np.arange(2))) == [1, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match=reason) as error:
            source.labels  # noqa: B018
        assert "a.npz" in str(error.value) and "\n" not in str(error.value)
    (tmp_path / "a.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.npz does not exist"):
        source.labels  # noqa: B018


@pytest.mark.parametrize(
    "array, reason",
    [
        (RAMP[0], r"must be \[N, H, W\] .* received \(6, 6\)"),
        (np.zeros((3, 6, 6, 4), np.uint8), r"received \(3, 6, 6, 4\)"),
        (RAMP.astype(np.int64), "received int64"),
        (RAMP > 3, "received bool"),
        (RAMP.astype(np.float32), "received 0 to 24"),
        (RAMP / 12 - 1, "received -1 to 1"),
        (np.where(RAMP == 3, np.nan, 0.5), "received nan to nan"),
        (np.where(RAMP == 3, np.inf, 0.5), "received 0 to inf"),
        (np.full((3, 6, 6), None), "without objects"),
    ],
)
def test_npz_refuses_bad_pictures(tmp_path, array, reason):
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(ValueError, match=reason) as error:
        open_source(f"npz:{tmp_path}/a.npz", 6, 1)
    assert "a.npz" in str(error.value) and "\n" not in str(error.value)


def test_npz_refuses_other_files(tmp_path):
    np.savez(tmp_path / "keys.npz", pictures=RAMP, labels=RAMP)
    with pytest.raises(
        ValueError, match="must hold x_train, images or x; received pictures, labels;"
    ):
        open_source(f"npz:{tmp_path}/keys.npz", 6, 1)
    np.savez(tmp_path / "whole.npz", x=RAMP)
    np.save(tmp_path / "a.npy", RAMP)
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("x, y")
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    for name in ("a.npy", "empty.npz", "text.npz", "half.npz"):
        with pytest.raises(ValueError, match=f"{name} must be an npz file without objects"):
            open_source(f"npz:{tmp_path}/{name}", 6, 1)
    with pytest.raises(FileNotFoundError, match=r"gone\.npz does not exist"):
        open_source(f"npz:{tmp_path}/gone.npz", 6, 1)


def test_npz_must_fit_in_half_of_the_memory(tmp_path, monkeypatch):
    """Pictures and labels count, before they are read; other arrays do not count."""
    np.savez_compressed(tmp_path / "a.npz", x=RAMP, y=CLASSES, more=np.zeros(10**6))
    size = RAMP.nbytes + CLASSES.nbytes
    monkeypatch.setattr(sources, "machine_memory", lambda: 2 * size)
    assert open_source(f"npz:{tmp_path}/a.npz", 6, 1).size == 22
    monkeypatch.setattr(sources, "machine_memory", lambda: 2 * size - 2)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    reason = f"x and y of .*a.npz must take at most {size - 1:,} bytes.*; received {size:,} bytes;"
    with pytest.raises(ValueError, match=reason):
        open_source(f"npz:{tmp_path}/a.npz", 6, 1)


def test_npz_that_claims_more_than_all_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("x.npy", "w") as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)}
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(ValueError, match="the header of x claims 784,000,000,000 bytes of 0;"):
        open_source(f"npz:{tmp_path}/a.npz", 28, 1)


def test_npz_that_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=f"{path} must be an npz file.* no regular file"):
            open_source(f"npz:{path}", 6, 1)


def test_npz_without_training_pictures(tmp_path):
    """The only picture is held out, and the error says so."""
    np.savez(tmp_path / "one.npz", x=RAMP[:1])
    assert open_source(f"npz:{tmp_path}/one.npz", 6, 1, split="held_out").size == 1
    with pytest.raises(ValueError, match="train pictures; received 1 in the other split.*add more"):
        open_source(f"npz:{tmp_path}/one.npz", 6, 1)
    np.savez(tmp_path / "none.npz", x=RAMP[:0])
    with pytest.raises(ValueError, match="must have train pictures; received none;"):
        open_source(f"npz:{tmp_path}/none.npz", 6, 1)
