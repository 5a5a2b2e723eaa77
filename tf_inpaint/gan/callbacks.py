"""Keras callbacks of the training: rows of metrics, grids of samples, checkpoints, a progress bar.

All callbacks count by `model.step`, the step of the weights, and not by the batches of this
process. A run that was killed and continued therefore writes the same files as an uninterrupted
run.
"""

import csv
import logging
import os
import signal
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_inpaint.files import images
from tf_inpaint.gan.diagnosis import diagnosis, has_failed
from tf_inpaint.gan.finite_weights import state_is_finite

COLUMNS = (
    "step",
    "discriminator_loss",
    "generator_loss",
    "real_accuracy",
    "fake_accuracy",
    "diversity",
    "loss_scale",
    "discriminator_loss_scale",
    "images_per_second",
    "penalty",
)
"""Columns of `metrics.csv` that every run has."""
GRID = 6
"""Number of columns and of rows of a sample grid, as in the lecture."""

log = logging.getLogger("tf_inpaint")


def generate(gan, z, batch_size: int = 64) -> np.ndarray:
    """The images `[N, H, W, C]` of the averaged generator for `z` `[N, Z]`, computed in batches."""
    return np.concatenate(
        [gan(z[first : first + batch_size]).numpy() for first in range(0, len(z), batch_size)]
    )


def diversity(samples) -> float:
    """The standard deviation of samples `[N, H, W, C]` over N, averaged over pixels: in [0, 1].

    Near 0, all z give the same image: the generator has collapsed.
    """
    return float(np.std(samples, axis=0).mean())


class PeriodicCallback(keras.callbacks.Callback):
    """Calls `on_period(step)` whenever the step of the model is a multiple of `period`."""

    def __init__(self, period: int):
        super().__init__()
        self.period = period

    def on_train_batch_end(self, batch, logs=None):
        step = self.model.step
        if step % self.period == 0:
            self.on_period(step)

    def on_period(self, step: int) -> None:
        """Does the work of the callback at this step."""
        raise NotImplementedError


class MetricsFile(PeriodicCallback):
    """Writes a row of `COLUMNS` per period, in full precision.

    Losses and accuracies are means over the steps of the period. Rows beyond the step of the model
    are removed: a process that was killed after its last checkpoint leaves such rows. A warning is
    logged if the rows show a problem of the training (see `diagnosis`).

    Args:
        path: the CSV file, which is created or continued.
        period: steps per row.
        z: `[N, Z]` fixed latents, for whose images the diversity is computed.
        images_per_step: number of images in a step, for `images_per_second`.
        clock: returns seconds. None: `images_per_second` is `nan`, so that equal runs write equal
            files.
        measures: names of further columns.
        measure: maps the model to a number for each of `measures`. The first row from each multiple
            of `measure_every` on has these numbers; the other rows have `nan`. None: no row has
            numbers.
        measure_every: steps between two measurements.
        data_diversity, loss: arguments of `diagnosis`.
    """

    def __init__(
        self,
        path: Path,
        period: int,
        z,
        images_per_step: int,
        clock=time.perf_counter,
        measures: tuple[str, ...] = (),
        measure=None,
        measure_every: int = 0,
        data_diversity: float = float("nan"),
        loss: str = "non_saturating",
    ):
        super().__init__(period)
        self.path = Path(path)
        self.z = z
        self.images_per_step = images_per_step
        self.clock = clock
        self.columns = (*COLUMNS, *measures)
        self.measures = measures
        self.measure = measure
        self.measure_every = measure_every
        self.data_diversity = data_diversity
        self.loss = loss
        self.last_warning = ""

    def on_train_begin(self, logs=None):
        self.rows = [row for row in read_metrics(self.path) if row["step"] <= self.model.step]
        with images.atomic(self.path) as path, open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(map(self.cells, self.rows))
        self.started = (self.model.step, self.clock()) if self.clock else None

    def on_period(self, step):
        """Writes a row, and logs a warning of a new problem."""
        # Write the row.
        row = self.new_row(step)
        self.rows.append(row)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(self.cells(row))
        for mean in self.model.means.values():
            mean.reset_state()

        # Log a new problem.
        warning = diagnosis(self.rows, self.data_diversity, self.loss)
        if warning and warning != self.last_warning:
            log.warning("Step %d: %s", step, warning)
        self.last_warning = warning
        if has_failed(self.rows):
            self.model.stop_training = True

        # The time spent here is not training time.
        if self.clock:
            self.started = (step, self.clock())

    def new_row(self, step) -> dict[str, float]:
        """The metrics since the last row, by column."""
        row = dict.fromkeys(self.columns, float("nan"))
        if self.clock:
            (first_step, start), now = self.started, self.clock()
            row["images_per_second"] = (step - first_step) * self.images_per_step / (now - start)
        row |= {name: float(mean.result()) for name, mean in self.model.means.items()}
        for name in ("step", "loss_scale", "discriminator_loss_scale"):
            row[name] = getattr(self.model, name)
        row["diversity"] = diversity(self.model(self.z).numpy())
        if self.measure and self.measure_every and step % self.measure_every < self.period:
            row |= dict(zip(self.measures, self.measure(self.model), strict=True))
        return row

    def cells(self, row):
        """The values of a row in the order of the columns. A missing value is `nan`."""
        return [row.get(name, float("nan")) for name in self.columns]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The complete rows of a `metrics.csv`, as numbers by column; no row if there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        # A last line without its end was cut, for example because the disk was full.
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(line for line in file if line.endswith("\n"))) or [[]]
        whole = [map(float, row) for row in rows if len(row) == len(header)]
        table = [dict(zip(header, row, strict=True)) for row in whole]
        return [row | {"step": int(row["step"])} for row in table]
    except FileNotFoundError:
        return []
    except (ArithmeticError, LookupError, ValueError, csv.Error) as error:
        raise ValueError(
            f"Metrics must be rows of numbers; received {path} ({error}); restore or remove it."
        ) from None


class SampleGrid(PeriodicCallback):
    """Writes `folder/STEP.png`: the images of the fixed z. Step 0 is the untrained network."""

    def __init__(self, folder: Path, period: int, z):
        super().__init__(period)
        self.folder = Path(folder)
        self.z = z

    def on_train_begin(self, logs=None):
        if self.model.step == 0:
            self.on_period(0)

    def on_period(self, step):
        """Writes the grid of this step."""
        images.write(
            self.folder / f"{step:07d}.png", images.grid(self.model(self.z).numpy(), columns=GRID)
        )


class Checkpoints(PeriodicCallback):
    """Saves a checkpoint every `period` steps and at the end.

    On SIGTERM or Ctrl-C it saves a checkpoint, and the training stops.
    `interrupted` is then the number of the signal, and otherwise 0. Networks whose weights are not
    finite are not saved, and the training stops: an older checkpoint must not be replaced by them.
    This callback must come after
    `MetricsFile`: a checkpoint then never stands for a row that was not written.

    Args:
        manager: the manager of the checkpoints.
        period: steps between two checkpoints.
        catch_signals: whether to save and stop on signals. Not for several machines, because all
            others would wait for the machine that stops.
    """

    def __init__(
        self, manager: tf.train.CheckpointManager, period: int, catch_signals: bool = True
    ):
        super().__init__(period)
        self.manager = manager
        self.signals = (signal.SIGTERM, signal.SIGINT) if catch_signals else ()
        self.interrupted = 0
        self.saved_step = None

    def on_train_begin(self, logs=None):
        self.handlers = {number: signal.signal(number, self.on_signal) for number in self.signals}

    def on_signal(self, number, frame):
        """Stops the training after this step."""
        self.interrupted = number
        self.model.stop_training = True

    def on_period(self, step):
        """Saves a checkpoint of this step, unless the training has failed."""
        if not state_is_finite(self.model.state):
            self.model.stop_training = True
            return
        self.manager.save(checkpoint_number=step)
        self.saved_step = step

    def on_train_end(self, logs=None):
        # `manager.latest_checkpoint` may be a damaged one of this step, from an earlier process.
        if self.saved_step != self.model.step:
            self.on_period(self.model.step)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


class BestCheckpoint(keras.callbacks.Callback):
    """Saves a checkpoint whenever a column of `metrics.csv` is lower than in all rows before.

    This callback must come after `MetricsFile`.

    Args:
        manager: the manager of the best checkpoint.
        file: the `MetricsFile`.
        column: one of the measures of the file.
    """

    def __init__(self, manager: tf.train.CheckpointManager, file: MetricsFile, column: str):
        super().__init__()
        self.manager = manager
        self.file = file
        self.column = column

    def on_train_batch_end(self, batch, logs=None):
        step, rows = self.model.step, self.file.rows
        if rows and rows[-1]["step"] == step and np.isfinite(rows[-1][self.column]):
            if all(not row[self.column] <= rows[-1][self.column] for row in rows[:-1]):
                self.manager.save(checkpoint_number=step)


class TensorBoard(keras.callbacks.Callback):
    """Writes each row of `metrics.csv` as TensorBoard events.

    This callback must come after `MetricsFile`. The callback of this name in Keras counts the
    batches of this process, and a continued run would thus count from 0 again.
    """

    def __init__(self, folder: Path, file: MetricsFile):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))
        self.file = file

    def on_train_batch_end(self, batch, logs=None):
        step, rows = self.model.step, self.file.rows
        if rows and rows[-1]["step"] == step:
            with self.writer.as_default(step=step):
                for name, value in rows[-1].items():
                    if name != "step" and np.isfinite(value):
                        tf.summary.scalar(name, value)

    def on_train_end(self, logs=None):
        self.writer.close()


class Progress(keras.callbacks.Callback):
    """Shows a progress bar over all steps, with losses and the remaining time.

    Args:
        steps: number of steps of the whole training.
        labels: the logs to show: the name of a log by its label.
    """

    def __init__(self, steps: int, labels: dict[str, str]):
        super().__init__()
        self.steps = steps
        self.labels = labels

    def on_train_begin(self, logs=None):
        # In a file, each refresh of the bar is a line: refresh only once a minute.
        interval = 0.5 if os.isatty(2) else 60.0
        self.bar = tqdm(
            total=self.steps,
            initial=self.model.step,
            unit="step",
            mininterval=interval,
            maxinterval=interval,
        )

    def on_train_batch_end(self, batch, logs=None):
        values = {label: f"{np.mean(logs[name]):.3f}" for label, name in self.labels.items()}
        self.bar.set_postfix(values, refresh=False)
        self.bar.update(self.model.step - self.bar.n)

    def on_train_end(self, logs=None):
        self.bar.close()
