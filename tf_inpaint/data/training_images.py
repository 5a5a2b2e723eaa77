"""The images of the steps of a training, from the memory of the device if all images fit there."""

import concurrent.futures
import functools
import math
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_inpaint.data.pipeline import train_batches, train_indices
from tf_inpaint.data.sources import Source

CHUNK = 256
"""Number of pictures that a thread decodes before it takes the next ones."""


class TrainingImages:
    """The training images of a run: each picture is decoded once, or when a step needs it.

    Args:
        source: N pictures. The number of levels of a picture is a multiple of 8.
        seed: the seed of the order of the images.
        cache_bytes: maximum size of all pictures in the memory of the device. Larger sources are
            read in each step.
    """

    def __init__(self, source: Source, seed: int, cache_bytes: float):
        self.source = source
        self.seed = seed
        self.fits_on_device = source.size * math.prod(source.picture_shape) <= cache_bytes

    def steps(
        self,
        batch_size: int,
        batches: int,
        first_step: int,
        last_step: int,
        strategy: tf.distribute.Strategy | None = None,
    ) -> tuple[tf.data.Dataset, Callable[[tf.Tensor], tf.Tensor]]:
        """Gives the images of steps `first_step` to `last_step - 1`.

        Args:
            batch_size, batches, first_step, last_step: see `pipeline.train_batches`.
            strategy: the devices, whose pictures are always read in each step. None: one device.

        Returns:
            A data set with one element for each step, and a graph function that maps an element to
            the images `[batches * batch_size, S, S, C]` float32 in [-1, 1].
        """
        sizes = batch_size, self.seed, first_step, last_step, batches
        if strategy is None and self.fits_on_device:
            return train_indices(self.source.size, *sizes), self.images_at
        if strategy is None:
            return train_batches(self.source, *sizes), tf.identity

        def worker_batches(context):
            count = context.num_replicas_in_sync // context.num_input_pipelines
            first = context.input_pipeline_id * count
            local_replicas = range(first, first + count)
            return train_batches(self.source, *sizes, context.num_replicas_in_sync, local_replicas)

        return strategy.distribute_datasets_from_function(worker_batches), tf.identity

    @functools.cached_property
    def words(self) -> tf.Tensor:
        """`[N, S S C / 8]` int64: the levels of each picture, eight in one number.

        On a GPU, TensorFlow gathers rows of int64, but not rows of uint8.
        """
        pictures = np.empty((self.source.size, *self.source.picture_shape), np.uint8)

        def read(indices):
            pictures[indices] = self.source.read(indices, keep=False)

        chunks = np.array_split(np.arange(len(pictures)), math.ceil(len(pictures) / CHUNK))
        with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            list(pool.map(read, chunks))
        return tf.constant(pictures.reshape(len(pictures), -1).view(np.int64))

    def images_at(self, indices: tf.Tensor) -> tf.Tensor:
        """The images at the indices `[B]`: `[B, S, S, C]` float32 in [-1, 1]. A graph function."""
        with tf.init_scope():
            # TensorFlow would multiply by the inverse of a constant, and the last bits would differ
            # from those of `images.to_float`. A tensor from outside of the graph is no constant.
            words, half_range = self.words, tf.constant(127.5)
        levels = tf.bitcast(tf.gather(words, indices), tf.uint8)
        levels = tf.reshape(levels, [-1, *self.source.picture_shape])
        return tf.cast(levels, tf.float32) / half_range - 1.0
