"""Independent NumPy versions of the package's equations: slow, plain, float64, one image at a time."""

import numpy as np


def importance(known, window=7):
    """`known` is [H, W]; the border is mirrored, edge pixel included."""
    height, width = known.shape
    reach = window // 2

    def mirror(position, size):
        if position < 0:
            return -position - 1
        return 2 * size - position - 1 if position >= size else position

    weights = np.zeros((height, width))
    for row, column in np.argwhere(known):
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                weights[row, column] += (
                    1 - known[mirror(row + down, height), mirror(column + right, width)]
                )
    return weights / window**2


def contextual_low_resolution(generated, images, factor):
    """Arguments are [H, W, C]; the sum over blocks is repeated once for each pixel of the block."""
    height, width, _ = images.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            top, left = row - row % factor, column - column % factor
            block = np.s_[top : top + factor, left : left + factor]
            total += np.abs(generated[block].mean((0, 1)) - images[block].mean((0, 1))).sum()
    return total


def poisson(image, known, generated):
    """`image` and `generated` are [H, W, C], `known` [H, W]: least squares, an equation a pair of neighbours.

    Solves for the hidden pixels themselves, not for a correction, and never forms the normal equations.
    """
    height, width, channels = image.shape
    unknown = {
        (row, column): number
        for number, (row, column) in enumerate(np.argwhere(known == 0).tolist())
    }
    rows, values = [], []
    for row in range(height):
        for column in range(width):
            for there in ((row + 1, column), (row, column + 1)):
                here = (row, column)
                if (
                    max(there[0] - height, there[1] - width) >= 0
                    or not {here, there} & unknown.keys()
                ):
                    continue
                equation = np.zeros(len(unknown))
                value = generated[here].astype(np.float64) - generated[there]
                for pixel, sign in ((here, 1.0), (there, -1.0)):
                    if pixel in unknown:
                        equation[unknown[pixel]] += sign
                    else:
                        value -= sign * image[pixel]
                rows.append(equation)
                values.append(value)
    result = image.astype(np.float64)
    if unknown:
        solution = np.linalg.lstsq(np.array(rows), np.array(values).reshape(-1, channels))[0]
        for pixel, number in unknown.items():
            result[pixel] = solution[number]
    return result


def discriminator_loss(real_logits, generated_logits, label_smoothing=0.0):
    """Cross-entropy against the labels `1 - label_smoothing` and 0; through sigmoids: for modest logits only."""
    total = 0.0
    for logits, label in ((real_logits, 1 - label_smoothing), (generated_logits, 0.0)):
        probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
        total -= np.mean(label * np.log(probability) + (1 - label) * np.log(1 - probability))
    return total


def generator_loss(name, generated_logits):
    logits = np.asarray(generated_logits, np.float64)
    probability = 1 / (1 + np.exp(-logits))
    return {
        "minimax": np.log(1 - probability),
        "non_saturating": -np.log(probability),
        "critic": -logits,
    }[name].mean()


def slope(function, point, step=1e-4):
    """The gradient of a scalar function at `point`, one entry at a time, by central differences."""
    result = np.zeros(point.shape)
    for index in np.ndindex(point.shape):
        apart = np.zeros(point.shape)
        apart[index] = step
        result[index] = (function(point + apart) - function(point - apart)) / (2 * step)
    return result
