"""The check of an export sees every kind of difference."""

import numpy as np
import pytest
import tiny

from tf_inpaint.exporting.export_check import difference
from tf_inpaint.files import images

SIDE = tiny.SIZE


@pytest.mark.parametrize(
    ("output", "change", "words"),
    [
        ("images", 0.05, "gives other images, with a mean difference of 0.05"),
        ("uncertainties", 0.05, "gives other uncertainties"),
        ("energies", 0.5, "gives other energies"),
        ("steps", 1, "gives other steps"),
    ],
)
def test_check_compares_every_output(output, change, words):
    inputs = tiny.rows(3)
    shape = inputs["masks"].shape
    wanted = {
        "images": inputs["images"],
        "uncertainties": np.full(shape, -1.0),
        "energies": np.ones(3),
    }
    wanted["steps"] = np.full(3, 25, np.int32)
    found = wanted | {"errors": np.array([b""] * 3, object)}
    assert difference(inputs, found, wanted, 0.01) == ""
    assert words in difference(inputs, found | {output: found[output] + change}, wanted, 0.01)
    assert "shape [2" in difference(inputs, found | {output: found[output][:2]}, wanted, 0.01)
    refused = difference(
        inputs, found | {"errors": np.array([b"", b"no", b""], object)}, wanted, 0.01
    )
    assert refused == "refuses a good row: no"


@pytest.mark.parametrize("channels", [1, 3])
def test_check_looks_at_known_pixels(channels):
    levels, known = tiny.picture(1, channels=channels), np.full((SIDE, SIDE, 1), 255, np.uint8)
    known[5:9] = 0
    files = {"image_bytes": [tiny.png(levels)], "mask_bytes": [tiny.png(known)]}
    for row, words in ((6, ""), (9, "changes known pixels")):
        changed = levels.copy()
        changed[row, 3] ^= 1
        assert difference(files, {"image_bytes": [tiny.png(changed)]}, {}, 0.01) == words
        pictures = {"images": images.to_float(levels[None]), "masks": np.float32(known[None] > 0)}
        assert difference(pictures, {"images": images.to_float(changed[None])}, {}, 0.01) == words
