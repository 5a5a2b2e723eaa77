"""The HTML, CSS and JavaScript files of the page."""

from pathlib import Path

from tf_inpaint.page import style

PACKAGE = Path(style.__file__).parent
ASSETS = {path.name for pattern in ("*.html", "*.css", "*.js") for path in PACKAGE.glob(pattern)}


def test_every_asset_is_used():
    source = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert ASSETS and {name for name in ASSETS if f'"{name}"' not in source} == set()


def test_values_are_filled_in():
    scale = style.fill_in("scale.html", colors=style.HEAT_COLORS, mean="3%", largest="10%")
    assert "differ by 10%<" in scale and "differ by 3% of" in scale and "$" not in scale
    assert "--colors: rgb(0, 0, 4), rgb(87, 16, 110), " in scale
