"""From a source of pictures to the endless, reproducible stream of training batches."""

import atexit
import functools
import os
import threading
import time

import numpy as np
import tensorflow as tf

from tf_inpaint.data.sources import Source
from tf_inpaint.files import images

_leaving = threading.Event()
_answering: list[int] = []


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch shows the images: a permutation fixed by (seed, epoch).

    The ranks in the raw stream of a counter-based generator, which NumPy never changes. TensorFlow's
    `index_shuffle` would do without the array, but knows only some hundred orders (256 for 64 images),
    and takes longer for few images than for many.

    Args:
        size: number of images N.
        seed: 0 or more.
        epoch: 0 or more.

    Returns:
        int64 [N], each of 0..N-1 once.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (Philox).
    """
    return np.argsort(np.random.Philox(key=[seed, epoch]).random_raw(size), kind="stable")


def train_batches(
    source: Source,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    batches: int = 1,
    replicas: int = 1,
    mine: range = range(1),
) -> tf.data.Dataset:
    """The training images of steps `first_step` to `last_step - 1`, an element for each step and own replica.

    Step t holds positions tKB .. (t + 1)KB - 1 of an endless sequence, whose positions eN .. eN + N - 1 are
    `epoch_order(N, seed, e)`: K batches of B. So (seed, step) fixes a step's images bit for bit: a run continues
    at any step, no batch is short, and an epoch may begin within one. Of each batch a replica gets its own rows:
    together the replicas see what one alone would see.

    Args:
        source: N pictures.
        batch_size: images in a batch of all replicas, B; may exceed N.
        seed: 0 or more; other seeds give other orders.
        first_step: 0 or more.
        last_step: the step after the last one.
        batches: K, in a step.
        replicas: R, on all machines; divides B.
        mine: those whose images are wanted here, in 0..R-1.

    Returns:
        data set of float32 [K B / R, S, S, C] in [-1, 1].

    Raises:
        ValueError: no picture of the source can be read.
    """
    # Read here once, so that an error is the source's own and not one that TensorFlow has wrapped.
    source.read(np.zeros(1, np.int64))
    rows = batch_size // replicas
    shape = (batches * rows, *source.picture_shape)
    order = functools.lru_cache(maxsize=4)(functools.partial(epoch_order, source.size, seed))

    def element(number: np.ndarray) -> np.ndarray:
        _answering.append(int(number))
        try:
            if _leaving.is_set():
                return np.zeros(shape, np.float32)
            step, own = divmod(int(number), len(mine))
            starts = (
                (step * batches + batch) * batch_size + mine[own] * rows for batch in range(batches)
            )
            positions = (
                divmod(start + row, source.size) for start in starts for row in range(rows)
            )
            return images.to_float(
                source.read(np.array([order(epoch)[place] for epoch, place in positions]))
            )
        finally:
            _answering.pop()

    def load(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(
            tf.numpy_function(element, [number], tf.float32, stateful=False), shape
        )

    numbers = tf.data.Dataset.range(first_step * len(mine), last_step * len(mine))
    threads = min(8, os.cpu_count() or 1)  # Pillow decodes outside Python's lock
    return numbers.map(load, num_parallel_calls=threads, deterministic=True).prefetch(2 * len(mine))


def spread(source: Source, count: int) -> np.ndarray:
    """`count` images from all over the source, `[count, S, S, C]` in [-1, 1]; some twice if it has fewer."""
    return images.to_float(source.read(np.arange(count) * source.size // count))


@atexit.register
def _leave() -> None:
    # Where training is broken off, TensorFlow's threads go on asking for some batches ahead. One that waits
    # for Python while it shuts down waits for ever, and often the process too: so answer them all before.
    _leaving.set()
    quiet = 0
    while quiet < 5:
        time.sleep(0.02)
        quiet = 0 if _answering else quiet + 1
