"""Adam, one kernel a variable."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Adam(keras.optimizers.Adam):
    """Keras' Adam (Kingma & Ba 2015) by TensorFlow's fused update: the same arithmetic in a tenth of the operations."""

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
