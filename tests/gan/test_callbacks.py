"""The callbacks: metrics.csv and its measurements, warnings, checkpoints, events."""

import csv
import logging
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.gan import callbacks
from tf_inpaint.gan.model import LOGS
from tf_inpaint.runs import run_directory


class Mean:
    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value

    def reset_state(self):
        self.value = None


class Model:
    """The part of a GAN that callbacks use: an image is its z, and all rows have the same means."""

    loss_scale, discriminator_loss_scale = 2.0, 4.0

    def __init__(self, step=0):
        self.step = step
        self.stop_training = False
        self.state = {"generator": [tf.Variable([1.0, 2.0])]}

    def __call__(self, z):
        return tf.constant(z)[:, None, None, :]

    def advance(self, step, **means):
        self.step = step
        self.means = {name: Mean(means.get(name, 0.5)) for name in LOGS}


Z = np.array([[-1.0], [1.0]], np.float32)


def rows_of(path):
    with open(path, newline="") as file:
        return [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]


def begin(model, *observers):
    """Calls the callbacks as at the start of a training."""
    for observer in observers:
        observer.set_model(model)
        observer.on_train_begin()


def run(model, steps, *observers, **means):
    """Calls the callbacks as after each of the steps."""
    for step in steps:
        model.advance(step, **means)
        for observer in observers:
            observer.on_train_batch_end(0)


# --- metrics.csv


def test_first_row_after_each_multiple_is_measured(tmp_path):
    measured_steps = []

    def measure(model):
        measured_steps.append(model.step)
        return [float(model.step), 7.0]

    model, path = Model(), tmp_path / "m.csv"
    file = callbacks.MetricsFile(path, 4, Z, 8, None, ("near", "far"), measure, 10)
    begin(model, file)
    run(model, range(1, 33), file)
    assert measured_steps == [12, 20, 32]
    table = rows_of(path)
    assert [row[0] for row in table] == list(range(4, 33, 4))
    np.testing.assert_array_equal(
        [row[-2:] for row in table if row[0] in measured_steps], [[12, 7], [20, 7], [32, 7]]
    )
    assert np.isnan([row[-2:] for row in table if row[0] not in measured_steps]).all()
    assert {(row[6], row[7]) for row in table} == {(2.0, 4.0)}
    assert {row[5] for row in table} == {1.0}  # the standard deviation of -1 and 1 is 1

    # A file that is continued keeps its measurements.
    continued = callbacks.MetricsFile(path, 4, Z, 8, None, ("near", "far"), measure, 10)
    before = path.read_text()
    begin(model, continued)
    assert path.read_text() == before


def test_nothing_is_measured_without_a_measure(tmp_path):
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 4, Z, 8, None, measure_every=10)
    begin(model, file)
    run(model, range(1, 13), file)
    assert [row[0] for row in rows_of(tmp_path / "m.csv")] == [4, 8, 12]


def test_rows_beyond_the_checkpoint_are_removed(tmp_path):
    path = tmp_path / "metrics.csv"
    header = ",".join(callbacks.COLUMNS)
    row = ",0.5" * (len(callbacks.COLUMNS) - 1)
    path.write_text(f"{header}\r\n5{row}\r\n10{row}\r\n15{row}\r\n20,0.5,0.")
    for step, expected_steps in ((12, [5, 10]), (10, [5, 10]), (9, [5]), (0, [])):
        file = callbacks.MetricsFile(path, 5, None, 4)
        file.set_model(SimpleNamespace(step=step))
        file.on_train_begin()
        assert path.read_text().splitlines() == [
            header,
            *(f"{step}{row}" for step in expected_steps),
        ]


@pytest.mark.parametrize(
    "content", [b"\xff\xfes\x00t", b"step,d\n1,x\n", b"a,b\n1,2\n", b"step\ninf\n", b"step\n\x00\n"]
)
def test_damaged_metrics_are_refused(tmp_path, content):
    path = tmp_path / "m.csv"
    path.write_bytes(content + b"\n")
    with pytest.raises(ValueError, match=r"m\.csv \(.*\); restore or remove"):
        callbacks.read_metrics(path)


def test_line_that_was_cut_in_its_last_number_is_no_row(tmp_path):
    (tmp_path / "m.csv").write_text("step,diversity\r\n5,0.5\r\n10,5e-")
    assert callbacks.read_metrics(tmp_path / "m.csv") == [{"step": 5, "diversity": 0.5}]


def test_metrics_are_read_as_they_were_written(tmp_path):
    assert callbacks.read_metrics(tmp_path / "none.csv") == []
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 5, Z, 8, None)
    begin(model, file)
    run(model, [5, 10], file, penalty=0.1 + 0.2)
    # A kill left half a row.
    (tmp_path / "m.csv").open("a").write("15,0.5,0.")
    first, second = callbacks.read_metrics(tmp_path / "m.csv")
    assert (first["step"], second["step"], second["penalty"]) == (5, 10, 0.1 + 0.2)


# --- warnings


def test_problem_is_logged_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 100, Z, 8, None, data_diversity=9.0)
    begin(model, file)
    run(model, range(100, 3001, 100), file)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert warnings[0].startswith("Step 1500: The generator has collapsed: its samples differ 11%")


@pytest.mark.parametrize(("loss", "warned"), [("hinge", True), ("wasserstein", False)])
def test_accuracy_of_a_critic_causes_no_warning(tmp_path, caplog, monkeypatch, loss, warned):
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 100, Z, 8, None, loss=loss)
    begin(model, file)
    run(model, range(100, 2001, 100), file, real_accuracy=1.0, fake_accuracy=1.0)
    assert ("tells all images apart" in caplog.text) is warned


# --- checkpoints


@pytest.mark.parametrize(
    ("values", "best_step"),
    [([3.0, 2.0, 2.5], 20), ([3.0, 3.0, 4.0], 10), ([5.0, np.nan, 4.0], 30)],
)
def test_best_checkpoint_is_that_of_the_lowest_value(tmp_path, values, best_step):
    model, remaining = Model(), iter(values)
    file = callbacks.MetricsFile(
        tmp_path / "m.csv", 10, Z, 8, None, ("far",), lambda model: [next(remaining)], 10
    )
    step = tf.Variable(0)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step), str(tmp_path / "best"), max_to_keep=1
    )
    best = callbacks.BestCheckpoint(manager, file, "far")
    begin(model, file, best)
    for number in range(1, 31):
        step.assign(number)
        run(model, [number], file, best)
    names = [path.name for path in (tmp_path / "best").glob("*.index")]
    assert names == [f"ckpt-{best_step}.index"]
    manager.checkpoint.restore(manager.latest_checkpoint)
    assert int(step) == best_step


def test_damaged_checkpoint_of_the_last_step_is_replaced(tmp_path):
    # The second process reaches the same step from an earlier checkpoint.
    for value in (1, 2):
        manager = run_directory.checkpoints(tmp_path, {"part": [tf.Variable(value)]})
        saving = callbacks.Checkpoints(manager, period=10)
        saving.set_model(SimpleNamespace(step=15, state={}))
        saving.on_train_begin()
        saving.on_train_end()
    restored = tf.Variable(0)
    assert run_directory.restore(run_directory.checkpoints(tmp_path, {"part": [restored]}))
    assert int(restored) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, value):
    model = Model()
    manager = run_directory.checkpoints(tmp_path, model.state, 1)
    saving = callbacks.Checkpoints(manager, period=10)
    begin(model, saving)
    run(model, range(1, 11), saving)
    assert not model.stop_training
    model.state["generator"][0].assign([1.0, value])
    run(model, range(11, 21), saving)
    assert model.stop_training
    saving.on_train_end()
    assert [path.name for path in (tmp_path / "checkpoints").glob("*.index")] == ["ckpt-10.index"]


def test_two_rows_without_a_loss_stop_the_training(tmp_path):
    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 5, Z, 8, None)
    begin(model, file)
    run(model, range(1, 6), file, generator_loss=np.nan)
    assert not model.stop_training
    run(model, range(6, 11), file, generator_loss=np.nan)
    assert model.stop_training


# --- samples and events


def test_tensorboard_gets_the_rows_of_the_file(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = Model()
    file = callbacks.MetricsFile(tmp_path / "m.csv", 5, Z, 8, None)
    board = callbacks.TensorBoard(tmp_path / "events", file)
    begin(model, file, board)
    run(model, range(1, 16), file, board, discriminator_loss=0.25)
    board.on_train_end()
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"tensors": 0}).Reload()
    losses = [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in events.Tensors("discriminator_loss")
    ]
    assert losses == [(5, 0.25), (10, 0.25), (15, 0.25)]
    # The images per second are `nan` in these rows.
    assert "images_per_second" not in events.Tags()["tensors"]


def test_generate_computes_all_images_in_batches():
    z = np.arange(7.0, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(callbacks.generate(Model(), z, batch_size=3)[:, 0, 0], z)


def test_diversity_by_hand():
    equal = np.full((4, 2, 2, 1), 0.3)
    assert callbacks.diversity(equal) == pytest.approx(0)
    opposite = np.concatenate([-np.ones((2, 2, 2, 1)), np.ones((2, 2, 2, 1))])
    assert callbacks.diversity(opposite) == pytest.approx(1)
    opposite[:, 0] = 0.5  # half of the pixels are equal
    assert callbacks.diversity(opposite) == pytest.approx(0.5)
