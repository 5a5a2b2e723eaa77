"""Number of threads in which TensorFlow computes one operation on a CPU.

Sums are split among the threads, so rounding depends on their number, and with it the last bits of
an answer. The number of operations that run at the same time changes no bit.
"""

import os


def default_threads() -> int:
    """Returns the number that TensorFlow uses if it is given none: the processors of this process,
    or the value of `TF_NUM_INTRAOP_THREADS`."""
    number = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if number.isdecimal() and int(number):
        return int(number)
    has_affinity = hasattr(os, "sched_getaffinity")  # macOS and Windows do not have it.
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def use_threads(number: int) -> None:
    """Sets the number of threads, unless it is that of TensorFlow anyway.

    Raises:
        RuntimeError: TensorFlow has computed something already.
    """
    import tensorflow as tf

    if number != (tf.config.threading.get_intra_op_parallelism_threads() or default_threads()):
        tf.config.threading.set_intra_op_parallelism_threads(number)
