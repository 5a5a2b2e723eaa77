"""Features of images, `[N, H, W, C]` to `[N, K]`, for the distances of `distribution.py`.

A distance is a distance between features, so its column in a table must name the features.
`random_convolutions` needs no file and no download. `inception` computes the features of the FID of
papers, as closely as the weights of Keras allow.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

RANDOM_BATCH = 256
"""Number of images that `random_convolutions` processes at once. It changes results by rounding."""
INCEPTION_BATCH = 32
"""Number of images that `inception` processes at once."""
INCEPTION_SIZE = 299
"""Side of the images that Inception takes, in pixels."""
WIDTHS = (32, 64, 128, 128)
"""Number of channels of each random convolution."""
SCALE = 20.0
"""Factor of the random features."""


def random_convolutions(images: np.ndarray) -> np.ndarray:
    """Mean activations of a fixed network of random 3 x 3 convolutions: *not* the features of FID.

    The network is not trained. It has four stages: convolution, bias, ReLU, and halving by
    averages. After each stage the feature is the mean over the image, less the mean for a plain
    gray image. So images of any size from 8 pixels are taken without resizing. The kernels sum to 0
    over their inputs; in the first stage, they lose only nine tenths of their mean per color, so
    that a tint or a change of brightness still counts. The features therefore respond to edges and
    corners, and to their arrangement up to about 46 pixels apart. With plain kernels, brightness
    dominated: digits without five classes had a larger distance than digits without seven.

    Distances between these features rank versions of one data set (blurred, noisy, without some
    classes). The features do not know what the images show. Compare distances only within one data
    set and one image size.

    Args:
        images: `[N, H, W, 1 or 3]` in [-1, 1], H and W at least 8. Gray is taken as equal red,
            green and blue.

    Returns:
        `[N, 352]` float32, 0 for a plain gray image. The features are the same for every run,
        machine and NumPy version, up to rounding.

    Raises:
        ValueError: there are no images, or they have another shape, other channels, or are too
            small.
    """
    _require_images(images, min_side=8)
    return _in_batches(_random_network(), images, RANDOM_BATCH)


def inception(images: np.ndarray) -> np.ndarray:
    """The 2048 averaged activations of Keras' InceptionV3, trained on ImageNet.

    Images are resized to 299 x 299, with antialiasing. Frechet distances between these features can
    be compared with each other. They agree with a published FID only approximately: its network
    (TensorFlow 2015) has other weights and another resizing. A CPU core takes several images a
    second. Keras downloads the weights, 90 MB, once into `~/.keras/models`.

    Args:
        images: `[N, H, W, 1 or 3]` in [-1, 1]. Gray is taken as equal red, green and blue.

    Returns:
        `[N, 2048]` float32, at least 0.

    Raises:
        ValueError: there are no images, or they have another shape or other channels; or the
            weights cannot be loaded.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
    """
    _require_images(images, min_side=1)
    network = _inception_network()

    def run(batch):
        batch = tf.image.resize(batch, [INCEPTION_SIZE, INCEPTION_SIZE], antialias=True)
        # `preprocess_input` takes 0 to 255 and returns [-1, 1]. It stays correct if Keras changes
        # it.
        return network.predict_on_batch(
            keras.applications.inception_v3.preprocess_input((batch + 1) * 127.5)
        )

    return _in_batches(run, images, INCEPTION_BATCH)


EXTRACTORS = {"random": random_convolutions, "inception": inception}
"""Functions of images by the last part of a column's name, such as `frechet_random`.

The random features are never called "fid".
"""


def _in_batches(network: Callable, images: np.ndarray, batch_size: int) -> np.ndarray:
    """The outputs of a network that takes RGB images, batch by batch."""
    outputs = []
    for start in range(0, len(images), batch_size):
        batch = np.asarray(images[start : start + batch_size], np.float32)
        if batch.shape[-1] == 1:
            batch = np.repeat(batch, 3, axis=-1)
        outputs.append(np.asarray(network(batch)))
    return np.concatenate(outputs)


@functools.cache
def _random_network() -> Callable:
    """Returns the function from RGB images to random features."""
    # NumPy guarantees only the raw 64 bits of a bit generator for all future versions.
    bits = np.random.Philox(key=0)

    def uniform(shape, standard_deviation):
        raw = bits.random_raw(int(np.prod(shape)))
        unit = (raw >> np.uint64(11)) * 2.0**-53 * 2 - 1
        return (unit * standard_deviation * np.sqrt(3)).reshape(shape)

    # Draw kernels and biases.
    layers, channels = [], 3
    for width in WIDTHS:
        kernel = uniform((3, 3, channels, width), np.sqrt(2 / (9 * channels)))
        if not layers:
            kernel -= 0.9 * kernel.mean((0, 1), keepdims=True)
        else:
            kernel -= kernel.mean((0, 1, 2))
        layers.append(
            (tf.constant(kernel, tf.float32), tf.constant(uniform((width,), 0.3), tf.float32))
        )
        channels = width

    # Compute the means of each stage, less those of the last image.
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def run(images):
        means = []
        for kernel, bias in layers:
            images = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME") + bias)
            images = tf.nn.avg_pool2d(images, 2, 2, "SAME")
            means.append(tf.reduce_mean(images, [1, 2]))
        means = SCALE * tf.concat(means, 1)
        return means[:-1] - means[-1:]

    def less_gray(images):
        # The kernel distance depends on a common offset, and the biases would be most of a feature.
        return run(np.concatenate([images, np.zeros_like(images[:1])]))

    return less_gray


@functools.cache
def _inception_network() -> keras.Model:
    """Keras' InceptionV3 without its classifier, with the weights of ImageNet.

    Raises:
        ValueError: the weights cannot be loaded.
    """
    # The downloader of Keras raises a plain `Exception`, and its reader any exception of h5py.
    try:
        return keras.applications.InceptionV3(include_top=False, weights="imagenet", pooling="avg")
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            "Inception features need Keras' InceptionV3 weights without the top, from the network "
            f"or from a file; received {type(error).__name__} ({reason}); connect to the network "
            "once, or put inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 of "
            "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/ "
            "into ~/.keras/models."
        ) from error


def _require_images(images: np.ndarray, min_side: int) -> None:
    """Raises a ValueError if the array is not one of gray or RGB images of a minimum size."""
    shape = np.shape(images)
    if len(shape) != 4 or shape[0] == 0 or shape[3] not in (1, 3) or min(shape[1:3]) < min_side:
        raise ValueError(
            f"Features need images [N, H, W, 1 or 3] of at least {min_side} x {min_side} pixels; "
            f"received {list(shape)}; pass at least one image, gray or RGB."
        )
