"""Independent NumPy versions of the equations of the package.

They are slow and simple, compute in float64, and take one image at a time.
"""

import numpy as np


def importance(known, window=7):
    """The importance weights of `known` `[H, W]`, whose border is mirrored with its edge pixel."""
    height, width = known.shape
    radius = window // 2

    def mirror(position, size):
        if position < 0:
            return -position - 1
        return 2 * size - position - 1 if position >= size else position

    weights = np.zeros((height, width))
    for row, column in np.argwhere(known):
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                weights[row, column] += (
                    1 - known[mirror(row + down, height), mirror(column + right, width)]
                )
    return weights / window**2


def contextual_low_resolution(generated, images, factor):
    """The L1 distance of box averages of two images `[H, W, C]`, summed over all pixels."""
    height, width, _ = images.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            top, left = row - row % factor, column - column % factor
            block = np.s_[top : top + factor, left : left + factor]
            total += np.abs(generated[block].mean((0, 1)) - images[block].mean((0, 1))).sum()
    return total


def poisson(image, known, generated):
    """Poisson blending as a least-squares problem, with one equation per pair of neighbors.

    The unknowns are the hidden pixels, and not a correction. The normal equations are never formed.

    Args:
        image: `[H, W, C]`.
        known: `[H, W]`, 1 = known, 0 = hole.
        generated: `[H, W, C]`.
    """
    height, width, channels = image.shape
    unknown = {
        (row, column): number
        for number, (row, column) in enumerate(np.argwhere(known == 0).tolist())
    }

    # Write an equation for each pair of neighbors with a hidden pixel.
    rows, values = [], []
    for row in range(height):
        for column in range(width):
            pixel = (row, column)
            for neighbor in ((row + 1, column), (row, column + 1)):
                outside = neighbor[0] >= height or neighbor[1] >= width
                if outside or not {pixel, neighbor} & unknown.keys():
                    continue
                equation = np.zeros(len(unknown))
                value = generated[pixel].astype(np.float64) - generated[neighbor]
                for position, sign in ((pixel, 1.0), (neighbor, -1.0)):
                    if position in unknown:
                        equation[unknown[position]] += sign
                    else:
                        value -= sign * image[position]
                rows.append(equation)
                values.append(value)

    # Solve for the hidden pixels.
    result = image.astype(np.float64)
    if unknown:
        solution = np.linalg.lstsq(np.array(rows), np.array(values).reshape(-1, channels))[0]
        for pixel, number in unknown.items():
            result[pixel] = solution[number]
    return result


def discriminator_loss(real_logits, generated_logits, label_smoothing=0.0):
    """The cross-entropy for the labels `1 - label_smoothing` and 0.

    The probabilities come from a sigmoid, so the logits must not be large.
    """
    total = 0.0
    for logits, label in ((real_logits, 1 - label_smoothing), (generated_logits, 0.0)):
        probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
        total -= np.mean(label * np.log(probability) + (1 - label) * np.log(1 - probability))
    return total


def generator_loss(name, generated_logits):
    """The loss of the generator, by name."""
    logits = np.asarray(generated_logits, np.float64)
    probability = 1 / (1 + np.exp(-logits))
    return {
        "minimax": np.log(1 - probability),
        "non_saturating": -np.log(probability),
        "critic": -logits,
    }[name].mean()


def slope(function, point, step=1e-4):
    """The gradient of a scalar function at `point`, by central differences."""
    result = np.zeros(point.shape)
    for index in np.ndindex(point.shape):
        offset = np.zeros(point.shape)
        offset[index] = step
        result[index] = (function(point + offset) - function(point - offset)) / (2 * step)
    return result
