"""What happens beside the training: a line of metrics, a grid of samples, a checkpoint, a progress bar.

Each counts by `model.step`, the step the weights have reached, never by how long this process has run; so a
run that was killed and continued writes what an uninterrupted one writes.
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
from tf_inpaint.gan.diagnosis import diagnosis
from tf_inpaint.gan.model import LOGS, draw_latents

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
GRID = 6
FIXED, MEASURED = 0x6F1D, 0x6F1E
"""Key the z of the sample grid and of measurements; training's second key is the step, counted from 0."""

log = logging.getLogger("tf_inpaint")


def fixed_latents(latent_size: int, seed: int):
    """The `[36, Z]` z of every sample grid of a run: the lecture's 6 x 6."""
    return draw_latents(GRID * GRID, latent_size, (seed, -FIXED))


def generate(gan, z, batch_size: int = 64) -> np.ndarray:
    """The averaged generator's images `[N, H, W, C]` of `z` `[N, Z]`."""
    return np.concatenate(
        [gan(z[first : first + batch_size]).numpy() for first in range(0, len(z), batch_size)]
    )


def diversity(samples) -> float:
    """How much samples `[N, H, W, C]` differ: the standard deviation over N, averaged over pixels, in [0, 1].

    Near 0 every z gives one image: the generator has collapsed.
    """
    return float(np.std(samples, axis=0).mean())


class Every(keras.callbacks.Callback):
    """Calls `act(step)` whenever the model has reached a multiple of `period` steps."""

    def __init__(self, period: int):
        super().__init__()
        self.period = period

    def on_train_batch_end(self, batch, logs=None):
        step = self.model.step
        if step % self.period == 0:
            self.act(step)


class MetricsFile(Every):
    """A row of `COLUMNS` per period: losses and accuracies averaged over its steps, in full precision.

    Rows beyond the model's step, left by a process that was killed after its last checkpoint, are cut. When the
    rows say that the training goes nowhere, a warning says so in words.

    Args:
        path: the CSV file, made or continued.
        z: `[N, Z]` fixed latents on whose images the diversity is measured.
        images_per_step: counted for `images_per_second`.
        clock: seconds; None writes `nan` for images per second, so that equal runs write equal files.
        measures: names of further columns.
        measure: the model to a number for each of `measures`; called in the first row from each multiple of
            `measure_every` on; the others have `nan` there. None: never called.
        data_diversity, loss: what `diagnosis` must know beside the rows.
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
        self.said = ""

    def on_train_begin(self, logs=None):
        self.rows = [row for row in read_metrics(self.path) if row["step"] <= self.model.step]
        with images.atomic(self.path) as path, open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(map(self.cells, self.rows))
        self.started = (self.model.step, self.clock()) if self.clock else None

    def act(self, step):
        row = dict.fromkeys(self.columns, float("nan"))
        if self.clock:
            (start, then), now = self.started, self.clock()
            row["images_per_second"] = (step - start) * self.images_per_step / (now - then)
        row |= {name: float(self.model.means[name].result()) for name in LOGS}
        row |= {
            name: getattr(self.model, name)
            for name in ("step", "loss_scale", "discriminator_loss_scale")
        }
        row["diversity"] = diversity(self.model(self.z).numpy())
        if self.measure and self.measure_every and step % self.measure_every < self.period:
            row |= dict(zip(self.measures, self.measure(self.model), strict=True))
        self.rows.append(row)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(self.cells(row))
        for mean in self.model.means.values():
            mean.reset_state()
        sentence = diagnosis(self.rows, self.data_diversity, self.loss)
        if sentence and sentence != self.said:
            log.warning("Step %d: %s", step, sentence)
        self.said = sentence
        if self.clock:  # what was done here is not training
            self.started = (step, self.clock())

    def cells(self, row):
        return [row.get(name, float("nan")) for name in self.columns]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The whole rows of a `metrics.csv`, each number by its column; none if there is no such file."""
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    table = [
        dict(zip(header, map(float, row), strict=True)) for row in rows if len(row) == len(header)
    ]
    return [row | {"step": int(row["step"])} for row in table]


class SampleGrid(Every):
    """Writes `folder/STEP.png`, what the fixed z look like by now; the untrained network's is step 0."""

    def __init__(self, folder: Path, period: int, z):
        super().__init__(period)
        self.folder = Path(folder)
        self.z = z

    def on_train_begin(self, logs=None):
        if self.model.step == 0:
            self.act(0)

    def act(self, step):
        images.write(
            self.folder / f"{step:07d}.png", images.grid(self.model(self.z).numpy(), columns=GRID)
        )


class Checkpoints(Every):
    """Saves every `period` steps and at the end, and on SIGTERM or Ctrl-C saves and stops.

    `interrupted` is then the signal's number, else 0. It comes after `MetricsFile`, so that a checkpoint
    never claims a row that was not written.

    Args:
        manager: of the checkpoints.
        catch: whether signals save; not on several machines, which would wait for the one that stops.
    """

    def __init__(self, manager: tf.train.CheckpointManager, period: int, catch: bool = True):
        super().__init__(period)
        self.manager = manager
        self.signals = (signal.SIGTERM, signal.SIGINT) if catch else ()
        self.interrupted = 0
        self.saved = None

    def on_train_begin(self, logs=None):
        self.handlers = {number: signal.signal(number, self.interrupt) for number in self.signals}

    def interrupt(self, number, frame):
        self.interrupted = number
        self.model.stop_training = True

    def act(self, step):
        self.manager.save(checkpoint_number=step)
        self.saved = step

    def on_train_end(self, logs=None):
        # Not `manager.latest_checkpoint`: one of this step may lie there, damaged, from an earlier process.
        if self.saved != self.model.step:
            self.act(self.model.step)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


class Best(keras.callbacks.Callback):
    """Saves the step at which a column of `metrics.csv` was lowest so far. It comes after `MetricsFile`.

    Args:
        manager: of the one checkpoint that is kept.
        file: the `MetricsFile`.
        column: one of its measures.
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
    """Each row of `metrics.csv` as TensorBoard events. It comes after `MetricsFile`.

    Keras' own callback logs by the batches of this process, which is another count than a continued run's.
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
    """A bar over all steps, with the losses and the time to go.

    Args:
        steps: in all.
        shown: the logs beside the bar, by what they are called there.
    """

    def __init__(self, steps: int, shown: dict[str, str]):
        super().__init__()
        self.steps = steps
        self.shown = shown

    def on_train_begin(self, logs=None):
        # In a file a bar is a line for each refresh: there, refresh once a minute.
        interval = 0.5 if os.isatty(2) else 60.0
        self.bar = tqdm(
            total=self.steps,
            initial=self.model.step,
            unit="step",
            mininterval=interval,
            maxinterval=interval,
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if self.bar.n % 50 == 0:
            values = {label: f"{np.mean(logs[name]):.3f}" for label, name in self.shown.items()}
            self.bar.set_postfix(values, refresh=False)

    def on_train_end(self, logs=None):
        self.bar.close()
