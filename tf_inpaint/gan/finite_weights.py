"""Checks that the weights of networks are finite, in memory and in a checkpoint.

A part of a state that is no network does not count: the mean of a loss may be NaN after a step that
overflowed in float16 and was skipped.
"""

import numpy as np
import tensorflow as tf

NETWORKS = ("generator", "discriminator", "ema_generator", "encoder")
"""Names of the parts of a state that are networks."""


def state_is_finite(state: dict[str, list[tf.Variable]]) -> bool:
    """Whether all weights of the networks in a state are finite.

    Args:
        state: variables by part, as `GAN.state`.
    """
    variables = [variable for part in NETWORKS for variable in state.get(part, [])]
    weights = [variable for variable in variables if tf.as_dtype(variable.dtype).is_floating]
    return all(bool(tf.reduce_all(tf.math.is_finite(weight))) for weight in weights)


def checkpoint_is_finite(path: str) -> bool:
    """Whether all weights of the networks in a checkpoint of such a state are finite."""
    reader = tf.train.load_checkpoint(path)
    types = reader.get_variable_to_dtype_map()
    names = [name for name in types if name.split("/")[0] in NETWORKS and types[name].is_floating]
    return all(np.isfinite(reader.get_tensor(name)).all() for name in names)
