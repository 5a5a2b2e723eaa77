"""The training loop: the calls end where a callback works, and their steps are single steps."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import BATCH, equal, new_gan, random_images, values, with_sgd

from tf_inpaint.gan import training_loop


class Counter(keras.Model):
    """A model whose step adds the element to a sum."""

    def __init__(self):
        super().__init__()
        self.sum = self.add_weight(shape=(), initializer="zeros", name="sum")
        self.counter = self.add_weight(shape=(), initializer="zeros", dtype="int64", name="step")
        self.built = True
        self.compile(jit_compile=False)

    @property
    def step(self):
        return int(self.counter)

    def train_step(self, data):
        self.counter.assign_add(1)
        self.sum.assign_add(data)
        return {"element": data}


class Recorder(keras.callbacks.Callback):
    """Records the steps after which the loop calls it."""

    def __init__(self, period, stop=None):
        super().__init__()
        self.period = period
        self.stop = stop
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        assert batch == self.model.step
        self.steps.append(batch)
        self.model.stop_training = batch == self.stop


def elements(count):
    return tf.data.Dataset.range(count).map(lambda number: tf.cast(number, tf.float32))


def test_calls_end_at_the_periods_of_all_callbacks():
    model, first, second = Counter(), Recorder(40), Recorder(70)
    logs = training_loop.train(model, elements(200), 200, [first, second], steps_per_call=30)
    assert first.steps == second.steps == [30, 40, 70, 80, 110, 120, 140, 160, 190, 200]
    assert float(model.sum) == sum(range(200))
    assert float(logs["element"]) == 199


def test_training_goes_on_within_a_period():
    model, recorder = Counter(), Recorder(10, stop=7)
    training_loop.train(model, elements(100), 100, [recorder], steps_per_call=7)
    training_loop.train(model, elements(100), 25, [recorder], steps_per_call=9)
    assert recorder.steps == [7, 10, 19, 20, 25]
    assert training_loop.train(model, elements(100), 25, [recorder]) == {}


def test_elements_are_prepared():
    model = Counter()
    training_loop.train(model, elements(10), 10, prepare=lambda data: 2.0 * data)
    assert float(model.sum) == 2 * sum(range(10))


def test_calls_grow_to_the_aimed_duration(monkeypatch):
    """The clock says that each step takes 0.02 seconds, and the first one 10 seconds more."""
    model, recorder = Counter(), Recorder(10**6)

    def seconds():
        return 0.02 * model.step + 10.0 * (model.step > 0)

    monkeypatch.setattr(time, "perf_counter", seconds)
    training_loop.train(model, elements(200), 150, [recorder])
    assert np.diff([0, *recorder.steps]).tolist() == [1, 1, 4, 16, 25, 25, 25, 25, 25, 3]


@pytest.mark.usefixtures("deterministic_kernels")
@pytest.mark.parametrize("steps_per_call", [1, 3])
def test_steps_of_a_call_are_single_steps(steps_per_call):
    gan, twin = with_sgd(new_gan()), with_sgd(new_gan())
    images = random_images(count=5 * BATCH)
    data = tf.data.Dataset.from_tensor_slices(images).batch(BATCH)
    training_loop.train(gan, data, 5, steps_per_call=steps_per_call)
    step = tf.function(twin.train_step, autograph=False)
    for batch in np.split(images, 5):
        step(tf.constant(batch))
    assert all(equal(values(gan.variables), values(twin.variables)))
