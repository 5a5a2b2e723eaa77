"""The exploration "nearest": are samples copies of training images?"""

from collections.abc import Iterator

import numpy as np

from tf_inpaint.config import ExploreConfig
from tf_inpaint.data.sources import Source
from tf_inpaint.exploration import latents, nearest_training_images
from tf_inpaint.exploration.picture_sheets import TILE, Exploration, add_texts, generate, tiles
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import held_out, pictures
from tf_inpaint.runs.run_directory import Run

CHUNK = 2048
"""Number of training images in memory at once."""
COMPARED = 256
"""Number of samples, and maximum number of held-out images, with measured distances."""


def nearest_images(config: ExploreConfig, run: Run) -> Exploration:
    """Shows samples and held-out images, each with its nearest training images.

    Raises:
        ValueError: there are fewer training images than --neighbours.
    """
    # Choose the images to compare.
    shown = config.count or 10
    seeds = range(config.seed, config.seed + max(shown, COMPARED))
    z = latents.draw(seeds, run.config.latent_size)
    samples = generate(run, z)
    real = np.stack([item.read() for item in held_out(pictures(run.config, "held_out"), COMPARED)])
    training = pictures(run.config, "train")
    k = config.neighbours
    if training.size < k:
        raise ValueError(
            f"--neighbours must be at most the number of training images; received {k} for "
            f"{training.size}; lower it."
        )

    # Find their nearest training images.
    queries = np.concatenate([samples, real])
    distances, neighbors = nearest_training_images.nearest(queries, chunks(training), k)
    split = len(samples)
    ratio, message = nearest_training_images.verdict(distances[:split, 0], distances[split:, 0])

    # Draw the first ones.
    left = table("sample", samples[:shown], neighbors[:split], distances[:split])
    right = table("held out", real[:shown], neighbors[split:], distances[split:])
    sheet = side_by_side(left, right)
    numbers = {
        "ratio_of_medians": ratio,
        "median_distance": {
            "samples": float(np.median(distances[:split, 0])),
            "held_out": float(np.median(distances[split:, 0])),
        },
        "training_images": training.size,
        "samples": distances[:split].tolist(),
        "held_out": distances[split:].tolist(),
    }
    return Exploration([sheet], {"z": z}, numbers, message)


def chunks(source: Source) -> Iterator[np.ndarray]:
    """Reads all pictures of a source, with a progress bar.

    Yields:
        uint8 `[n, H, W, C]`, n at most `CHUNK`.
    """
    from tqdm import tqdm

    bar_format = "training images {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    for first in tqdm(range(0, source.size, CHUNK), bar_format=bar_format):
        yield source.read(np.arange(first, min(first + CHUNK, source.size)))


def table(
    name: str, queries: np.ndarray, neighbors: np.ndarray, distances: np.ndarray
) -> np.ndarray:
    """Draws a table with a row for each query: the query, and its nearest images.

    Args:
        name: caption of the queries.
        queries: uint8 `[Q, H, W, C]`.
        neighbors: uint8 `[Q or more, k, H, W, C]`.
        distances: `[Q or more, k]`, written below the neighbors.

    Returns:
        uint8 `[H', W', C]`.
    """
    count, k = len(queries), distances.shape[1]
    cells = np.concatenate([queries[:, None], neighbors[:count]], axis=1)
    texts: list[str] = []
    for row in distances[:count]:
        texts += ["", *(f"{distance:.2f}" for distance in row)]
    captions = [name, "nearest", *[""] * (k - 1)]
    return images.grid(add_texts(tiles(cells), texts), k + 1, captions=captions)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Puts two pictures `[H, W, C]` of any heights side by side, with a gap, on white."""
    height = max(len(left), len(right))

    def padded(picture: np.ndarray) -> np.ndarray:
        padding = ((0, height - len(picture)), (0, 0), (0, 0))
        return np.pad(picture, padding, constant_values=255)

    gap = np.full((height, TILE // 2, left.shape[2]), 255, np.uint8)
    return np.concatenate([padded(left), gap, padded(right)], axis=1)
