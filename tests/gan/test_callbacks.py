"""Rows of metrics.csv and what is made of them: measurements, warnings, the best step, events."""

import csv
import logging

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan import callbacks
from tf_inpaint.gan.model import LOGS


class Mean:
    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value

    def reset_state(self):
        self.value = None


class Model:
    """What a callback sees of a GAN: pictures that differ as much as `z` does, and the same means in each row."""

    loss_scale, discriminator_loss_scale = 2.0, 4.0

    def __init__(self, step=0):
        self.step = step
        self.stop_training = False

    def __call__(self, z):
        return tf.constant(z)[:, None, None, :]

    def advance(self, step, **means):
        self.step = step
        self.means = {name: Mean(means.get(name, 0.5)) for name in LOGS}


Z = np.array([[-1.0], [1.0]], np.float32)


def rows_of(path):
    with open(path, newline="") as file:
        return [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]


def run(model, steps, *every, **means):
    for step in steps:
        model.advance(step, **means)
        for one in every:
            one.on_train_batch_end(0)


def begun(model, *every):
    for one in every:
        one.set_model(model)
        one.on_train_begin()
    return every


def test_a_row_measures_from_each_multiple_on(tmp_path):
    seen = []

    def measure(model):
        seen.append(model.step)
        return [float(model.step), 7.0]

    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 4, Z, 8, None, ("near", "far"), measure, 10)
    begun(model, file)
    run(model, range(1, 33), file)
    assert seen == [12, 20, 32]
    table = rows_of(tmp_path / "m.csv")
    assert [row[0] for row in table] == list(range(4, 33, 4))
    np.testing.assert_array_equal(
        [row[-2:] for row in table if row[0] in seen], [[12, 7], [20, 7], [32, 7]]
    )
    assert np.isnan([row[-2:] for row in table if row[0] not in seen]).all()
    assert {(row[6], row[7]) for row in table} == {(2.0, 4.0)}
    assert {row[5] for row in table} == {1.0}  # -1 and 1 differ by one standard deviation of 1
    # Continued, what was measured stays.
    again = callbacks.MetricsFile(tmp_path / "m.csv", 4, Z, 8, None, ("near", "far"), measure, 10)
    before = (tmp_path / "m.csv").read_text()
    begun(model, again)
    assert (tmp_path / "m.csv").read_text() == before


def test_nothing_is_measured_without_a_measure(tmp_path):
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 4, Z, 8, None, measure_every=10)
    begun(model, file)
    run(model, range(1, 13), file)
    assert [row[0] for row in rows_of(tmp_path / "m.csv")] == [4, 8, 12]


def test_warned_in_words_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 100, Z, 8, None, data_diversity=9.0)
    begun(model, file)
    run(model, range(100, 3001, 100), file)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert warnings[0].startswith("Step 1500: The generator has collapsed: its samples differ 11%")


@pytest.mark.parametrize(("loss", "warned"), [("hinge", True), ("wasserstein", False)])
def test_a_critic_s_accuracy_is_no_warning(tmp_path, caplog, monkeypatch, loss, warned):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 100, Z, 8, None, loss=loss)
    begun(model, file)
    run(model, range(100, 2001, 100), file, real_accuracy=1.0, fake_accuracy=1.0)
    assert ("tells all images apart" in caplog.text) is warned


@pytest.mark.parametrize(
    ("values", "kept"), [([3.0, 2.0, 2.5], 20), ([3.0, 3.0, 4.0], 10), ([5.0, np.nan, 4.0], 30)]
)
def test_best_keeps_the_lowest(tmp_path, values, kept):
    model, value = Model(), iter(values)
    file = callbacks.MetricsFile(
        tmp_path / "m.csv", 10, Z, 8, None, ("far",), lambda model: [next(value)], 10
    )
    step = tf.Variable(0)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step), str(tmp_path / "best"), max_to_keep=1
    )
    best = callbacks.Best(manager, file, "far")
    begun(model, file, best)
    for number in range(1, 31):
        step.assign(number)
        run(model, [number], file, best)
    assert [path.name for path in (tmp_path / "best").glob("*.index")] == [f"ckpt-{kept}.index"]
    manager.checkpoint.restore(manager.latest_checkpoint)
    assert int(step) == kept


def test_tensorboard_gets_what_the_file_gets(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 5, Z, 8, None)
    board = callbacks.TensorBoard(tmp_path / "events", file)
    begun(model, file, board)
    run(model, range(1, 16), file, board, discriminator_loss=0.25)
    board.on_train_end()
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"tensors": 0}).Reload()
    seen = [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in events.Tensors("discriminator_loss")
    ]
    assert seen == [(5, 0.25), (10, 0.25), (15, 0.25)]
    assert "images_per_second" not in events.Tags()["tensors"]  # not a number in these rows


def test_metrics_are_read_as_they_were_written(tmp_path):
    assert callbacks.read_metrics(tmp_path / "none.csv") == []
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 5, Z, 8, None)
    begun(model, file)
    run(model, [5, 10], file, penalty=0.1 + 0.2)
    (tmp_path / "m.csv").open("a").write("15,0.5,0.")  # cut short by a kill
    first, second = callbacks.read_metrics(tmp_path / "m.csv")
    assert (first["step"], second["step"], second["penalty"]) == (5, 10, 0.1 + 0.2)


def test_generate_is_whole_in_batches():
    z = np.arange(7.0, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(callbacks.generate(Model(), z, batch_size=3)[:, 0, 0], z)
