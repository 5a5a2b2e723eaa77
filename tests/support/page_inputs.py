"""Holes, layers of paint and settings for the tests of the page."""

import socket

import numpy as np
from tiny import SIZE

from tf_inpaint.page import canvas

SEARCH = {"steps": 20, "start_draws": 4, "block_size": 4, "samples": 3, "patience": 1.0}
"""Settings of a short search, as flags."""
FILL_SETTINGS = (20, 0.1, 1, "paste", 3, 0)
"""Settings of `Controller.fill`: steps, prior weight, restarts, blend, alternatives and seed."""


def square_hole(side=SIZE, first=8, last=16):
    """A hole, bool `[side, side]`, over the rows and columns from `first` to `last`."""
    hidden = np.zeros((side, side), bool)
    hidden[first:last, first:last] = True
    return hidden


def paint_layer(*pixels):
    """A layer with the faintest paint on some pixels of the canvas."""
    layer = np.zeros((canvas.SIDE, canvas.SIDE, 4), np.uint8)
    for row, column in pixels:
        layer[row, column] = (*canvas.PAINT_COLOR, 1)
    return layer


def last(iterator):
    """The last value of an iterator."""
    *_, result = iterator
    return result


def free_port():
    """A port of this machine that nobody uses."""
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        return connection.getsockname()[1]
