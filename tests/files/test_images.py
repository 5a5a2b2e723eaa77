"""Tests of `files.images`: supported kinds of files, value ranges, atomic writing, grids, films."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tf_inpaint.files import images

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLORS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def saved(path, array, **settings):
    Image.fromarray(array).save(path, **settings)
    return path


def png(path, width, height, bits, color_type, rows=b""):
    """Writes a PNG file byte by byte, as Pillow writes neither 16-bit colors nor false headers."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows)) if rows else b""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b""))
    return path


def test_levels_survive_the_round_trip():
    floats = images.to_float(LEVELS)
    assert floats.dtype == np.float32
    assert floats.min() == -1 and floats.max() == 1
    np.testing.assert_allclose(np.diff(floats.ravel()), 2 / 255, atol=1e-6)
    np.testing.assert_array_equal(images.to_uint8(floats), LEVELS)


def test_to_uint8_rounds_clips_and_makes_nan_black(monkeypatch):
    monkeypatch.setattr(images, "STRIP_PIXELS", 3)
    values = np.array([-1.4, 1.4, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1, np.nan, np.inf, -np.inf])
    assert images.to_uint8(values).tolist() == [0, 255, 0, 1, 0, 255, 0]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
def test_read_gray_keeps_one_channel(tmp_path, suffix):
    picture = images.read(saved(tmp_path / f"a.{suffix}", LEVELS))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, LEVELS[..., None])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_read_colors(tmp_path, suffix):
    settings = {"lossless": True} if suffix == "webp" else {}
    picture = images.read(saved(tmp_path / f"a.{suffix}", COLORS, **settings))
    np.testing.assert_array_equal(picture, COLORS)


def test_read_open_file(tmp_path):
    with open(saved(tmp_path / "a.png", COLORS), "rb") as file:
        np.testing.assert_array_equal(images.read(file), COLORS)


def test_read_jpeg(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    picture = images.read(saved(tmp_path / "a.jpg", flat, quality=95))
    np.testing.assert_allclose(picture.astype(int), flat, atol=3)


@pytest.mark.parametrize(
    "suffix, dtype", [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "<i4")]
)
def test_read_scales_16_bit_grays(tmp_path, suffix, dtype):
    picture = images.read(
        saved(tmp_path / f"a.{suffix}", (LEVELS.astype(np.uint16) * 257).astype(dtype))
    )
    np.testing.assert_array_equal(picture, LEVELS[..., None])


def test_read_scales_16_bit_colors(tmp_path):
    rows = b"".join(b"\x00" + (row.astype(">u2") * 257).astype(">u2").tobytes() for row in COLORS)
    np.testing.assert_array_equal(images.read(png(tmp_path / "a.png", 7, 5, 16, 2, rows)), COLORS)


def test_read_scales_floats(tmp_path):
    picture = images.read(saved(tmp_path / "a.tif", LEVELS.astype(np.float32) / 255))
    np.testing.assert_array_equal(picture, LEVELS[..., None])


@pytest.mark.parametrize("array", [LEVELS.astype(np.float32), LEVELS.astype(np.int32) * 65536])
def test_read_refuses_values_of_unknown_scale(tmp_path, array):
    with pytest.raises(ValueError, match=r"a\.tif .* values lie outside 0 to"):
        images.read(saved(tmp_path / "a.tif", array))


def test_read_lays_transparency_over_white(tmp_path):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 102]]], np.uint8)
    picture = images.read(saved(tmp_path / "a.png", pixels))
    assert picture.tolist() == [[[10, 20, 30], [255, 255, 255], [153, 153, 153]]]
    grays = images.read(saved(tmp_path / "b.png", pixels[..., 2:]))
    assert grays.tolist() == [[[30], [255], [153]]]
    # A color key: level 0 is transparent.
    saved(tmp_path / "c.png", pixels[..., 0], transparency=0)
    assert images.read(tmp_path / "c.png").tolist() == [[[10], [10], [255]]]


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_shape_in_transparency_alone(tmp_path, mode):
    """All pixels have the same color, and some are transparent. Opaque pictures have no shape."""
    picture = Image.new("RGBA", (4, 3), "white")
    picture.convert(mode).save(tmp_path / "opaque.png")
    assert not images.has_one_color_and_transparency(tmp_path / "opaque.png")
    if mode == "P":
        picture = Image.new("P", (4, 3))
        picture.putpalette([255] * 6)
        picture.putpixel((1, 2), 1)
        picture.info["transparency"] = 1
    else:
        picture.putpixel((1, 2), (255, 255, 255, 9))
    picture.convert(mode).save(tmp_path / "shape.png")
    assert images.has_one_color_and_transparency(tmp_path / "shape.png")


def test_transparency_of_a_16_bit_picture_is_ignored(tmp_path):
    levels = Image.fromarray(np.full((2, 2), 7, np.uint16))
    levels.save(tmp_path / "gray.png", transparency=7)
    assert not images.has_one_color_and_transparency(tmp_path / "gray.png")


def test_read_one_bit_and_palette(tmp_path):
    saved(tmp_path / "a.png", LEVELS > 99)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), (LEVELS > 99)[..., None] * 255)
    picture = Image.frombytes("P", (2, 1), b"\x00\x01")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "b.png")
    assert images.read(tmp_path / "b.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_read_cmyk(tmp_path, suffix):
    # No ink on the left. Magenta and yellow on the right: red on paper.
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 1:3] = 255
    path = tmp_path / f"a.{suffix}"
    Image.frombytes("CMYK", (16, 16), inks.tobytes()).save(path)
    assert (b"Adobe" in path.read_bytes()) == (suffix == "jpg")  # the marker of inverted inks
    picture = images.read(path).astype(int)
    np.testing.assert_allclose(picture[:, 1:7], np.full((16, 6, 3), 255), atol=4)
    np.testing.assert_allclose(picture[:, 9:15], np.tile([255, 0, 0], (16, 6, 1)), atol=4)


@pytest.mark.parametrize("orientation, turns", [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_read_applies_the_exif_orientation(tmp_path, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = images.read(saved(tmp_path / "a.png", COLORS, exif=exif))
    np.testing.assert_array_equal(picture, np.rot90(COLORS, turns))


def test_read_takes_the_first_frame(tmp_path):
    first, second = Image.fromarray(LEVELS), Image.fromarray(255 - LEVELS)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(images.read(tmp_path / "a.gif"), LEVELS[..., None])


def truncated(path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(path.with_suffix(suffix), noise).read_bytes()
    path.write_bytes(data[: len(data) // 2])


BAD_FILES = {
    "empty": (lambda path: path.write_bytes(b""), "is empty or none of"),
    "text": (lambda path: path.write_text("no picture"), "is empty or none of"),
    "postscript": (
        lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "none of",
    ),
    "jpeg": (lambda path: truncated(path, ".jpg"), "truncated"),
    "png": (lambda path: truncated(path, ".png"), "cannot be decoded"),
    "bmp": (lambda path: truncated(path, ".bmp"), "truncated"),
    "folder": (lambda path: path.mkdir(), "directory"),
    # These files contain only a header: decoding would report that they are truncated.
    "huge": (lambda path: png(path, 20_000, 20_000, 8, 2), "claims more than 100,000,000 pixels"),
    "large": (lambda path: png(path, 10_001, 10_000, 8, 2), "claims more than 100,000,000 pixels"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", BAD_FILES)
def test_read_error_is_one_sentence(tmp_path, kind):
    path = tmp_path / "bad.file"
    make, reason = BAD_FILES[kind]
    make(path)
    with pytest.raises(ValueError, match=reason) as error:
        images.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).endswith("replace or remove it.")


def test_read_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        images.read(tmp_path / "gone.png")


def test_read_takes_regular_files_only(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "linked.png").symlink_to("pipe.png")
    for path in (tmp_path / "pipe.png", tmp_path / "linked.png", "/dev/null"):
        with pytest.raises(ValueError, match="no regular file.*; replace or remove it") as error:
            images.read(path)
        assert str(path) in str(error.value)


def test_read_link_to_nothing_or_to_itself(tmp_path):
    (tmp_path / "itself.png").symlink_to("itself.png")
    with pytest.raises(ValueError, match=r"itself\.png cannot be decoded"):
        images.read(tmp_path / "itself.png")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    with pytest.raises(FileNotFoundError, match=r"nothing\.png leads nowhere; check the path"):
        images.read(tmp_path / "nothing.png")


def test_fit_returns_a_fitting_picture_unchanged():
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    np.testing.assert_array_equal(images.fit(noise, 28, 1), noise)
    np.testing.assert_array_equal(images.fit(noise, 28, 1, crop=400), noise)


@pytest.mark.parametrize(
    "height, width, crop, rows, columns",
    [
        (10, 6, 0, (2, 8), (0, 6)),
        (6, 10, 0, (0, 6), (2, 8)),
        (10, 6, 4, (3, 7), (1, 5)),
        (10, 6, 9, (2, 8), (0, 6)),
    ],
)
def test_fit_crops_the_center(height, width, crop, rows, columns):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = picture[slice(*rows), slice(*columns)]
    fitted = images.fit(picture, len(expected), 3, crop)
    np.testing.assert_array_equal(fitted, expected)
    # A view would keep the whole picture in memory.
    assert not np.shares_memory(fitted, picture)


def test_fit_does_not_alias():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    small = images.fit(checks, 13, 1)
    assert small.shape == (13, 13, 1)
    np.testing.assert_allclose(small[1:-1, 1:-1].astype(int), 127, atol=6)


@pytest.mark.parametrize("strip", [1, 70, 10**6])
def test_strips_do_not_change_a_picture(tmp_path, monkeypatch, strip):
    """Large pictures are converted and resized strip by strip, as if at once."""
    random = np.random.default_rng(0)
    levels = random.integers(0, 65536, (37, 53), dtype=np.uint16)
    colors = random.integers(0, 256, (37, 53, 4), dtype=np.uint8)
    saved(tmp_path / "gray.png", levels)
    saved(tmp_path / "colors.png", colors)
    monkeypatch.setattr(images, "STRIP_PIXELS", strip)
    gray, flat = images.read(tmp_path / "gray.png"), images.read(tmp_path / "colors.png")
    np.testing.assert_array_equal(gray[..., 0], np.rint(levels / 257.0))
    white = Image.new("RGBA", (53, 37), "white")
    expected = Image.alpha_composite(white, Image.fromarray(colors)).convert("RGB")
    np.testing.assert_array_equal(flat, np.asarray(expected))
    square = expected.crop((8, 0, 45, 37))
    for side in (5, 60):
        resized = square.resize((side, side), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(images.fit(flat, side, 3), np.asarray(resized))


def test_read_refuses_more_pixels_than_allowed(tmp_path):
    """The header decides: the file has no pixels that could be decoded."""
    path = tmp_path / "a.png"
    png(path, 25, 40, 8, 2)
    reason = r"a\.png claims more than 999 pixels; make it smaller, or raise --max_pixels\."
    with pytest.raises(ValueError, match=reason):
        images.read(path, max_pixels=999)
    with pytest.raises(ValueError, match="cannot be decoded"):
        images.read(path, max_pixels=1000)
    saved(path, COLORS)
    size = COLORS.shape[0] * COLORS.shape[1]
    np.testing.assert_array_equal(images.read(path, max_pixels=size), COLORS)


def test_fit_converts_channels():
    primaries = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], np.uint8)
    # The weights are 0.299, 0.587 and 0.114.
    assert images.fit(primaries, 2, 1)[..., 0].tolist() == [[76, 150], [29, 9]]
    colors = images.fit(LEVELS[..., None], 16, 3)
    np.testing.assert_array_equal(colors, np.repeat(LEVELS[..., None], 3, axis=-1))


@pytest.mark.parametrize("picture", [LEVELS[..., None], COLORS, COLORS[:, ::-1]])
def test_write_then_read(tmp_path, picture):
    images.write(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), picture)
    images.write(tmp_path / "a.png", images.to_float(picture))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_grid():
    pictures = np.random.default_rng(0).integers(0, 255, (5, 4, 3, 3), dtype=np.uint8)
    sheet = images.grid(pictures, columns=3, gap=2)
    assert sheet.shape == (2 * 4 + 2, 3 * 3 + 2 * 2, 3)
    expected = np.full_like(sheet, 255)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 3)
        expected[6 * row : 6 * row + 4, 5 * column : 5 * column + 3] = picture
    np.testing.assert_array_equal(sheet, expected)
    np.testing.assert_array_equal(
        images.grid(images.to_float(pictures), columns=3, gap=2), expected
    )


def test_grid_without_gaps_is_the_reshaped_array():
    pictures = np.arange(24, dtype=np.uint8).reshape(4, 2, 3, 1)
    expected = np.block(
        [[pictures[0, ..., 0], pictures[1, ..., 0]], [pictures[2, ..., 0], pictures[3, ..., 0]]]
    )
    np.testing.assert_array_equal(images.grid(pictures, columns=2, gap=0)[..., 0], expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_animate(tmp_path, channels):
    frames = [np.full((8, 9, channels), level, np.uint8) for level in (0, 100, 255)]
    images.animate(tmp_path / "a.gif", frames, seconds_per_frame=0.1)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        for index, (level, milliseconds) in enumerate([(0, 100), (100, 100), (255, 2000)]):
            film.seek(index)
            assert film.info["duration"] == milliseconds
            np.testing.assert_array_equal(np.asarray(film.convert("L")), np.full((8, 9), level))
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize("channels", [1, 3])
def test_animate_webp_is_lossless(tmp_path, channels):
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 9, channels), dtype=np.uint8)
    images.animate(tmp_path / "a.webp", frames, seconds_per_frame=0.125, last_frame_seconds=0)
    with Image.open(tmp_path / "a.webp") as film:
        assert film.format == "WEBP" and film.n_frames == 3 and film.info["loop"] == 0
        for index, frame in enumerate(frames):
            film.seek(index)
            film.load()
            assert film.info["duration"] == 125
            np.testing.assert_array_equal(
                np.asarray(film.convert("RGB")), np.broadcast_to(frame, (8, 9, 3))
            )
    assert [path.name for path in tmp_path.iterdir()] == ["a.webp"]


def test_render_text_is_black_on_white_in_the_middle():
    picture = images.render_text("step 3", 24, 90, 3)
    assert picture.shape == (24, 90, 3) and picture.dtype == np.uint8
    rows, columns, _ = np.nonzero(picture < 128)
    assert abs(columns.min() - (89 - columns.max())) <= 3
    assert abs(rows.min() - (23 - rows.max())) <= 5
    assert (images.render_text("step 4", 24, 90, 3) != picture).any()


def test_animate_without_frames(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        images.animate(tmp_path / "a.gif", [], seconds_per_frame=0.1)
    assert not list(tmp_path.iterdir())


def test_grid_draws_captions_above_their_columns():
    pictures = np.zeros((2, 30, 60, 3), np.uint8)
    plain = images.grid(pictures, columns=2)
    sheet = images.grid(pictures, columns=2, captions=["", "known"])
    header = len(sheet) - len(plain)
    np.testing.assert_array_equal(sheet[header:], plain)
    assert (sheet[:header, :62] == 255).all() and (sheet[:header, 62:] < 128).any()


def test_enlarge_repeats_pixels():
    picture = COLORS[None, :4, :4]
    large = images.enlarge(picture, min_height=10)
    assert large.shape == (1, 12, 12, 3)
    np.testing.assert_array_equal(large[:, 1::3, 2::3], picture)
    np.testing.assert_array_equal(large[:, ::3, ::3], picture)
    np.testing.assert_array_equal(images.enlarge(picture, min_height=4), picture)


def test_resize_is_fit_without_rounding():
    levels = np.random.default_rng(0).integers(64, 192, (20, 20, 1), dtype=np.uint8)
    field = images.resize(levels.astype(np.float32), 7)
    assert field.shape == (7, 7, 1) and field.dtype == np.float32
    np.testing.assert_allclose(field, images.fit(levels, 7, 1), atol=1.01)
