"""The page of paint in a browser: headless Chromium, driven by Playwright."""

import base64
import io
import shutil
import socket

import numpy as np
import pytest
from PIL import Image
from tiny import SIZE, new_run, picture

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
SENTENCE = ".toast-body"
CANVAS = "[...document.querySelectorAll('#canvas canvas')].map((layer) => layer.toDataURL()).join()"
FIGURES = ("film", "given", "filled", "original", "heat")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    test = np.stack([picture(seed) for seed in range(3)])
    np.savez(folder / "data.npz", x_train=test, x_test=test)
    run_dir = new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    config = PaintConfig(
        run_dir=run_dir, port=port, steps=40, samples=3, start_draws=8, patience=1.0
    )
    server = paint.serve(config)
    yield server.local_url
    server.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Opens the page at a width; what it asks the network for, and what it complains of, is checked at the end."""
    asked, complaints, pages = set(), [], []

    def open_page(width, theme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.add(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}?__theme={theme}")
        page.locator("#canvas .paint").wait_for()
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert asked and complaints == []


def draw(page, *points):
    """A stroke through points of the picture, in shares of the canvas."""
    page.locator("#canvas .paint").scroll_into_view_if_needed()
    frame = page.locator("#canvas .paint").bounding_box()
    places = [
        (frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in points
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)  # in one leap, as a quick hand does
    page.mouse.up()
    page.wait_for_timeout(300)


def changed(page, act):
    """Does what changes the canvas, and waits until it has."""
    before = page.evaluate(CANVAS)
    act()
    page.wait_for_function(f"(before) => {CANVAS} != before", arg=before)


def finished(page):
    page.locator("#scale .bar").wait_for()


def shown(page, name):
    """The picture that the page shows in a figure, `[SIZE, SIZE]`, and as it is."""
    source = page.locator(f"#{name} img").get_attribute("src")
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as whole:
        pixels = np.asarray(whole.convert("L"))
    return pixels[9::18, 9::18]


def saved(page, name, path):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    download.value.save_as(path)
    return download.value.suggested_filename


def test_paint_fill_and_save(visit, tmp_path):
    page = visit(1440)
    pixels = np.random.default_rng(0).integers(128, 256, (SIZE, SIZE, 1), dtype=np.uint8)
    images.write(tmp_path / "mine.png", pixels)
    changed(
        page, lambda: page.locator("input[type=file]").first.set_input_files(tmp_path / "mine.png")
    )
    draw(page, (0.3, 0.5), (0.7, 0.5), (0.7, 0.7))
    assert painted(page)[230:282, 160:352].all()  # as wide as the brush all along
    page.get_by_role("button", name="Fill the hole").click()
    finished(page)
    hidden = shown(page, "given") == 127
    assert hidden[14, 9:19].all() and hidden[15:19, 19].all()  # where the mouse went
    assert not hidden[:10].any() and not hidden[:, :6].any() and not hidden[22:, :14].any()
    assert saved(page, "Save the picture", tmp_path / "filled.png") == "mine_filled.png"
    filled = images.read(tmp_path / "filled.png")
    assert filled.shape == pixels.shape
    assert (filled[~hidden] == pixels[~hidden]).all()
    assert (filled[hidden] != pixels[hidden]).mean() > 0.9
    assert (shown(page, "filled") == filled[..., 0]).all() and (
        shown(page, "original") == pixels[..., 0]
    ).all()
    assert saved(page, "Save the film", tmp_path / "film.gif") == "mine_search.gif"
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1
    assert page.locator("#answers img").count() == 3
    assert "exactly as they were" in page.locator("#status").inner_text()


@pytest.mark.parametrize(
    ("name", "content"), [("bad<i>.png", b"no picture"), ("empty.jpg", b""), ("a.txt", b"words")]
)
def test_bad_upload_shows_a_sentence(visit, tmp_path, name, content):
    page = visit(1440)
    (tmp_path / name).write_bytes(content)
    page.locator("input[type=file]").first.set_input_files(tmp_path / name)
    page.locator(SENTENCE).first.wait_for()
    sentence = page.locator(SENTENCE).first.inner_text()
    assert (
        name.partition("<")[0] in sentence and "Traceback" not in sentence and "<" not in sentence
    )
    # What was there is still there, and can be filled.
    changed(page, page.get_by_role("radio", name="middle").click)
    page.get_by_role("button", name="Fill the hole").click()
    finished(page)


def test_button_before_the_brush_shows_a_sentence(visit):
    page = visit(390)
    page.get_by_role("button", name="Fill the hole").click()
    page.get_by_text("Nothing is painted yet").wait_for()


def test_keyboard_is_enough(visit):
    page = visit(1440)
    reached = []

    def walk_to(label):
        while label not in "".join(reached[-1:]):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "[document.activeElement.getAttribute('aria-label'), document.activeElement.innerText,"
                " document.activeElement.value, getComputedStyle(document.activeElement).outlineStyle].join(' ')"
            )
            reached.append(focused)
            assert len(reached) < 100, reached

    walk_to("Thumbnail 2")
    changed(page, lambda: page.keyboard.press("Enter"))
    walk_to("lower half")
    changed(page, lambda: page.keyboard.press("Space"))
    walk_to("Fill the hole")
    assert "solid" in reached[-1]  # one sees where one is
    page.keyboard.press("Enter")
    finished(page)
    hidden = shown(page, "given") == 127
    assert hidden[14:].all() and not hidden[:14].any()


def painted(page):
    """Where paint is on the canvas, bool `[512, 512]`."""
    source = page.locator("#canvas .paint").evaluate("one => one.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as layer:
        return np.asarray(layer)[..., 3] > 0


def test_brush_by_keys_eraser_undo_and_clear(visit):
    page = visit(390)
    paper = page.locator("#canvas .paper")
    paper.focus()
    for key in (" ", "ArrowLeft", "ArrowLeft", "ArrowUp", " ", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    drawn = painted(page)
    assert (
        drawn[256, 200:280].all() and drawn[240, 200:250].all()
    )  # 28 around (256, 256), (224, 256), (224, 240)
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


def test_visitors_take_turns_and_have_their_own_pictures(visit):
    pages = [visit(1440), visit(390)]
    for page, mask in zip(pages, ("left half", "right half"), strict=True):
        changed(page, page.get_by_role("radio", name=mask).click)
    for page in pages:
        page.get_by_role("button", name="Fill the hole").click()
    for page in pages:
        finished(page)
    for page, here, there in zip(
        pages, (slice(14), slice(14, 28)), (slice(14, 28), slice(14)), strict=True
    ):
        given, original = shown(page, "given"), shown(page, "original")
        assert (given[:, here] == 127).all() and (given[:, there] == original[:, there]).all()


@pytest.mark.parametrize(
    ("width", "theme"), [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]
)
def test_nothing_is_cut_off_in_the_light_and_in_the_dark(visit, width, theme, tmp_path):
    page = visit(width, theme)
    changed(page, page.get_by_role("radio", name="scribbles").click)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Fill the hole").click()
    finished(page)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for place in page.locator(
        "button, label, h1, h2, figure img, figcaption, #scale, #canvas"
    ).all():
        box = place.bounding_box() if place.is_visible() else None
        assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= width), (
            place.inner_text()
        )
    wide = page.evaluate("[...document.querySelectorAll('button, h1, h2, p, figcaption, label span')]"
                         ".filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && one.innerText"
                         " && getComputedStyle(one).display != 'inline').map(one => one.innerText)")  # fmt: skip
    assert wide == []
    for name in FIGURES:
        assert page.locator(f"#{name} img").get_attribute("alt")
        assert page.locator(f"#{name} img").evaluate("one => one.complete && one.naturalWidth > 0")
    with Image.open(
        io.BytesIO(page.screenshot(path=tmp_path / "page.png", full_page=True))
    ) as picture:
        corner = np.asarray(picture.convert("L"))[-3:, :3].mean()
    assert corner < 60 if theme == "dark" else corner > 200
