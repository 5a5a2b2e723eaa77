"""Trains a GAN on images and writes a run directory.

    python -m tf_inpaint.train --flagfile=configs/digits.flags
    python -m tf_inpaint.train --dataset=folder:my/faces --image_size=64 --channels=3 --run_dir=runs/faces

Started again with the same --run_dir it goes on where it stopped.
"""

import logging
import signal
from pathlib import Path

from tf_inpaint.config import TrainConfig
from tf_inpaint.inputs.named_images import pictures

log = logging.getLogger("tf_inpaint")


def run(config: TrainConfig) -> int:
    """Trains to `config.steps`; returns 0, or 128 plus the signal that stopped it after a last checkpoint."""
    import numpy as np
    import tensorflow as tf

    from tf_inpaint.files import curves, images
    from tf_inpaint.gan import callbacks
    from tf_inpaint.runs import run_directory

    strategy = run_directory.strategy(config)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    source = pictures(config, "train")
    source.read(np.zeros(1, np.int64))  # refuses unreadable pictures before anything is written
    measure = measurement(config) if config.measure_every else None
    with run_directory.created(config, strategy) as folder:
        with strategy.scope():
            gan = run_directory.new_gan(config)
        manager = run_directory.checkpoints(folder, gan.state, config.keep_checkpoints)
        there = run_directory.checkpoints(run_directory.directory(config), gan.state)
        if there.checkpoints and not run_directory.restore(there):
            raise ValueError(
                f"--run_dir must hold a checkpoint that can be read; none in {there.directory} can; "
                "choose another --run_dir to start anew."
            )
        if config.strategy == "multi_worker":
            check_alike(strategy, gan.step, source.size)
        interrupted = gan.step < config.steps and fit(
            config, gan, strategy, source, folder, manager, measure
        )
        frames = [images.read(path) for path in sorted((folder / "samples").glob("[0-9]*.png"))]
        if frames:  # none in a worker's own folder that joined later
            images.animate(folder / "training.gif", frames, seconds_per_frame=0.1)
        curves.training_curves(
            callbacks.read_metrics(folder / "metrics.csv"), folder / "training.png"
        )
        if interrupted:
            return stopped(interrupted, f"step {gan.step} in {folder}")
        if config.encoder_steps and folder == run_directory.directory(config):
            interrupted = fit_encoder(config, run_directory.load(folder), source)
            if interrupted:
                return stopped(interrupted, f"the encoder in {folder}")
        print(f"{folder}: {gan.step} steps; look at {folder}/samples and {folder}/training.gif")
    return 0


def check_alike(strategy, step: int, size: int) -> None:
    """Checks that all workers go on from one step with as many images: on file systems of their own they may not.

    Raises:
        ValueError: on all workers, when they are not all at one step with as many training images.
    """
    import tensorflow as tf

    own = lambda: tf.constant([[step, size]], tf.int64)  # noqa: E731
    steps, sizes = tf.function(lambda: strategy.gather(strategy.run(own), axis=0))().numpy().T
    for what, values in (("go on from one step", steps), ("have as many training images", sizes)):
        if len(set(values)) > 1:
            raise ValueError(
                f"All workers must {what}; received {', '.join(map(str, values))}; put --run_dir and the data on a "
                "file system that they share."
            )


def stopped(number: int, what: str) -> int:
    """The exit code of a process that a signal ended, and a line on what was saved."""
    print(f"{signal.Signals(number).name}: saved {what}")
    return 128 + number


def measurement(config: TrainConfig):
    """A function of the GAN: the distances `config.measure` of its images to held-out ones. None if there are none."""
    from tf_inpaint.data.pipeline import spread
    from tf_inpaint.gan.callbacks import MEASURED, generate
    from tf_inpaint.gan.model import draw_latents
    from tf_inpaint.metrics.distances import Distances

    try:
        source = pictures(config, "held_out")
    except ValueError as error:  # a folder of a few images may have none
        if config.best_by != "none":
            raise
        log.warning("Samples are not measured: %s", error)
        return None
    count = max(2, min(config.measure_images, source.size))
    distances = Distances(config.measure, spread(source, count))
    z = draw_latents(count, config.latent_size, (config.seed, -MEASURED))
    return lambda gan: distances(generate(gan, z))


def fit(config: TrainConfig, gan, strategy, source, folder: Path, manager, measure) -> int:
    """Trains from where `gan` is to `config.steps`; returns the signal that stopped it, or 0."""
    import importlib.util
    import time

    from tf_inpaint.data.pipeline import spread, train_batches
    from tf_inpaint.gan import callbacks
    from tf_inpaint.runs import run_directory

    z = callbacks.fixed_latents(config.latent_size, config.seed)
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
    saving = callbacks.Checkpoints(
        manager, config.checkpoint_every, catch=config.strategy != "multi_worker"
    )
    every = [
        callbacks.Progress(config.steps, {"D": "discriminator_loss", "G": "generator_loss"}),
        metrics,
        callbacks.SampleGrid(folder / "samples", config.sample_every, z),
    ]
    if config.best_by != "none":
        every.append(callbacks.Best(run_directory.best(folder, gan.state), metrics, config.best_by))
    if importlib.util.find_spec("tensorboard"):
        every.append(callbacks.TensorBoard(folder / "events", metrics))

    def batches(context=None):
        replicas, first, own = 1, 0, 1
        if context:
            replicas = context.num_replicas_in_sync
            own = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * own
        steps = gan.step, config.steps
        mine = range(first, first + own)
        return train_batches(
            source,
            config.batch_size,
            config.seed,
            *steps,
            config.discriminator_steps,
            replicas,
            mine,
        )

    distributed = config.strategy != "none"
    data = strategy.distribute_datasets_from_function(batches) if distributed else batches()
    # Counted, not run until the data end: a step that finds none has already drawn z and counted itself.
    remaining = config.steps - gan.step
    gan.fit(data, steps_per_epoch=remaining, shuffle=False, verbose=0, callbacks=[*every, saving])
    return saving.interrupted


def fit_encoder(config: TrainConfig, run, source) -> int:
    """Trains the run's encoder from where it was left; returns the signal that stopped it, or 0."""
    from tf_inpaint.data.pipeline import train_batches
    from tf_inpaint.gan import callbacks
    from tf_inpaint.gan.encoder import real_rows
    from tf_inpaint.inpainting import masks
    from tf_inpaint.runs import run_directory

    training, manager = run_directory.encoder_training(run)
    if training.step >= config.encoder_steps:
        return 0
    print(
        f"Training the encoder, from which searches start, for {config.encoder_steps} steps",
        flush=True,
    )
    sample_masks = masks.mixture(config.batch_size, config.image_size, config.seed)
    real = train_batches(
        source, real_rows(config.batch_size), config.seed, training.step, config.encoder_steps
    )
    saving = callbacks.Checkpoints(manager, config.checkpoint_every)
    progress = callbacks.Progress(config.encoder_steps, {"loss": "loss"})
    training.train(sample_masks, real, [progress, saving])
    return saving.interrupted


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(TrainConfig, run, __doc__)
