"""The layers that Keras lacks, or has in a slower or another form: normalisations, and convolutions at the image."""

import keras
import tensorflow as tf


def run(layers: list[keras.Layer], inputs, training: bool):
    """The outputs of the last of `layers`, each fed with what the one before it gives."""
    for layer in layers:
        inputs = layer(inputs, training=training)
    return inputs


@keras.saving.register_keras_serializable(package="tf_inpaint")
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over all but the channel axis, by TensorFlow's fused kernel.

    `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, with the batch's statistics when `training` and
    their moving averages otherwise. Keras' own layer takes some ten separate operations forward and more
    backward; the fused kernel takes one each way. Statistics are float32 in every precision, and replicas
    average their moving statistics.

    Args:
        synchronized: the batch is that of all replicas, not each one's own: for small batches on many devices.

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
            self.move(mean, variance)
        return outputs

    def move(self, mean, variance):
        """Where they are finite: an overflow in float16, whose step is skipped, must not stay in the averages."""
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(tf.where(tf.math.is_finite(value), value, moving))

    def call_synchronized(self, inputs, replica):
        """As `call`, when training, with the mean and variance over all replicas' batches."""
        values = tf.cast(inputs, tf.float32)

        def average(numbers):
            return replica.all_reduce(
                tf.distribute.ReduceOp.MEAN, tf.reduce_mean(numbers, [0, 1, 2])
            )

        mean = average(values)
        variance = average(
            tf.square(values - mean)
        )  # not E[x^2] - E[x]^2, which may round to less than 0
        count = tf.cast(
            replica.num_replicas_in_sync * tf.size(inputs) // inputs.shape[-1], tf.float32
        )
        unbiased = variance * count / (count - 1)  # as the fused kernel's moving variance is
        moving = self.moving_mean, self.moving_variance
        self.move(
            *(
                old + (1 - self.momentum) * (new - old)
                for old, new in zip(moving, (mean, unbiased), strict=True)
            )
        )
        scale = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        return tf.cast((values - mean) * scale + self.beta, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def scale_and_offset(self):
        """`(scale, offset)`, each `[C]`, of the affine map that this layer is when not training."""
        scale = self.gamma * tf.math.rsqrt(
            tf.convert_to_tensor(self.moving_variance) + self.epsilon
        )
        return scale, self.beta - self.moving_mean * scale

    def get_config(self):
        fields = ("momentum", "epsilon", "synchronized")
        return super().get_config() | {field: getattr(self, field) for field in fields}


def power_iteration(matrix, u):
    """The next estimate of the largest singular value's right vector: `normalize(W^T normalize(W u))`."""
    return tf.math.l2_normalize(
        tf.linalg.matvec(matrix, tf.linalg.matvec(matrix, u), transpose_a=True)
    )


def spectral_norm(matrix, u):
    """`sigma = v^T W u` with `v = normalize(W u)`: at most W's largest singular value; its gradient is `v u^T`.

    Args:
        matrix: W, `[I, O]`.
        u: `[O]` of length 1, the right singular vector as far as it is known.
    """
    outputs = tf.linalg.matvec(matrix, tf.stop_gradient(u))
    return tf.tensordot(tf.stop_gradient(tf.math.l2_normalize(outputs)), outputs, 1)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class SpectralNormalization(keras.layers.Wrapper):
    """A convolution or dense layer whose kernel W is divided by sigma, its largest singular value.

    As a matrix, W has a column per output channel. Its right singular vector u is a weight: one power iteration
    per call when `training` brings it nearer, and the sigma of that call and of inference are those of the same
    u. The gradient goes through W / sigma, u and v being constants. All of it is float32 in every precision,
    and replicas, which compute the same u, keep the first one's.

    Keras' layer of this name overwrites W with W / sigma in every call, which no gradient passes through.

    Args:
        layer: a `Conv2D` or `Dense`, not transposed, without activation; it gives name and dtype of the outputs.

    Source: Miyato et al. 2018, https://arxiv.org/abs/1802.05957, algorithm 1
    """

    STARTING_ITERATIONS = 20
    """On a random kernel of any size they bring sigma within three per cent of the largest singular value."""

    def __init__(self, layer, **kwargs):
        # Only a float32 layer without `autocast` reads the kernel as it is, inside other layers and alone.
        super().__init__(layer, autocast=False, **{"name": layer.name, "dtype": "float32"} | kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer=self.start,
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="u",
        )

    def start(self, shape, dtype):
        u = tf.math.l2_normalize(tf.ones(shape, dtype))  # any u will do, for W is random
        for _ in range(self.STARTING_ITERATIONS):
            u = power_iteration(self.matrix, u)
        return u

    @property
    def matrix(self):
        return tf.reshape(
            tf.convert_to_tensor(self.layer.kernel), [-1, self.layer.kernel.shape[-1]]
        )

    def normalized(self, u):
        return self.layer.kernel / spectral_norm(self.matrix, u)

    @property
    def kernel(self):
        """W / sigma, float32, as inference uses it."""
        return self.normalized(tf.convert_to_tensor(self.u))

    @property
    def use_bias(self):
        return self.layer.use_bias

    @property
    def bias(self):
        return self.layer.bias

    def call(self, inputs, training=False):
        u = tf.convert_to_tensor(self.u)
        if training:
            u = power_iteration(self.matrix, u)
            self.u.assign(u)
        inputs, kernel = (
            tf.cast(tensor, self.layer.compute_dtype) for tensor in (inputs, self.normalized(u))
        )
        outputs = getattr(self.layer, "convolution_op", tf.matmul)(inputs, kernel)
        return outputs + tf.cast(self.bias, outputs.dtype) if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class Dense(keras.layers.Dense):
    """Keras' Dense, whose rows at inference are products of their own.

    A product of all rows takes, say, six at a time and sums what is left over in another order: a row's last bits
    would depend on its place in the batch. For the few rows of a search it costs nothing, in training it would.
    """

    def call(self, inputs, training=False):
        if training:
            return super().call(inputs)
        outputs = tf.matmul(inputs[:, None], tf.convert_to_tensor(self.kernel))[:, 0]
        return self.activation(
            outputs + tf.convert_to_tensor(self.bias) if self.use_bias else outputs
        )


# TensorFlow hands a convolution with "same" padding to oneDNN on a CPU, which is slow where one side has 1 or
# 3 channels. The same padding in numbers goes to Eigen: 1.6 times as fast at the two layers next to the image.
PADDING = [[0, 0], [1, 1], [1, 1], [0, 0]]


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionFromImage(keras.layers.Conv2D):
    """Keras' Conv2D for inputs of few channels: 4 x 4 with stride 2 on an even size, or 3 x 3 with stride 1."""

    def convolution_op(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, PADDING)


@keras.saving.register_keras_serializable(package="tf_inpaint")
class ConvolutionToImage(keras.layers.Conv2DTranspose):
    """Keras' Conv2DTranspose, 4 x 4 with stride 2, for outputs of few channels."""

    def call(self, inputs):
        batch, height, width = tf.unstack(tf.shape(inputs)[:3])
        shape = [batch, 2 * height, 2 * width, self.filters]
        outputs = tf.nn.conv2d_transpose(
            inputs, tf.convert_to_tensor(self.kernel), shape, self.strides, PADDING
        )
        outputs = tf.ensure_shape(
            outputs, [None, *(2 * side for side in inputs.shape[1:3]), self.filters]
        )
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))
