"""What happens beside the training: a line of metrics, a grid of samples, a checkpoint, a progress bar.

Each counts by `model.step`, the step the weights have reached, never by how long this process has run; so a
run that was killed and continued writes what an uninterrupted one writes.
"""

import csv
import os
import signal
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_inpaint import images
from tf_inpaint.gan.model import LOGS, draw_latents

COLUMNS = ("step", *LOGS, "diversity", "loss_scale", "images_per_second")
GRID = 6
FIXED = 0x6F1D
"""Keys the z of the sample grid; training's second key is the step, counted from 0."""


def fixed_latents(latent_size: int, seed: int):
    """The `[36, Z]` z of every sample grid of a run: the lecture's 6 x 6."""
    return draw_latents(GRID * GRID, latent_size, (seed, -FIXED))


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
        step = int(self.model.step)
        if step % self.period == 0:
            self.act(step)


class MetricsFile(Every):
    """A row of `COLUMNS` per period: losses and accuracies averaged over its steps, in full precision.

    Rows beyond the model's step, left by a process that was killed after its last checkpoint, are cut.

    Args:
        path: the CSV file, made or continued.
        z: `[N, Z]` fixed latents on whose images the diversity is measured.
        images_per_step: counted for `images_per_second`.
        clock: seconds; None writes `nan` for images per second, so that equal runs write equal files.
    """

    def __init__(self, path: Path, period: int, z, images_per_step: int, clock=time.perf_counter):
        super().__init__(period)
        self.path = Path(path)
        self.z = z
        self.images_per_step = images_per_step
        self.clock = clock

    def on_train_begin(self, logs=None):
        rows = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = [row for row in list(csv.reader(file))[1:] if len(row) == len(COLUMNS)]
        with images.atomic(self.path) as path, open(path, "w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *(row for row in rows if int(row[0]) <= int(self.model.step))])
        self.started = (int(self.model.step), self.clock()) if self.clock else None

    def act(self, step):
        rate = float("nan")
        if self.clock:
            (start, then), now = self.started, self.clock()
            rate, self.started = (step - start) * self.images_per_step / (now - then), (step, now)
        means = [float(self.model.means[name].result()) for name in LOGS]
        samples = self.model(self.z).numpy()
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([step, *means, diversity(samples), self.model.loss_scale, rate])
        for mean in self.model.means.values():
            mean.reset_state()


class SampleGrid(Every):
    """Writes `folder/STEP.png`, what the fixed z look like by now; the untrained network's is step 0."""

    def __init__(self, folder: Path, period: int, z):
        super().__init__(period)
        self.folder = Path(folder)
        self.z = z

    def on_train_begin(self, logs=None):
        if int(self.model.step) == 0:
            self.act(0)

    def act(self, step):
        images.write(self.folder / f"{step:07d}.png", images.grid(self.model(self.z).numpy(), columns=GRID))


class Checkpoints(Every):
    """Saves every `period` steps and at the end, and on SIGTERM or Ctrl-C saves and stops.

    `interrupted` is then the signal's number, else 0. It comes after `MetricsFile`, so that a checkpoint
    never claims a row that was not written.
    """

    def __init__(self, manager: tf.train.CheckpointManager, period: int):
        super().__init__(period)
        self.manager = manager
        self.interrupted = 0
        self.saved = None

    def on_train_begin(self, logs=None):
        signals = (signal.SIGTERM, signal.SIGINT)
        self.handlers = {number: signal.signal(number, self.interrupt) for number in signals}

    def interrupt(self, number, frame):
        self.interrupted = number
        self.model.stop_training = True

    def act(self, step):
        self.manager.save(checkpoint_number=step)
        self.saved = step

    def on_train_end(self, logs=None):
        # Not `manager.latest_checkpoint`: one of this step may lie there, damaged, from an earlier process.
        if self.saved != int(self.model.step):
            self.act(int(self.model.step))
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


class Progress(keras.callbacks.Callback):
    """A bar over all steps of the run, with the losses and the time to go."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_begin(self, logs=None):
        # In a file a bar is a line for each refresh: there, refresh once a minute.
        interval = 0.5 if os.isatty(2) else 60.0
        self.bar = tqdm(
            total=self.steps,
            initial=int(self.model.step),
            unit="step",
            mininterval=interval,
            maxinterval=interval,
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if self.bar.n % 50 == 0:
            short = {"D": logs["discriminator_loss"], "G": logs["generator_loss"]}
            self.bar.set_postfix({name: f"{float(loss):.3f}" for name, loss in short.items()}, refresh=False)

    def on_train_end(self, logs=None):
        self.bar.close()
