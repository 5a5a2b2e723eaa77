"""Trains a DCGAN on images and writes a run directory.

    python -m tf_inpaint.train --flagfile=configs/digits.flags
    python -m tf_inpaint.train --dataset=folder:my/faces --image_size=64 --channels=3 --run_dir=runs/faces

Started again with the same --run_dir it goes on where it stopped.
"""

import signal

from tf_inpaint.config import TrainConfig


def run(config: TrainConfig) -> int:
    """Trains to `config.steps`; returns 0, or 128 plus the signal that stopped it after a last checkpoint."""
    import time

    import numpy as np
    import tensorflow as tf

    from tf_inpaint import images, runs
    from tf_inpaint.data.pipeline import train_batches
    from tf_inpaint.data.sources import open_source
    from tf_inpaint.gan import callbacks

    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    source = open_source(
        config.dataset, config.image_size, config.channels, config.crop, "train", config.data_dir or None
    )
    source.read(np.zeros(1, np.int64))  # refuses unreadable pictures before anything is written
    folder = runs.create(config)
    gan = runs.new_gan(config)
    manager = runs.checkpoints(folder, gan.state, config.keep_checkpoints)
    if manager.checkpoints and not runs.restore(manager):
        raise ValueError(
            f"--run_dir must hold a checkpoint that can be read; none in {manager.directory} can; "
            "choose another --run_dir to start anew."
        )
    step = int(gan.step)
    if step < config.steps:
        images_per_step = config.batch_size * config.discriminator_steps
        z = callbacks.fixed_latents(config.latent_size, config.seed)
        clock = None if config.deterministic else time.perf_counter
        saving = callbacks.Checkpoints(manager, config.checkpoint_every)
        gan.fit(
            train_batches(source, images_per_step, config.seed, step, config.steps),
            shuffle=False,
            verbose=0,
            callbacks=[
                callbacks.Progress(config.steps),
                callbacks.MetricsFile(folder / "metrics.csv", config.log_every, z, images_per_step, clock),
                callbacks.SampleGrid(folder / "samples", config.sample_every, z),
                saving,
            ],
        )
        if saving.interrupted:
            print(f"{signal.Signals(saving.interrupted).name}: saved step {int(gan.step)} in {folder}")
            return 128 + saving.interrupted
    frames = [images.read(path) for path in sorted((folder / "samples").glob("[0-9]*.png"))]
    images.animate(folder / "training.gif", frames, seconds_per_frame=0.1)
    print(f"{folder}: {int(gan.step)} steps; look at {folder}/samples and {folder}/training.gif")
    return 0


if __name__ == "__main__":
    from tf_inpaint.launch import launch

    launch(TrainConfig, run, __doc__)
