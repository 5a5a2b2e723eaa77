"""The images of the steps of a training: the same from the memory of the device as from files."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.data.sources import Source
from tf_inpaint.data.training_images import TrainingImages
from tf_inpaint.files import images

SHAPE = (16, 16, 3)


def new_source(size=300, unreadable=()):
    """A source in whose pictures every level occurs, and the list of the indices that were read."""
    pictures = np.random.default_rng(0).integers(0, 256, (size, *SHAPE), dtype=np.uint8)
    pictures[0].flat[:256] = np.arange(256)
    loads = []

    def load(index):
        loads.append(index)
        if index in unreadable:
            raise ValueError("it is damaged")
        return pictures[index]

    return Source([str(index) for index in range(size)], load, SHAPE), loads


def batches(source, cache_bytes, jit_compile=False, arguments=(8, 2, 5, 50)):
    training_images = TrainingImages(source, 3, cache_bytes)
    data, images_of = training_images.steps(*arguments)
    function = tf.function(images_of, autograph=False, jit_compile=jit_compile)
    return [function(element).numpy() for element in data]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_images_in_memory_are_those_that_are_read(jit_compile):
    (source, _), (other, _) = (
        new_source(unreadable=[7, 8, 299]),
        new_source(unreadable=[7, 8, 299]),
    )
    in_memory = batches(source, 1e9, jit_compile)
    read = batches(other, 0)
    assert len(in_memory) == len(read) == 45
    for batch, expected in zip(in_memory, read, strict=True):
        np.testing.assert_array_equal(batch, expected)
    assert {int(level) for image in read for level in np.unique(image * 127.5 + 127.5)} >= {0, 254}


def test_every_picture_is_decoded_once():
    source, loads = new_source()
    training_images = TrainingImages(source, 0, source.size * np.prod(SHAPE))
    for first in (0, 10):
        data, images_of = training_images.steps(8, 1, first, first + 10)
        for element in data:
            images_of(element)
    assert sorted(loads) == list(range(source.size))


def test_larger_sources_are_read_in_each_step():
    source, loads = new_source()
    training_images = TrainingImages(source, 0, source.size * np.prod(SHAPE) - 1)
    data, images_of = training_images.steps(8, 1, 0, 2)
    assert [images_of(element).shape for element in data] == [(8, *SHAPE)] * 2
    assert len(set(loads)) < source.size


@pytest.mark.gpu
def test_images_on_the_gpu_are_those_of_the_files(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (300, *SHAPE), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        images.write(tmp_path / f"{number}.png", picture)
    files = Source(
        [f"{number}.png" for number in range(len(pictures))],
        lambda index: images.read(tmp_path / f"{index}.png"),
        SHAPE,
    )
    steps = 64, 1, 0, 10
    training_images = TrainingImages(files, 3, 1e9)
    data, images_of = training_images.steps(*steps)
    assert "GPU" in training_images.words.device
    for jit_compile in (False, True):
        function = tf.function(images_of, autograph=False, jit_compile=jit_compile)
        for element, expected in zip(
            data, batches(files, 0, arguments=(64, 1, 0, 10)), strict=True
        ):
            batch = function(element)
            assert "GPU" in batch.device
            np.testing.assert_array_equal(batch, expected)
