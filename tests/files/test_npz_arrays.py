"""Npz files: their arrays, sizes from headers alone, and damage."""

import io
import struct
import zipfile

import numpy as np
import pytest
from sentences import assert_one_sentence

from tf_inpaint.files import npz_arrays

RAMP = np.arange(6, dtype=np.int32).reshape(2, 3)
CONTENT = RAMP.tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_and_their_sizes(tmp_path, save):
    arrays = {"ramp": RAMP, "turned": RAMP.T, "texts": np.array(["a", "bcd"]), "one": np.float64(2)}
    save(tmp_path / "a.npz", **arrays)
    assert npz_arrays.names(tmp_path / "a.npz") == list(arrays)
    for name, array in arrays.items():
        assert npz_arrays.size(tmp_path / "a.npz", name) == array.nbytes
        read = npz_arrays.read(tmp_path / "a.npz", name)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def member(shape="(2, 3)", dtype="'<i4'", version=1, header_length=None, content=CONTENT):
    """The bytes of an array with this header."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    length = len(header) if header_length is None else header_length
    form = {1: "<H", 2: "<I", 3: "<I"}[version]
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, length) + header + content


def write(path, content):
    """Writes an npz file with the array `a` of these bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    return path


def test_both_versions_of_the_format(tmp_path):
    for version in (1, 2):
        path = write(tmp_path / "a.npz", member(version=version))
        np.testing.assert_array_equal(npz_arrays.read(path, "a"), RAMP)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["EOF"]),
        (b"text", ["EOF"]),
        (b"no array at all", ["magic"]),
        (member(content=CONTENT[:-1]), ["the header of a claims 24 bytes of 23"]),
        (member("(10**12, 28)"), ["received: "]),
        (member("(1000000000000, 28)"), ["claims 112,000,000,000,000 bytes of 24"]),
        (member("(-2, 3)"), ["claims -24 bytes of 24"]),
        (member("(-2, -3)"), ["received: "]),
        (member("('x', 3)"), ["shape"]),
        (member(dtype="'no'"), ["descr"]),
        (member(dtype="'|O'"), ["Object arrays"]),
        (member(header_length=5), ["received: "]),
        (member(version=2, header_length=2**32 - 1, content=bytes(10**6)), ["array header"]),
        (member(version=3), ["(3, 0)"]),
        (member("(" * 5000), ["received: "]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_damaged_array_is_refused_in_a_sentence(tmp_path, content, words):
    path = write(tmp_path / "a.npz", content)
    with pytest.raises(ValueError) as refusal:
        npz_arrays.read(path, "a")
    assert_one_sentence(refusal.value, [str(path), "must be an npz file without objects", *words])


def test_every_cut_of_a_file_is_refused_in_a_sentence(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, a=RAMP)
    for length in range(len(file.getvalue()) - 1):
        (tmp_path / "a.npz").write_bytes(file.getvalue()[:length])
        with pytest.raises(ValueError, match="must be an npz file without objects"):
            npz_arrays.read(tmp_path / "a.npz", "a")


def test_array_or_file_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match=r"no item named 'b\.npy'"):
        npz_arrays.read(write(tmp_path / "a.npz", member()), "b")
    with pytest.raises(FileNotFoundError, match=r"b\.npz does not exist"):
        npz_arrays.names(tmp_path / "b.npz")
