"""Arrays in npz files, whose sizes are known before an array is read.

A small compressed file may hold an array that is larger than the memory, and the header of an array
may claim any size. NumPy makes room for the array before it reads the array.
"""

import contextlib
import io
import math
import os
import zipfile
from collections.abc import Iterator

import numpy as np

MAX_HEADER_BYTES = 10_000
"""Maximum length of the header of an array. NumPy has the same maximum."""
HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Functions that read a header, by the version of the format."""


def names(file: str | os.PathLike) -> list[str]:
    """Returns the names of the arrays in an npz file.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is no npz file, or no regular file.
    """
    with _archive(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def size(file: str | os.PathLike, name: str) -> int:
    """Returns the number of bytes that an array takes in memory, from its header alone.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the array is cut, its header is damaged, or the file is no regular file.
    """
    with _archive(file) as archive:
        return _checked_size(archive, name)


def read(file: str | os.PathLike, name: str) -> np.ndarray:
    """Returns an array without objects.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the array is damaged or holds objects, or the file is no regular file.
    """
    with _archive(file) as archive:
        _checked_size(archive, name)
        with archive.open(_member(archive, name)) as member:
            return np.lib.format.read_array(member, allow_pickle=False)


@contextlib.contextmanager
def _archive(file: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    try:
        # Reading a pipe or a device may never end.
        if os.path.exists(file) and not os.path.isfile(file):
            raise OSError("a folder, a pipe or a device is no regular file")
        with zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(
            f"An npz file is required; {file} does not exist; check the path."
        ) from None
    # A damaged file makes NumPy and zipfile raise nearly any exception: KeyError, MemoryError, ...
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(
            f"{file} must be an npz file without objects; received: {reason}; save it again."
        ) from None


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    return archive.getinfo(name if name in archive.namelist() else f"{name}.npy")


def _checked_size(archive: zipfile.ZipFile, name: str) -> int:
    info = _member(archive, name)
    with archive.open(info) as member:
        # A header may claim any length too.
        start = io.BytesIO(member.read(MAX_HEADER_BYTES))
    shape, _, dtype = HEADER_READERS[np.lib.format.read_magic(start)](start)
    claimed = math.prod(shape) * dtype.itemsize
    # The length of pickled objects has nothing to do with the shape.
    present = info.file_size - start.tell()
    if not dtype.hasobject and not 0 <= claimed <= present:
        raise ValueError(f"the header of {name} claims {claimed:,} bytes of {present:,}")
    return claimed
