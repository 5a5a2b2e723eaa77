"""Trains a GAN on images, then an encoder for it, and writes a run directory.

    python -m tf_inpaint.train --flagfile=configs/digits.flags
    python -m tf_inpaint.train --dataset=folder:my/faces --image_size=64 --channels=3

The run directory holds config.json, config.flags, data.json, metrics.csv, training.png,
training.gif, samples/STEP.png (always the same 36 z), checkpoints/ and encoder/. With TensorBoard
installed the run directory also holds events/, and with --best_by it holds best/.

Ctrl-C and SIGTERM save a checkpoint. If the command is started again with the same --run_dir, the
training continues at the last checkpoint. If the images moved, --dataset takes their new place.

With --strategy=multi_worker, start the same command on all machines, with one --run_dir on a file
system that they share. TF_CONFIG holds the addresses of all machines and the number of this one. If
one machine fails, all stop: start all again.
"""

import logging
import signal
from collections.abc import Callable
from pathlib import Path

from tf_inpaint.config import TrainConfig
from tf_inpaint.inputs.named_images import pictures

STEPS_PER_CALL = 20
"""Maximum number of steps of a call on several machines, which must all take the same calls."""

log = logging.getLogger("tf_inpaint")


def run(config: TrainConfig) -> int:
    """Trains the GAN up to `config.steps`, then the encoder, and fits the mean estimate.

    Returns:
        0, or 128 plus the number of the signal that stopped the training after a last checkpoint.
    """
    import numpy as np
    import tensorflow as tf

    from tf_inpaint.data.training_images import TrainingImages
    from tf_inpaint.runs import from_config, required_memory, run_directory, worker_cluster

    # Check the settings and the data.
    strategy = from_config.strategy(config)
    required_memory.check_training(config)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    source = pictures(config, "train")
    # Unreadable pictures are thus refused before anything is written.
    source.read(np.zeros(1, np.int64))
    training_images = TrainingImages(source, config.seed, config.cache_gigabytes * 1e9)
    measure = new_measure(config) if config.measure_every else None

    with run_directory.created(config, strategy) as folder:
        # Make the GAN or restore it.
        with strategy.scope():
            gan = from_config.new_gan(config)
        manager = run_directory.checkpoints(folder, gan.state, config.keep_checkpoints)
        restore(config, gan)
        if config.strategy == "multi_worker":
            worker_cluster.check_workers_agree(strategy, gan.step, source.size)
        run_directory.record_size(folder, source.size)

        # Train the GAN.
        signal_number = 0
        if gan.step < config.steps:
            replicas = strategy.num_replicas_in_sync
            print(device_sentence(config.mixed_precision, gan.jit_compile, replicas), flush=True)
            signal_number = fit(config, gan, strategy, training_images, folder, manager, measure)
        draw_training(folder)
        if signal_number:
            return report_signal(signal_number, f"step {gan.step} in {folder}")

        # Train the encoder, and fit the mean estimate.
        is_chief = folder == run_directory.directory(config)
        if is_chief and (config.encoder_steps or config.mean_images):
            trained = run_directory.load(folder)
            signal_number = fit_encoder(config, trained, training_images)
            if signal_number:
                return report_signal(signal_number, f"the encoder in {folder}")
            fit_mean_estimate(config, trained, source)
        print(f"{folder}: {gan.step} steps; look at {folder}/samples and {folder}/training.gif")
    return 0


def new_measure(config: TrainConfig) -> Callable | None:
    """A function of the GAN: the distances `config.measure` of its images from held-out images.

    Returns:
        None if there are no held-out images and `--best_by` does not need them.
    """
    from tf_inpaint.data.pipeline import spread
    from tf_inpaint.gan.callbacks import generate
    from tf_inpaint.gan.random_numbers import MEASUREMENT_KEY, draw_latents
    from tf_inpaint.metrics.distances import Distances

    try:
        source = pictures(config, "held_out")
    except ValueError as error:  # a folder of a few images may have no held-out image
        if config.best_by != "none":
            raise
        log.warning("Samples are not measured: %s", error)
        return None
    count = max(2, min(config.measure_images, source.size))
    distances = Distances(config.measure, spread(source, count))
    z = draw_latents(count, config.latent_size, (config.seed, MEASUREMENT_KEY))
    return lambda gan: distances(generate(gan, z))


def device_sentence(precision: str, jit_compile: bool, replicas: int) -> str:
    """Says on which device a training runs, in which precision, and whether XLA compiles it.

    Args:
        precision: Keras dtype policy.
        jit_compile: whether XLA compiles the step.
        replicas: number of replicas on all machines.
    """
    import os

    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        device = f"GPU {details.get('device_name', 'of an unknown name')}"
    else:
        device = f"CPU ({os.cpu_count()} cores)"
    parts = [f"Training on {device}", precision]
    if replicas > 1:
        parts.append(f"{replicas} replicas")
    if jit_compile:
        parts.append("compiled by XLA")
    return ", ".join(parts)


def restore(config: TrainConfig, gan) -> None:
    """Restores the newest checkpoint of the run that can be read, if the run has any checkpoint.

    Raises:
        ValueError: the run has checkpoints, but none can be read.
    """
    from tf_inpaint.runs import from_config, run_directory

    manager = run_directory.checkpoints(run_directory.directory(config), gan.state)
    if manager.checkpoints and not run_directory.restore(manager):
        raise ValueError(
            "--run_dir must hold a checkpoint that can be read; received a run with damaged "
            f"checkpoints only, in {manager.directory}; choose another --run_dir to start again."
        )
    # A checkpoint has the learning rates too, and this command may lower them.
    from_config.set_learning_rates(gan, config)


def fit(config: TrainConfig, gan, strategy, training_images, folder: Path, manager, measure) -> int:
    """Trains the GAN from its present step to `config.steps`.

    Args:
        strategy: the devices of the training.
        training_images: `TrainingImages` of the run.
        folder: the folder to write to.
        manager: the manager of the checkpoints.
        measure: result of `new_measure`.

    Returns:
        The number of the signal that stopped the training, or 0.
    """
    from tf_inpaint.gan import callbacks, training_loop
    from tf_inpaint.runs import run_directory

    progress = callbacks.Progress(config.steps, {"D": "discriminator_loss", "G": "generator_loss"})
    observers = [progress, *new_observers(config, gan, training_images.source, folder, measure)]
    several_machines = config.strategy == "multi_worker"
    saving = callbacks.Checkpoints(
        manager, config.checkpoint_every, catch_signals=not several_machines
    )
    data, images_of = training_images.steps(
        config.batch_size,
        config.discriminator_steps,
        gan.step,
        config.steps,
        None if config.strategy == "none" else strategy,
    )
    training_loop.train(
        gan,
        data,
        config.steps,
        [*observers, saving],
        images_of,
        STEPS_PER_CALL if several_machines else None,
    )
    if gan.stop_training and not saving.interrupted:
        draw_training(folder)
        raise ValueError(
            f"Weights and losses must stay finite; at step {gan.step} of {folder} they are not; "
            f"start the same command with a lower --learning_rate than {config.learning_rate}: it "
            f"goes on from step {run_directory.last_step(manager)}."
        )
    return saving.interrupted


def new_observers(config: TrainConfig, gan, source, folder: Path, measure) -> list:
    """The callbacks between `Progress` and `Checkpoints`, which must be the last one."""
    import importlib.util
    import time

    from tf_inpaint.data.pipeline import spread
    from tf_inpaint.gan import callbacks
    from tf_inpaint.gan.random_numbers import fixed_latents
    from tf_inpaint.runs import run_directory

    # The metrics and the samples.
    z = fixed_latents(callbacks.GRID**2, config.latent_size, config.seed)
    metrics = callbacks.MetricsFile(
        folder / "metrics.csv",
        config.log_every,
        z,
        config.batch_size * config.discriminator_steps,
        None if config.deterministic else time.perf_counter,
        config.measure if measure else (),
        measure,
        config.measure_every,
        callbacks.diversity(spread(source, len(z))),
        config.loss,
    )
    observers = [
        metrics,
        callbacks.SampleGrid(folder / "samples", config.sample_every, z),
    ]

    # What reads the metrics.
    if config.best_by != "none":
        best = run_directory.best(folder, gan.state)
        observers.append(callbacks.BestCheckpoint(best, metrics, config.best_by))
    if importlib.util.find_spec("tensorboard"):
        observers.append(callbacks.TensorBoard(folder / "events", metrics))
    return observers


def draw_training(folder: Path) -> None:
    """Writes `training.gif` from the sample grids, and `training.png` from the metrics."""
    from tf_inpaint.files import curves, images
    from tf_inpaint.gan.callbacks import read_metrics

    frames = [images.read(path) for path in sorted((folder / "samples").glob("[0-9]*.png"))]
    if frames:  # the temporary folder of a worker that joined later has no samples
        images.animate(folder / "training.gif", frames, seconds_per_frame=0.1)
    curves.training_curves(read_metrics(folder / "metrics.csv"), folder / "training.png")


def report_signal(number: int, saved: str) -> int:
    """Prints what was saved. Returns the exit code of a process that this signal ended."""
    print(f"{signal.Signals(number).name}: saved {saved}")
    return 128 + number


def fit_encoder(config: TrainConfig, run, training_images) -> int:
    """Trains the encoder of the run from its present step to `config.encoder_steps`.

    Returns:
        The number of the signal that stopped the training, or 0.
    """
    from tf_inpaint.compositing import masks
    from tf_inpaint.gan import callbacks
    from tf_inpaint.gan.encoder import real_rows
    from tf_inpaint.runs import run_directory

    if run.encoder or not config.encoder_steps:
        return 0
    training, manager = run_directory.encoder_training(run)
    print(f"Training the encoder for {config.encoder_steps} steps", flush=True)
    sample_masks = masks.mixture(config.batch_size, config.image_size, config.seed)
    real, images_of = training_images.steps(
        real_rows(config.batch_size), 1, training.step, config.encoder_steps
    )
    saving = callbacks.Checkpoints(manager, config.checkpoint_every)
    progress = callbacks.Progress(config.encoder_steps, {"loss": "loss"})
    training.train(sample_masks, real, [progress, saving], images_of)
    return saving.interrupted


def fit_mean_estimate(config: TrainConfig, run, source) -> None:
    """Fits the mean estimate of the run to training images, unless the run has one.

    Args:
        config: settings of the command.
        run: the trained run. It may lack an encoder that was trained meanwhile.
        source: the training images.
    """
    from tf_inpaint.compositing import masks
    from tf_inpaint.inpainting.inpainter import Inpainter
    from tf_inpaint.runs import from_config, inpainters, mean_estimates, run_directory
    from tf_inpaint.settings.search_settings import SearchSettings

    if not config.mean_images or run.mean_estimate_file.exists():
        return
    if config.encoder_steps and not run.encoder:
        run = run_directory.load(run.directory)
    print("Completing training images, for --estimate=mean", flush=True)
    compiles = from_config.compiles_steps(config)
    settings = SearchSettings(jit_compile="true" if compiles else "false")
    sample_masks = masks.mixture(mean_estimates.CHUNK, config.image_size, config.seed)
    inpainter = Inpainter(inpainters.frozen_networks(run), settings)
    if not mean_estimates.fit(run, inpainter, source, sample_masks, config.mean_images):
        log.warning("There are too few training images for --estimate=mean; it averages answers.")


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(TrainConfig, run, __doc__)
