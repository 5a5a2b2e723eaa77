"""From a source of pictures to the endless, reproducible stream of training batches."""

import atexit
import functools
import os
import threading
import time

import numpy as np
import tensorflow as tf

from tf_inpaint import images
from tf_inpaint.data.sources import Source

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


def train_batches(source: Source, batch_size: int, seed: int, first_step: int, last_step: int) -> tf.data.Dataset:
    """The training batches of steps `first_step` to `last_step - 1`, one element each.

    Step t holds positions tB .. tB + B - 1 of an endless sequence, whose positions eN .. eN + N - 1 are
    `epoch_order(N, seed, e)`. So (seed, step) fixes a batch bit for bit: a run continues at any step, no
    batch is short, and an epoch may begin within one.

    Args:
        source: N pictures.
        batch_size: images in a batch, B; may exceed N.
        seed: 0 or more; other seeds give other orders.
        first_step: 0 or more.
        last_step: the step after the last one.

    Returns:
        data set of float32 [B, S, S, C] in [-1, 1].

    Raises:
        ValueError: no picture of the source can be read.
    """
    # Read here once, so that an error is the source's own and not one that TensorFlow has wrapped.
    source.read(np.zeros(1, np.int64))
    shape = (batch_size, *source.picture_shape)
    order = functools.lru_cache(maxsize=4)(functools.partial(epoch_order, source.size, seed))

    def batch(step: np.ndarray) -> np.ndarray:
        _answering.append(int(step))
        try:
            if _leaving.is_set():
                return np.zeros(shape, np.float32)
            first = int(step) * batch_size
            positions = (divmod(position, source.size) for position in range(first, first + batch_size))
            return images.to_float(source.read(np.array([order(epoch)[place] for epoch, place in positions])))
        finally:
            _answering.pop()

    def load(step: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(batch, [step], tf.float32, stateful=False), shape)

    steps = tf.data.Dataset.range(first_step, last_step)
    threads = min(8, os.cpu_count() or 1)  # Pillow decodes outside Python's lock
    return steps.map(load, num_parallel_calls=threads, deterministic=True).prefetch(2)


@atexit.register
def _leave() -> None:
    # Where training is broken off, TensorFlow's threads go on asking for some batches ahead. One that waits
    # for Python while it shuts down waits for ever, and often the process too: so answer them all before.
    _leaving.set()
    quiet = 0
    while quiet < 5:
        time.sleep(0.02)
        quiet = 0 if _answering else quiet + 1
