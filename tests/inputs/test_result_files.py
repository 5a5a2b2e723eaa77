"""Files of finished pictures: their format, quality and transparency, and their names."""

import io

import numpy as np
import pytest
from photographs import noise
from PIL import Image, ImageCms

from tf_inpaint.files import file_details, images
from tf_inpaint.files.file_details import FileDetails
from tf_inpaint.inputs.result_files import FORMS, ResultWriter, with_alpha

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KNOWN = np.ones((40, 60, 1), np.float32)
KNOWN[10:20, 10:40] = 0


def smooth(channels=3):
    """A smooth picture, which JPEG changes little."""
    ramp = np.add.outer(np.arange(40), np.arange(60))[..., None] + 40 * np.arange(channels)
    return ramp.astype(np.uint8)


def write(folder, details=None, form="png", picture=None, **settings):
    """Writes a picture, and returns its path."""
    picture = smooth() if picture is None else picture
    details = details or FileDetails()
    return folder / ResultWriter(form, **settings).write(folder, "a", picture, KNOWN, details)


def read_as(path, mode):
    """Returns the pixels of a file in a mode of Pillow."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert(mode))


def test_png_of_an_input_without_details_is_as_ever(tmp_path):
    """Byte by byte, and a PNG file that needs no change is written as it is."""
    images.write(tmp_path / "expected.png", smooth())
    path = write(tmp_path, FileDetails("JPEG", ".JPG", True, {"qtables": [[1] * 64]}))
    assert path.name == "a.png"
    assert path.read_bytes() == (tmp_path / "expected.png").read_bytes()
    for details in (FileDetails(), FileDetails(profile=PROFILE)):
        file = io.BytesIO()
        Image.fromarray(smooth()).save(file, "PNG", compress_level=1)
        arguments = (tmp_path, "b", smooth(), KNOWN, details, file.getvalue())
        assert ResultWriter().write(*arguments) == "b.png"
        written = (tmp_path / "b.png").read_bytes()
        assert (written == file.getvalue()) == (details == FileDetails())
        np.testing.assert_array_equal(images.read(tmp_path / "b.png"), smooth())


@pytest.mark.parametrize(
    ("form", "name", "expected", "format_"),
    [
        ("jpeg", "x.png", "a.jpg", "JPEG"),
        ("webp", "x.png", "a.webp", "WEBP"),
        ("png", "x.jpg", "a.png", "PNG"),
        ("same", "x.JPG", "a.JPG", "JPEG"),
        ("same", "x.jpeg", "a.jpeg", "JPEG"),
        ("same", "x.png", "a.png", "PNG"),
        ("same", "x.webp", "a.webp", "WEBP"),
        ("same", "x.TIFF", "a.TIFF", "TIFF"),
        ("same", "x.bmp", "a.bmp", "BMP"),
        ("same", "x.gif", "a.png", "PNG"),
    ],
)
def test_name_and_format(tmp_path, form, name, expected, format_):
    """The suffix stays as it is spelled, if it is one of the format."""
    Image.fromarray(smooth()).save(tmp_path / name)
    path = write(tmp_path, file_details.read(tmp_path / name), form)
    assert path.name == expected
    with Image.open(path) as picture:
        assert picture.format == format_
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, expected])


def test_the_content_of_a_file_sets_the_format(tmp_path):
    """Its name may be wrong."""
    Image.fromarray(smooth()).save(tmp_path / "x.png", "JPEG")
    assert write(tmp_path, file_details.read(tmp_path / "x.png"), "same").name == "a.jpg"


@pytest.mark.parametrize(("quality", "subsampling"), [(40, 2), (95, 0)])
@pytest.mark.parametrize("form", ["jpeg", "same"])
def test_jpeg_has_the_quality_of_its_input(tmp_path, quality, subsampling, form):
    """The file has the input's tables, for pictures of another color too."""
    picture = Image.fromarray(noise(40, 60, 3))
    picture.save(tmp_path / "x.jpg", quality=quality, subsampling=subsampling)
    details = file_details.read(tmp_path / "x.jpg")
    path = write(tmp_path, details, form)
    assert file_details.read(path).jpeg_quality == details.jpeg_quality
    gray = write(tmp_path, details, form, smooth(1))
    with Image.open(gray) as written:
        assert written.mode == "L" and written.quantization[0] == details.jpeg_quality["qtables"][0]


@pytest.mark.parametrize("name", ["x.jpg", "x.webp"])
def test_lossy_files_are_warned_of_once(tmp_path, logged, name):
    """Known pixels change a little; nothing is said of formats that keep them."""
    Image.fromarray(smooth()).save(tmp_path / name)
    details = file_details.read(tmp_path / name)
    for form in ("png", "same"):
        writer = ResultWriter(form)
        for stem in ("first", "second"):
            writer.write(tmp_path, stem, smooth(), KNOWN, details)
    (record,) = logged.records
    assert "changes known pixels a little, such as those of first; --format=png" in record.message
    change = np.abs(images.read(tmp_path / f"first{details.suffix}").astype(int) - smooth())
    assert 0 < change.max() < 25


def test_webp_is_lossless_unless_its_input_was_lossy(tmp_path, logged):
    """The quality is that of the input."""
    for name, is_lossy in (("x.png", False), ("x.jpg", True)):
        Image.fromarray(smooth()).save(tmp_path / name)
        path = write(tmp_path, file_details.read(tmp_path / name), "webp")
        assert file_details.read(path).is_lossy == is_lossy
        assert (images.read(path) == smooth()).all() != is_lossy


def test_picture_above_the_limits_of_a_format_becomes_png(tmp_path, logged):
    """The job goes on."""
    long = np.zeros((1, FORMS["WEBP"].max_side + 1, 1), np.uint8)
    path = write(tmp_path, form="webp", picture=long)
    assert path.name == "a.png" and images.read(path).shape == long.shape
    assert "instead of WEBP files with a side above 16,383 pixels, such as a." in logged.text


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp", "x.tif"])
@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "same"])
def test_profile_and_exif_come_along(tmp_path, name, form):
    """In every format. A gray picture cannot have a profile of colors."""
    exif = Image.Exif()
    exif[274], exif[315] = 6, "somebody"
    picture = Image.fromarray(smooth())
    picture.save(tmp_path / name, icc_profile=PROFILE, exif=exif.tobytes())
    details = file_details.read(tmp_path / name)
    turned = images.read(tmp_path / name)
    assert turned.shape == (60, 40, 3)
    for channels in (3, 1):
        with Image.open(write(tmp_path, details, form, turned[..., :channels])) as written:
            assert written.size == (40, 60)
            written_exif = written.getexif()
            assert written_exif[315] == "somebody" and written_exif.get(274, 1) == 1
            # WebP has no gray, but the pixels are those of the gray picture.
            assert written.info.get("icc_profile") == (PROFILE if channels == 3 else None)


# --- Transparency.


@pytest.fixture
def transparent(tmp_path):
    """Details of a picture with all degrees of transparency, and colors below them."""
    levels = noise(40, 60, 4)
    levels[:5, :, 3], levels[5:15, :, 3] = 0, 255
    Image.fromarray(levels).save(tmp_path / "x.png")
    return file_details.read(tmp_path / "x.png")


@pytest.mark.parametrize("form", ["png", "webp", "same"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_that_of_the_input(tmp_path, transparent, form, channels):
    """Known pixels have the colors of the input, where it is transparent too."""
    seen = images.read(tmp_path / "x.png")[..., :channels]
    completion = np.where(KNOWN > 0, seen, smooth(channels))
    written = read_as(write(tmp_path, transparent, form, completion), "RGBA")
    np.testing.assert_array_equal(written[..., 3:], transparent.alpha)
    colors = transparent.colors
    if channels == 1:
        colors = np.asarray(Image.fromarray(colors).convert("L"))[..., None].repeat(3, axis=2)
    known = KNOWN[..., 0] > 0
    np.testing.assert_array_equal(written[known][:, :3], colors[known])
    # In the hole the file looks as the completion does, if its transparency allows it.
    opaque = ~known & (transparent.alpha[..., 0] == 255)
    assert opaque.any()
    np.testing.assert_array_equal(written[opaque][:, :channels], completion[opaque])


def test_a_half_transparent_hole_looks_as_it_was_filled(transparent):
    """Over white, a pixel shows alpha / 255 of its color and white for the rest."""
    alpha = transparent.alpha.astype(float) / 255
    picture = np.rint(255 * (1 - alpha) + alpha * 90).repeat(3, axis=2).astype(np.uint8)
    result = with_alpha(picture, np.zeros_like(KNOWN), transparent).astype(float)
    shown = result[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(shown - picture).max() <= 1


def test_hidden_colors_reach_no_file(transparent):
    """The colors of the input count where its pixels are known alone."""
    first, second = (
        with_alpha(smooth(), KNOWN, transparent._replace(colors=np.where(KNOWN > 0, 7, level)))
        for level in (np.uint8(0), transparent.colors)
    )
    np.testing.assert_array_equal(first[10:20, 10:40], second[10:20, 10:40])


def test_jpeg_lays_transparent_pixels_over_white(tmp_path, transparent, logged):
    """JPEG has no transparency, and a warning says so once."""
    path = write(tmp_path, transparent, "jpeg")
    np.testing.assert_array_equal(
        read_as(path, "RGB"), read_as(write(tmp_path, form="jpeg"), "RGB")
    )
    assert sum("laid over white" in text for text in logged.messages) == 1


def test_transparency_that_was_the_mask_is_not_written(tmp_path, transparent):
    """The filled hole would not be seen."""
    path = write(tmp_path, transparent, has_alpha=False)
    np.testing.assert_array_equal(read_as(path, "RGBA")[..., :3], smooth())
    assert (read_as(path, "RGBA")[..., 3] == 255).all()


def test_resized_transparency_keeps_its_look(tmp_path, transparent):
    """Without exact colors, every pixel has the color that shows it over white."""
    square = transparent.fit(40, 0)
    details = square._replace(alpha=np.pad(square.alpha, ((0, 0), (0, 20), (0, 0))))
    written = read_as(write(tmp_path, details), "RGBA")
    opaque = details.alpha[..., 0] == 255
    np.testing.assert_array_equal(written[opaque][:, :3], smooth()[opaque])
    np.testing.assert_array_equal(written[..., 3:], details.alpha)
