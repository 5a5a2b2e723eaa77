"""The training loop: a call of a graph takes many steps, and callbacks work between the calls."""

import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

SECONDS_PER_CALL = 0.5
"""Aimed duration of a call, in seconds. Signals and progress bars wait for the end of a call."""
LARGEST_GROWTH = 4
"""Largest ratio of two successive limits of the steps of a call."""


def train(
    model: keras.Model,
    data: tf.data.Dataset,
    last_step: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    prepare: Callable = lambda data: data,
    steps_per_call: int | None = None,
) -> dict[str, float]:
    """Takes the steps of a model from its present `step` to the last one.

    `Model.fit` of Keras calls Python after every step, or after a fixed number of steps. Here the
    callbacks are called after each call, so a call never crosses a multiple of the `period` of a
    callback. The steps of a call are the same steps as one by one. On a GPU, Python neither starts
    a step nor reads its results within a call.

    Args:
        model: a compiled model with `train_step(data)` and `step`, the number of steps so far.
        data: one element for each step that is left, or more.
        last_step: number of steps after which the training ends.
        callbacks: `on_train_begin`, `on_train_batch_end` and `on_train_end` are called. The batch
            of the second one is the number of steps so far. A callback may have a `period`.
        prepare: maps an element of the data to the argument of `train_step`. This function is a
            part of the graph.
        steps_per_call: maximum number of steps of a call. Several machines need it, because all
            must take the same calls. None: as many as take `SECONDS_PER_CALL`.

    Returns:
        The logs of the last step; empty if no step was left.
    """
    if model.step >= last_step:
        return {}
    call = steps_function(model, prepare)
    observers = keras.callbacks.CallbackList(list(callbacks), model=model)
    periods = [callback.period for callback in callbacks if hasattr(callback, "period")]
    model.stop_training = False
    observers.on_train_begin()
    iterator, step, logs = iter(data), model.step, {}
    limit = steps_per_call or 1
    while step < last_step and not model.stop_training:
        count = min(limit, last_step - step, *(period - step % period for period in periods))
        start = time.perf_counter()
        logs = call(iterator, tf.constant(count))
        step = model.step  # On a GPU, this waits for the end of the call.
        if not steps_per_call:
            limit = next_limit(limit, count, time.perf_counter() - start)
        observers.on_train_batch_end(step, logs)
    observers.on_train_end()
    return logs


def steps_function(model: keras.Model, prepare: Callable) -> Callable:
    """Returns a function of an iterator and a number, which takes this number of steps.

    The function returns the logs of its last step, on the first replica.
    """
    strategy = model.distribute_strategy

    def step(data):
        return strategy.run(lambda data: model.train_step(prepare(data)), [data])

    step = tf.function(step, autograph=False, jit_compile=model.jit_compile)

    @tf.function(autograph=False)
    def call(iterator, count):
        def body(index):
            step(next(iterator))
            return index + 1

        tf.while_loop(lambda index: index < count - 1, body, [0])
        logs = step(next(iterator))
        return {name: strategy.experimental_local_results(logs[name])[0] for name in logs}

    return call


def next_limit(limit: int, steps: int, seconds: float) -> int:
    """The largest number of steps of the next call.

    >>> next_limit(limit=1, steps=1, seconds=30.0)
    1
    >>> next_limit(limit=1, steps=1, seconds=0.01)
    4
    >>> next_limit(limit=64, steps=10, seconds=0.1)
    50

    Args:
        limit: the largest number of steps of the last call.
        steps: the number of steps of the last call.
        seconds: the duration of the last call.
    """
    return max(1, min(round(SECONDS_PER_CALL * steps / seconds), LARGEST_GROWTH * limit))
