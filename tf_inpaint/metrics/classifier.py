"""A small convolutional classifier of labeled images, for features and predicted labels.

For digits the classifier takes the place of Inception, which was trained on photographs. Its
features describe what makes a digit a digit, and its prediction tells whether a completed image
still shows what its label says.
"""

import keras
import numpy as np

PREDICTION_BATCH = 256
"""Number of images that `Classifier` processes at once."""
TRAINING_BATCH = 128
"""Maximum number of images per training step."""
LEARNING_RATE = 4e-3
"""First and highest learning rate."""
FEATURES = 128
"""Number of features per image."""
WIDTHS = (16, 32, 64)
"""Number of channels of each convolution."""


class Classifier:
    """A trained classifier, the result of `train`.

    Args:
        network: maps images `[B, H, W, C]` to features `[B, K]` and logits `[B, classes]`.
        labels: `[classes]`, the label of each column of the logits.
    """

    def __init__(self, network: keras.Model, labels: np.ndarray) -> None:
        self.network = network
        self.labels = labels

    def features(self, images: np.ndarray) -> np.ndarray:
        """The outputs of the penultimate layer.

        Args:
            images: `[N, H, W, C]` in [-1, 1].

        Returns:
            `[N, 128]` float32, at least 0.

        Raises:
            ValueError: the images do not have the shape of the training images.
        """
        return self._run(images)[0]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each of `labels`.

        Args:
            images: `[N, H, W, C]` in [-1, 1].

        Returns:
            `[N, classes]` float32, each row with sum 1.

        Raises:
            ValueError: the images do not have the shape of the training images.
        """
        logits = self._run(images)[1]
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The most likely label of each image.

        Args:
            images: `[N, H, W, C]` in [-1, 1].

        Returns:
            `[N]`, each one of `labels`.

        Raises:
            ValueError: the images do not have the shape of the training images.
        """
        return self.labels[self._run(images)[1].argmax(1)]

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        """Features and logits."""
        expected = self.network.input_shape[1:]
        if images.ndim != 4 or images.shape[1:] != expected or len(images) == 0:
            raise ValueError(
                "The classifier needs images of the shape of its training images, "
                f"[N, {', '.join(map(str, expected))}]; received {list(images.shape)}; "
                "resize them, or train a classifier on images of this shape."
            )
        return self.network.predict(images, batch_size=PREDICTION_BATCH, verbose=0)


def train(images: np.ndarray, labels: np.ndarray, seed: int = 0, steps: int = 1000) -> Classifier:
    """Trains a classifier on labeled images, with Adam and cross-entropy.

    The network has three convolutions, each followed by normalization, ReLU and max-pooling, and
    one hidden layer. The learning rate falls to 0 along half a cosine. The training time does not
    depend on the number of images: there are `steps` batches, and each pass over the images has a
    new random order. On one machine, one `seed` gives one classifier; on another machine, the
    classifier differs by rounding. With the defaults, trained on MNIST's 60,000 digits in 26 s of
    CPU time, the classifier gives 99.1 % of the 10,000 test digits their label.

    Args:
        images: `[N, H, W, C]` in [-1, 1], H and W at least 8.
        labels: `[N]`, integers or strings, with at least 2 different values.
        seed: of the initial weights, the order and the dropout.
        steps: number of training steps.

    Raises:
        ValueError: the labels do not match the images, there is only one label, or the images are
            smaller than 8 pixels.
    """
    # Check the images and labels.
    labels = np.asarray(labels)
    if images.ndim != 4 or labels.shape != (len(images),) or min(images.shape[1:3]) < 8:
        raise ValueError(
            "A classifier needs images [N, H, W, C] of at least 8 x 8 pixels and one label for "
            f"each; received images {list(images.shape)} and labels {list(labels.shape)}; "
            "pass the label of every image."
        )
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs images of at least 2 labels; received {len(classes)}; "
            "use data of several classes."
        )

    # Build the network and its optimizer.
    network = _network(images.shape[1:], len(classes), seed)
    head = keras.Model(network.input, network.output[1])
    head.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    # Train on batches in random order.
    random = np.random.default_rng(seed)
    batch_size = min(TRAINING_BATCH, len(images))
    order = np.empty(0, np.int64)
    for _ in range(steps):
        if len(order) < batch_size:
            order = np.concatenate([order, random.permutation(len(images))])
        batch, order = order[:batch_size], order[batch_size:]
        head.train_on_batch(images[batch], targets[batch])
    return Classifier(network, classes)


def _network(shape: tuple[int, int, int], classes: int, seed: int) -> keras.Model:
    """The untrained network: images of this shape to features and logits."""
    # Each layer gets its own seed: `keras.utils.set_random_seed` would change the random numbers of
    # the caller.
    seeds = iter(range(1000 * seed, 1000 * seed + 10))

    def initializer():
        return keras.initializers.HeNormal(next(seeds))

    inputs = x = keras.Input(shape)
    for width in WIDTHS:
        x = keras.layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer=initializer()
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.97)(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    features = keras.layers.Dense(
        FEATURES, activation="relu", kernel_initializer=initializer(), name="features"
    )(x)
    x = keras.layers.Dropout(0.1, seed=next(seeds))(features)
    logits = keras.layers.Dense(classes, kernel_initializer=initializer(), name="logits")(x)
    return keras.Model(inputs, [features, logits])
