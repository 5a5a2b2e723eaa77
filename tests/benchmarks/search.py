"""One step of the search, ours beside PyTorch and beside a TF1-style loop, for 1, 8 and 64 images.

    pip install torch && python tests/benchmarks/search.py

The same energy (contextual L1 + 0.1 log(1 - D)) and Adam in all three:
* ours: the `tf.while_loop` of `Search`, through networks whose batch normalisation is folded;
* PyTorch: eager, channels_last, `eval()`, gradients with respect to z only;
* session: one `session.run` of energy, gradient and G(z) a step with images and mask fed to it, Adam in NumPy,
  batch normalisation as an operation of its own: how bamos/dcgan-completion.tensorflow does it.
They take turns, so that a machine that slows down slows all; ratios are medians over rounds.
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
import torch  # noqa: E402
import torch_dcgan  # noqa: E402

from tf_inpaint.gan.networks import BatchNormalization, Discriminator, Generator, folded  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.inpainting.masks import make  # noqa: E402


def ours(generator, discriminator, images, known, z, steps):
    inpainter = Inpainter(
        folded(generator),
        folded(discriminator),
        100,
        block_size=len(images),
        prior_every=1,
        patience=1.0,
    )
    inpainter.search.restart(z)
    conditions, count = (tf.constant(images), tf.constant(known)), tf.constant(steps)

    def run():
        inpainter.search.advance(conditions, count)
        return inpainter.search.z.numpy()

    return run


def pytorch(size, channels, width, images, known, z, steps):
    generator = torch_dcgan.generator(size, channels, width).eval().requires_grad_(False)
    discriminator = torch_dcgan.discriminator(size, channels, width).eval().requires_grad_(False)
    images, known = (torch.from_numpy(array).permute(0, 3, 1, 2) for array in (images, known))
    z = torch.from_numpy(z.copy()).requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=0.1)

    def run():
        for _ in range(steps):
            optimizer.zero_grad()
            generated = generator(z)
            energy = (known * (generated - images)).abs().sum()
            energy = energy - 0.1 * torch.nn.functional.softplus(discriminator(generated)).sum()
            energy.backward()
            optimizer.step()
            z.data.clamp_(-1, 1)
        return z.detach().numpy()

    return run


def plain(network, inputs):
    """The network layer by layer, each as Keras computes it when nothing is tuned."""
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


def session_loop(generator, discriminator, images, known, z, steps):
    with tf.Graph().as_default():
        networks = [
            type(network).from_config(network.get_config())
            for network in (generator, discriminator)
        ]
        feeds = [tf.compat.v1.placeholder(tf.float32, array.shape) for array in (z, images, known)]
        generated = plain(networks[0], feeds[0])
        energy = tf.reduce_sum(tf.abs(feeds[2] * generated - feeds[2] * feeds[1]), axis=[1, 2, 3])
        energy -= 0.1 * tf.nn.softplus(plain(networks[1], generated))[:, 0]
        fetches = [energy, tf.gradients(energy, feeds[0])[0], generated]
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
    state = [z, np.zeros_like(z), np.zeros_like(z), 0]

    def run():
        at, mean, square, count = state
        for _ in range(steps):
            _, slope, _ = session.run(fetches, dict(zip(feeds, (at, images, known), strict=True)))
            count += 1
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
            scale = np.sqrt(square / (1 - 0.999**count)) + 1e-8
            at = np.clip(at - 0.1 * mean / (1 - 0.9**count) / scale, -1, 1)
        state[:] = at, mean, square, count
        return at

    return run


def main():
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
    generator, discriminator = (
        Generator(size, channels, width),
        Discriminator(size, channels, width),
    )
    rng = np.random.default_rng(0)
    print(f"{size} px x {channels}, width {width}; milliseconds a step")
    print(
        "| images | ours | PyTorch | session loop | ours / PyTorch | ours / session |\n|---|---|---|---|---|---|"
    )
    for count in arguments.images:
        images = rng.uniform(-1, 1, [count, size, size, channels]).astype(np.float32)
        known = np.repeat(make("center", size, size, 0)[None], count, axis=0)
        z = rng.uniform(-1, 1, [count, 100]).astype(np.float32)
        steps = max(2, 64 // count)
        contenders = (
            ours(generator, discriminator, images, known, z, steps),
            pytorch(size, channels, width, images, known, z, steps),
            session_loop(generator, discriminator, images, known, z, steps),
        )
        for contender in contenders:
            contender()
        rounds = []
        for _ in range(arguments.rounds):
            times = []
            for contender in contenders:
                start = time.perf_counter()
                contender()
                times.append((time.perf_counter() - start) / steps * 1e3)
            rounds.append(times)
        medians = " | ".join(
            f"{statistics.median(column):.1f}" for column in zip(*rounds, strict=True)
        )
        ratios = " | ".join(
            f"{statistics.median(times[0] / times[other] for times in rounds):.2f}"
            for other in (1, 2)
        )
        print(f"| {count} | {medians} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
