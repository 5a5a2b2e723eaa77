"""The signatures that take and return image files."""

import io
import struct
import zlib

import numpy as np
import tiny
from PIL import Image

from tf_inpaint.compositing import encoded_images
from tf_inpaint.files import images

SIDE = tiny.SIZE


def test_encoded_answers_have_the_files_size_and_known_levels(signatures):
    colour = np.random.default_rng(3).integers(0, 256, (37, 90, 3), dtype=np.uint8)
    pictures = [tiny.picture(1), tiny.picture(2, 60), colour]
    holes = []
    for levels, left in zip(
        pictures, (8, 8, 26), strict=True
    ):  # the last touches its square's edge
        known = np.full((*levels.shape[:2], 1), 255, np.uint8)
        known[5:15, left : left + 12] = 0
        holes.append(known)
    files = np.array([tiny.png(levels) for levels in pictures], object)
    mask_files = np.array([tiny.png(hole) for hole in holes], object)
    found = signatures(
        "complete_fast_encoded",
        image_bytes=list(files),
        mask_bytes=list(mask_files),
        seeds=np.arange(3, dtype=np.int32),
    )
    assert [text.decode() for text in found["errors"]] == ["", "", ""]
    for levels, hole, file in zip(pictures, holes, found["image_bytes"], strict=True):
        answer = images.read(io.BytesIO(file))
        gray = np.asarray(Image.fromarray(levels.squeeze()).convert("L"))[..., None]
        assert answer.shape == gray.shape
        assert np.array_equal(answer[hole > 0], gray[hole > 0])
        hidden = hole == 0
        assert answer[hidden].std() > 0 and not np.array_equal(answer[hidden], gray[hidden])


def test_a_hole_that_the_network_does_not_see_is_not_filled(signatures):
    file, known = tiny.png(tiny.picture(1, 60)[:37]), np.full((37, 60, 1), 255, np.uint8)
    known[5:15, 8:20] = 0
    found = signatures(
        "complete_fast_encoded",
        image_bytes=[file],
        mask_bytes=[tiny.png(known)],
        seeds=np.int32([0]),
    )
    assert found["image_bytes"][0] == file and found["energies"] == 0
    assert found["errors"][0].decode() == (
        "mask_bytes must have its hole within the image's middle square, rows 0 to 36 and columns "
        "11 to 47; received "
        "one with a part outside, in rows 5 to 14 and columns 8 to 10; crop the image around the "
        "hole first."
    )


def test_encoded_at_the_networks_size_is_complete(signatures):
    inputs = tiny.rows(2)
    levels = images.to_uint8(inputs["images"])
    files = (
        [tiny.png(one) for one in levels],
        [tiny.png(np.uint8(255 * one)) for one in inputs["masks"]],
    )
    found = signatures(
        "complete_encoded", image_bytes=files[0], mask_bytes=files[1], seeds=inputs["seeds"]
    )
    wanted = images.to_uint8(signatures("complete", **inputs)["images"])
    for file, picture in zip(found["image_bytes"], wanted, strict=True):
        assert np.abs(images.read(io.BytesIO(file)).astype(int) - picture).max() <= 1


def huge_png(side):
    """A small file that decodes to `side` x `side` pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return encoded_images.PNG + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_bad_files_say_so_and_leave_the_others_alone(signatures):
    good, mask = tiny.png(tiny.picture(1)), tiny.png(np.eye(SIDE, dtype=np.uint8)[..., None] * 255)
    jpeg = io.BytesIO()
    Image.fromarray(tiny.picture(5).squeeze()).save(jpeg, "JPEG")
    bad = [
        b"",
        b"GIF89a",
        good[:60],
        huge_png(20_000),
        jpeg.getvalue()[:300],
        encoded_images.PNG,
        b"\xff\xd8\xff",
    ]
    files = [good, *bad, good]
    found = signatures(
        "complete_fast_encoded",
        image_bytes=files,
        mask_bytes=[mask] * len(files),
        seeds=np.zeros(len(files), np.int32),
    )
    sentences = [text.decode() for text in found["errors"]]
    assert sentences[0] == sentences[-1] == ""
    assert all(text.startswith("image_bytes must") for text in sentences[1:-1]), sentences
    neither = ["its beginning is that of neither" in text for text in sentences[1:-1]]
    assert neither == [True, True, False, False, False, False, False]
    assert (
        all("header is damaged" in text for text in sentences[6:8])
        and "20000 x 20000" in sentences[4]
    )
    assert list(found["image_bytes"][1:-1]) == bad
    assert found["image_bytes"][0] == found["image_bytes"][-1] != good


def test_bad_masks_say_so(signatures):
    good = tiny.png(tiny.picture(1))
    small = tiny.png(np.zeros((5, 6, 1), np.uint8))
    found = signatures(
        "complete_fast_encoded",
        image_bytes=[good] * 2,
        mask_bytes=[small, b"x"],
        seeds=np.zeros(2, np.int32),
    )
    sentences = [text.decode() for text in found["errors"]]
    assert "the image has 28 x 28 and the mask 6 x 5" in sentences[0]
    assert sentences[1].startswith("mask_bytes must be a PNG or JPEG")
