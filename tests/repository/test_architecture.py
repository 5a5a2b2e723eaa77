"""Which module may import which, how modules are named, and how long they may be."""

import ast
import graphlib
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest

import tf_inpaint

PACKAGE = Path(tf_inpaint.__file__).parent

LIBRARIES = {
    "settings": set(),
    "files": set(),
    "gan": {"files"},
    "latent_search": set(),
    "compositing": set(),
    "mean_estimate": set(),
    "baselines": {"mean_estimate"},
    "data": {"files"},
    "metrics": set(),
}
"""Folders that take plain arguments, and the folders that they may import."""

SHARED = {
    "inpainting": {"compositing", "latent_search", "settings"},
    "config": {"settings"},
    "inputs": {"compositing", "config", "data", "files", "inpainting.completions"},
    "runs": {"compositing", "config", "files", "gan", "inpainting", "mean_estimate", "settings"},
    "cluster": {"config", "settings"},
}
"""Folders that several commands share. They introduce the libraries to each other."""

ROOMS = {
    "completion": {
        "compositing",
        "config",
        "files",
        "inpainting",
        "inputs",
        "latent_search",
        "metrics",
        "runs",
        "settings",
    },
    "evaluation": {
        "baselines",
        "compositing",
        "config",
        "files",
        "inpainting",
        "inputs",
        "metrics",
        "runs",
        "settings",
    },
    "exploration": {"config", "data", "files", "inpainting", "inputs", "runs", "settings"},
    "exporting": {"compositing", "config", "files", "inpainting", "latent_search", "runs"},
    "page": {"compositing", "config", "files", "inpainting", "inputs", "runs", "settings"},
    "serving": {"files", "inputs"},
    "story": {"config", "evaluation", "files"},
    "lessons": {"config", "files", "gan"},
}
"""Folders of one command, or of one kind of command."""

COMMANDS = {
    "train": {*LIBRARIES, *SHARED},
    "complete": {*SHARED, "completion", "files", "settings"},
    "evaluate": {*SHARED, "evaluation", "compositing", "files"},
    "export": {*SHARED, "exporting", "files"},
    "explore": {*SHARED, "exploration", "files"},
    "paint": {*SHARED, "page"},
    # A client's machine may lack TensorFlow: no module that imports it.
    "client": {"config", "files", "compositing.masks", "inputs", "serving"},
}
ALLOWED = {
    **LIBRARIES,
    **SHARED,
    **ROOMS,
    **COMMANDS,
    "__main__": {*COMMANDS, "config", "exporting", "story"},
    "__init__": set(),
}
MAX_CODE_LINES = 200
MAX_LIBRARY_IMPORTS = 0.9
"""Imports of this package per module, over all modules of the libraries."""


def unit(module):
    """The folder, or the file at the root, that holds a module:

    `gan` for `tf_inpaint.gan.model`.
    """
    return module.removeprefix("tf_inpaint").strip(".").split(".")[0]


def imported(source, package):
    """The names below `tf_inpaint` that a source text imports, imports inside functions included.

    Args:
        source: the text of a module.
        package: the package of that module, such as `tf_inpaint.gan`. Relative imports start there.

    Returns:
        a set of names, such as `tf_inpaint.gan.model`.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            parents = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            # `from tf_inpaint import gan` imports a module, `from tf_inpaint import GAN` a class.
            lazy = tf_inpaint._EXPORTS if base == "tf_inpaint" else {}
            names |= {lazy.get(alias.name, f"{base}.{alias.name}") for alias in node.names}
    return {name for name in names if name.split(".")[0] == "tf_inpaint"}


def imports_of(path):
    """The names below `tf_inpaint` that one file imports."""
    package = ".".join(["tf_inpaint", *path.relative_to(PACKAGE).parts[:-1]])
    return imported(path.read_text(), package)


def forbidden_imports(path):
    """The imports of one file that the table does not allow, as `importer -> imported`."""
    importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    forbidden = set()
    for name in imports_of(path):
        if unit(name) == importer or name == "tf_inpaint.__version__":
            continue
        inner = name.removeprefix("tf_inpaint.") + "."
        if not any(inner.startswith(f"{allowed}.") for allowed in ALLOWED.get(importer, ())):
            forbidden.add(f"{importer} -> {name}")
    return forbidden


def code_lines(source):
    """The number of lines with code: blank lines, comments and docstrings do not count."""
    lines = set()
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored and token.string:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        # A docstring, or the description below an attribute.
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_file_keeps_to_the_design(path):
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert first in ALLOWED, "a new file or folder needs a row in the table"
    assert forbidden_imports(path) == set()
    assert not re.fullmatch(r"(util|helper|common|base)s?", path.stem), "name it after its content"
    assert code_lines(path.read_text()) <= MAX_CODE_LINES


def test_no_two_modules_have_one_name():
    folders = [path.parent.name for path in FILES if path.name == "__init__.py"]
    names = Counter([path.stem for path in FILES if path.name != "__init__.py"] + folders)
    assert [name for name, count in names.items() if count > 1] == []


def test_no_circle_of_imports():
    table = {
        importer: {allowed.split(".")[0] for allowed in ALLOWED[importer]} - {importer}
        for importer in ALLOWED
    }
    graphlib.TopologicalSorter(table).prepare()


def test_libraries_import_little():
    files = [path for path in FILES if path.relative_to(PACKAGE).parts[0] in LIBRARIES]
    modules = [path for path in files if path.name != "__init__.py"]
    names = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in FILES}

    def module_of(name):
        parts = name.split(".")[1:]
        return "/".join(parts if "/".join(parts) in names else parts[:-1])

    count = sum(len({module_of(name) for name in imports_of(path)}) for path in files)
    assert count / len(modules) <= MAX_LIBRARY_IMPORTS


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Docstring."""\n\nimport os\n', 1),
        ("# comment\nx = [\n    1,\n]\n", 3),
        ('X = 1\n"""The number\none."""\n', 1),
        ('TEXT = """\na\nb\n"""\n', 4),
        ('def f():\n    """Does."""\n    return 1  # reason\n', 2),
    ],
)
def test_lines_with_code_are_counted(source, lines):
    assert code_lines(source) == lines


@pytest.mark.parametrize(
    ("name", "source", "forbidden"),
    [
        ("gan/model.py", "from tf_inpaint.files import images", set()),
        ("gan/model.py", "from tf_inpaint.gan import losses", set()),
        ("gan/model.py", "from . import losses", set()),
        ("gan/model.py", "from .. import data", {"gan -> tf_inpaint.data"}),
        ("gan/model.py", "from ..data.sources import x", {"gan -> tf_inpaint.data.sources.x"}),
        ("gan/model.py", "def f():\n    import tf_inpaint.metrics", {"gan -> tf_inpaint.metrics"}),
        ("data/pipeline.py", "from tf_inpaint import GAN", {"data -> tf_inpaint.gan.model"}),
        ("files/images.py", "from tf_inpaint import __version__", set()),
        ("files/images.py", "from collections.abc import Generator", set()),
        ("complete.py", "from tf_inpaint.train import run", {"complete -> tf_inpaint.train.run"}),
        ("__main__.py", "from tf_inpaint.train import run", set()),
        ("client.py", "from tf_inpaint.compositing.masks import make", set()),
        ("client.py", "from tf_inpaint.compositing import masks", set()),
        (
            "client.py",
            "from tf_inpaint.compositing import blending",
            {"client -> tf_inpaint.compositing.blending"},
        ),
    ],
)
def test_a_forbidden_import_is_seen(name, source, forbidden, tmp_path, monkeypatch):
    monkeypatch.setattr("test_architecture.PACKAGE", tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    assert forbidden_imports(path) == forbidden
