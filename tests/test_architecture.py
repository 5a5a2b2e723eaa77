"""Who imports whom, how files are named, and how long they are."""

import ast
import re
from pathlib import Path

import pytest

import tf_inpaint

PACKAGE = Path(tf_inpaint.__file__).parent

LIBRARIES = {
    "flags": set(),
    "config": {"flags"},
    "launch": {"flags"},
    "images": set(),
    "data": {"images"},
    "gan": {"images"},
    "inpainting": set(),
    "metrics": set(),
    "runs": {"config", "flags", "gan", "images"},
    "search": {"config", "gan", "inpainting", "runs"},
    "inputs": {"config", "data", "images"},
    "examples": {"images", "inpainting", "inputs"},
    "outputs": {"images"},
    "memory": set(),
    "summary": set(),
    "signatures": {"config", "inpainting", "runs", "search"},
    "warm_up": set(),
    "methods": {"config", "inpainting", "search"},
    "results": {"examples", "images", "metrics", "outputs"},
    "judges": {"config", "images", "inputs", "metrics", "results", "summary"},
    "jobs": {"config", "examples", "images", "inpainting", "inputs", "metrics", "outputs", "report"},
    "explorations": {"config", "data", "images", "inputs", "lessons", "runs", "search"},
    "plots": {"images"},
    "report": {"flags", "images"},
    "page": {"config", "examples", "images", "inpainting", "inputs", "runs", "search"},
    "serving": set(),
    "lessons": {"config", "gan", "images", "launch", "outputs"},
}
COMMANDS = {"train", "complete", "evaluate", "export", "explore"}
ALLOWED = {
    **LIBRARIES,
    **dict.fromkeys(COMMANDS, {*LIBRARIES, "client"}),
    "client": {"config", "images", "inpainting.masks", "inputs", "launch", "outputs", "serving"},
    "paint": {*LIBRARIES, *COMMANDS, "client"},
    "__main__": {*LIBRARIES, *COMMANDS, "client", "paint"},
    "__init__": set(),
}
LONGEST = 300


def unit(module):
    """`gan` of `tf_inpaint.gan.model`: a folder, or a file of the root."""
    return module.removeprefix("tf_inpaint").strip(".").split(".")[0]


def imported(source, package):
    """The modules of ours that a source text imports, inside functions too: `tf_inpaint.gan.model`.

    Args:
      source: the text of a module.
      package: the package that it is in, for relative imports.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            # `from tf_inpaint import gan` names a module, `from tf_inpaint import GAN` something out of one.
            lazy = tf_inpaint._EXPORTS if base == "tf_inpaint" else {}
            found |= {lazy.get(alias.name, f"{base}.{alias.name}") for alias in node.names}
    return {name for name in found if name.split(".")[0] == "tf_inpaint"}


def arrows(path):
    """The imports of one file that the table does not allow."""
    relative = path.relative_to(PACKAGE)
    package = ".".join(["tf_inpaint", *relative.parts[:-1]])
    own = relative.parts[0].removesuffix(".py")
    forbidden = set()
    for module in imported(path.read_text(), package):
        if unit(module) == own or module == "tf_inpaint.__version__":
            continue
        within = module.removeprefix("tf_inpaint.") + "."
        if not any(within.startswith(f"{allowed}.") for allowed in ALLOWED.get(own, ())):
            forbidden.add(f"{own} -> {module}")
    return forbidden


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_file_keeps_to_the_design(path):
    relative = path.relative_to(PACKAGE)
    assert relative.parts[0].removesuffix(".py") in ALLOWED, "a new file or folder needs a row in the table"
    assert arrows(path) == set()
    assert not re.fullmatch(r"(util|helper|common|base)s?", path.stem), "name it after what it is"
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("name", "source", "forbidden"),
    [
        ("gan/model.py", "from tf_inpaint import images", set()),
        ("gan/model.py", "from tf_inpaint.gan import losses", set()),
        ("gan/model.py", "from . import losses", set()),
        ("gan/model.py", "from .. import data", {"gan -> tf_inpaint.data"}),
        ("gan/model.py", "from ..data.sources import x", {"gan -> tf_inpaint.data.sources.x"}),
        ("gan/model.py", "def f():\n    import tf_inpaint.metrics", {"gan -> tf_inpaint.metrics"}),
        ("data/pipeline.py", "from tf_inpaint import GAN", {"data -> tf_inpaint.gan.model"}),
        ("images.py", "from tf_inpaint import __version__", set()),
        ("images.py", "from collections.abc import Generator", set()),
        ("complete.py", "from tf_inpaint.train import run", {"complete -> tf_inpaint.train.run"}),
        ("__main__.py", "from tf_inpaint.train import run", set()),
        ("client.py", "from tf_inpaint.inpainting.masks import make", set()),
        ("client.py", "from tf_inpaint.inpainting import masks", set()),
        ("client.py", "from tf_inpaint.inpainting import solve", {"client -> tf_inpaint.inpainting.solve"}),
    ],
)
def test_an_arrow_is_seen(name, source, forbidden, tmp_path, monkeypatch):
    monkeypatch.setattr("test_architecture.PACKAGE", tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    assert arrows(path) == forbidden
