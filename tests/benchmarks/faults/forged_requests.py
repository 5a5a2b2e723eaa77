"""Requests to the page of `paint` that no browser sends: forged events, files and paths."""

import io

import numpy as np
from PIL import Image

MEGABYTE = "x" * 1_000_000
"""A text that must not come into the log."""
VALUES = [
    None, True, -1, 10**6, 2**63, 10**400, 0.5, float("nan"), float("inf"), "", "no number",
    "\n\nforged line\n", MEGABYTE, [], [1], [[[[]]]], {}, {"path": "/etc/passwd"}, {"value": 1},
    {"__type__": "update", "value": 1},
]  # fmt: skip
"""Values that no part of the page sends, or that only another part sends."""
GET_ROUTES = (
    "static",
    "assets",
    "svelte",
    "gradio_api/file=",
    "gradio_api/proxy=",
    "pwa_icon",
    "theme",
    "gradio_api/custom_component/a/client/b",
    "gradio_api/stream",
    "gradio_api/call",
    "gradio_api/queue/data?session_hash=",
    "monitoring",
    "gradio_api/info",
)
POST_ROUTES = (
    "queue/join",
    "run/predict",
    "call/fill",
    "call/v2/fill",
    "cancel",
    "reset",
    "upload",
    "component_server",
    "process_recording",
    "vibe-edit",
    "stream/1",
)
BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"NaN",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"data": NaN}',
    b'{"data": [], "fn_index": NaN, "session_hash": "a"}',
    b'{"data": [], "fn_index": -1, "session_hash": "a"}',
)


def png(size=(40, 40), mode="L", kind="PNG"):
    """The bytes of a picture."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((*size, 3), np.uint8)).convert(mode).save(stream, kind)
    return stream.getvalue()


def forged_events(page):
    """Yields the name of an event, and a function that sends it."""
    for name in ("select", "upload", "input", "click"):
        function, values = page.functions[name]["id"], page.defaults(name)
        # One value at a time is forged.
        for index in range(len(values)):
            for value in VALUES:
                data = [*values[:index], value, *values[index + 1 :]]
                yield (
                    f"{name}: input {index} is {value!r:.40}",
                    lambda f=function, d=data: page.event(f, d, {"index": 0}),
                )
        # The event itself, and the number of its values, are forged.
        for value in VALUES:
            event = {"index": value, "value": value, "selected": value}
            yield (
                f"{name}: index {value!r:.40}",
                lambda f=function, d=values, e=event: page.event(f, d, e),
            )
            yield (
                f"{name}: data {value!r:.40}",
                lambda f=function, v=value: page.event(f, v if isinstance(v, list) else [v] * 9),
            )
            yield (
                f"{name}: trigger {value!r:.40}",
                lambda f=function, d=values, v=value: page.event(f, d, v, trigger_id=v),
            )
    for value in (*VALUES, -2, 10**3):
        yield f"function {value!r:.40}", lambda v=value: page.event(v, [None, "none"])
        yield f"session {value!r:.40}", lambda v=value: page.join(1, [None, "none"], None, v)


def forged_files(page):
    """Yields the name of an upload, and a function that sends it."""
    function = page.functions["upload"]["id"]

    def send(*file):
        return page.event(function, [page.upload(*file), "none"])

    def name(path):
        return page.event(function, [{"path": path, "meta": {"_type": "gradio.FileData"}}, "none"])

    contents = {
        "text.png": b"no picture", "empty.png": b"", "page.svg": b"<svg onload='alert(1)'/>",
        "cut.png": png()[:60], "bitmap.bmp": png(kind="BMP"), "icon.ico": png(kind="ICO"),
        "large.png": png((6000, 6000), "1"), "thin.png": png((1, 40)), "x" * 300 + ".png": png(),
        "no\nname.png": b"no picture", "..": b"no picture", "<script>.png": b"no picture",
    }  # fmt: skip
    for file_name, content in contents.items():
        yield f"file {file_name!r:.40}", lambda n=file_name, c=content: send(n, c)
    paths = (
        "/etc/passwd",
        "",
        ".",
        "/",
        "../../x.png",
        "http://127.0.0.1:1/x.png",
        "x" * 5000,
        "\0",
    )
    for path in (
        *paths,
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        page.gallery()[0][0]["path"],
    ):
        yield f"path {path!r:.40}", lambda p=path: name(p)


def forged_paths(page):
    """Yields the name of a request, and a function that sends it."""
    long = "x" * 5000
    for route in GET_ROUTES:
        for end in (long, "%00", "..%2f..%2fetc%2fpasswd", "a%0Aforged", "%ff%fe", "//x", "1e999"):
            yield f"GET {route}/{end:.30}", lambda r=route, e=end: page.get(f"{r}/{e}")
    for route in POST_ROUTES:
        for body in BODIES:
            name = f"POST {route} {body!r:.30}"
            yield name, lambda r=route, b=body: page.request(f"gradio_api/{r}", b)
