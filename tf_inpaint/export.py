"""Exports a run as a SavedModel that completes images inside TensorFlow Serving.

    python -m tf_inpaint.export --run_dir=runs/digits
    python -m tf_inpaint.export --run_dir=runs/faces --export_dir=export/faces --steps=50

Writes the next version under `export/NAME/`; nothing there is overwritten. The whole search runs in the graph, with
the settings given here. What was written is loaded, run and compared with the library before it gets its name.
"""

import dataclasses
import importlib.metadata
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tf_inpaint import __version__
from tf_inpaint.config import ExportConfig

WARM_UP_ROWS = 1
CHECKED_ROWS = 3
TOLERANCE = 0.01
"""Mean difference of the export from the library, on [-1, 1]: chains, of which a last bit makes others, stay in it."""


def run(config: ExportConfig) -> int:
    """Writes a version and returns 0."""
    from tf_inpaint.exporting import signatures, warm_up
    from tf_inpaint.runs import run_directory

    warm_up.require()
    config = dataclasses.replace(config, run_dir=config.run_dir or str(run_directory.newest()))
    trained = run_directory.load(config.run_dir)
    folder = Path(config.export_dir or Path("export") / Path(config.run_dir).absolute().name)
    target = folder / str(version(folder, config.version))
    folder.mkdir(parents=True, exist_ok=True)
    # The server takes only whole numbers for versions.
    hidden = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        started = time.perf_counter()
        model = signatures.Model(trained, config)
        signatures.save(model, hidden)
        about = {
            "export": dataclasses.asdict(config),
            "presets": model.settings(),
            "run": dataclasses.asdict(trained.config) | {"step": trained.step},
            "versions": versions(),
            "git_revision": revision(),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        extra = hidden / "assets.extra"
        extra.mkdir()
        (extra / "export.json").write_text(json.dumps(about, indent=2) + "\n")
        requests = model.examples(WARM_UP_ROWS)
        # The default's own inputs and outputs: the server makes another part of the graph ready for them.
        requests = {"serving_default": requests["complete"]} | requests
        warm_up.write(extra / "tf_serving_warmup_requests", folder.name, requests)
        model.check(hidden, CHECKED_ROWS, TOLERANCE)
        os.chmod(hidden, 0o755)  # mkdtemp's folder is its owner's alone
        try:
            hidden.rename(target)
        except OSError:
            raise ValueError(
                f"--version must be new; {target} was written by another export meanwhile; export again."
            ) from None
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    megabytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print(
        f"{target}: {', '.join(model.functions)}; {megabytes:.0f} MB, checked, in {time.perf_counter() - started:.0f} s"
    )
    return 0


def version(folder: Path, wanted: int | None) -> int:
    """The version to write: the one that is wanted, or the next.

    Raises:
        ValueError: it is there, or the folder is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"--export_dir must be a folder; received {folder}, a file; choose another."
        )
    there = (
        [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
        if folder.exists()
        else []
    )
    if wanted in there:
        raise ValueError(
            f"--version must be new, for nothing is overwritten; {folder} has {wanted}; "
            f"leave it out for {max(there) + 1}."
        )
    return wanted or max(there, default=0) + 1


def versions() -> dict[str, str]:
    names = ("tensorflow", "keras", "numpy")
    return {"tf_inpaint": __version__} | {name: importlib.metadata.version(name) for name in names}


def revision() -> str | None:
    """The git revision of this package's source, where it is a checkout."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        tracked = subprocess.run(
            [*command[:3], "ls-files", "--error-unmatch", "__init__.py"], capture_output=True
        )
        found = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # no git
        return None
    # An installed package may lie inside somebody else's checkout.
    return found.stdout.strip() if tracked.returncode == 0 and found.returncode == 0 else None


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ExportConfig, run, __doc__)
