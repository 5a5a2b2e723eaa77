"""client: grown holes, transparency as a mask, and other formats than PNG."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tf_inpaint import client
from tf_inpaint.config import ClientConfig
from tf_inpaint.files import images

ERASED = np.random.default_rng(1).integers(0, 256, (9, 12, 4), dtype=np.uint8)
"""A picture with a transparent hole."""
ERASED[..., 3] = 255
ERASED[3:6, 2:9, 3] = 90


@pytest.fixture
def job_of(double, tmp_path):
    """Function that completes a turned JPEG file and a PNG file with a transparent hole.

    It returns the exit code, the output folder and the names of the completions.
    """
    Image.fromarray(ERASED).save(tmp_path / "erased.png")
    turned = Image.Exif()
    turned[274], turned[315] = 6, "somebody"  # A quarter turn.
    smooth = Image.fromarray(ERASED[:4, :5, :3]).resize((20, 12))
    smooth.save(tmp_path / "photo.jpg", exif=turned, quality=83)
    paths = tuple(str(tmp_path / name) for name in ("photo.jpg", "erased.png"))

    def run(mask, **settings):
        out = tmp_path / mask
        config = ClientConfig(
            images=paths, url=double.url, model="faces", out_dir=str(out), mask=mask, **settings
        )
        code = client.run(config)
        lines = (out / "completions.jsonl").read_text().splitlines()
        return code, out, {json.loads(line)["completion"] for line in lines}

    return run


def test_a_grown_hole_is_sent(double, job_of, tmp_path):
    """The hole grows at the size of the image, on the side of the known pixels."""
    job_of("left", grow_mask=2)
    text = double.requests[0]["inputs"]["image_bytes"][1]
    picture = images.read(io.BytesIO(base64.b64decode(text["b64"])))
    original = images.read(tmp_path / "erased.png")
    np.testing.assert_array_equal((picture == original).all(axis=2)[0], np.arange(12) >= 6 + 2)


def test_completions_have_the_format_and_transparency_of_their_inputs(double, job_of, tmp_path):
    """A job with other formats goes on too."""
    for _ in range(2):
        code, out, names = job_of("left", format="same")
        assert (code, names) == (0, {"photo.jpg", "erased.png"})
    assert len(double.requests) == 1
    with Image.open(tmp_path / "photo.jpg") as first, Image.open(out / "photo.jpg") as second:
        assert first.quantization == second.quantization
        assert second.size == (12, 20) and dict(second.getexif()) == {315: "somebody"}
    with Image.open(out / "erased.png") as file:
        written = np.asarray(file)
    np.testing.assert_array_equal(written[:, 6:], ERASED[:, 6:])
    np.testing.assert_array_equal(written[..., 3], ERASED[..., 3])


def test_transparency_is_the_mask(job_of):
    """The filled picture is opaque. A picture without transparency is one bad file."""
    code, out, names = job_of("alpha")
    assert (code, names) == (1, {"erased.png"})
    with Image.open(out / "erased.png") as file:
        assert file.mode == "RGB"
        written = np.asarray(file)
    known = ERASED[..., 3] > 127
    np.testing.assert_array_equal(written[known], ERASED[known][:, :3])
    (level,) = np.unique(written[~known])  # The double fills holes with one level.
    assert level == json.loads((out / "completions.jsonl").read_text())["seed"] % 251
