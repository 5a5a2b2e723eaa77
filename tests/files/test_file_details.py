"""What a picture file has beside its pixels: format, quality, profile, EXIF and transparency."""

import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from tf_inpaint.files import file_details, images

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def rgba():
    """A picture with random colors and random transparency."""
    return Image.fromarray(LEVELS)


def exif_of(**tags):
    """EXIF data with these tags, a camera and a position."""
    exif = Image.Exif()
    for name, value in tags.items():
        exif[ExifTags.Base[name]] = value
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 9
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "wide"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_profile_and_exif_are_those_of_the_file(tmp_path, form):
    """The orientation and the tags of a TIFF file's storage belong to the old file."""
    path = tmp_path / "a.bin"
    exif = exif_of(Artist="somebody", Orientation=6)
    rgba().convert("RGB").save(path, form, icc_profile=PROFILE, exif=exif.tobytes())
    details = file_details.read(path)
    assert (details.format, details.suffix, details.alpha) == (form, ".bin", None)
    assert details.profile_for(3) == PROFILE and details.profile_for(1) == b""
    written = Image.Exif()
    written.load(details.exif_for(20, 30))
    camera = written.get_ifd(ExifTags.IFD.Exif)
    assert camera == {ExifTags.Base.ExifImageWidth: 20, ExifTags.Base.LensModel: "wide"}
    assert written.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}
    expected = {ExifTags.Base.Artist, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
    assert set(written) == expected and written[ExifTags.Base.Artist] == "somebody"


def test_file_without_anything_has_the_default_details(tmp_path):
    """Opaque pictures have no transparency, whether they have an alpha channel or not."""
    opaque = LEVELS.copy()
    opaque[..., 3] = 255
    for channels in (1, 2, 3, 4):
        picture = Image.fromarray(opaque).convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
        picture.save(tmp_path / "a.png")
        assert file_details.read(tmp_path / "a.png") == file_details.FileDetails()


def test_thumbnail_is_left_out(tmp_path):
    """The thumbnail of a photograph shows what the hole hides."""
    data, thumbnail = exif_of(Artist="somebody").tobytes(), b"\xff\xd8 what is hidden \xff\xd9"
    # After the entries of the first directory follows the place of the second one.
    header = data.removeprefix(b"Exif\0\0")
    after = 10 + 12 * int.from_bytes(header[8:10], "big")
    entries = [(513, 4, 1, len(header) + 30), (514, 4, 1, len(thumbnail))]
    second = struct.pack(">H", 2) + b"".join(struct.pack(">HHII", *entry) for entry in entries)
    place = struct.pack(">I", len(header))
    data = header[:after] + place + header[after + 4 :] + second + bytes(4) + thumbnail
    Image.new("RGB", (9, 6)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + data)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.getexif().get_ifd(ExifTags.IFD.IFD1)[514] == len(thumbnail)
    details = file_details.read(tmp_path / "a.jpg")
    assert b"somebody" in details.exif and b"hidden" not in details.exif


def test_damaged_exif_data_are_left_out(tmp_path, monkeypatch):
    """The picture itself is good."""
    Image.new("L", (9, 6)).save(tmp_path / "a.jpg", exif=exif_of(Artist="somebody").tobytes())
    assert b"somebody" in file_details.read(tmp_path / "a.jpg").exif

    def fail(*_):
        raise struct.error

    warnings: list[tuple] = []
    monkeypatch.setattr(file_details.log, "warning", lambda *values: warnings.append(values))
    monkeypatch.setattr(Image.Exif, "tobytes", fail)
    assert file_details.read(tmp_path / "a.jpg").exif == b"" and len(warnings) == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_and_the_colors_below_it(tmp_path, mode):
    """Turned as the picture is."""
    picture = rgba().convert(mode) if mode != "P" else rgba().convert("RGB").quantize(16)
    more = {"transparency": bytes(range(0, 256, 16))} if mode == "P" else {}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture.save(tmp_path / "a.png", exif=exif.tobytes(), **more)
    with Image.open(tmp_path / "a.png") as file:
        expected = np.asarray(file.convert("RGBA").transpose(Image.Transpose.ROTATE_270))
    details = file_details.read(tmp_path / "a.png")
    np.testing.assert_array_equal(details.alpha, expected[..., 3:])
    np.testing.assert_array_equal(details.colors, expected[..., : details.colors.shape[2]])
    assert details.colors.shape[2] == (1 if mode == "LA" else 3)


@pytest.mark.parametrize(("quality", "subsampling"), [(35, 2), (90, 1), (97, 0)])
@pytest.mark.parametrize("form", ["JPEG", "MPO"])
def test_quality_of_a_jpeg_file(tmp_path, quality, subsampling, form):
    """The pictures that phones take are MPO files."""
    more = {"save_all": True, "append_images": [rgba().convert("RGB")]} if form == "MPO" else {}
    settings = {"quality": quality, "subsampling": subsampling}
    rgba().convert("RGB").save(tmp_path / "a.jpg", form, **settings, **more)
    details = file_details.read(tmp_path / "a.jpg")
    assert details.format == "JPEG" and details.is_lossy
    rgba().convert("RGB").save(tmp_path / "b.jpg", "JPEG", **details.jpeg_quality)
    assert file_details.read(tmp_path / "b.jpg").jpeg_quality == details.jpeg_quality
    if form == "JPEG":
        assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("kind", ["plain", "profile", "animation"])
def test_a_webp_file_is_lossy_or_not(tmp_path, lossless, kind):
    """Its chunks tell, which may lie behind others or inside of a frame."""
    more = {"profile": {"icc_profile": PROFILE}, "animation": {"save_all": True}}.get(kind, {})
    if kind == "animation":
        more["append_images"] = [Image.new("RGB", (9, 6))]
    rgba().convert("RGB").save(tmp_path / "a.webp", lossless=lossless, **more)
    assert file_details.read(tmp_path / "a.webp").is_lossy != lossless


def test_details_fit_the_network(tmp_path):
    """An alpha of another size has no exact colors anymore."""
    rgba().save(tmp_path / "a.png")
    details = file_details.read(tmp_path / "a.png")
    fitted = details.fit(6, 0)
    np.testing.assert_array_equal(fitted.alpha, images.fit(details.alpha, 6, 1, 0))
    assert fitted.colors is None
    square = details._replace(alpha=details.alpha[:, :6], colors=details.colors[:, :6])
    assert square.fit(6, 0) is square
    # A smaller crop that is enlarged again is another picture of the same size.
    assert square.fit(6, 4).colors is None
    assert file_details.FileDetails().fit(6, 4) == file_details.FileDetails()
