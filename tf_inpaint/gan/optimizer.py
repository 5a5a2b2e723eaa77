"""Adam in fewer TensorFlow operations than Keras' Adam, and optimizers for a network."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Adam(keras.optimizers.Adam):
    """Keras' Adam with TensorFlow's fused update: the same arithmetic in a tenth of the operations.

    Keras updates a variable by some ten operations, one after the other. `ResourceApplyAdam` is one
    kernel per variable. The results equal those of `keras.optimizers.Adam` to rounding. On two CPU
    cores a training step takes 0.99 of the time (`tests/benchmarks/adam.py`).

    The class overrides `update_step`, and it reads three private members of Keras' optimizers:
    `_get_variable_index`, and the lists `_momentums` and `_velocities`. A new version of Keras may
    change them; `tests/gan/test_optimizer.py` then fails.

    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def new_optimizer(
    network: keras.Model, learning_rate, beta_1: float = 0.9, beta_2: float = 0.999
) -> keras.optimizers.Optimizer:
    """Returns an `Adam` for the network, with dynamic loss scaling if the network uses float16.

    The state of the optimizer is built here. Keras builds the state in the first step, so a
    checkpoint before the first step would lack it.

    Args:
        network: the optimizer updates its trainable variables.
        learning_rate: a number or a Keras schedule.
        beta_1, beta_2: decay rates of the mean gradient and of the mean squared gradient.
    """
    optimizer = Adam(learning_rate, beta_1=beta_1, beta_2=beta_2)
    if network.dtype_policy.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def current_loss_scale(optimizer: keras.optimizers.Optimizer) -> float:
    """The current loss scale; 1 for an optimizer without loss scaling."""
    return float(tf.convert_to_tensor(getattr(optimizer, "dynamic_scale", 1.0)))
