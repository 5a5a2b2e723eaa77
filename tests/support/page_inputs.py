"""Holes, layers of paint and settings for the tests of the page."""

import json
import socket
import urllib.error
import urllib.request

import numpy as np
from tiny import SIZE

from tf_inpaint.page import canvas

SEARCH = {"steps": 20, "start_draws": 4, "block_size": 4, "samples": 3, "patience": 1.0}
"""Settings of a short search, as flags."""
FILL_SETTINGS = (20, 0.1, 1, "paste", 3, 0, 0)
"""Settings of `Controller.fill`: steps, prior weight, restarts, blend, alternatives, seed, growth
of the hole."""


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


def function_number(server, name):
    """The number of the function of this name of a page that is being served."""
    (number,) = [number for number, function in server.fns.items() if function.name == name]
    return number


def join_queue(server, number, data, event_data=None, session="a"):
    """Joins the queue of a page. Returns the status and the values of the answer."""
    body = {"fn_index": number, "data": data, "event_data": event_data, "session_hash": session}
    request = urllib.request.Request(
        f"{server.local_url}gradio_api/queue/join",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def read_answer(server, session="a"):
    """Reads the answer of a page to the end: whether it is a success, and its values."""
    stream = f"{server.local_url}gradio_api/queue/data?session_hash={session}"
    with urllib.request.urlopen(stream) as lines:
        for line in lines:
            message = json.loads(line.removeprefix(b"data: ")) if line.strip() else {}
            if message.get("msg") == "process_completed":
                return message["success"], message["output"]
