"""The seeds of an image: fixed numbers, made from the key and the seed of the command."""

import zlib

import numpy as np

from tf_inpaint.inputs.seeds import image_seeds, mask_file_index, served_seed

CHECK_VALUE = 0xCBF43926
"""CRC-32 of "123456789", as its definition gives it."""


def test_image_seeds_are_the_seed_and_the_key_s_checksum():
    """The seeds of an image are two integers."""
    assert image_seeds(7, "123456789") == (7, CHECK_VALUE)
    assert image_seeds(7, "12345678") != image_seeds(7, "123456789")


def test_served_seed_is_an_int32_of_both():
    """With seed 0, a server gets the bits of the checksum."""
    assert served_seed(0, "123456789") == CHECK_VALUE - 2**32
    seeds = {served_seed(seed, key) for seed in range(3) for key in ("a.png", "x/b.png")}
    assert len(seeds) == 6 and all(seed == np.int32(seed) for seed in seeds)
    assert served_seed(5, "a") % 2**32 == zlib.crc32(b"a", 5)


def test_mask_file_index_is_any_of_the_files():
    """All files are picked, depending on the key and the seed."""
    assert mask_file_index(3, "a.png", 5) == zlib.crc32(b"3 a.png") % 5
    indices = [mask_file_index(seed, str(key), 4) for seed in range(2) for key in range(100)]
    assert set(indices) == {0, 1, 2, 3} and indices[:100] != indices[100:]


def test_key_may_hold_any_bytes():
    """The bytes of a file name that is not UTF-8 are those of the file system."""
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    checksum = zlib.crc32(b"caf\xe9.png")
    assert image_seeds(7, name) == (7, checksum)
    assert served_seed(0, name) % 2**32 == checksum
    assert mask_file_index(3, name, 5) == zlib.crc32(b"3 caf\xe9.png") % 5
    assert image_seeds(7, "caf\u00e9.png") == (7, zlib.crc32("caf\u00e9.png".encode()))
