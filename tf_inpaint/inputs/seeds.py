"""The seeds of an image. They depend on the seed of the command and on the key of the image alone.

So an image has the same mask and the same completion, whatever other images the command works on.
All rules use CRC-32, which is the same on every machine.
"""

import zlib

import numpy as np


def image_seeds(seed: int, key: str) -> tuple[int, int]:
    """Returns the seeds of an image's mask and search, as two integers."""
    return seed, zlib.crc32(encode(key))


def served_seed(seed: int, key: str) -> int:
    """Returns the seed of a search on a server, which takes one int32.

    With `seed` 0, the bits are those of the second integer of `image_seeds`.
    """
    return int(np.array(zlib.crc32(encode(key), seed), np.uint32).view(np.int32))


def mask_file_index(seed: int, key: str, count: int) -> int:
    """Returns which one of `count` mask files an image takes, in [0, count)."""
    return zlib.crc32(encode(f"{seed} {key}")) % count


def encode(key: str) -> bytes:
    """Returns a key in UTF-8. The bytes of a file name that are not UTF-8 are restored."""
    return key.encode(errors="surrogateescape")
