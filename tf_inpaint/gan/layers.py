"""Layers of the networks that Keras lacks, or that are slower or different in Keras.

The layers are batch normalization, spectral normalization, dense layers, and the convolutions next
to the image.
"""

import keras
import tensorflow as tf


def apply_layers(layers: list[keras.Layer], inputs, training: bool):
    """The outputs of the last layer, where each layer gets the outputs of the layer before it."""
    for layer in layers:
        inputs = layer(inputs, training=training)
    return inputs


def check_keras_settings() -> None:
    """Checks the settings of Keras on which the networks depend.

    Raises:
        ValueError: a setting is not the default of Keras.
    """
    settings = keras.config.image_data_format(), keras.config.floatx()
    if settings != ("channels_last", "float32"):
        raise ValueError(
            "Keras must have the settings channels_last and float32 where the networks of "
            f"tf_inpaint are used; received {' and '.join(settings)}; call "
            'keras.config.set_image_data_format("channels_last") and '
            'keras.config.set_floatx("float32"), or change ~/.keras/keras.json.'
        )


@keras.saving.register_keras_serializable(package="tf_inpaint")
class BatchNormalization(keras.layers.Layer):
    """Batch normalization over all axes but the channel axis, by TensorFlow's fused kernel.

    `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`. The mean and the variance are those of
    the batch when `training`, and their moving averages otherwise. The layer of Keras takes some
    ten separate operations forward and more backward; the fused kernel takes one operation each
    way. All statistics are float32 in every precision. Replicas average their moving statistics.

    Args:
        momentum: decay of the moving averages.
        epsilon: added to the variance.
        synchronized: use the statistics over the batches of all replicas, not those of each replica
            alone. For small batches on many devices.

    Source: Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self, momentum: float = 0.9, epsilon: float = 1e-5, synchronized: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized

    def build(self, input_shape):
        def weight(name, value, trainable):
            return self.add_weight(
                shape=(input_shape[-1],),
                initializer=value,
                dtype="float32",
                autocast=False,
                trainable=trainable,
                aggregation="mean",
                name=name,
            )

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, inputs, training=False):
        replica = tf.distribute.get_replica_context()
        if training and self.synchronized and replica and replica.num_replicas_in_sync > 1:
            return self.call_synchronized(inputs, replica)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.convert_to_tensor(self.moving_mean),
            variance=tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=bool(training),
            exponential_avg_factor=1 - self.momentum,
        )
        if training:
            self.set_moving_statistics(mean, variance)
        return outputs

    def set_moving_statistics(self, mean, variance):
        """Sets the moving averages where the new values are finite.

        After an overflow in float16 the step is skipped, and no trace of it may stay in the
        averages.
        """
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(tf.where(tf.math.is_finite(value), value, moving))

    def call_synchronized(self, inputs, replica):
        """Does the same as `call` in training, with the statistics of the global batch.

        Args:
            inputs: the batch of this replica.
            replica: its `tf.distribute.ReplicaContext`.
        """
        values = tf.cast(inputs, tf.float32)

        def average(numbers):
            means = tf.reduce_mean(numbers, [0, 1, 2])
            return replica.all_reduce(tf.distribute.ReduceOp.MEAN, means)

        # Compute the statistics of the global batch.
        mean = average(values)
        # E[x^2] - E[x]^2 may round to a negative number.
        variance = average(tf.square(values - mean))

        # Update the moving averages.
        count = tf.cast(
            replica.num_replicas_in_sync * tf.size(inputs) // inputs.shape[-1], tf.float32
        )
        unbiased = variance * count / (count - 1)  # the moving variance of the fused kernel too
        self.set_moving_statistics(
            self.moving_mean + (1 - self.momentum) * (mean - self.moving_mean),
            self.moving_variance + (1 - self.momentum) * (unbiased - self.moving_variance),
        )

        # Normalize the inputs.
        scale = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        return tf.cast((values - mean) * scale + self.beta, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def scale_and_offset(self):
        """`(scale, offset)`, both `[C]`: in inference this layer is `scale * x + offset`."""
        scale = self.gamma * tf.math.rsqrt(
            tf.convert_to_tensor(self.moving_variance) + self.epsilon
        )
        return scale, self.beta - self.moving_mean * scale

    def get_config(self):
        fields = ("momentum", "epsilon", "synchronized")
        return super().get_config() | {field: getattr(self, field) for field in fields}


def power_iteration(matrix, u):
    """The next estimate of the first right singular vector: `normalize(W^T normalize(W u))`.

    Args:
        matrix: W, `[I, O]`.
        u: the present estimate, `[O]`.
    """
    return tf.math.l2_normalize(
        tf.linalg.matvec(matrix, tf.linalg.matvec(matrix, u), transpose_a=True)
    )


def spectral_norm(matrix, u):
    """`sigma = v^T W u` with `v = normalize(W u)`: an estimate of the largest singular value of W.

    The estimate is never above the largest singular value. The gradient of sigma is `v u^T`.

    Args:
        matrix: W, `[I, O]`.
        u: an estimate of the first right singular vector, `[O]`, of length 1.
    """
    outputs = tf.linalg.matvec(matrix, tf.stop_gradient(u))
    return tf.tensordot(tf.stop_gradient(tf.math.l2_normalize(outputs)), outputs, 1)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class SpectralNormalization(keras.layers.Wrapper):
    """A convolution or dense layer whose kernel W is divided by its largest singular value sigma.

    As a matrix, W has one column per output channel. The estimate u of its right singular vector is
    a weight. Each call with `training` improves u by one power iteration, and then uses the sigma
    of the new u. Inference uses the sigma of the same u. The gradient goes through W / sigma, where
    u and v are constants. All these numbers are float32 in every precision. All replicas compute
    the same u, and the u of the first replica is kept.

    The layer of this name in Keras overwrites W with W / sigma in every call, so that no gradient
    passes through sigma.

    Args:
        layer: a `Conv2D` or `Dense` layer without activation, not a transposed convolution. The
            wrapper takes its name, and the outputs have its dtype.

    Source: Miyato et al. 2018, https://arxiv.org/abs/1802.05957, algorithm 1
    """

    INITIAL_ITERATIONS = 20
    """Number of power iterations for the first u.

    After 20 iterations, sigma is within 3 % of the largest singular value, for a random kernel of
    any size.
    """

    def __init__(self, layer, **kwargs):
        # Only a float32 layer without `autocast` reads the kernel in float32, also in other layers.
        super().__init__(layer, autocast=False, **{"name": layer.name, "dtype": "float32"} | kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer=self.initial_u,
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="u",
        )

    def initial_u(self, shape, dtype):
        """The first u, an initializer: `[O]`, of length 1."""
        # Any start is good, because W is random.
        u = tf.math.l2_normalize(tf.ones(shape, dtype))
        for _ in range(self.INITIAL_ITERATIONS):
            u = power_iteration(self.matrix, u)
        return u

    @property
    def matrix(self):
        """W as a matrix `[I, O]`."""
        return tf.reshape(
            tf.convert_to_tensor(self.layer.kernel), [-1, self.layer.kernel.shape[-1]]
        )

    def normalized_kernel(self, u):
        """W / sigma, float32, with the sigma of `u`."""
        return self.layer.kernel / spectral_norm(self.matrix, u)

    @property
    def kernel(self):
        """W / sigma, float32: the kernel of inference."""
        return self.normalized_kernel(tf.convert_to_tensor(self.u))

    @property
    def use_bias(self):
        """Whether the layer has a bias."""
        return self.layer.use_bias

    @property
    def bias(self):
        """The bias of the layer, `[O]`, or None."""
        return self.layer.bias

    def call(self, inputs, training=False):
        u = tf.convert_to_tensor(self.u)
        if training:
            u = power_iteration(self.matrix, u)
            self.u.assign(u)
        inputs = tf.cast(inputs, self.layer.compute_dtype)
        kernel = tf.cast(self.normalized_kernel(u), self.layer.compute_dtype)
        outputs = getattr(self.layer, "convolution_op", tf.matmul)(inputs, kernel)
        return outputs + tf.cast(self.bias, outputs.dtype) if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Dense(keras.layers.Dense):
    """A dense layer like that of Keras, but in inference each row is a matrix product of its own.

    A product of all rows takes, for example, six rows at a time, and sums the remaining rows in
    another order. The last bits of a row would then depend on its place in the batch. Single
    products cost nothing for the few rows of a search. In training they would be slow.
    """

    def call(self, inputs, training=False):
        if training:
            return super().call(inputs)
        outputs = tf.matmul(inputs[:, None], tf.convert_to_tensor(self.kernel))[:, 0]
        return self.activation(
            outputs + tf.convert_to_tensor(self.bias) if self.use_bias else outputs
        )


@keras.saving.register_keras_serializable(package="tf_inpaint")
class LeakyReLU(keras.layers.LeakyReLU):
    """A leaky ReLU whose gradient is computed from the outputs instead of the inputs.

    An output has the sign of its input, so the gradient is the same, bit for bit. TensorFlow's
    graph optimizer replaces a convolution, its bias and a leaky ReLU by one kernel, which does not
    give the inputs of the leaky ReLU. If the gradient asks for the inputs, the optimizer logs an
    error and leaves the whole graph as it is.
    """

    def call(self, inputs):
        slope = self.negative_slope

        @tf.custom_gradient
        def leaky_relu(inputs):
            outputs = tf.nn.leaky_relu(inputs, slope)

            def gradient(upstream):
                return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=outputs, alpha=slope)

            return outputs, gradient

        return leaky_relu(inputs)


PADDING = [[0, 0], [1, 1], [1, 1], [0, 0]]
"""The padding "same" in numbers, for speed on a CPU.

With the padding "same", TensorFlow computes a convolution by oneDNN. If the inputs or the outputs
have 1 or 3 channels, oneDNN is slow at one of the three operations, the transposed convolution.
With a padding in numbers, TensorFlow computes this operation by Eigen, at twice the speed.
"""


def kernel_gradient(inputs, kernel, upstream, strides):
    """The gradient of a convolution with respect to its kernel, by oneDNN on a CPU.

    Args:
        inputs: the inputs of the convolution.
        kernel: its kernel.
        upstream: the gradient with respect to its outputs.
        strides: its strides, `(rows, columns)`.
    """
    # For the padding in numbers, Eigen takes two to four times as long.
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        strides=[1, *strides, 1],
        padding="SAME",
    )


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionFromImage(keras.layers.Conv2D):
    """A `Conv2D` for inputs with few channels.

    The kernel is 4 x 4 with stride 2, for inputs of even size, or 3 x 3 with stride 1.
    """

    def convolution_op(self, inputs, kernel):
        @tf.custom_gradient
        def convolution(inputs, kernel):
            def gradient(upstream):
                return tf.nn.conv2d_transpose(
                    upstream, kernel, tf.shape(inputs), self.strides, PADDING
                ), kernel_gradient(inputs, kernel, upstream, self.strides)

            return tf.nn.conv2d(inputs, kernel, self.strides, PADDING), gradient

        return convolution(inputs, tf.convert_to_tensor(kernel))


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionToImage(keras.layers.Conv2DTranspose):
    """A `Conv2DTranspose` for outputs with few channels: kernel 4 x 4, stride 2."""

    def call(self, inputs):
        height, width = (2 * side for side in inputs.shape[1:3])
        shape = [tf.shape(inputs)[0], height, width, self.filters]

        @tf.custom_gradient
        def convolution(inputs, kernel):
            def gradient(upstream):
                return tf.nn.conv2d(upstream, kernel, self.strides, PADDING), kernel_gradient(
                    upstream, kernel, inputs, self.strides
                )

            return tf.nn.conv2d_transpose(inputs, kernel, shape, self.strides, PADDING), gradient

        outputs = convolution(inputs, tf.convert_to_tensor(self.kernel))
        # The bias is added to rows: an operation on vectors of 1 or 3 channels is slow.
        rows = tf.reshape(outputs, [-1, width * self.filters])
        rows += tf.tile(tf.convert_to_tensor(self.bias), [width])
        return tf.reshape(rows, shape)
