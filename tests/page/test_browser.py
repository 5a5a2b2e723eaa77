"""The page of `paint` in a browser: headless Chromium, controlled by Playwright."""

import base64
import io
import shutil

import numpy as np
import pytest
from page_inputs import free_port
from PIL import Image
from tiny import SIZE

from tf_inpaint import paint
from tf_inpaint.config import PaintConfig
from tf_inpaint.files import images

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"
    ),
]
MESSAGE = ".toast-body"
"""Selector of an error message."""
CANVAS = "[...document.querySelectorAll('#canvas canvas')].map((layer) => layer.toDataURL()).join()"
"""Expression for the content of the canvas."""
FIGURES = ("film", "known", "filled", "original", "heat")
"""Ids of the figures."""


@pytest.fixture(scope="module")
def address(run_dir):
    """The address of a page, which is being served."""
    config = PaintConfig(
        run_dir=run_dir, port=free_port(), steps=40, samples=3, start_draws=8, patience=1.0
    )
    server = paint.serve(config)
    yield server.local_url
    server.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    """A headless browser."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Opens the page at a width. At the end, checks its requests and its JavaScript errors."""
    requests, errors, pages = set(), [], []

    def open_page(width, theme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: requests.add(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}?__theme={theme}")
        page.locator("#canvas .paint").wait_for()
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []
    assert requests and errors == []


def draw(page, *points):
    """Draws a stroke through points, given as shares of the width and height of the canvas."""
    page.locator("#canvas .paint").scroll_into_view_if_needed()
    frame = page.locator("#canvas .paint").bounding_box()
    positions = [
        (frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in points
    ]
    page.mouse.move(*positions[0])
    page.mouse.down()
    for position in positions[1:]:
        page.mouse.move(*position)  # in one step, as a fast hand does
    page.mouse.up()
    page.wait_for_timeout(300)


def change_canvas(page, action):
    """Performs an action, and waits until the canvas has changed."""
    before = page.evaluate(CANVAS)
    action()
    page.wait_for_function(f"(before) => {CANVAS} != before", arg=before)


def wait_for_results(page):
    """Waits until the last result of a search is on the page."""
    page.locator("#scale .bar").wait_for()


def decode(data_url):
    """The picture in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2])))


def figure(page, name):
    """The picture in a figure, one value per pixel of the original: `[SIZE, SIZE]`."""
    with decode(page.locator(f"#{name} img").get_attribute("src")) as enlarged:
        return np.asarray(enlarged.convert("L"))[9::18, 9::18]


def painted(page):
    """Where the canvas has paint, bool `[512, 512]`."""
    source = page.locator("#canvas .paint").evaluate("layer => layer.toDataURL()")
    with decode(source) as layer:
        return np.asarray(layer)[..., 3] > 0


def save(page, button, path):
    """Presses a button that saves a file. Returns the suggested name of the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return download.value.suggested_filename


def test_paint_fill_and_save(visit, tmp_path):
    page = visit(1440)
    pixels = np.random.default_rng(0).integers(128, 256, (SIZE, SIZE, 1), dtype=np.uint8)
    upload = tmp_path / "mine.png"
    images.write(upload, pixels)
    change_canvas(page, lambda: page.locator("input[type=file]").first.set_input_files(upload))

    # Paint a stroke, and fill it.
    draw(page, (0.3, 0.5), (0.7, 0.5), (0.7, 0.7))
    assert painted(page)[230:282, 160:352].all()  # as wide as the brush everywhere
    page.get_by_role("button", name="Fill the hole").click()
    wait_for_results(page)
    hidden = figure(page, "known") == 127
    assert hidden[14, 9:19].all() and hidden[15:19, 19].all()  # along the stroke
    assert not hidden[:10].any() and not hidden[:, :6].any() and not hidden[22:, :14].any()

    # Save the picture and the film.
    assert save(page, "Save the picture", tmp_path / "filled.png") == "mine_filled.png"
    filled = images.read(tmp_path / "filled.png")
    assert filled.shape == pixels.shape
    assert (filled[~hidden] == pixels[~hidden]).all()
    assert (filled[hidden] != pixels[hidden]).mean() > 0.9
    assert (figure(page, "filled") == filled[..., 0]).all()
    assert (figure(page, "original") == pixels[..., 0]).all()
    assert save(page, "Save the film", tmp_path / "film.gif") == "mine_search.gif"
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1
    assert page.locator("#alternatives img").count() == 3
    assert "of the pixels are unchanged" in page.locator("#status").inner_text()


@pytest.mark.parametrize(
    ("name", "content"), [("bad<i>.png", b"no picture"), ("empty.jpg", b""), ("a.txt", b"words")]
)
def test_invalid_upload_shows_a_message(visit, tmp_path, name, content):
    page = visit(1440)
    (tmp_path / name).write_bytes(content)
    page.locator("input[type=file]").first.set_input_files(tmp_path / name)
    page.locator(MESSAGE).first.wait_for()
    message = page.locator(MESSAGE).first.inner_text()
    assert name.partition("<")[0] in message
    assert "Traceback" not in message and "<" not in message
    # The earlier picture is still there, and can be filled.
    change_canvas(page, page.get_by_role("radio", name="middle").click)
    page.get_by_role("button", name="Fill the hole").click()
    wait_for_results(page)


def test_button_before_the_brush_shows_a_message(visit):
    page = visit(390)
    page.get_by_role("button", name="Fill the hole").click()
    page.get_by_text("nothing is painted that can be filled").wait_for()


def test_keyboard_is_enough(visit):
    page = visit(1440)
    focused = []

    def walk_to(label):
        while label not in "".join(focused[-1:]):
            page.keyboard.press("Tab")
            description = page.evaluate(
                "[document.activeElement.getAttribute('aria-label'),"
                " document.activeElement.innerText, document.activeElement.value,"
                " getComputedStyle(document.activeElement).outlineStyle].join(' ')"
            )
            focused.append(description)
            assert len(focused) < 100, focused

    walk_to("Thumbnail 2")
    change_canvas(page, lambda: page.keyboard.press("Enter"))
    walk_to("lower half")
    change_canvas(page, lambda: page.keyboard.press("Space"))
    walk_to("Fill the hole")
    assert "solid" in focused[-1]  # An outline shows the focus.
    page.keyboard.press("Enter")
    wait_for_results(page)
    hidden = figure(page, "known") == 127
    assert hidden[14:].all() and not hidden[:14].any()


def test_brush_by_keys_eraser_undo_and_clear(visit):
    page = visit(390)
    page.locator("#canvas .paper").focus()
    for key in (" ", "ArrowLeft", "ArrowLeft", "ArrowUp", " ", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    drawn = painted(page)
    # 28 pixels around (256, 256), (224, 256) and (224, 240)
    assert drawn[256, 200:280].all() and drawn[240, 200:250].all()
    assert not drawn[300:].any() and not drawn[:, 290:].any()
    page.get_by_role("button", name="Eraser").click()
    draw(page, (0.44, 0.5), (0.44, 0.47))
    erased = painted(page)
    assert not erased[240:256, 222:228].any() and erased[256, 270] and erased.sum() < drawn.sum()
    page.get_by_role("button", name="Undo").click()
    assert (painted(page) == drawn).all()
    page.get_by_role("button", name="Clear").click()
    assert not painted(page).any()
    page.get_by_role("button", name="Undo").click()
    assert (painted(page) == drawn).all()


def test_mask_is_loaded_saved_and_loaded_again_by_keys(visit, tmp_path):
    page = visit(390)
    hidden = np.random.default_rng(0).random((900, 600)) < 0.01  # finer than the canvas
    hidden[300:400, 200:300] = True
    images.write(tmp_path / "photo.png", np.full((900, 600, 1), 90, np.uint8))
    images.write(tmp_path / "mine.png", np.where(hidden, 0, 255).astype(np.uint8)[..., None])
    hidden[:150] = hidden[750:] = False  # The pale part cannot be hidden.

    def press(name):
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")

    def load(button, file):
        with page.expect_file_chooser() as chooser:
            press(button)
        change_canvas(page, lambda: chooser.value.set_files(tmp_path / file))

    def save_mask():
        with page.expect_download() as download:
            press("Save mask")
        download.value.save_as(tmp_path / download.value.suggested_filename)
        return images.read(tmp_path / "photo_mask.png")[..., 0] == 0

    load("Upload your picture", "photo.png")
    load("Load mask", "mine.png")
    assert (save_mask() == hidden).all()
    for _ in range(2):  # The browser loads the same file again.
        change_canvas(page, lambda: press("Clear"))
        load("Load mask", "photo_mask.png")
    loaded = painted(page)
    assert (save_mask() == hidden).all()
    change_canvas(page, lambda: press("Invert"))
    assert not painted(page)[199, 227] and painted(page)[90:420, 90:420].mean() > 0.5
    change_canvas(page, lambda: press("Undo"))
    assert (painted(page) == loaded).all()


def test_visitors_take_turns_and_keep_their_pictures(visit):
    pages = [visit(1440), visit(390)]
    for page, hole in zip(pages, ("left half", "right half"), strict=True):
        change_canvas(page, page.get_by_role("radio", name=hole).click)
    for page in pages:
        page.get_by_role("button", name="Fill the hole").click()
    for page in pages:
        wait_for_results(page)
    left, right = slice(14), slice(14, 28)
    for page, hole, rest in zip(pages, (left, right), (right, left), strict=True):
        known, original = figure(page, "known"), figure(page, "original")
        assert (known[:, hole] == 127).all() and (known[:, rest] == original[:, rest]).all()


@pytest.mark.parametrize(
    ("width", "theme"), [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]
)
def test_nothing_is_cut_off_in_either_theme(visit, width, theme, tmp_path):
    page = visit(width, theme)
    change_canvas(page, page.get_by_role("radio", name="scribbles").click)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Fill the hole").click()
    wait_for_results(page)
    page.wait_for_timeout(500)

    # Every part lies inside the window.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for part in page.locator(
        "button, label, h1, h2, figure img, figcaption, #scale, #canvas"
    ).all():
        box = part.bounding_box() if part.is_visible() else None
        inside = box is None or (box["x"] >= 0 and box["x"] + box["width"] <= width)
        assert inside, part.inner_text()

    # Every text lies inside its part.
    overflowing = page.evaluate(
        "[...document.querySelectorAll('button, h1, h2, p, figcaption, label span')]"
        ".filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0"
        " && part.innerText && getComputedStyle(part).display != 'inline')"
        ".map(part => part.innerText)"
    )
    assert overflowing == []
    for name in FIGURES:
        image = page.locator(f"#{name} img")
        assert image.get_attribute("alt")
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")

    # The background has the brightness of the theme.
    screenshot = page.screenshot(path=tmp_path / "page.png", full_page=True)
    with Image.open(io.BytesIO(screenshot)) as page_picture:
        corner = np.asarray(page_picture.convert("L"))[-3:, :3].mean()
    assert corner < 60 if theme == "dark" else corner > 200
