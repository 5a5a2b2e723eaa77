"""The endless, reproducible stream of training batches, from a source of pictures."""

import atexit
import functools
import os
import threading
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_inpaint.data.sources import Source

_exiting = threading.Event()
_active_reads: list[int] = []


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order of the images in an epoch: a permutation that (seed, epoch) fixes.

    The permutation sorts the raw stream of a counter-based generator. NumPy never changes this
    stream. TensorFlow's `index_shuffle` would need no array, but it knows only some hundred orders
    (256 for 64 images), and takes longer for few images than for many.

    Args:
        size: number of images N.
        seed: 0 or more.
        epoch: 0 or more.

    Returns:
        int64 [N], which contains each of 0..N-1 once.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (Philox).
    """
    return np.argsort(np.random.Philox(key=[seed, epoch]).random_raw(size), kind="stable")


class ImageOrder:
    """Which images the replicas of a training see in each step.

    A step has K batches of B images, and step t holds positions tKB .. (t + 1)KB - 1 of an endless
    sequence. Positions eN .. eN + N - 1 of the sequence are `epoch_order(N, seed, e)`. So
    (seed, step) fixes the images of a step: training can continue at any step, no batch is short,
    and an epoch may begin within a batch. Each of R replicas gets different rows of a batch.
    Together, the replicas see the images that a single replica would see.

    Args:
        size: number of images N.
        batch_size: number of images in a batch over all replicas, B. B may exceed N.
        seed: 0 or more. Another seed gives another order.
        batches: number of batches in a step, K.
        replicas: number of replicas on all machines, R. R divides B.
    """

    def __init__(self, size: int, batch_size: int, seed: int, batches: int = 1, replicas: int = 1):
        self.size = size
        self.batch_size = batch_size
        self.batches = batches
        self.replicas = replicas
        self.rows = batches * batch_size // replicas
        self._epoch = functools.lru_cache(maxsize=4)(functools.partial(epoch_order, size, seed))

    def indices(self, step: int, replica: int = 0) -> np.ndarray:
        """Returns the indices of the images of a replica in a step, int64 [K B / R]."""
        count = self.batches * self.batch_size
        positions = np.arange(step * count, (step + 1) * count)
        positions = positions.reshape(self.batches, self.replicas, -1)[:, replica].ravel()
        epochs, places = np.divmod(positions, self.size)
        indices = np.empty_like(positions)
        for epoch in np.unique(epochs):
            indices[epochs == epoch] = self._epoch(int(epoch))[places[epochs == epoch]]
        return indices


def train_batches(
    source: Source,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    batches: int = 1,
    replicas: int = 1,
    local_replicas: range = range(1),
) -> tf.data.Dataset:
    """Gives the training images of steps `first_step` to `last_step - 1`.

    The data set has one element for each step and local replica, in the order of `ImageOrder`.

    Args:
        source: N pictures.
        batch_size, seed, batches, replicas: see `ImageOrder`.
        first_step: 0 or more.
        last_step: step at which the data set ends. This step is not included.
        local_replicas: indices of the replicas on this machine, in 0..R-1.

    Returns:
        data set of float32 [K B / R, S, S, C] in [-1, 1].

    Raises:
        ValueError: no picture of the source can be read.
    """
    # Read here once, so that an error is the source's error and not wrapped by TensorFlow.
    source.read(np.zeros(1, np.int64))
    order = ImageOrder(source.size, batch_size, seed, batches, replicas)
    spec = tf.TensorSpec([order.rows, *source.picture_shape])
    return _stream(order, source.read_float, spec, first_step, last_step, local_replicas)


def train_indices(
    size: int, batch_size: int, seed: int, first_step: int, last_step: int, batches: int = 1
) -> tf.data.Dataset:
    """Gives the indices of the images that `train_batches` gives to a single replica.

    Returns:
        data set of int64 [K B].
    """
    order = ImageOrder(size, batch_size, seed, batches)
    spec = tf.TensorSpec([order.rows], tf.int64)
    return _stream(order, lambda indices: indices, spec, first_step, last_step, range(1))


def _stream(
    order: ImageOrder,
    read: Callable[[np.ndarray], np.ndarray],
    spec: tf.TensorSpec,
    first_step: int,
    last_step: int,
    local_replicas: range,
) -> tf.data.Dataset:
    """Gives `read(indices)` for each step and local replica; `spec` is the type of an element."""

    def read_element(number: np.ndarray) -> np.ndarray:
        _active_reads.append(int(number))
        try:
            if _exiting.is_set():
                return np.zeros(spec.shape, spec.dtype.as_numpy_dtype)
            step, replica = divmod(int(number), len(local_replicas))
            return read(order.indices(step, local_replicas[replica]))
        finally:
            _active_reads.pop()

    def load(number: tf.Tensor) -> tf.Tensor:
        element = tf.numpy_function(read_element, [number], spec.dtype, stateful=False)
        return tf.ensure_shape(element, spec.shape)

    # Read elements in parallel, as Pillow decodes without Python's global lock.
    first, last = first_step * len(local_replicas), last_step * len(local_replicas)
    threads = min(8, os.cpu_count() or 1)
    elements = tf.data.Dataset.range(first, last).map(
        load, num_parallel_calls=threads, deterministic=True
    )
    return elements.prefetch(2 * len(local_replicas))


def spread(source: Source, count: int) -> np.ndarray:
    """Returns images from evenly spaced places of a source.

    Args:
        source: N pictures.
        count: number of images. If it exceeds N, some images occur several times.

    Returns:
        float32 `[count, S, S, C]` in [-1, 1].
    """
    return source.read_float(np.arange(count) * source.size // count)


@atexit.register
def _finish_reads() -> None:
    # If training is interrupted, TensorFlow's threads still ask for some batches in advance. A
    # thread that waits for Python during the shutdown of Python waits forever, and often blocks the
    # whole process. So answer all requests before the shutdown.
    _exiting.set()
    idle_polls = 0
    while idle_polls < 5:
        time.sleep(0.02)
        idle_polls = 0 if _active_reads else idle_polls + 1
