"""The documents: their commands are understood, and their links and paths exist.

The README is short.
"""

import dataclasses
import importlib
import re
import shlex
from pathlib import Path

import pytest

import tf_inpaint
from tf_inpaint.config import (
    ClientConfig,
    CompleteConfig,
    EvaluateConfig,
    ExploreConfig,
    ExportConfig,
    GaussianConfig,
    PaintConfig,
    RingConfig,
    StoryConfig,
    TrainConfig,
)
from tf_inpaint.config.flags import parse
from tf_inpaint.files import images
from tf_inpaint.inpainting.completions import Completions

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAX_README_LINES = 220
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        ".github/CONTRIBUTING.md",
        "configs/README.md",
        "export/README.md",
        "export/cluster.md",
        "tests/benchmarks/README.md",
    )
]
FLAGFILES = sorted((ROOT / "configs").glob("*.flags"))
CONFIGS = {
    "tf_inpaint": StoryConfig,
    "tf_inpaint.train": TrainConfig,
    "tf_inpaint.complete": CompleteConfig,
    "tf_inpaint.evaluate": EvaluateConfig,
    "tf_inpaint.explore": ExploreConfig,
    "tf_inpaint.export": ExportConfig,
    "tf_inpaint.paint": PaintConfig,
    "tf_inpaint.client": ClientConfig,
    "tf_inpaint.lessons.gaussian": GaussianConfig,
    "tf_inpaint.lessons.ring": RingConfig,
}


def commands(start, *paths):
    """The commands that begin so, at the start of a line, after `#`, or in backticks."""
    pattern = re.compile(rf"(?:^#? *|`)({re.escape(start)}[^`\n]*)", flags=re.MULTILINE)
    return sorted({command for path in paths for command in pattern.findall(path.read_text())})


COMMANDS = commands("python -m tf_inpaint", *DOCUMENTS, *FLAGFILES)
BENCHMARKS = commands("python tests/benchmarks/", *DOCUMENTS)
LINKS = [
    (path, target)
    for path in DOCUMENTS
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text())
    if not target.startswith("http")
]


def test_readme_shows_every_command():
    shown = {shlex.split(line)[2] for line in commands("python -m tf_inpaint", DOCUMENTS[0])}
    assert shown >= set(CONFIGS) - {"tf_inpaint"}
    assert "&& python -m tf_inpaint\n" in README


def test_readme_is_short():
    assert len(README.splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, _, module, *arguments = shlex.split(command, comments=True)
    importlib.import_module(module)
    assert isinstance(parse(CONFIGS[module], arguments), CONFIGS[module])


@pytest.mark.parametrize("command", BENCHMARKS)
def test_benchmark_has_the_flags(command):
    _, script, *arguments = shlex.split(command)
    flags = {argument.split("=")[0] for argument in arguments if argument.startswith("--")}
    path = ROOT / script
    path = path / "__main__.py" if path.is_dir() else path
    defined = re.findall(r"add_argument\(\s*\"(--\w+)\"", path.read_text())
    assert flags <= set(defined)


def test_every_benchmark_has_its_command():
    scripts = (ROOT / "tests" / "benchmarks").glob("*.py")
    runnable = {path.name for path in scripts if "__main__" in path.read_text()} | {"faults"}
    assert {Path(shlex.split(command)[1]).name for command in BENCHMARKS} == runnable


def test_named_flags_exist():
    fields = {field.name for config in CONFIGS.values() for field in dataclasses.fields(config)}
    for path in (ROOT / "README.md", ROOT / "configs" / "README.md"):
        named = set(re.findall(r"`--(\w+)", path.read_text()))
        assert named and named - fields <= {"help", "flagfile"}, path


@pytest.mark.parametrize(("path", "target"), LINKS)
def test_link_leads_somewhere(path, target):
    """A picture is not blank, and a heading of the same document exists."""
    file, _, heading = target.partition("#")
    if heading:
        headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
        assert not file and heading in anchors
    elif target.endswith(".md"):
        assert (path.parent / file).is_file()
    else:
        assert images.read(path.parent / file).std() > 0


def test_contributing_names_every_folder():
    folders = {path.parent.name for path in (ROOT / "tf_inpaint").glob("*/__init__.py")}
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^\| `tf_inpaint/(\w+)/`", text, flags=re.MULTILINE)) == folders


def test_python_names_exist():
    code = README.split("## In Python")[1].split("\n## ")[0]
    names = set(re.findall(r"tf_inpaint\.(\w+)", code))
    assert {"load", "SearchSettings"} <= names and all(hasattr(tf_inpaint, name) for name in names)
    attributes = set(re.findall(r"completions\.(\w+)", code))
    assert attributes and attributes <= set(Completions._fields)


def test_every_picture_is_shown():
    shown = {(path.parent / target).resolve() for path, target in LINKS}
    assert set((ROOT / ".github" / "pictures").iterdir()) <= shown


def test_flagfiles_and_folders_that_are_named_exist():
    for document in DOCUMENTS:
        pattern = r"(?:configs|tests|tf_inpaint)/[\w/]*(?:\.\w+)?"
        for path in re.findall(pattern, document.read_text()):
            assert (ROOT / path).exists(), path
