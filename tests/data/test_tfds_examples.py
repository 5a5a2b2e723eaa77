"""Tests of TFDS in `data.tfds_examples` and `data.forms`, with small data sets of their own."""

import numpy as np
import pytest
from source_contents import labeled_levels, levels, names

from tf_inpaint.data import sources
from tf_inpaint.data.sources import open_source
from tf_inpaint.files import images


@pytest.fixture(scope="module")
def tfds():
    """TensorFlow Datasets, with small data sets whose pictures are filled with their number."""
    import tensorflow_datasets

    core, features = tensorflow_datasets.core, tensorflow_datasets.features
    picture, digit = {"image": features.Image(shape=(6, 6, 1))}, features.ClassLabel(num_classes=10)
    configs = {
        "tested": picture | {"coarse": features.ClassLabel(num_classes=2), "label": digit},
        "untested": picture | {"label": np.int64, "digit": digit},
        "ambiguous": picture | {"first": digit, "second": digit},
        "unknown": picture | {"label": digit},
        "imageless": {"label": digit},
        "testonly": picture,
    }

    class Ramp(core.GeneratorBasedBuilder):
        VERSION = core.Version("1.0.0")
        BUILDER_CONFIGS = [core.BuilderConfig(name=name) for name in configs]

        def _info(self):
            return core.DatasetInfo(
                builder=self, features=features.FeaturesDict(configs[self.builder_config.name])
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
    resized = open_source("tfds:ramp/tested", 12, 3, data_dir=tmp_path)
    assert levels(resized.read(np.arange(25))) == levels(train.read(np.arange(25)))
    assert bool(list(tmp_path.rglob("*array_record*"))) == (prepared_as != "tfrecord")
    limited = open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path, limit=7)
    assert names(limited) == [names(train)[index * 25 // 7] for index in range(7)]
    for source in (train, held_out, limited):
        assert source.labels.dtype == np.int64
        assert all(label == level % 10 for level, label in labeled_levels(source))


@pytest.mark.parametrize("prepared_as", ["array_record", "tfrecord"])
def test_tfds_labels(tmp_path, tfds, prepared_as):
    def open_config(config, **options):
        tfds.builder(
            f"ramp/{config}", data_dir=tmp_path, file_format=prepared_as
        ).download_and_prepare()
        return open_source(f"tfds:ramp/{config}", 6, 1, data_dir=tmp_path, **options)

    for split in ("train", "held_out"):
        assert all(
            label == level % 10
            for level, label in labeled_levels(open_config("untested", split=split))
        )
        assert open_config("ambiguous", split=split).labels is None
    # One picture has no label, and this picture is in one of the two splits.
    assert (
        sum(open_config("unknown", split=split).labels is None for split in ("train", "held_out"))
        == 1
    )


def test_tfds_labels_are_read_at_the_first_access_and_without_pictures(tmp_path, tfds, monkeypatch):
    read = []
    data_source = tfds.core.data_sources.array_record.ArrayRecordDataSource
    original = data_source.__getitem__
    monkeypatch.setattr(
        data_source,
        "__getitem__",
        lambda self, index: read.append(int(index)) or original(self, index),
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


def test_tfds_refuses_bad_data_sets(tmp_path, tfds, monkeypatch):
    for name, reason in [
        ("ramp/imageless", "must have one image feature; received none"),
        ("ramp/testonly", "must have a train split; received test;"),
        ("no_such_data", "on disk or a download; received: the unknown name no_such_data; correct"),
        ("ramp/nonesuch", "on disk or a download; received: the unknown name nonesuch; correct"),
        ("mnits", r"the unknown name mnits; did you mean tfds:mnist\?"),
        ("MNIST", r"did you mean tfds:mnist\?"),
        ("cifar-10", r"did you mean tfds:cifar10\?"),
        ("ramp/tseted:1.0.0", r"the unknown name tseted; did you mean tfds:ramp/tested\?"),
        ("ramp/tested:9.9.9", r"9\.9\.9.*only: 1\.0\.0"),
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
