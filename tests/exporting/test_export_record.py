"""What `export.json` says of the source that made an export."""

import shutil
import subprocess
from pathlib import Path

from tf_inpaint import __version__
from tf_inpaint.exporting import export_record


def test_versions_name_this_package_and_its_frameworks():
    versions = export_record.versions()
    assert versions["tf_inpaint"] == __version__
    assert set(versions) == {"tf_inpaint", "tensorflow", "keras", "numpy"}


def test_revision_is_that_of_a_checkout_which_holds_the_module(tmp_path, monkeypatch):
    module = tmp_path / "export_record.py"
    shutil.copy(Path(export_record.__file__), module)
    monkeypatch.setattr(export_record, "__file__", str(module))
    assert export_record.git_revision() is None

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (tmp_path / "other.txt").write_text("somebody else's checkout")
    git("add", "other.txt")
    git("commit", "-m", "first")
    assert export_record.git_revision() is None
    git("add", "export_record.py")
    git("commit", "-m", "second")
    assert export_record.git_revision() == git("rev-parse", "HEAD")
