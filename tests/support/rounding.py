"""How far the results of two float32 kernels may differ from each other."""

import tensorflow as tf


def kernel_tolerance(on_cpu):
    """The tolerance on a CPU, and ten times as much on a GPU.

    The kernels of a GPU depend on the shape of a batch, and on whether they are called in a graph.
    """
    return on_cpu * (10 if tf.config.list_physical_devices("GPU") else 1)
