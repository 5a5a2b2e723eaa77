"""Features of images, `[N, H, W, C]` to `[N, K]`, between which `distribution.py` measures distances.

A distance is a distance between features: its column in a table must name them. `random_convolutions` needs no
file and no network; `inception` is what a paper's FID is computed on, as nearly as Keras' weights allow.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

RANDOM_NAME = "random"
"""Of `random_convolutions` in columns: `frechet_random`, `kernel_random`. Never "fid"."""

INCEPTION_NAME = "inception"
INCEPTION_SIZE = 299

WIDTHS = (32, 64, 128, 128)
SCALE = 20.0


def random_convolutions(images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Mean activations of a fixed network of random, untrained 3 x 3 convolutions: *not* the features of FID.

    Four times: convolution, bias, ReLU, halving by averages; after each, the mean over the picture less that
    of a plain gray one, so any size of 8 px or more is taken as it is. Kernels sum to 0 over their inputs (in
    the first layer nine tenths of each colour's mean is taken off, so that a cast or a change of brightness
    still shows): they answer to edges and corners and to how these lie together, up to some 46 px apart. With
    plain kernels the brightness drowned the rest: digits without five classes came out farther than without
    seven.

    Distances between these features rank versions of one data set (blurred, noisy, classes missing) and know
    nothing of what the pictures show. Compare them within one data set and image size only.

    Args:
        images: `[N, H, W, 1 or 3]` in [-1, 1], H and W at least 8; gray is taken as equal red, green and blue.
        batch_size: images at a time; changes memory and time, and the result by rounding only.

    Returns:
        `[N, 352]` float32, 0 for a plain gray image; the same for every run, machine and NumPy version up to
        rounding.

    Raises:
        ValueError: not images, of other channels, too small, or none.
    """
    _require_images(images, smallest=8)
    return _in_batches(_random_network(), images, batch_size)


def inception(
    images: np.ndarray, batch_size: int = 32, weights: str | None = "imagenet"
) -> np.ndarray:
    """The 2048 averaged activations of Keras' InceptionV3, trained on ImageNet.

    Images are resized to 299 x 299, antialiased. Frechet distances between these features are comparable
    among themselves, but not to the last digit with a published FID: that network (TensorFlow 2015) has
    other weights and another resizing. Count on several images a second and core, and on 90 MB of weights.

    Args:
        images: `[N, H, W, 1 or 3]` in [-1, 1]; gray is taken as equal red, green and blue.
        batch_size: images at a time.
        weights: "imagenet", which Keras downloads once into `~/.keras/models`; or the path of that file
            (`inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5`); or None, random ones, for a test.

    Returns:
        `[N, 2048]` float32, at least 0.

    Raises:
        ValueError: not images, of other channels, or none; or the weights cannot be had.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
    """
    _require_images(images, smallest=1)
    network = _inception_network(weights)

    def run(batch):
        batch = tf.image.resize(batch, [INCEPTION_SIZE, INCEPTION_SIZE], antialias=True)
        # Keras expects 0 to 255 and makes it [-1, 1] again; its business, should it ever change.
        return network.predict_on_batch(
            keras.applications.inception_v3.preprocess_input((batch + 1) * 127.5)
        )

    return _in_batches(run, images, batch_size)


EXTRACTORS = {RANDOM_NAME: random_convolutions, INCEPTION_NAME: inception}
"""Column suffix -> function of images."""


def _in_batches(network: Callable, images: np.ndarray, batch_size: int) -> np.ndarray:
    result = []
    for start in range(0, len(images), batch_size):
        batch = np.asarray(images[start : start + batch_size], np.float32)
        if batch.shape[-1] == 1:
            batch = np.repeat(batch, 3, axis=-1)
        result.append(np.asarray(network(batch)))
    return np.concatenate(result)


@functools.cache
def _random_network() -> Callable:
    # Of NumPy's random numbers only the raw 64 bits of a bit generator are promised never to change.
    bits = np.random.Philox(key=0)

    def uniform(shape, deviation):
        raw = bits.random_raw(int(np.prod(shape)))
        return (((raw >> np.uint64(11)) * 2.0**-53 * 2 - 1) * deviation * np.sqrt(3)).reshape(shape)

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

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def run(images):
        means = []
        for kernel, bias in layers:
            images = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME") + bias)
            images = tf.nn.avg_pool2d(images, 2, 2, "SAME")
            means.append(tf.reduce_mean(images, [1, 2]))
        means = SCALE * tf.concat(means, 1)
        return means[:-1] - means[-1:]

    def from_gray(images):
        # The kernel distance is not blind to a common offset, and biases alone would be nearly all of a feature.
        return run(np.concatenate([images, np.zeros_like(images[:1])]))

    return from_gray


@functools.lru_cache(1)
def _inception_network(weights: str | None) -> keras.Model:
    # Keras' downloader raises bare `Exception`, its reader whatever h5py does.
    try:
        return keras.applications.InceptionV3(include_top=False, weights=weights, pooling="avg")
    except Exception as error:
        raise ValueError(
            "Inception features need Keras' InceptionV3 weights without the top, from the network or from a file; "
            f"received weights={weights!r} and {type(error).__name__} ({' '.join(str(error).split())[:200]}); "
            "connect once, or download inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 from "
            "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/ elsewhere and pass its path."
        ) from error


def _require_images(images: np.ndarray, smallest: int) -> None:
    shape = np.shape(images)
    if len(shape) != 4 or shape[0] == 0 or shape[3] not in (1, 3) or min(shape[1:3]) < smallest:
        raise ValueError(
            f"features need images [N, H, W, 1 or 3] of at least {smallest} x {smallest} pixels; "
            f"received {list(shape)}; pass at least one image, gray or RGB."
        )
