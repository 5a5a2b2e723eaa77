"""Rules of CONTRIBUTING.md that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "tf_inpaint").rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if "benchmarks" not in path.parts)
MAX_BODY_LINES = 60
MAX_TEST_LINES = 400
BRITISH = re.compile(
    r"\b\w*(colour|neighbour(?!s\b|hood\b)|centre|normalis|initialis|behaviour|learnt)\w*", re.I
)
"""British spellings. `--neighbours` and `--kind=neighbourhood` are flags that stay."""


def name(path):
    return path.relative_to(ROOT).as_posix()


def long_functions(tree):
    """Functions whose body, without the docstring, is too long."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and body[-1].end_lineno - body[0].lineno + 1 > MAX_BODY_LINES:
                yield node.name


def messages_without_a_stop(tree):
    """The ends of error messages that do not end as a sentence does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            if getattr(node.exc.func, "id", "") not in ("ValueError", "FileNotFoundError"):
                continue
            message = node.exc.args[0]
            end = message.values[-1] if isinstance(message, ast.JoinedStr) else message
            if isinstance(end, ast.Constant) and isinstance(end.value, str):
                if not end.value.endswith((".", "?")):
                    yield end.value


def undocumented(tree):
    """Public functions, methods and classes at the top of a module or class without a docstring.

    A method that overrides one of a framework is documented there.
    """
    for parent in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        overrides = isinstance(parent, ast.ClassDef) and parent.bases
        for node in parent.body:
            if isinstance(node, ast.ClassDef) or (
                isinstance(node, ast.FunctionDef) and not overrides
            ):
                if not node.name.startswith("_") and not ast.get_docstring(node):
                    yield node.name


def draws_without_algorithm(tree):
    """Random draws of TensorFlow whose numbers may be others under XLA."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr.startswith("stateless_") and node.func.attr != "stateless_call":
                if "alg" not in {keyword.arg for keyword in node.keywords}:
                    yield node.func.attr


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_module_keeps_to_the_rules(path):
    source = path.read_text()
    tree = ast.parse(source)
    assert list(long_functions(tree)) == []
    assert list(messages_without_a_stop(tree)) == []
    assert list(undocumented(tree)) == []
    assert list(draws_without_algorithm(tree)) == []
    assert [match[0] for match in BRITISH.finditer(source)] == []


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_test_file_is_short(path):
    assert len(path.read_text().splitlines()) <= MAX_TEST_LINES


def test_every_module_has_a_test_file():
    """`test_loop.py` or `test_loop_SOMETHING.py`, or a file that names what it shares."""
    tests = {path.stem for path in TESTS if path.stem.startswith("test_")}
    shared = {
        r"config/\w+_config": "test_configs",
        r"story/\w+": "test_story",
        r"__main__": "test_story",
    }
    missing = []
    for path in PACKAGE:
        module = path.relative_to(ROOT / "tf_inpaint").with_suffix("").as_posix()
        names = [test for pattern, test in shared.items() if re.fullmatch(pattern, module)]
        own = [test for test in tests if re.fullmatch(rf"test_{path.stem}(_\w+)?", test)]
        if path.stem != "__init__" and not own and not tests.intersection(names):
            missing.append(module)
    assert missing == []


@pytest.mark.parametrize(
    ("check", "source", "expected"),
    [
        (long_functions, "def f():\n" + "    x = 1\n" * 61, ["f"]),
        (long_functions, 'def f():\n    """Does.\n' + "\n" * 70 + '    """\n    x = 1\n', []),
        (messages_without_a_stop, "raise ValueError('must be 1; received 2; pass 1')", None),
        (messages_without_a_stop, "raise ValueError(f'must be {x}; pass 1.')", []),
        (undocumented, "def f(): pass", ["f"]),
        (undocumented, "class A(Layer):\n    'Layer.'\n    def call(self): pass", []),
        (undocumented, "def _f(): pass", []),
    ],
)
def test_a_broken_rule_is_seen(check, source, expected):
    found = list(check(ast.parse(source)))
    assert found == expected if expected is not None else len(found) == 1
