"""`export.json` of an exported model: its settings, its run, and the versions that made it."""

import dataclasses
import importlib.metadata
import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tf_inpaint import __version__
from tf_inpaint.config import ExportConfig
from tf_inpaint.exporting.signatures import ServedModel
from tf_inpaint.runs.run_directory import Run


def write(
    path: Path, config: ExportConfig, model: ServedModel, run: Run, sizes: Mapping[str, int]
) -> None:
    """Writes the record and the folder that holds it.

    Args:
        path: `assets.extra/export.json` of the version.
        config: the settings of the command.
        model: the signatures, with the settings that every preset uses.
        run: the trained run.
        sizes: number of bytes of each signature, by name.
    """
    record = {
        "export": dataclasses.asdict(config),
        "presets": model.settings(),
        "signature_bytes": {name: sizes[name] for name in model.functions},
        "run": dataclasses.asdict(run.config) | {"step": run.step},
        "versions": versions(),
        "git_revision": git_revision(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    path.parent.mkdir()
    path.write_text(json.dumps(record, indent=2) + "\n")


def versions() -> dict[str, str]:
    """The versions of this package and of the packages that make the graph."""
    names = ("tensorflow", "keras", "numpy")
    return {"tf_inpaint": __version__} | {name: importlib.metadata.version(name) for name in names}


def git_revision() -> str | None:
    """The git revision of the source of this package. None: the source is no git checkout."""
    module = Path(__file__)
    command = ["git", "-C", str(module.parent)]
    try:
        tracked = subprocess.run(
            [*command, "ls-files", "--error-unmatch", module.name], capture_output=True
        )
        head = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True)
    except OSError:  # there is no git
        return None
    # An installed package may lie inside the checkout of another project.
    return head.stdout.strip() if tracked.returncode == 0 and head.returncode == 0 else None
