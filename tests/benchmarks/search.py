"""Measures one step of the search, beside PyTorch and beside a loop as in TensorFlow 1.

    pip install torch && python tests/benchmarks/search.py

The table has one row for 1, 8 and 64 images: milliseconds per step of the three programs, and the
time of this package divided by the time of each other program. All three use the same energy
(contextual L1 + 0.1 log(1 - D)) and Adam:

* ours: the `tf.while_loop` of `Search`, with networks whose batch normalization is folded;
* PyTorch: eager, channels_last, `eval()`, gradients with respect to z only;
* session loop: one `session.run` of energy, gradient and G(z) for each step, to which images and
  mask are fed. Adam is in NumPy, and batch normalization is an operation: this is the way of
  bamos/dcgan-completion.tensorflow.

The programs take turns, so that a machine that slows down slows all of them. Ratios are medians
over rounds.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_inpaint.compositing.masks import make  # noqa: E402
from tf_inpaint.gan.layers import BatchNormalization  # noqa: E402
from tf_inpaint.gan.networks import Discriminator, Generator, fold_normalization  # noqa: E402
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.settings.search_settings import SearchSettings  # noqa: E402

LATENT_SIZE = 100
LEARNING_RATE = 0.1


def our_search(generator, discriminator, images, known, z, steps, **other_settings):
    """Returns the function that takes `steps` steps of our search and returns z."""
    networks = FrozenNetworks(
        fold_normalization(generator), fold_normalization(discriminator), LATENT_SIZE
    )
    settings = SearchSettings(
        solver="adam",
        learning_rate=LEARNING_RATE,
        block_size=len(images),
        prior_every=1,
        patience=1.0,
        **other_settings,
    )
    search = Inpainter(networks, settings).search
    search.restart(z)
    conditions, count = (tf.constant(images), tf.constant(known)), tf.constant(steps)

    def run():
        search.advance(conditions, count)
        return search.z.numpy()

    return run


def apply_unfolded(network, inputs):
    """Applies a network layer by layer, each as Keras computes it without any tuning."""
    for layer in network.stack:
        if isinstance(layer, BatchNormalization):
            moments = layer.moving_mean, layer.moving_variance, layer.beta, layer.gamma
            inputs = tf.nn.batch_normalization(
                inputs, *map(tf.convert_to_tensor, moments), layer.epsilon
            )
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            inputs = keras.layers.Conv2DTranspose.call(layer, inputs)
        elif isinstance(layer, keras.layers.Conv2D):
            inputs = keras.ops.conv(inputs, layer.kernel, strides=2, padding="same")
            inputs = inputs if layer.bias is None else inputs + layer.bias
        else:
            inputs = layer(inputs)
    return inputs


def session_search(generator, discriminator, images, known, z, steps):
    """Returns the same function as a loop of `session.run`, with Adam in NumPy."""
    # Build the graph of the energy and its gradient.
    with tf.Graph().as_default():
        networks = [
            type(network).from_config(network.get_config())
            for network in (generator, discriminator)
        ]
        feeds = [tf.compat.v1.placeholder(tf.float32, array.shape) for array in (z, images, known)]
        generated = apply_unfolded(networks[0], feeds[0])
        energy = tf.reduce_sum(tf.abs(feeds[2] * generated - feeds[2] * feeds[1]), axis=[1, 2, 3])
        energy -= 0.1 * tf.nn.softplus(apply_unfolded(networks[1], generated))[:, 0]
        fetches = [energy, tf.gradients(energy, feeds[0])[0], generated]
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
    state = [z, np.zeros_like(z), np.zeros_like(z), 0]

    def run():
        point, mean, square, count = state
        for _ in range(steps):
            values = dict(zip(feeds, (point, images, known), strict=True))
            _, gradient, _ = session.run(fetches, values)
            count += 1
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            scale = np.sqrt(square / (1 - 0.999**count)) + 1e-8
            step = LEARNING_RATE * mean / (1 - 0.9**count) / scale
            point = np.clip(point - step, -1, 1)
        state[:] = point, mean, square, count
        return point

    return run


def measure(programs, steps, rounds):
    """Milliseconds per step, a list of the programs' times for each round."""
    for program in programs:
        program()
    times = []
    for _ in range(rounds):
        times.append([])
        for program in programs:
            start = time.perf_counter()
            program()
            times[-1].append((time.perf_counter() - start) / steps * 1e3)
    return times


def main():
    """Prints the table."""
    import torch_dcgan  # Here, for `gpu.py` uses `our_search` without PyTorch.

    # Read the command line.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    size, channels, width = arguments.image_size, arguments.channels, arguments.width

    # Measure every number of images.
    networks = Generator(size, channels, width), Discriminator(size, channels, width)
    rng = np.random.default_rng(0)
    print(f"{size} px x {channels}, width {width}; milliseconds per step")
    print("| images | ours | PyTorch | session loop | ours / PyTorch | ours / session |")
    print("|---|---|---|---|---|---|")
    for count in arguments.images:
        images = rng.uniform(-1, 1, [count, size, size, channels]).astype(np.float32)
        known = np.repeat(make("center", size, size, 0)[None], count, axis=0)
        z = rng.uniform(-1, 1, [count, LATENT_SIZE]).astype(np.float32)
        steps = max(2, 64 // count)
        programs = (
            our_search(*networks, images, known, z, steps),
            torch_dcgan.new_search(size, channels, width, images, known, z, steps),
            session_search(*networks, images, known, z, steps),
        )
        times = measure(programs, steps, arguments.rounds)
        medians = [f"{statistics.median(column):.1f}" for column in zip(*times, strict=True)]
        ratios = [
            f"{statistics.median(row[0] / row[other] for row in times):.2f}" for other in (1, 2)
        ]
        print(f"| {count} | {' | '.join(medians)} | {' | '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
