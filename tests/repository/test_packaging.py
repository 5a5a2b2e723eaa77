"""The wheel holds `tf_inpaint` and nothing else, and no module imports TensorFlow too early."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tf_inpaint
from tf_inpaint.runs import packaged_run

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tf_inpaint"
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text()
)


def python(code, *arguments):
    """Runs Python code in another process."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    # Build a copy, because a build writes beside its sources.
    source = tmp_path / "source"
    ignored = {"build", *(path.name for path in ROOT.glob(".*"))}

    def ignored_names(folder, names):
        """The names that are not copied: `runs/` at the top is data, `tf_inpaint/runs/` is code."""
        top = {*ignored, "runs"} if Path(folder) == ROOT else {"__pycache__"}
        return [name for name in names if name in top or name.endswith(".egg-info")]

    shutil.copytree(ROOT, source, ignore=ignored_names)
    for folder in ("export", "tests", "configs"):
        (source / folder).mkdir(exist_ok=True)
        (source / folder / "__init__.py").touch()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    build += ["--outdir", tmp_path, source]
    process = subprocess.run(build, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = f"tf_inpaint-{tf_inpaint.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"tf_inpaint", metadata}
    # Every module of the package, and every file that a web page of the package is made of.
    for suffix in (".py", ".css", ".html", ".js"):
        expected = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob(f"*{suffix}")}
        assert expected
        assert {name for name in names if name.endswith(suffix)} == expected
    # The weights of the run that comes with the package.
    weights = {
        path.relative_to(ROOT).as_posix()
        for path in packaged_run.FOLDER.rglob("*")
        if path.is_file()
    }
    assert weights and weights <= names
    assert any(name.startswith(metadata) and name.endswith("LICENSE") for name in names)


def test_import_does_not_import_tensorflow():
    process = python(
        "import sys, tf_inpaint, tf_inpaint.config; assert tf_inpaint.TrainConfig().width == 32; "
        "heavy = {'tensorflow', 'keras', 'numpy', 'PIL', 'absl'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    assert process.returncode == 0, process.stderr


def test_public_names_are_listed_and_exist():
    for name, module in tf_inpaint._EXPORTS.items():
        assert name in dir(tf_inpaint)
        assert re.search(rf"^(class|def) {name}[(:]", source_of(module), re.MULTILINE)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tf_inpaint.nonsense


def source_of(module):
    """The text of a module, which is not imported."""
    return Path(importlib.util.find_spec(module).origin).read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_import_tensorflow(command):
    process = python(
        "import runpy, sys\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n"
        f"    runpy.run_module('{command}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as exit_:\n"
        "    assert not exit_.code, exit_.code\n"
        "else:\n"
        "    sys.exit('no exit')\n"
        "sys.exit('TensorFlow was imported' if 'tensorflow' in sys.modules else 0)\n"
    )
    assert process.returncode == 0, process.stderr
    assert "--flagfile=FILE" in process.stdout


def test_continuous_integration_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
